"""Clocks for tests of the client: hours pass in no time."""

from __future__ import annotations

import heapq
import threading

from connector.api.clock import LocalClock


class FakeClock(LocalClock):
    """A clock for one thread: it moves when somebody sleeps, or when a test says so."""

    def __init__(self, unix_seconds: float = 1_700_000_000.0) -> None:
        self.now = 50.0
        self.sleeps: list[float] = []
        self._unix_start = unix_seconds - self.now

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self._unix_start + self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class LockstepClock(LocalClock):
    """A clock for several threads: it stands still until all of them sleep, then moves to the first that wakes."""

    def __init__(self, threads: int) -> None:
        self._now = 0.0
        self._awake = threads
        self._wake_times: list[float] = []
        self._moved = threading.Condition()

    def monotonic(self) -> float:
        with self._moved:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._moved:
            wake_at = self._now + seconds
            heapq.heappush(self._wake_times, wake_at)
            self._fall_asleep()
            while self._now < wake_at:
                self._moved.wait()

    def leave(self) -> None:
        """Say that a thread is done and will not sleep again."""
        with self._moved:
            self._fall_asleep()

    def _fall_asleep(self) -> None:
        self._awake -= 1
        if self._awake or not self._wake_times:
            return
        self._now = self._wake_times[0]
        while self._wake_times and self._wake_times[0] <= self._now:
            heapq.heappop(self._wake_times)
            self._awake += 1
        self._moved.notify_all()
