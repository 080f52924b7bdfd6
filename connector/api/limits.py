"""How fast requests may go: one limit for the account, one for each endpoint, lowered and raised by what Stripe says.

A limit gives out turns, evenly spaced. It slows down a little at a lone 429, by half at each that follows soon after,
and speeds up by about one request per second with every second of success, up to where it began (AIMD). Requests in
flight are limited in the same way, but by half each time. One `Limits` is shared by all threads of a client.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from connector.api.clock import LocalClock
from connector.api.stopping import NOTICE_SECONDS, can_be_stopped
from connector.config import Connection

LIVE_RPS = 100.0
TEST_RPS = 25.0
ENDPOINT_RPS = 25.0
SEARCH_OR_FILES_RPS = 20.0
MAX_IN_FLIGHT = 100.0
LIVE_SHARE = 0.8  # of a live account's limit: payments take from it too

# Stripe counts the requests that arrive within a second. Sent exactly at the limit, two that the network
# brings closer together are one too many; four per cent below, each may be 40 ms early or late.
PACE = 0.96
SLOWEST_RPS = 1.0
AFTER_LONE = 0.9  # of the rate is left after a 429 that none came shortly before: chance, or a burst of others
AFTER_REPEATED = 0.5
REPEATED_SECONDS = 10.0
_SAME_SECONDS = 1e-6  # apart, two moments are the same but for how they were added up


@dataclass(frozen=True)
class Turn:
    """Leave to send one request now, under the limit of its endpoint and that of the account."""

    endpoint: Limit
    given_at: float
    waited_seconds: float


@dataclass
class Limit:
    """The rate and the number in flight of one account or endpoint; not locked by itself."""

    ceiling_rps: float
    rate_rps: float = field(init=False)
    allowed_in_flight: float = MAX_IN_FLIGHT
    in_flight: int = 0
    lowered_at: float = float("-inf")
    _turns: list[float] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.rate_rps = self.fastest_rps

    @property
    def fastest_rps(self) -> float:
        """The rate at which it begins, and above which it never rises."""
        return self.ceiling_rps * PACE

    @property
    def is_full(self) -> bool:
        """Whether another request has to wait until one in flight is answered."""
        return self.in_flight >= int(self.allowed_in_flight)

    def first_free(self, earliest: float) -> float:
        """Return the first moment from `earliest` on that keeps its distance from all turns given."""
        spacing = 1 / self.rate_rps
        for turn in self._turns:
            if turn - earliest >= spacing - _SAME_SECONDS:
                break
            earliest = max(earliest, turn + spacing)
        return earliest

    def packed(self, earliest: float, own: Limit) -> float:
        """Return the first moment that leaves no gap behind the turn of another that is too short for anybody.

        Turns placed as they come would fill three quarters of the rate.
        """
        moment, spacing = self.first_free(earliest), 1 / self.rate_rps
        before = max((turn for turn in self._turns if turn < moment), default=-math.inf)
        later = before + 2 * spacing
        is_gap = before not in own._turns and before + 1.01 * spacing < moment < later
        return later if is_gap and self.first_free(later) == later else moment

    def take(self, moment: float, now: float) -> None:
        """Give the turn at `moment` away, and forget those that no longer hold anybody back."""
        spacing = 1 / self.rate_rps
        self._turns = sorted([moment, *(turn for turn in self._turns if turn > now - spacing)])

    def give_back(self, moment: float) -> None:
        """Take back the turn at `moment`, which nobody will use."""
        self._turns = [turn for turn in self._turns if turn != moment]

    def lower_rate(self, now: float) -> None:
        """Take a little off the rate; halve it where it was lowered a moment ago."""
        left = AFTER_REPEATED if now - self.lowered_at <= REPEATED_SECONDS else AFTER_LONE
        self.rate_rps = max(min(SLOWEST_RPS, self.fastest_rps), self.rate_rps * left)

    def lower_in_flight(self) -> None:
        """Allow half as many requests in flight as there are."""
        self.allowed_in_flight = max(1.0, min(self.allowed_in_flight, self.in_flight) / 2)

    def raise_both(self) -> None:
        """Add what makes one request per second, and one in flight, after a second's worth of successes."""
        self.rate_rps = min(self.fastest_rps, self.rate_rps + 1 / self.rate_rps)
        self.allowed_in_flight = min(MAX_IN_FLIGHT, self.allowed_in_flight + 1 / self.allowed_in_flight)


