"""Lists that take a request for each parent are read again only where something says that they have changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from connector.api import client
from connector.sandbox import Sandbox
from connector.sync.report import SyncReport
from connector.sync.runfile import RunFile, TableRun
from tests.accounts import NOW, account, keep_the_newest
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import (
    ENDPOINTS,
    Place,
    assert_equal_to_a_fresh_read,
    post,
    query,
    read_by_changes,
    rows_of,
    tell,
)

__all__ = ["postgres_database", "postgres_url", "read_by_changes"]

pytestmark = pytest.mark.usefixtures("read_by_changes")

HOUR, DAY = 3_600, 86_400
BELOW = ["customer_tax_ids", "customer_payment_methods", "customer_balance_transactions", "customer_sources"]
SINCE = date(2026, 9, 1)
LISTS = [f"/v1/customers/{{customer}}/{ENDPOINTS[name].path.rpartition('/')[2]}" for name in BELOW]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox in which no object runs on a test clock."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        keep_the_newest(sandbox)
        for clock in list(sandbox.truth("test_helpers.test_clock")):
            sandbox.delete("test_helpers.test_clock", clock["id"])
        yield sandbox


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return tmp_path / "s.duckdb" if request.param == "duckdb" else request.getfixturevalue("postgres_database")


def run(sandbox: Sandbox, place: Place, *names: str, **said: TableRun) -> SyncReport:
    tables = {"customers": TableRun(since=str(SINCE))} | said if "customers" in names else said
    with account(sandbox) as stripe:
        return stripe.sync_by(RunFile(to=str(place), endpoints=names, tables=tables))


def asked(sandbox: Sandbox, since: int) -> list[str]:
    """Return the paths of the lists below parents that were asked for."""
    kinds = [path.rpartition("/")[2] for path in LISTS]
    return [call.path for call in sandbox.requests[since:] if call.path.rpartition("/")[2] in kinds]


def only(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Return the conditions by which tables are what is synced."""
    return {"customers": {"created": {"gte": SINCE}}} | {name: {"customer": customers(sandbox)} for name in BELOW}


def since(sandbox: Sandbox, kind: str) -> list[str]:
    """Return the objects of a kind that are synced."""
    first = datetime.combine(SINCE, time(), UTC).timestamp()
    return [each["id"] for each in sandbox.truth(kind) if each["created"] >= first]


def customers(sandbox: Sandbox) -> list[str]:
    return since(sandbox, "customer")


def test_where_nothing_changed_no_list_below_a_parent_is_read(sandbox: Sandbox, place: Place) -> None:
    names = ("customers", "customer_tax_ids", "customer_payment_methods")
    run(sandbox, place, *names)
    sandbox.advance(12 * DAY)
    run(sandbox, place, *names)
    sandbox.advance(2 * HOUR)  # in which nobody is billed
    before = len(sandbox.requests)
    report = run(sandbox, place, *names)
    assert not report.failed
    assert asked(sandbox, before) == []
    assert report.runs[0].full_requests == 1 + 2 * len(rows_of(place, "customers"))


def test_what_events_tell_of_a_list_below_a_parent_has_that_list_read_and_no_other(
    sandbox: Sandbox, place: Place
) -> None:
    names = ("customers", *BELOW)
    first, second, third, fourth, *_ = customers(sandbox)
    gone = post(sandbox, f"/v1/customers/{first}/tax_ids", type="eu_vat", value="DE123456789")
    method = post(sandbox, "/v1/payment_methods", type="card", **{"card[token]": "tok_visa"})
    post(sandbox, f"/v1/payment_methods/{method['id']}/attach", customer=second)
    assert not run(sandbox, place, *names).failed
    sandbox.advance(4 * DAY)
    run(sandbox, place, *names)
    sandbox.advance(2 * HOUR)
    post(sandbox, f"/v1/customers/{first}/tax_ids/{gone['id']}", method="DELETE")
    post(sandbox, f"/v1/payment_methods/{method['id']}/detach")
    post(sandbox, f"/v1/customers/{third}/tax_ids", type="eu_vat", value="DE123456789")
    post(sandbox, f"/v1/customers/{fourth}/balance_transactions", amount=-500, currency="usd")
    sandbox.advance(60)
    before = len(sandbox.requests)
    report = run(sandbox, place, *names)
    wanted = {path.split("/")[3] for path in asked(sandbox, before)}
    assert not report.failed
    assert_equal_to_a_fresh_read(place, sandbox, names, only(sandbox))
    deleted = {run.endpoint: run.deleted for run in report.runs}
    assert (deleted["customer_tax_ids"], deleted["customer_payment_methods"]) == (1, 1)
    assert {first, second, third, fourth} <= wanted
    assert len(wanted) < len(customers(sandbox)) // 2


