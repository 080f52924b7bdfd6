"""The sandbox's clock: what `created`, `Date` and the thirty days of events go by."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Starts at `now` (unix seconds; None for the present), goes on at the pace of real time, and can be moved on."""

    def __init__(self, now: int | None = None) -> None:
        self.start = int(time.time()) if now is None else now
        self._started = time.monotonic()
        self._moved_seconds = 0
        self.listeners: list[Callable[[], None]] = []
        """Called when it was moved on; not to raise, not to wait."""

    def now(self) -> int:
        """Return the present of the sandbox in whole unix seconds."""
        return self.start + int(self.passed_seconds())

    def passed_seconds(self) -> float:
        """Return how much time has passed since the start."""
        return self._moved_seconds + time.monotonic() - self._started

    def move_to(self, instant: int) -> None:
        """Let it be `instant` at least; a clock never goes back."""
        self._moved_seconds += max(0, instant - self.now())
        for listener in self.listeners:
            listener()
