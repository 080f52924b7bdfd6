"""A write in a process of its own, to be killed: it says through a pipe when it is about to begin.

Where the system can fork, all of them come from one process that has imported everything, so that no kill falls into
an import.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# What a run would import on its way stands here, too.
import pandas  # noqa: F401

import connector.apply.planned
import connector.files.csv
import connector.write.run  # noqa: F401
from connector import Stripe
from connector.api import client
from connector.apply.report import ApplyReport

ATTEMPTS = 2  # an answer that is lost twice is lost


def start(url: str, rows: Path, ledger: Path, action: str) -> BaseProcess:
    """Start a write of customers to the sandbox at `url`, and return it as it begins."""
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload([__name__])
    begun, sender = context.Pipe(duplex=False)
    process: BaseProcess = context.Process(target=run, args=(sender, url, rows, ledger, action), daemon=True)
    process.start()
    sender.close()
    assert begun.recv_bytes() == b"r"
    begun.close()
    return process


def run(begun: Connection, url: str, rows: Path, ledger: Path, action: str) -> None:
    """Write, once it has said that it begins."""
    begun.send_bytes(b"r")
    write(url, rows, ledger, action)


def write(url: str, rows: Path, ledger: Path, action: str) -> ApplyReport:
    """Write the rows of a file, and return what became of them."""
    client.ATTEMPTS = ATTEMPTS
    with Stripe(key="sk_test_sandbox", api_base=url, max_rps=100_000, max_rps_per_endpoint=100_000) as stripe:
        return stripe.write("customers", action, str(rows), ledger=ledger).apply(allow=["delete"])
