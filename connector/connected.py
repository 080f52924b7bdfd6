"""What all verbs stand on: a connection by its settings, the definitions within reach, one client that is shared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from connector.config import Connection, Key, connection
from connector.definitions.folders import find_actions, find_endpoints
from connector.words import list_of

if TYPE_CHECKING:
    from connector.api.client import Client


class Connected:
    """A key, what it may be said to be, and the client that uses it, which is opened when it is first needed."""

    def __init__(  # noqa: PLR0913 - what a connection may say, by name
        self,
        name: str | None = None,
        *,
        config: str | Path | None = None,
        definitions: str | Path | Iterable[str | Path] = (),
        week_start: str = "monday",
        key: str | Key | None = None,
        key_file: str | Path | None = None,
        account: str | None = None,
        version: str | None = None,
        api_base: str | None = None,
        max_rps: float | None = None,
        max_rps_per_endpoint: float | None = None,
        time_zone: str | None = None,
        trusted_hosts: str | Sequence[str] | None = None,
        connect_seconds: float | None = None,
        read_seconds: float | None = None,
        total_seconds: float | None = None,
    ) -> None:
        settings: dict[str, Any] = {
            "key": key, "key_file": key_file, "account": account, "version": version, "api_base": api_base,
            "max_rps": max_rps, "max_rps_per_endpoint": max_rps_per_endpoint, "time_zone": time_zone,
            "trusted_hosts": None if trusted_hosts is None else list_of(trusted_hosts),
            "connect_seconds": connect_seconds, "read_seconds": read_seconds, "total_seconds": total_seconds,
        }  # fmt: skip
        self._name = name
        self._config = Path(config) if config else None
        self.connection: Connection = connection(name, config=self._config, overrides=settings)
        self.endpoints = find_endpoints(definitions, config)
        self.actions = find_actions(definitions, config)
        self._settings = settings
        self._definitions = [definitions] if isinstance(definitions, str | Path) else [*definitions]
        self._week_start = week_start
        self._client: Client | None = None

    def __repr__(self) -> str:
        return f"Stripe({self.connection.key}, {self.connection.api_base}, version {self.connection.version})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to Stripe; the next verb opens them again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def requests_and_limit(self) -> tuple[int, float]:
        """Return how many requests were sent so far, and how many a second the account takes."""
        from connector.api.limits import account_rps

        return (self._client.statistics.requests if self._client else 0), account_rps(self.connection)

    def _opened(self) -> Client:
        from connector.api.client import Client

        if self._client is None:
            self._client = Client(self.connection)
        return self._client