def test_a_payment_method_that_moves_leaves_one_customer_and_joins_the_other(sandbox: Sandbox, place: Place) -> None:
    names = ("customers", "customer_payment_methods")
    one, other, *_ = customers(sandbox)
    method = post(sandbox, "/v1/payment_methods", type="card", **{"card[token]": "tok_visa"})["id"]
    post(sandbox, f"/v1/payment_methods/{method}/attach", customer=one)
    run(sandbox, place, *names)
    sandbox.advance(2 * HOUR)
    record = next(each for each in sandbox.truth("payment_method") if each["id"] == method)
    sandbox.put("payment_method", {**record, "customer": other})
    tell(sandbox, "payment_method.attached", {**record, "customer": other})
    sandbox.advance(60)
    assert not run(sandbox, place, *names).failed
    assert_equal_to_a_fresh_read(place, sandbox, names, only(sandbox))
    assert (one, method) in rows_of(place, "customer_payment_methods", deleted=True)


def test_lists_below_payouts_and_setups_follow_the_events_of_their_parents(sandbox: Sandbox, place: Place) -> None:
    names = ("payouts", "payout_transactions", "setup_intents", "setup_attempts")
    new = {name: TableRun(since=str(SINCE)) for name in ("payouts", "setup_intents")}
    run(sandbox, place, *names, **new)
    for _ in range(2):
        sandbox.advance(5 * DAY)
        sandbox.work(30)
        sandbox.advance(60)
        assert not run(sandbox, place, *names, **new).failed
        payouts, setups = since(sandbox, "payout"), since(sandbox, "setup_intent")
        below = {"payout_transactions": {"payout": payouts}, "setup_attempts": {"setup_intent": setups}}
        only = {name: {"created": {"gte": SINCE}} for name in new} | below
        assert_equal_to_a_fresh_read(place, sandbox, names, only)


def test_a_list_of_which_no_event_tells_is_read_in_full(sandbox: Sandbox, place: Place) -> None:
    names = ("products", "product_features")
    run(sandbox, place, *names)
    sandbox.advance(2 * HOUR)
    report = run(sandbox, place, *names)
    assert report.runs[0].full_requests is None
    assert_equal_to_a_fresh_read(place, sandbox, names, only(sandbox))


def test_a_condition_on_children_that_the_calendar_decides_is_read_in_full(sandbox: Sandbox, place: Place) -> None:
    def after(moment: int) -> TableRun:
        return TableRun(where={"created": {"gte": datetime.fromtimestamp(moment, UTC)}}, prune=True)

    names = ("customers", "customer_tax_ids")
    customer = customers(sandbox)[0]
    post(sandbox, f"/v1/customers/{customer}/tax_ids", type="eu_vat", value="DE123456789")
    run(sandbox, place, *names, customer_tax_ids=after(NOW - DAY))
    assert rows_of(place, "customer_tax_ids")
    sandbox.advance(2 * HOUR)
    assert not run(sandbox, place, *names, customer_tax_ids=after(NOW + DAY)).failed
    assert not [key for key in rows_of(place, "customer_tax_ids") if key[0] == customer]


def test_a_parent_whose_list_failed_is_kept_in_mind_and_tried_first_next_time(
    sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    names = ("customers", "customer_tax_ids")
    bad, other, *_ = customers(sandbox)
    for customer in (bad, other):
        post(sandbox, f"/v1/customers/{customer}/tax_ids", type="eu_vat", value="DE123456789")
    run(sandbox, place, *names)
    for attempt in (1, 2):
        sandbox.advance(2 * HOUR)
        post(sandbox, f"/v1/customers/{bad if attempt == 1 else other}", description="Changed")
        sandbox.advance(60)
        sandbox.fail("500", on=f"GET /v1/customers/{bad}/tax_ids")
        report = run(sandbox, place, *names)
        assert [each.endpoint for each in report.failed] == ["customer_tax_ids"]
        assert bad in str(report.failed[0].error)
        assert [key for key in rows_of(place, "customer_tax_ids") if key[0] == bad], "what it had stays"
        (state,) = query(place, "select unread, as_of from _sync_progress where endpoint = 'customer_tax_ids'")
        assert state["unread"] == f'["{bad}"]'
        assert state["as_of"] is not None
    sandbox.advance(2 * HOUR)
    before = len(sandbox.requests)
    assert not run(sandbox, place, *names).failed
    assert asked(sandbox, before)[0] == f"/v1/customers/{bad}/tax_ids"
    assert len(asked(sandbox, before)) < len(customers(sandbox)) // 2
    assert_equal_to_a_fresh_read(place, sandbox, names, only(sandbox))
    assert query(place, "select unread from _sync_progress where unread is not null") == []


def test_the_objects_of_lists_that_events_tell_of_name_their_parents() -> None:
    below = [ENDPOINTS[name] for name in ENDPOINTS if ENDPOINTS[name].parents and not ENDPOINTS[name].embedded]
    told = [endpoint for endpoint in below if endpoint.updates == "events"]
    assert told
    for endpoint in told:
        column = endpoint.column(endpoint.parents[0].column)
        assert column is not None, endpoint.name
        assert column.path == (column.name,), endpoint.name
