"""A sync in a process of its own, to be killed, that says through a pipe where in its run it is.

"r" is sent when it is about to begin, "[" at the beginning of a commit, "]" at its end, "." at the end of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

# What a run would import on its way stands here, too.
import pandas  # noqa: F401

import connector.databases.duckdb.database
import connector.databases.postgres.database  # noqa: F401
from connector import Stripe
from connector.sync import passes, room
from connector.sync.family import Family
from connector.sync.intake import Intake
from tests import processes

COMMIT_ROWS = 40
ALL = 10**9


def start(url: str, place: str, endpoints: Sequence[str], *, in_full: bool) -> tuple[BaseProcess, Connection]:
    """Start a sync of the sandbox at `url` and return it, and the pipe that its steps come through, as it begins."""
    return processes.start(run, url, place, endpoints, in_full)


def run(steps: Connection, url: str, place: str, endpoints: Sequence[str], in_full: bool) -> None:
    """Sync, in full or by what has changed, and send where the run is."""
    passes.FEW_REQUESTS, passes.LEAST_EVENT_PAGES = (ALL, 0) if in_full else (0, ALL)
    room.COMMIT_ROWS = COMMIT_ROWS
    setattr(Intake, "commit", _sent(steps, Intake.commit))  # noqa: B010 - mypy knows no other way to replace a method
    setattr(Family, "_finish", _sent(steps, Family._finish))  # noqa: B010
    stripe = Stripe(key="sk_test_sandbox", api_base=url, max_rps=100_000, max_rps_per_endpoint=100_000)
    steps.send_bytes(b"r")
    assert not stripe.sync(list(endpoints), to=place).failed
    steps.send_bytes(b".")


def _sent(steps: Connection, inner: Callable[..., Any]) -> Callable[..., Any]:
    def outer(*arguments: Any) -> Any:
        steps.send_bytes(b"[")
        result = inner(*arguments)
        steps.send_bytes(b"]")
        return result

    return outer
