"""A write in a process of its own, to be killed."""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

# What a run would import on its way stands here, too.
import pandas  # noqa: F401

import connector.apply.planned
import connector.files.csv
import connector.write.run  # noqa: F401
from connector import Stripe
from connector.api import client
from connector.apply.report import ApplyReport
from tests import processes

ATTEMPTS = 2  # an answer that is lost twice is lost


def start(url: str, rows: Path, ledger: Path, action: str) -> BaseProcess:
    """Start a write of customers to the sandbox at `url`, and return it as it begins."""
    process, begun = processes.start(run, url, rows, ledger, action)
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
