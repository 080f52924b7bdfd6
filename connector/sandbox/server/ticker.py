"""How often a running sandbox looks for what falls due by itself: seldom enough to cost next to nothing."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from connector.sandbox.world.clock import Clock
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.schedule import pass_time

_SHARE = 100
"""A look that took one second is followed by so many seconds without."""

_LONGEST_SECONDS = 60
_LARGE = 50_000
"""With more invoices than this a look takes seconds; then time passes only when the clock is moved by hand."""


class Ticker:
    """Lets time pass in stores, at most a hundredth of the time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: WeakKeyDictionary[Store, int] = WeakKeyDictionary()

    def tick(self, store: Store) -> None:
        """Run what has fallen due in `store` unless that was done a moment ago."""
        now = self._clock.now()
        if now < self._next.setdefault(store, self._clock.start + 1) or store.business.end("invoice") > _LARGE:
            return
        began = time.monotonic()
        pass_time(store, self._clock, now)
        took = time.monotonic() - began
        self._next[store] = now + min(_LONGEST_SECONDS, 1 + int(_SHARE * took))
