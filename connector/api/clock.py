"""Time as the client sees it: this computer's, and Stripe's."""

from __future__ import annotations

import email.utils
import math
import threading
import time

from connector.api import stopping

MOST_SECONDS_APART = 24 * 3600.0


class LocalClock:
    """Time as the client sees it; tests put their own in its place, so that nothing has to wait."""

    def monotonic(self) -> float:
        """Return seconds that only move forward, from an arbitrary start."""
        return time.monotonic()

    def time(self) -> float:
        """Return the seconds since 1970 by this computer's clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait, no longer than until the work is stopped."""
        stopping.sleep(seconds)


class StripeClock:
    """What Stripe's clock showed at a moment of ours, as far as the `Date` headers of its responses tell.

    A `Date` is written before the response arrives and cut to whole seconds, so `Date` less the moment of arrival is
    always too small a distance between the clocks, and the largest one seen is the nearest to the truth. The
    instants are therefore never later than Stripe's own, and one slow response cannot make what is sent after it look
    older than what was sent before. A `Date` that is further than `most_seconds_apart` from this computer's time
    is passed over: nothing that comes after could set the clock back.
    """

    def __init__(self, clock: LocalClock, most_seconds_apart: float = MOST_SECONDS_APART) -> None:
        self._clock = clock
        self._most_seconds_apart = most_seconds_apart
        self._distance: float | None = None
        self._lock = threading.Lock()

    @property
    def is_set(self) -> bool:
        """Whether some answer has told the time."""
        return self._distance is not None

    def observe(self, date: str | None, arrived_at: float) -> None:
        """Learn from the `Date` header of a response that arrived at `arrived_at` of the monotonic clock."""
        stripe_seconds = http_date(date)
        if stripe_seconds is None or abs(stripe_seconds - self._clock.time()) > self._most_seconds_apart:
            return
        with self._lock:
            known = -math.inf if self._distance is None else self._distance
            self._distance = max(known, stripe_seconds - arrived_at)

    def whole_seconds(self, moment: float) -> int:
        """Return Stripe's Unix time at `moment` of the monotonic clock, rounded down."""
        distance = self._distance
        if distance is None:
            distance = self._clock.time() - self._clock.monotonic()
        return math.floor(moment + distance)


def http_date(text: str | None) -> float | None:
    """Return the Unix time of a date as HTTP headers write it, or None when it is none."""
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
