"""The lease: which run may write into a schema, and when it counts as gone.

Its time is the database's, so that the clocks of machines do not matter. Where the database is a file its time is the
machine's, which may have been set back: a lease from the future is watched, whether it is still renewed.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

STALE_SECONDS = 120.0
RENEW_SECONDS = 30.0
WATCHED_SECONDS = 2 * RENEW_SECONDS


@dataclass(frozen=True)
class Lease:
    """Which run may write: its id, where it runs, and when it last said so, in unix seconds of the database's clock.

    `machine` tells machines and containers apart that have one host name; processes are compared within it only.
    """

    run_id: str
    host: str
    pid: int
    heartbeat_at: float = 0.0
    machine: str | None = None

    def __str__(self) -> str:
        return f"run {self.run_id} (process {self.pid} on {self.host})"


def new_lease() -> Lease:
    """Return the lease of a run that begins now in this process."""
    return Lease(uuid.uuid4().hex[:12], platform.node(), os.getpid(), machine=_machine())


class Judge:
    """Says of the lease of another run whether that run is gone: it was silent for long, or its process has ended."""

    def __init__(self, machine: str | None) -> None:
        self._machine = machine
        self._watched: Lease | None = None
        self._since = 0.0

    def is_gone(self, held: Lease, now: float) -> bool:
        """Say whether the holder is gone, `now` by the database's clock."""
        is_here = held.machine is not None and held.machine == self._machine
        if is_here and held.pid != os.getpid() and not is_running(held.pid):
            return True
        if self.is_ahead(held, now):
            return self._is_silent_while_watched(held)
        return now - held.heartbeat_at > STALE_SECONDS

    @staticmethod
    def is_ahead(held: Lease, now: float) -> bool:
        """Say whether a lease is from the future: the clock was set back, and its age says nothing."""
        return held.heartbeat_at - now > STALE_SECONDS

    def _is_silent_while_watched(self, held: Lease) -> bool:
        if held != self._watched:
            self._watched, self._since = held, time.monotonic()
        return time.monotonic() - self._since >= WATCHED_SECONDS


def _machine() -> str:
    """Return what tells this machine since its start, and this container, from others of the same name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: the address of its network card, or a number by chance
        return f"{uuid.getnode():012x}"


def is_running(pid: int) -> bool:
    """Say whether a process of this machine runs; on Windows, asking by a signal would end it."""
    if sys.platform == "win32":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
