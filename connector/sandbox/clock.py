"""The sandbox's clock: what `created`, `Date` and the thirty days of events go by."""

from __future__ import annotations

import time


class Clock:
    """Starts at `now` (unix seconds; None for the present) and goes on at the pace of real time."""

    def __init__(self, now: int | None = None) -> None:
        self.start = int(time.time()) if now is None else now
        self._started = time.monotonic()

    def now(self) -> int:
        """Return the present of the sandbox in whole unix seconds."""
        return self.start + int(time.monotonic() - self._started)
