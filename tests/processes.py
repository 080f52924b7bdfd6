"""Processes of their own, to be killed, that say through a pipe where they are: "r" when they are about to begin.

Where the system can fork, all of them come from one process that has imported everything and runs nothing: a start
costs hundredths of a second, not two, and no kill falls into an import.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

IMPORTED = ["tests.apply_process", "tests.sync_process"]
"""What runs in such processes: all of it, since the process that they come from is started once."""


def start(run: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
    """Let `run` begin in a process and return that, with the pipe that its first argument writes to."""
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload(IMPORTED)
    steps, sender = context.Pipe(duplex=False)
    process: BaseProcess = context.Process(target=run, args=(sender, *arguments), daemon=True)
    process.start()
    sender.close()
    assert steps.recv_bytes() == b"r"
    return process, steps
