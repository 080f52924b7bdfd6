"""The sandbox's clock: what `created`, `Date` and the thirty days of events go by."""

from __future__ import annotations

import time


class Clock:
    """Starts at `now` (unix seconds; None for the present), goes on at the pace of real time, and can be moved on."""

    def __init__(self, now: int | None = None) -> None:
        self.start = int(time.time()) if now is None else now
        self._started = time.monotonic()
        self._moved_seconds = 0

    def now(self) -> int:
        """Return the present of the sandbox in whole unix seconds."""
        return self.start + self._moved_seconds + int(time.monotonic() - self._started)

    def move_to(self, instant: int) -> None:
        """Let it be `instant` at least; a clock never goes back."""
        self._moved_seconds += max(0, instant - self.now())
