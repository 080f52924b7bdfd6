"""What a target remembers: spans that never lie about what was read, and one lease at a time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.spans import Spans
from connector.databases.base import Database, Session
from connector.databases.duckdb.database import DuckDB
from connector.errors import TargetError
from connector.sync.columns import ColumnChoice
from connector.sync.journal import Journal, Run, State
from connector.sync.lease import STALE_SECONDS, Lease, new_lease
from tests import databases

PARTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)
HERE = replace(new_lease(), run_id="mine")
ELSEWHERE = Lease("theirs", "elsewhere", 1)


def seconds(spans: Spans) -> set[int]:
    return {second for start, end in spans.parts for second in range(start, end)}


@given(PARTS, st.integers(0, 30), st.integers(0, 30))
def test_missing_and_within_part_every_stretch_of_time(parts: list[tuple[int, int]], start: int, end: int) -> None:
    spans = Spans.of(parts)
    covered = {second for a, b in parts for second in range(a, b)}
    assert seconds(spans) == covered
    wanted = set(range(start, end))
    assert seconds(spans.within(start, end)) == wanted & covered
    assert seconds(spans.missing(start, end)) == wanted - covered
    assert seconds(spans.with_span(start, end)) == wanted | covered


@given(PARTS)
def test_spans_are_in_order_apart_and_stored_without_change(parts: list[tuple[int, int]]) -> None:
    spans = Spans.of(parts)
    ends = [end for part in spans.parts for end in part]
    assert ends == sorted(set(ends))
    assert Spans.from_json(spans.to_json()) == spans
    assert Spans.from_json(None) == Spans()


every_database = databases.database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = DuckDB(str(tmp_path / "state.duckdb"))
    with database.transaction() as session:
        Journal(session, "main").prepare()
    return database


def test_what_every_database_is_told_last_stands_there_once(every_database: Database) -> None:
    began = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    states = [State("charges", Spans.of([(5, 9)]), 1_700_000_000, "0f3a", began), State("charges"), State("charges")]
    text = '50 % of "it\'s" ? \\ \n 雪'
    run = Run("r1", "charges", "running", 1_700_000_000.0, full_requests=3)
    runs = [run, replace(run, status="failed", seconds=0.25, rows_read=2**40, error=text, full_requests=None), run]
    choices = [ColumnChoice(("id", "a"), ("b",)), ColumnChoice(None, ()), ColumnChoice((), ("c", "d"))]
    schema = every_database.default_schema
    with every_database.transaction() as session:
        Journal(session, schema).prepare()
    for state, each, choice in zip(states, runs, choices, strict=True):
        with every_database.transaction() as session:
            journal = Journal(session, schema)
            journal.save_progress("acct_1", state, livemode=True)
            journal.save_runs("acct_1", [each, replace(each, endpoint="refunds")])
            journal.save_columns("charges", choice)
            assert journal.take_lease(HERE) is None
        with every_database.transaction() as session:
            journal = Journal(session, schema)
            assert journal.progress("acct_1") == {"charges": state}
            kept = replace(each, account="acct_1")
            assert journal.last_runs() == [kept, replace(kept, endpoint="refunds")]
            assert journal.columns("charges") == choice
            lease = journal.lease()
            assert lease is not None
            assert replace(lease, heartbeat_at=0.0) == HERE
            journal.check_mode(livemode=True)


def test_progress_is_kept_by_account_and_endpoint(database: Database) -> None:
    whole = State("customers", Spans.of([(5, 9)]), 1_700_000_000, "0f3a")
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.save_progress("acct_1", whole, livemode=False)
        memory.save_progress("acct_2", State("customers"), livemode=False)
        memory.save_progress("acct_2", State("charges"), livemode=False)
    with database.transaction() as session:
        memory = Journal(session, "main")
        assert memory.progress("acct_1") == {"customers": whole}
        assert memory.progress("acct_2").keys() == {"customers", "charges"}
        memory.forget("acct_1", ["customers"])
    with database.transaction() as session:
        memory = Journal(session, "main")
        assert memory.progress("acct_1") == {"customers": State("customers")}
        assert memory.progress("acct_2").keys() == {"customers", "charges"}


@pytest.mark.parametrize(("held", "given"), [("live", "test"), ("test", "live")])
def test_live_and_test_data_are_never_mixed(held: str, given: str, database: Database) -> None:
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.check_mode(livemode=given == "live")
        memory.save_progress("acct_1", State("customers"), livemode=held == "live")
        memory.check_mode(livemode=held == "live")
        with pytest.raises(TargetError, match=f"hold {held} data and the key is a {given} key"):
            memory.check_mode(livemode=given == "live")


def test_the_history_shows_the_newest_run_of_each_endpoint_and_closes_what_was_stopped(database: Database) -> None:
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.save_runs("acct_1", [Run("one", "customers", "succeeded", 100.0, rows_read=7)])
        memory.save_runs("acct_1", [Run("two", "customers", "running", 200.0)])
        memory.save_runs("acct_1", [Run("one", "charges", "failed", 100.0, error="refused")])
        memory.close_runs()
        charges, customers = memory.last_runs()
    assert (charges.endpoint, charges.error) == ("charges", "refused")
    assert (customers.run_id, customers.status, customers.error) == ("two", "failed", "It was stopped in the middle.")


def holder(held: Lease | None) -> str | None:
    return None if held is None else held.run_id


def age(session: Session, seconds: float) -> None:
    """Let the lease be so many seconds older; younger where they are below zero."""
    session.execute("UPDATE main._sync_lease SET heartbeat_at = heartbeat_at - to_seconds(?)", [seconds])


def test_a_lease_is_held_by_one_and_given_back_only_by_its_holder(database: Database) -> None:
    with database.transaction() as session:
        memory = Journal(session, "main")
        assert memory.take_lease(ELSEWHERE) is None
        assert holder(memory.take_lease(HERE)) == "theirs"
        memory.release(HERE.run_id)
        assert holder(memory.lease()) == "theirs"
        age(session, STALE_SECONDS + 1)
        assert memory.take_lease(ELSEWHERE) is None
        assert holder(memory.take_lease(HERE)) == "theirs", "it said that it is alive"
        memory.release(ELSEWHERE.run_id)
        assert memory.take_lease(HERE) is None


def test_a_lease_whose_holder_was_silent_for_long_is_taken_over(database: Database) -> None:
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.take_lease(ELSEWHERE)
        age(session, STALE_SECONDS + 1)
        assert memory.take_lease(HERE) is None
        assert holder(memory.lease()) == "mine"


def test_a_lease_is_judged_by_the_clock_of_the_database_not_of_the_machine(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.take_lease(ELSEWHERE)
        monkeypatch.setattr("time.time", lambda: 2e9)
        assert holder(memory.take_lease(HERE)) == "theirs"


def test_a_lease_of_a_process_that_ended_on_this_machine_is_taken_over_at_once(database: Database) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.take_lease(replace(HERE, run_id="gone", pid=ended.pid))
        assert memory.take_lease(HERE) is None


@pytest.mark.parametrize("machine", ["another container", None])
def test_a_process_of_another_container_of_the_same_host_name_is_not_looked_for_here(
    machine: str | None, database: Database
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.take_lease(replace(HERE, run_id="theirs", pid=ended.pid, machine=machine))
        assert holder(memory.take_lease(HERE)) == "theirs"


def test_a_lease_of_a_process_that_runs_is_respected(database: Database) -> None:
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.take_lease(replace(HERE, run_id="theirs", pid=running.pid))
        assert holder(memory.take_lease(HERE)) == "theirs"
    running.communicate(b"\n")


def test_the_clock_of_every_database_tells_the_time(every_database: Database) -> None:
    with every_database.transaction() as session:
        assert abs(session.now() - datetime.now(UTC)) < timedelta(minutes=5)
