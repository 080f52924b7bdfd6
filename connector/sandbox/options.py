"""What may be chosen when a sandbox starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECRET_KEY = "sk_test_sandbox"  # noqa: S105 - known to everybody
LIVE_KEY = "sk_live_sandbox"
_LAST_PORT = 65_535
LOOPBACK = ("127.0.0.1", "localhost")


class SandboxError(ValueError):
    """The sandbox cannot start or do what it was asked; the message says why."""


@dataclass(frozen=True)
class Planned:
    """An exact fault: on the `nth` request from now that fits `on`, and on `times` of them in all.

    `on` is a call, "GET /v1/customers", "GET /v1/invoices/{invoice}/lines" or "GET /v1/customers/cus_1", or
    None for any request.
    """

    fault: str
    on: str | None = None
    nth: int = 1
    times: int = 1


@dataclass(frozen=True)
class Options:
    """How a sandbox is to be.

    `seed`, `size` ("small" or "1m") and `now` (unix seconds, None for the present) make the objects: the same
    three make the same objects. `port` 0 takes a free one. `rps` is the account's limit of requests a second:
    None as Stripe has it, 0 for no limits at all. `faults` is a plan in words ("drop=0.02,429=0.05") or exact
    faults; `keys` names more keys and what they may do, as a mapping or a JSON or TOML file. `busy` changes a
    second are made while it runs. Events are sent to the URL `webhook`, with `webhook_trouble` as far as it says
    so ("late=0.1,duplicate=0.1,disorder=0.2"); `event_trouble` does the same to the list of events. Searches find
    what is older than `search_lag_seconds`. Of the events, the share `older_events` (0 to 1) has the version and the
    shape of an older API.
    """

    seed: int = 1
    size: str = "small"
    port: int = 0
    host: str = "127.0.0.1"
    now: int | None = None
    rps: float | None = None
    latency_ms: float = 0
    faults: str | Sequence[Planned] = ""
    keys: Mapping[str, Sequence[str]] | Path | str | None = None
    busy: float = 0
    webhook: str | None = None
    webhook_trouble: str = ""
    event_trouble: str = ""
    search_lag_seconds: int = 0
    older_events: float = 0

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK:
            raise SandboxError(
                f"the sandbox listens on this machine only (127.0.0.1), not on {self.host}: its keys are public"
            )
        if self.size not in {"small", "1m"}:
            raise SandboxError(f'unknown size "{self.size}": small or 1m')
        if min(self.latency_ms, self.busy, self.rps or 0, self.search_lag_seconds) < 0:
            raise SandboxError("latency_ms, rps, busy and search_lag_seconds cannot be negative")
        if not 0 <= self.port <= _LAST_PORT:
            raise SandboxError(f"port {self.port} cannot be used: ports go from 0 (any free one) to {_LAST_PORT}")
        if not 0 <= self.older_events <= 1:
            raise SandboxError(f"older_events is a share of all events, from 0 to 1, not {self.older_events}")
