"""Trouble on request, by a plan that can be repeated: which request goes wrong, and how.

A plan in words gives each fault a share of all requests: "drop=0.02,429=0.05,500=0.01". Exact faults name the
request: `Planned("500", on="GET /v1/customers", nth=2)`. Both are data; `FAULTS` says what each fault does.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from connector.sandbox.document import api
from connector.sandbox.options import Planned, SandboxError


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    `refuse` answers with that row of `refusals`; `drop` closes the connection without an answer, `drop_after`
    too, but the call has taken effect; `delay_ms` waits first; `trickle_ms` takes that long to send the body;
    `truncate` breaks off in the middle of it; `duplicate` repeats the first object of a page at its end;
    `delete_cursor` deletes the last object of the page just after it was made, so that the next page's cursor
    is gone.
    """

    refuse: str | None = None
    drop: bool = False
    drop_after: bool = False
    delay_ms: float = 0
    trickle_ms: float = 0
    truncate: bool = False
    duplicate: bool = False
    delete_cursor: bool = False

    @property
    def delay_seconds(self) -> float:
        """How long it waits first."""
        return self.delay_ms / 1000


FAULTS: dict[str, Fault] = {
    "drop": Fault(drop=True),
    "drop-after": Fault(drop_after=True),
    "429": Fault(refuse="rate_account"),
    "429-endpoint-rate": Fault(refuse="rate_endpoint"),
    "429-global-concurrency": Fault(refuse="concurrency_account"),
    "429-endpoint-concurrency": Fault(refuse="concurrency_endpoint"),
    "429-resource-specific": Fault(refuse="rate_resource"),
    "429-lock-timeout": Fault(refuse="lock_timeout"),
    "500": Fault(refuse="unknown_error"),
    "503": Fault(refuse="unavailable"),
    "slow": Fault(delay_ms=1000),
    "trickle": Fault(trickle_ms=1000),
    "truncate": Fault(truncate=True),
    "duplicate": Fault(duplicate=True),
    "delete-cursor": Fault(delete_cursor=True),
}

_TIMED = ("slow", "trickle")
"""Faults that take a number of milliseconds."""


def fault(name: str) -> Fault:
    """Return the fault called `name`; "slow:250" waits and "trickle:250" takes that many milliseconds."""
    word, _, amount = name.partition(":")
    found = FAULTS.get(word)
    if found is None or (amount and (word not in _TIMED or not amount.isdecimal())):
        raise SandboxError(f'unknown fault "{name}"; there are {", ".join(FAULTS)} (slow:250 for milliseconds)')
    if not amount:
        return found
    return replace(found, delay_ms=float(amount)) if word == "slow" else replace(found, trickle_ms=float(amount))


@dataclass
class _Waiting:
    planned: Planned
    fault: Fault
    seen: int = 0

    def hits(self, names: tuple[str, ...]) -> bool:
        if self.planned.on not in {None, *names}:
            return False
        self.seen += 1
        return self.planned.nth <= self.seen < self.planned.nth + self.planned.times


@dataclass
class Plan:
    """Decides for each request, by seed, call and how often that call came before."""

    seed: int
    shares: Sequence[tuple[Fault, float]] = ()
    _waiting: list[_Waiting] = field(default_factory=list)
    _calls: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, planned: Planned) -> None:
        """Plan one exact fault, counted from now on; SandboxError for a call that Stripe does not have."""
        if planned.on is not None and not _is_call(planned.on):
            raise SandboxError(f'Stripe has no call "{planned.on}"; write it like "GET /v1/customers"')
        waiting = _Waiting(planned, fault(planned.fault))
        with self._lock:
            self._waiting.append(waiting)

    def next(self, call: str, request: str) -> Fault | None:
        """Return what shall go wrong with this request, or None; `request` has the path as sent."""
        with self._lock:
            self._calls[call] += 1
            exact = [waiting.fault for waiting in self._waiting if waiting.hits((call, request))]
            chance = random.Random(f"{self.seed} {call} {self._calls[call]}").random()  # noqa: S311 - a plan
        if exact:
            return exact[0]
        for each, share in self.shares:
            if chance < share:
                return each
            chance -= share
        return None


def plan(faults: str | Sequence[Planned], seed: int) -> Plan:
    """Return the plan that `faults` describe, in words or exactly."""
    if isinstance(faults, str):
        shares = [_share(word.strip()) for word in faults.split(",") if word.strip()]
        if round(sum(share for _, share in shares), 9) > 1:
            raise SandboxError(f'faults "{faults}": the shares come to more than 1, all requests')
        return Plan(seed, shares)
    made = Plan(seed)
    for planned in faults:
        made.add(planned)
    return made


def _is_call(name: str) -> bool:
    method, _, path = name.partition(" ")
    return api.operation(method, path) is not None


def _share(word: str) -> tuple[Fault, float]:
    name, _, share = word.partition("=")
    try:
        chance = float(share)
    except ValueError:
        chance = -1
    if not 0 <= chance <= 1:
        raise SandboxError(f'fault "{word}": give its share of all requests, such as {name}=0.05')
    return fault(name), chance
