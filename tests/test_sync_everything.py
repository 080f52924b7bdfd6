"""A sync of every table that has a key, those by name too: it passes, and passing again it changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.definitions.endpoint import Endpoint, Endpoints
from connector.sandbox import Sandbox
from connector.sandbox.server.messages import Request, Response
from connector.sandbox.server.service import Service
from tests.accounts import NOW, account, keep_the_newest

ENDPOINTS = Endpoints()
EMPTY = {"customer_balance_transactions", "report_runs", "setup_attempts"}  # of which there are few or none
FEW = {"balance_transaction": 110, "checkout.session": 20, "event": 110, "payment_intent": 110, "payout": 20}
SINCE = "2026-10-20"  # of what has lists of its own, each a call


def is_read_without_a_condition(endpoint: Endpoint) -> bool:
    is_asked = any(given.required for given in endpoint.filters.values()) or endpoint.window is not None
    above = [ENDPOINTS[parent.table] for parent in endpoint.parents]
    return bool(endpoint.path) and not is_asked and all(map(is_read_without_a_condition, above))


EVERYTHING = [
    name for name in ENDPOINTS if ENDPOINTS[name].primary_key and is_read_without_a_condition(ENDPOINTS[name])
]


@pytest.fixture
def refused() -> Iterator[Counter[str]]:
    """The calls that a sandbox refused as wrong or as about nothing, counted."""
    counted: Counter[str] = Counter()

    def watch(request: Request, response: Response) -> None:
        if response.status in (400, 404):
            counted[f"{request.method} {request.path}: {response.status}"] += 1

    Service.watchers.append(watch)
    yield counted
    Service.watchers.remove(watch)


def config(target: str) -> str:
    """Return a config of everything, in which the parents that cost most calls are read as of late only."""
    parents = {parent.table for name in EVERYTHING if ENDPOINTS[name].by_name for parent in ENDPOINTS[name].parents}
    by_time = sorted(name for name in parents if "created" in ENDPOINTS[name].filters)
    tables = "".join(f'[sync.{name}]\nsince = "{SINCE}"\n' for name in by_time)
    return f'to = "{target}"\nendpoints = {json.dumps(EVERYTHING)}\n{tables}'


def test_everything_is_synced_twice_and_the_second_time_nothing_changes(refused: Counter[str], tmp_path: Path) -> None:
    assert len(EVERYTHING) > 115
    target = f"sqlite:///{tmp_path}/everything.sqlite"  # which opens quicker than DuckDB, some 500 times
    run = tmp_path / "everything.toml"
    run.write_text(config(target), encoding="utf-8")
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox, account(sandbox) as stripe:
        keep_the_newest(sandbox, FEW)
        first, again = stripe.sync(run), stripe.sync(run)
    for report in (first, again):
        assert {run.endpoint: run.error for run in report.runs if run.status != "succeeded"} == {}
    assert {run.endpoint for run in first.runs if not run.inserted} <= EMPTY
    changes = {run.endpoint: (run.inserted, run.updated, run.deleted) for run in again.runs}
    assert {name: counts for name, counts in changes.items() if any(counts)} == {}
    assert refused == {}