class Limits:
    """The limits of one client: that of its account and those of all endpoints it has called."""

    def __init__(self, clock: LocalClock, account_rps: float, endpoint_rps: float | None = None) -> None:
        self.account = Limit(account_rps)
        self._endpoint_rps = endpoint_rps
        self._endpoints: dict[str, Limit] = {}
        self._clock = clock
        self._changed = threading.Condition()

    def endpoint(self, label: str) -> Limit:
        """Return the limit of the endpoint called `label`, as in "GET /v1/customers/{id}"."""
        if label not in self._endpoints:
            self._endpoints[label] = Limit(self._endpoint_rps or published_rps(label))
        return self._endpoints[label]

    @contextmanager
    def turn(self, label: str) -> Iterator[Turn]:
        """Wait for a turn; the request is in flight until the block ends."""
        with self._changed:
            endpoint = self.endpoint(label)
            while self.account.is_full or endpoint.is_full:
                self._changed.wait(NOTICE_SECONDS if can_be_stopped() else None)
            self._count(endpoint, 1)
        try:
            yield self._wait_for_turn(endpoint)
        finally:
            with self._changed:
                self._count(endpoint, -1)
                self._changed.notify_all()

    def throttled(self, turn: Turn, reason: str | None) -> None:
        """Slow down after a 429, by the reason that Stripe gives; without one, account and endpoint both."""
        kind = (reason or "").lower()
        with self._changed:
            if kind in {"resource-specific", "lock_timeout"}:
                return  # one object is busy, not the account
            if not kind.startswith("endpoint-"):
                self._lower(self.account, turn, kind)
            if not kind.startswith("global-"):
                self._lower(turn.endpoint, turn, kind)

    def succeeded(self, turn: Turn) -> None:
        """Speed up a little after a response that is not a 429."""
        with self._changed:
            self.account.raise_both()
            turn.endpoint.raise_both()

    def _wait_for_turn(self, endpoint: Limit) -> Turn:
        with self._changed:
            now = self._clock.monotonic()
            moment = self._first_free_in_both(endpoint, now)
            self.account.take(moment, now)
            endpoint.take(moment, now)
        if moment > now:
            self._sleep_until(moment, endpoint, moment - now)
        return Turn(endpoint, moment, moment - now)

    def _sleep_until(self, moment: float, endpoint: Limit, seconds: float) -> None:
        """Wait for a turn, and give it back where that is interrupted: others need not wait behind it."""
        try:
            self._clock.sleep(seconds)
        except BaseException:
            with self._changed:
                self.account.give_back(moment)
                endpoint.give_back(moment)
            raise

    def _first_free_in_both(self, endpoint: Limit, now: float) -> float:
        moment = endpoint.first_free(now)
        while (later := self._first_free_in_account(moment, endpoint, now)) > moment:
            moment = endpoint.first_free(later)
        return moment

    def _first_free_in_account(self, moment: float, endpoint: Limit, now: float) -> float:
        is_waiting = moment > now
        return self.account.packed(moment, endpoint) if is_waiting else self.account.first_free(moment)

    def _lower(self, limit: Limit, turn: Turn, kind: str) -> None:
        # Requests that were on their way when the limit was lowered tell of the old pace, not of the new one.
        if turn.given_at <= limit.lowered_at:
            return
        now = self._clock.monotonic()
        if kind.endswith("-concurrency"):
            limit.lower_in_flight()
        else:
            limit.lower_rate(now)
        limit.lowered_at = now

    def _count(self, endpoint: Limit, change: int) -> None:
        self.account.in_flight += change
        endpoint.in_flight += change


def account_rps(connection: Connection) -> float:
    """Return the requests per second to send: what the connection says, else by Stripe's limit for its mode."""
    return connection.max_rps or (LIVE_RPS * LIVE_SHARE if connection.livemode else TEST_RPS)


def published_rps(label: str) -> float:
    """Return the requests per second that Stripe allows for one endpoint."""
    is_slower = label.endswith("/search") or "/v1/files" in label
    return SEARCH_OR_FILES_RPS if is_slower else ENDPOINT_RPS


def list_rps(connection: Connection, path: str) -> float:
    """Return the requests per second that one list may get, by its own limit and its account's."""
    return min(account_rps(connection), connection.max_rps_per_endpoint or published_rps(path))
