"""Turns of threads that share a database: they write one after the other."""

from __future__ import annotations

import threading
from types import TracebackType


class Turns:
    """A lock that knows whether others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    def __enter__(self) -> None:
        self._count(1)
        try:
            self._lock.acquire()
        finally:
            self._count(-1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @property
    def are_awaited(self) -> bool:
        """Whether somebody waits for a turn now."""
        return self._waiting > 0

    def _count(self, change: int) -> None:
        with self._counting:
            self._waiting += change
