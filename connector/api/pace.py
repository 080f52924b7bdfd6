"""How fast a stretch of work went beside the account's limit, in words."""

from __future__ import annotations

from dataclasses import dataclass

from connector.api.client import Client, Statistics
from connector.api.limits import account_rps

SHORTEST_SECONDS = 1.0  # a limit is so many requests a second: of less than one, no pace can be told


@dataclass(frozen=True)
class Pace:
    """Requests and rows within some seconds; all threads together waited `waited_seconds` for the limit."""

    requests: int
    rows: int
    seconds: float
    limit_rps: float
    waited_seconds: float

    @classmethod
    def since(cls, before: Statistics, client: Client, rows: int, seconds: float) -> Pace:
        """Return the pace of what a client has done since its statistics were taken."""
        now = client.statistics
        waited_seconds = now.limited_seconds - before.limited_seconds
        return cls(now.requests - before.requests, rows, seconds, account_rps(client.connection), waited_seconds)

    @property
    def is_telling(self) -> bool:
        """Whether it took long enough to speak of requests a second."""
        return self.seconds >= SHORTEST_SECONDS

    def __str__(self) -> str:
        """Return the pace as one clause of a report."""
        requests_per_second = self.requests / self.seconds
        return (
            f"{requests_per_second:,.1f} requests and {self.rows / self.seconds:,.0f} rows a second, "
            f"{requests_per_second / self.limit_rps:.0%} of the limit of {self.limit_rps:,.10g}, "
            f"{self.waited_seconds:.1f} s waited for it by all threads"
        )
