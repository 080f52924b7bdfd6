"""Reading only what changed gives what reading everything gives, whatever events say of it."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from connector.config import API_VERSION
from connector.sandbox import Sandbox
from connector.sync import passes
from connector.sync.journal import Run
from connector.sync.report import SyncReport
from connector.sync.runfile import RunFile, TableRun
from tests.accounts import account
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import (
    assert_equal_to_stripe,
    change,
    delete,
    expected_rows,
    query,
    read_by_changes,
    rows_of,
    sandbox,
    tell,
)

__all__ = ["postgres_database", "postgres_url", "read_by_changes", "sandbox"]

pytestmark = pytest.mark.usefixtures("read_by_changes")

HOUR = 3_600
DAY = 24 * HOUR


@pytest.fixture
def place(postgres_database: str) -> str:
    """A Postgres, since what is read does not depend on the database and a run into it is the quickest."""
    return postgres_database


@pytest.fixture
def without_clocks(sandbox: Sandbox) -> Sandbox:
    """A sandbox in which all events are in order: no object runs on a test clock."""
    for clock in list(sandbox.truth("test_helpers.test_clock")):
        sandbox.delete("test_helpers.test_clock", clock["id"])
    return sandbox


def run(sandbox: Sandbox, place: str, *names: str, key: str | None = None, **said: Any) -> SyncReport:
    tables = {name: said.pop(name) for name in list(said) if isinstance(said[name], TableRun)}
    with account(sandbox, key) as stripe:
        return stripe.sync_by(RunFile(to=place, endpoints=names, tables=tables, **said))


def of(report: SyncReport, name: str) -> Run:
    return next(each for each in report.runs if each.endpoint == name)


def listed(sandbox: Sandbox, kind: str) -> list[dict[str, Any]]:
    return [each for each in sandbox.truth(kind) if not each.get("test_clock")]


def calls(sandbox: Sandbox, path: str, since: int) -> int:
    return sum(each.path == path for each in sandbox.requests[since:])


def test_nothing_changed_costs_one_request_for_what_is_new(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "customers")
    sandbox.advance(12 * DAY)  # two hours follow in which nobody is billed
    run(sandbox, place, "customers")
    sandbox.advance(2 * HOUR)
    before = len(sandbox.requests)
    report = run(sandbox, place, "customers")
    assert calls(sandbox, "/v1/customers", before) == 1
    assert of(report, "customers").full_requests == 3


def test_a_change_that_an_event_shows_costs_no_request(without_clocks: Sandbox, place: str) -> None:
    sandbox = without_clocks
    run(sandbox, place, "customers")
    sandbox.advance(2 * HOUR)
    customer = listed(sandbox, "customer")[-1]
    change(sandbox, "customer", {**customer, "name": "Renamed"})
    sandbox.advance(60)
    before = len(sandbox.requests)
    report = run(sandbox, place, "customers")
    assert calls(sandbox, "/v1/customers", before) == 1
    assert of(report, "customers").updated == 1
    assert_equal_to_stripe(place, sandbox, ["customers"])


@pytest.mark.parametrize(
    "said",
    [{"api_version": "2020-08-27"}, {"api_version": None}, {"type": "customer.deleted"}],
    ids=["older version", "no version", "deleted"],
)
def test_an_event_that_does_not_show_what_is_there_names_what_is_read_again(
    said: dict[str, Any], without_clocks: Sandbox, place: str
) -> None:
    sandbox = without_clocks
    run(sandbox, place, "customers")
    sandbox.advance(2 * HOUR)
    customer = listed(sandbox, "customer")[-1]
    sandbox.put("customer", {**customer, "name": "Renamed"})
    tell(sandbox, "customer.updated", {**customer, "name": "Not this"}, **said)
    sandbox.advance(60)
    before = len(sandbox.requests)
    run(sandbox, place, "customers")
    assert calls(sandbox, "/v1/customers", before) == 2
    assert_equal_to_stripe(place, sandbox, ["customers"])


@pytest.mark.parametrize("said", [{"account": "acct_another"}, {"livemode": True}])
def test_events_of_another_account_or_mode_are_not_ours(
    said: dict[str, Any], without_clocks: Sandbox, place: str
) -> None:
    sandbox = without_clocks
    run(sandbox, place, "customers")
    sandbox.advance(2 * HOUR)
    tell(sandbox, "customer.updated", {**listed(sandbox, "customer")[0], "name": "Theirs"}, **said)
    sandbox.advance(60)
    assert of(run(sandbox, place, "customers"), "customers").rows_read <= 1
    assert_equal_to_stripe(place, sandbox, ["customers"])


def test_two_changes_in_one_second_are_read_again(without_clocks: Sandbox, place: str) -> None:
    sandbox = without_clocks
    run(sandbox, place, "customers")
    sandbox.advance(2 * HOUR)
    customer = listed(sandbox, "customer")[-1]
    for name in ("First", "Last", "First"):
        tell(sandbox, "customer.updated", {**customer, "name": name}, created=sandbox.clock.now())
    sandbox.put("customer", {**customer, "name": "Last"})
    sandbox.advance(60)
    run(sandbox, place, "customers")
    assert_equal_to_stripe(place, sandbox, ["customers"])


def test_what_is_gone_is_marked_and_what_comes_back_lives(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "customers")
    gone, *_, also = listed(sandbox, "customer")
    sandbox.advance(2 * HOUR)
    delete(sandbox, "customer", gone)
    delete(sandbox, "customer", also)
    sandbox.advance(60)
    assert of(run(sandbox, place, "customers"), "customers").deleted == 2
    assert rows_of(place, "customers", deleted=True).keys() == {(gone["id"],), (also["id"],)}
    sandbox.advance(60)
    change(sandbox, "customer", also)
    sandbox.advance(60)
    run(sandbox, place, "customers")
    assert_equal_to_stripe(place, sandbox, ["customers"])
    assert rows_of(place, "customers", deleted=True).keys() == {(gone["id"],)}


@pytest.mark.parametrize("deletions", ["mark", "remove"])
def test_children_follow_a_parent_that_changed_and_no_other(
    deletions: str, without_clocks: Sandbox, place: str
) -> None:
    sandbox, names = without_clocks, ("invoices", "invoice_lines")
    said = TableRun(deletions=deletions)
    run(sandbox, place, *names, invoices=said, invoice_lines=said)
    sandbox.advance(2 * HOUR)
    cut = next(each for each in sandbox.truth("invoice") if len(each["lines"]["data"]) > 1)
    gone = next(each for each in sandbox.truth("invoice") if each["id"] != cut["id"] and each["lines"]["data"])
    cut["lines"]["data"].pop()
    change(sandbox, "invoice", cut)
    delete(sandbox, "invoice", gone)
    sandbox.advance(60)
    report = run(sandbox, place, *names, invoices=said, invoice_lines=said)
    assert_equal_to_stripe(place, sandbox, names)
    assert of(report, "invoice_lines").deleted == 1 + len(gone["lines"]["data"])
    assert of(report, "invoices").rows_read < len(expected_rows(sandbox, "invoices")) // 2


def test_a_child_that_joins_later_is_read_for_all_parents(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "invoices")
    run(sandbox, place, "invoices", "invoice_lines")
    assert_equal_to_stripe(place, sandbox, ["invoices", "invoice_lines"])


def test_a_child_that_failed_is_read_for_all_parents_next_time(sandbox: Sandbox, place: str) -> None:
    names = ("invoices", "invoice_lines")
    run(sandbox, place, *names)
    with psycopg.connect(place) as connection:
        connection.execute("alter table invoice_lines rename to kept")
        connection.execute("create table invoice_lines as select id from kept")
    assert {each.endpoint for each in run(sandbox, place, *names).failed} == {"invoice_lines"}
    with psycopg.connect(place) as connection:
        connection.execute("drop table invoice_lines")
    assert not run(sandbox, place, *names).failed
    assert_equal_to_stripe(place, sandbox, names)


def test_an_endpoint_that_only_took_part_in_some_runs_counts_from_its_own_last_one(
    sandbox: Sandbox, place: str
) -> None:
    run(sandbox, place, "customers", "charges")
    sandbox.advance(3 * HOUR)
    changed = listed(sandbox, "customer")[-1]
    change(sandbox, "customer", {**changed, "name": "Renamed"})
    sandbox.advance(3 * HOUR)
    run(sandbox, place, "charges")
    sandbox.advance(3 * HOUR)
    run(sandbox, place, "customers", "charges")
    assert_equal_to_stripe(place, sandbox, ["customers", "charges"])


def test_after_a_gap_longer_than_events_last_everything_is_read_and_that_is_said(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "customers")
    sandbox.advance(40 * DAY)
    changed, gone, *_ = listed(sandbox, "customer")
    sandbox.put("customer", {**changed, "name": "Renamed"})
    sandbox.delete("customer", gone["id"])
    report = run(sandbox, place, "customers")
    assert any("40 days ago" in note and "customers" in note for note in report.notes)
    assert_equal_to_stripe(place, sandbox, ["customers"])


def test_a_key_that_may_not_read_events_reads_everything_and_names_the_permission(sandbox: Sandbox, place: str) -> None:
    key = "rk_test_read_customers_account"
    run(sandbox, place, "customers", key=key)
    sandbox.put("customer", {**listed(sandbox, "customer")[0], "name": "Renamed"})
    report = run(sandbox, place, "customers", key=key)
    assert not report.failed
    (note,) = (note for note in report.notes if "may not read events" in note)
    assert "event" in note
    assert_equal_to_stripe(place, sandbox, ["customers"])


def test_an_earlier_since_reads_the_new_span(sandbox: Sandbox, place: str) -> None:
    created = sorted(each["created"] for each in listed(sandbox, "customer"))
    run(sandbox, place, "customers", since=str(created[len(created) // 2]))
    assert len(rows_of(place, "customers")) < len(created)
    report = run(sandbox, place, "customers")
    assert of(report, "customers").inserted > 0
    assert_equal_to_stripe(place, sandbox, ["customers"])


@pytest.mark.parametrize(("version", "most"), [(API_VERSION, 0.05), ("2020-08-27", 0.6)], ids=["shown", "older"])
def test_what_a_hundredth_of_changed_objects_costs(
    version: str, most: float, without_clocks: Sandbox, place: str
) -> None:
    sandbox, chance = without_clocks, random.Random(3)
    example = listed(sandbox, "customer")[0]
    now = sandbox.clock.now()
    for number in range(3_000):
        sandbox.put("customer", {**example, "id": f"cus_many{number}", "created": now - DAY - 600 * number})
    run(sandbox, place, "customers", "products")
    sandbox.advance(2 * HOUR)
    for number in chance.sample(range(3_000), 30):
        changed = {**example, "id": f"cus_many{number}", "created": now - DAY - 600 * number, "name": "Changed"}
        sandbox.put("customer", changed)
        tell(sandbox, "customer.updated", changed, api_version=version, created=now + HOUR + number)
    sandbox.advance(60)
    report = run(sandbox, place, "customers", "products")
    assert of(report, "customers").updated == 30
    runs = query(place, "select requests, full_requests from _sync_runs where endpoint = '_run' order by started_at")
    whole = runs[-1]
    before_any_endpoint = 3  # whose account, live or test, test clocks or none
    assert whole["requests"] - before_any_endpoint <= most * whole["full_requests"] + 2 * len(report.runs) + 1
    assert any("where reading all takes about" in note for note in report.notes)


def test_where_everything_has_changed_it_costs_a_full_read_and_a_tenth(
    without_clocks: Sandbox, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = without_clocks
    monkeypatch.setattr(passes, "LEAST_EVENT_PAGES", 1)
    example, now = listed(sandbox, "customer")[0], sandbox.clock.now()
    for number in range(1_500):
        sandbox.put("customer", {**example, "id": f"cus_many{number}", "created": now - DAY - 600 * number})
    run(sandbox, place, "customers")
    sandbox.advance(2 * HOUR)
    for customer in listed(sandbox, "customer"):
        change(sandbox, "customer", {**customer, "name": "Changed"})
    before = len(sandbox.requests)
    report = run(sandbox, place, "customers")
    assert of(report, "customers").updated == len(expected_rows(sandbox, "customers"))
    full = math.ceil(len(expected_rows(sandbox, "customers")) / 100)
    assert calls(sandbox, "/v1/events", before) <= math.ceil(full / 10) + 1, "one more page tells that there are more"


def test_a_dry_run_says_of_which_only_what_changed_is_read(sandbox: Sandbox, place: str) -> None:
    said = RunFile(to=place, endpoints=("customers", "products"))
    with account(sandbox) as stripe:
        stripe.sync_by(said)
        forecasts, _ = stripe.forecast(said)
        full, _ = stripe.forecast(replace(said, full=True))
    assert {each.task.name: bool(each.full_requests) for each in forecasts} == {"customers": True, "products": True}
    assert {each.full_requests for each in full} == {None}


def test_an_event_that_is_not_what_it_should_be_lets_everything_be_read(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "customers")
    sandbox.put("customer", {**listed(sandbox, "customer")[-1], "name": "Renamed"})
    tell(sandbox, "customer.updated", {"id": 5, "object": "customer"})
    report = run(sandbox, place, "customers")
    assert any("events cannot be read" in note for note in report.notes)
    assert_equal_to_stripe(place, sandbox, ["customers"])


def stop_after(sandbox: Sandbox, place: str, rows: int, *names: str) -> None:
    """Let a sync be stopped by hand when its first endpoint has read so many rows."""

    def stop(_name: str, run: Run) -> None:
        if run.rows_read >= rows:
            raise KeyboardInterrupt

    with account(sandbox) as stripe, pytest.raises(KeyboardInterrupt):
        stripe.sync_by(RunFile(to=place, endpoints=names), stop)


def test_a_stopped_load_reads_what_is_missing_and_events_bring_the_rest(
    sandbox: Sandbox, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.sync.room.COMMIT_ROWS", 50)
    stop_after(sandbox, place, 200, "customers")
    there = len(rows_of(place, "customers"))
    assert 0 < there < len(expected_rows(sandbox, "customers"))
    sandbox.advance(60)
    young = listed(sandbox, "customer")[:3]
    change(sandbox, "customer", {**young[0], "name": "Renamed"})
    delete(sandbox, "customer", young[1])
    sandbox.advance(60)
    report = run(sandbox, place, "customers")
    assert_equal_to_stripe(place, sandbox, ["customers"])
    assert rows_of(place, "customers", deleted=True).keys() == {(young[1]["id"],)}
    assert of(report, "customers").inserted < len(expected_rows(sandbox, "customers"))


def test_a_new_load_over_rows_that_are_there_marks_what_is_gone_though_it_was_stopped(
    sandbox: Sandbox, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(sandbox, place, "customers")
    young, *_, old = listed(sandbox, "customer")
    for each in (young, old):
        sandbox.delete("customer", each["id"])
    monkeypatch.setattr("connector.sync.room.COMMIT_ROWS", 50)
    sandbox.advance(60)
    with account(sandbox) as stripe, pytest.raises(KeyboardInterrupt):
        stripe.sync_by(RunFile(to=place, endpoints=("customers",), full=True), _stop_at(200))
    run(sandbox, place, "customers")
    assert_equal_to_stripe(place, sandbox, ["customers"])
    assert rows_of(place, "customers", deleted=True).keys() == {(young["id"],), (old["id"],)}


def _stop_at(rows: int) -> Any:
    def stop(_name: str, run: Run) -> None:
        if run.rows_read >= rows:
            raise KeyboardInterrupt

    return stop


def test_an_edit_that_no_event_tells_of_is_seen_within_some_runs(sandbox: Sandbox, place: str) -> None:
    created = sorted(each["created"] for each in sandbox.truth("payment_intent"))
    run(sandbox, place, "payment_intents", since=(since := str(created[-600])))
    done = [each for each in sandbox.truth("payment_intent") if each["status"] == "succeeded"]
    old = next(each for each in reversed(done) if each["created"] > int(since) + DAY)
    sandbox.put("payment_intent", {**old, "metadata": {"edited": "silently"}})
    pages = 1 + len(rows_of(place, "payment_intents")) // 100
    runs = 0
    while not has_edit(place, old["id"]):
        runs += 1
        sandbox.advance(DAY)
        before = len(sandbox.requests)
        assert not run(sandbox, place, "payment_intents", since=since, window_seconds=HOUR).failed
        assert calls(sandbox, "/v1/payment_intents", before) <= 5 < pages
        assert runs <= 2 * pages
    assert runs > 1, "it is old, and no event tells of it"


def has_edit(place: str, payment_intent: str) -> bool:
    (row,) = query(place, f"select metadata from payment_intents where id = '{payment_intent}'")
    return "silently" in row["metadata"]


def test_what_becomes_otherwise_as_time_passes_is_read_again(sandbox: Sandbox, place: str) -> None:
    names = ("balance_transactions", "coupons", "promotion_codes")
    run(sandbox, place, *names)
    pending = query(place, "select id from balance_transactions where status = 'pending'")
    assert pending
    sandbox.advance(20 * DAY)
    report = run(sandbox, place, *names, window_seconds=HOUR)
    assert of(report, "balance_transactions").updated >= len(pending)
    assert_equal_to_stripe(place, sandbox, names)


# Conditions

OPEN = TableRun(where={"status": "open"}, prune=True)


def statuses(sandbox: Sandbox, place: str) -> tuple[set[str], set[str]]:
    """Return the ids of the invoices that are open in the table, and of those in Stripe."""
    there = {id_ for (id_,) in rows_of(place, "invoices")}
    return there, {each["id"] for each in listed(sandbox, "invoice") if each["status"] == "open"}


def a_synced_open_invoice(sandbox: Sandbox, place: str) -> dict[str, Any]:
    """Sync the open invoices, let two hours pass, and return one of them."""
    run(sandbox, place, "invoices", invoices=OPEN)
    sandbox.advance(2 * HOUR)
    return next(each for each in listed(sandbox, "invoice") if each["status"] == "open")


def test_a_row_that_no_longer_meets_a_condition_is_gone_by_the_event_that_says_so(
    without_clocks: Sandbox, place: str
) -> None:
    sandbox = without_clocks
    paid = a_synced_open_invoice(sandbox, place)
    change(sandbox, "invoice", {**paid, "status": "paid"})
    other, *_ = [each for each in listed(sandbox, "invoice") if each["status"] != "open"]
    change(sandbox, "invoice", {**other, "description": "still none of ours"})
    sandbox.advance(60)
    before = len(sandbox.requests)
    report = run(sandbox, place, "invoices", invoices=OPEN)
    assert calls(sandbox, "/v1/invoices", before) == 1, "what is new"
    assert of(report, "invoices").deleted == 1
    assert rows_of(place, "invoices", deleted=True).keys() == {(paid["id"],)}
    there, expected = statuses(sandbox, place)
    assert there == expected

    sandbox.advance(2 * HOUR)
    change(sandbox, "invoice", {**paid, "status": "open", "description": "again"})
    change(sandbox, "invoice", {**other, "status": "open"})
    sandbox.advance(60)
    run(sandbox, place, "invoices", invoices=OPEN)
    there, expected = statuses(sandbox, place)
    assert there == expected
    assert {paid["id"], other["id"]} <= there


def test_whether_a_row_still_meets_a_condition_is_asked_where_an_event_does_not_show_it(
    without_clocks: Sandbox, place: str
) -> None:
    sandbox = without_clocks
    paid = a_synced_open_invoice(sandbox, place)
    sandbox.put("invoice", {**paid, "status": "paid"})
    tell(sandbox, "invoice.paid", {**paid, "status": "paid"}, api_version="2020-08-27")
    sandbox.advance(60)
    report = run(sandbox, place, "invoices", invoices=OPEN)
    assert of(report, "invoices").deleted == 1
    there, expected = statuses(sandbox, place)
    assert there == expected


def test_rows_behind_a_bound_that_moves_with_the_calendar_are_pruned_without_a_request(
    without_clocks: Sandbox, place: str
) -> None:
    sandbox = without_clocks
    leaving = sorted(listed(sandbox, "customer"), key=lambda each: int(each["created"]))[100]

    def since(created: int) -> TableRun:
        return TableRun(where={"created": {"gte": datetime.fromtimestamp(created, UTC)}}, prune=True)

    run(sandbox, place, "customers", customers=since(leaving["created"]))
    assert (leaving["id"],) in rows_of(place, "customers")
    sandbox.advance(2 * HOUR)
    sent = len(sandbox.requests)
    report = run(sandbox, place, "customers", customers=since(leaving["created"] + 1))
    assert calls(sandbox, "/v1/customers", sent) == 1, "what is new"
    assert of(report, "customers").full_requests == 2
    assert (leaving["id"],) in rows_of(place, "customers", deleted=True)
    assert all(row["created"].timestamp() > leaving["created"] for row in rows_of(place, "customers").values())


@pytest.mark.parametrize(
    ("name", "where"), [("invoices", {"due_date": {"lt": "today"}}), ("payment_intents", {"customer": "cus_none"})]
)
def test_conditions_of_which_events_do_not_tell_are_read_in_full(
    name: str, where: dict[str, Any], sandbox: Sandbox, place: str
) -> None:
    tables: dict[str, Any] = {name: TableRun(where=where, prune=True)}
    run(sandbox, place, name, **tables)
    sandbox.advance(2 * HOUR)
    assert of(run(sandbox, place, name, **tables), name).full_requests is None
