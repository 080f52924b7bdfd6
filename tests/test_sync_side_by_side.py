"""Endpoints are synced some at once: no slower than the account's limit, in bounded memory, ended together."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from connector.sandbox import Sandbox
from connector.sync import room
from connector.sync.journal import Run
from connector.sync.room import Room
from connector.sync.side_by_side import side_by_side
from tests.accounts import NOW, account
from tests.synced import assert_equal_to_stripe, query

SMALL = ["coupons", "products", "prices", "payouts", "promotion_codes", "tax_rates"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stripe.duckdb"


def test_the_requests_of_several_endpoints_are_under_way_at_once_and_counted_for_each(file: Path) -> None:
    with Sandbox(now=NOW, rps=0, latency_ms=50) as sandbox, account(sandbox) as stripe:
        report = stripe.sync(SMALL, to=str(file))
        assert sandbox.stats()["most_at_once"] > 1
        assert [run.endpoint for run in report.runs] == SMALL
        calls = sandbox.stats()["calls"]
        for run in report.runs:
            assert run.requests == sum(calls[f"GET /v1/{run.endpoint}"].values()), run.endpoint
        assert_equal_to_stripe(file, sandbox, ["coupons", "products", "payouts"])


def test_whoever_watches_is_told_by_one_thread_at_a_time(shared_sandbox: Sandbox, file: Path) -> None:
    inside, most = [0], [0]

    def watch(_name: str, _run: Run) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        inside[0] -= 1

    with account(shared_sandbox) as stripe:
        stripe.sync(SMALL, to=str(file), watch=watch)
    assert most == [1]


def test_ctrl_c_ends_all_of_them_within_two_seconds(file: Path) -> None:
    ended_at: list[float] = []

    def interrupt(name: str, _run: Run) -> None:
        if name == "coupons" and not ended_at:
            ended_at.append(time.monotonic())
            raise KeyboardInterrupt

    with Sandbox(now=NOW, rps=0) as sandbox, account(sandbox) as stripe:
        for name in ("products", "prices", "payouts"):
            sandbox.fail("slow:20000", on=f"GET /v1/{name}")
        with pytest.raises(KeyboardInterrupt):
            stripe.sync(["products", "prices", "payouts", "coupons"], to=str(file), watch=interrupt)
        assert time.monotonic() - ended_at[0] < 2
        assert not [thread for thread in threading.enumerate() if thread.name.startswith(("family", "reader"))]
    assert not query(file, "select * from _sync_runs where status = 'running'")


def test_ctrl_c_while_lists_below_parents_are_read_is_no_failure_of_theirs(file: Path) -> None:
    def interrupt(name: str, _run: Run) -> None:
        if name == "coupons" and any("tax_ids" in each.path for each in sandbox.requests):
            raise KeyboardInterrupt

    with Sandbox(now=NOW, rps=0) as sandbox, account(sandbox) as stripe:
        sandbox.fail("slow:20000", on="GET /v1/customers/{customer}/tax_ids", nth=2, times=1_000)
        sandbox.fail("slow:500", on="GET /v1/coupons")
        with pytest.raises(KeyboardInterrupt):
            stripe.sync(["customers", "customer_tax_ids", "coupons"], to=str(file), watch=interrupt)
    errors = query(file, "select distinct error from _sync_runs where endpoint like 'customer%'")
    assert errors == [{"error": "It was stopped in the middle."}]


def test_the_first_error_stops_what_is_under_way_and_what_waits() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="1"):
        side_by_side(work, range(100), at_once=1)
    assert begun == [0, 1]


def test_outcomes_come_in_the_order_of_their_items() -> None:
    turns = [threading.Event() for _ in range(4)]
    turns[3].set()

    def work(number: int) -> int:
        assert turns[number].wait(10)
        turns[number - 1].set()  # the last item ends first
        return number

    assert side_by_side(work, range(4), at_once=4) == [0, 1, 2, 3]


def test_rows_of_all_endpoints_that_wait_share_one_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "COMMIT_ROWS", 100)
    monkeypatch.setattr(room, "COMMIT_BYTES", 1_000)
    shared = Room()
    assert not shared.is_full("charges", 60, 0)
    assert not shared.is_full("coupons", 40, 0), "one that has little need not commit for another"
    assert shared.is_full("charges", 60, 0)
    assert not shared.is_full("charges", 0, 0)
    assert not shared.is_full("coupons", 41, 600)
    assert shared.is_full("charges", 1, 600)
    shared.leave("coupons")
    assert not shared.is_full("charges", 99, 900)
    assert shared.is_full("charges", 99, 1_000)
