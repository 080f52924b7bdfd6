"""The lease: which run may write into a schema, and when it counts as gone."""

from __future__ import annotations

import os
import platform
import sys
import time
import uuid
from dataclasses import dataclass

STALE_SECONDS = 120.0


@dataclass(frozen=True)
class Lease:
    """Which run may write: its id, where it runs, and when it last said so, in unix seconds."""

    run_id: str
    host: str
    pid: int
    heartbeat_at: float

    def __str__(self) -> str:
        return f"run {self.run_id} (process {self.pid} on {self.host})"


def new_lease() -> Lease:
    """Return the lease of a run that begins now in this process."""
    return Lease(uuid.uuid4().hex[:12], platform.node(), os.getpid(), time.time())


def is_stale(held: Lease, mine: Lease) -> bool:
    """Say whether the holder is gone: it has been silent for long, or was a process of this machine that has ended."""
    silent = mine.heartbeat_at - held.heartbeat_at > STALE_SECONDS
    return silent or (held.host == mine.host and held.pid != mine.pid and not is_running(held.pid))


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
