"""Whatever happened between two runs, and whatever went wrong in some: after the next whole one tables equal Stripe."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from connector.config import API_VERSION
from connector.sandbox import Sandbox
from connector.sync import passes
from connector.sync.report import SyncReport
from connector.sync.runfile import RunFile, TableRun
from tests.accounts import NOW, account, keep_the_newest
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import (
    ENDPOINTS,
    Place,
    assert_equal_to_a_fresh_read,
    assert_equal_to_stripe,
    expected_rows,
    post,
    query,
    read_by_changes,
    rows_of,
)
from tests.test_extract import comparable

__all__ = ["postgres_database", "postgres_url", "read_by_changes"]

HOUR, DAY = 3_600, 86_400
ROUNDS, THOROUGH_ROUNDS = 1, 60
NAMES = ["customers", "charges", "refunds", "invoices", "invoice_lines", "subscriptions", "subscription_items",
         "products", "prices", "coupons", "promotion_codes", "payouts", "disputes", "credit_notes", "payment_intents",
         "checkout_sessions", "balance_transactions", "invoice_items", "setup_intents"]  # fmt: skip
FEW = {"balance_transaction": 150, "payment_intent": 150, "setup_intent": 110, "checkout.session": 110}
SINCE = date(2026, 9, 1)  # of customers that have lists below them, each a call
BELOW = ["customer_tax_ids", "customer_payment_methods", "customer_balance_transactions"]
ALONE = [name for name in NAMES if not ENDPOINTS[name].parents]


@pytest.fixture
def troubled() -> Iterator[Sandbox]:
    """A sandbox whose events come late, twice, in any order within their second, some in the form of older versions.

    It throttles and drops connections, too.
    """
    with Sandbox(
        seed=8, rps=0, now=NOW, event_trouble="late:900=0.2,duplicate=0.2,disorder=0.5", faults="drop=0.01,429=0.02",
        older_events=0.2,
    ) as sandbox:  # fmt: skip
        yield keep_the_newest(sandbox, FEW)


def sync(sandbox: Sandbox, place: Place, *names: str, key: str | None = None, **said: TableRun) -> SyncReport:
    with account(sandbox, key) as stripe:
        return stripe.sync_by(RunFile(to=str(place), endpoints=names, tables=said))


def something_happens(sandbox: Sandbox, place: Place, chance: random.Random) -> None:
    """Let time pass and work be done, and let runs of some endpoints come between, that may fail."""
    for _ in range(chance.randrange(1, 4)):
        sandbox.advance(40 * DAY if chance.random() < 0.03 else chance.randrange(60, DAY))
        sandbox.work(chance.randrange(5, 40))
        if chance.random() < 0.5:
            sync(sandbox, place, *chance.sample(ALONE, 3))
        if chance.random() < 0.2:  # all but customers fail, and events are refused, too
            assert sync(sandbox, place, *NAMES, key="rk_test_read_customers_account").failed
        if chance.random() < 0.2:
            sync(sandbox, place, "customers", customers=TableRun(columns=("name", "email")))
            sync(sandbox, place, "customers", customers=TableRun(columns="all"))


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("read_by_changes")
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_after_any_history_every_table_equals_stripe(
    kind: str, troubled: Sandbox, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "LEAST_REREADS", 400)  # what changes without an event is read again at once
    place: Place = tmp_path / "s.duckdb" if kind == "duckdb" else request.getfixturevalue("postgres_database")
    chance = random.Random(kind)
    assert not sync(troubled, place, *NAMES).failed
    there = keys(troubled)
    for _ in range(THOROUGH_ROUNDS if request.config.getoption("--thorough") else ROUNDS):
        something_happens(troubled, place, chance)
        troubled.advance(20 * 60)  # what is late has come
        assert not sync(troubled, place, *NAMES).failed
        assert_equal_to_stripe(place, troubled, NAMES)
        assert_open_invoices_are_those_of_stripe(place, troubled)
        if request.config.getoption("--thorough"):  # in short: test_sync_lists_below.py
            assert_lists_below_parents_are_those_of_stripe(place, troubled, chance)
        for name, before in there.items():
            gone = before - expected_rows(troubled, name).keys() if ENDPOINTS[name].deletes != "never" else set()
            assert gone <= set(rows_of(place, name, deleted=True)), name
        there = keys(troubled)
    (history,) = query(place, "select count(*) as n, sum(requests) as sent from _sync_runs where full_requests > 0")
    assert history["n"] > 0
    versions = {event["api_version"] for event in troubled.truth("event")}
    assert len(versions) > 1
    assert API_VERSION in versions


def assert_open_invoices_are_those_of_stripe(place: Place, sandbox: Sandbox) -> None:
    """Sync into another schema by a condition that rows come to meet and cease to, and compare."""
    is_open = {"invoices": TableRun(where={"status": "open"}, prune=True)}
    with account(sandbox) as stripe:
        names = ("invoices", "invoice_lines")
        report = stripe.sync_by(RunFile(to=str(place), schema="open", endpoints=names, tables=is_open))
    assert not report.failed
    expected = {key: row for key, row in expected_rows(sandbox, "invoices").items() if row["status"] == "open"}
    there = rows_of(place, "invoices", schema="open")
    assert there.keys() == expected.keys()
    for key, row in expected.items():
        assert comparable({column: there[key][column] for column in row}, ENDPOINTS["invoices"]) == row, key
    lines = {row["invoice"] for row in rows_of(place, "invoice_lines", schema="open").values()}
    assert lines <= {id_ for (id_,) in expected}


def assert_lists_below_parents_are_those_of_stripe(place: Place, sandbox: Sandbox, chance: random.Random) -> None:
    """Change lists below customers, sync them into another schema, and compare them."""
    since = datetime.combine(SINCE, time(), UTC).timestamp()
    listed = [each for each in sandbox.truth("customer") if not each.get("test_clock")]
    customers = {each["id"]: each["currency"] or "usd" for each in listed if each["created"] >= since}
    for customer in chance.sample(list(customers), 3):
        tax_id = post(sandbox, f"/v1/customers/{customer}/tax_ids", type="eu_vat", value="DE123456789")["id"]
        if chance.random() < 0.5:
            post(sandbox, f"/v1/customers/{customer}/tax_ids/{tax_id}", method="DELETE")
        method = post(sandbox, "/v1/payment_methods", type="card", **{"card[token]": "tok_visa"})["id"]
        post(sandbox, f"/v1/payment_methods/{method}/attach", customer=customer)
        if chance.random() < 0.5:
            post(sandbox, f"/v1/payment_methods/{method}/detach")
        change: dict[str, Any] = {"amount": -chance.randrange(1, 900), "currency": customers[customer]}
        post(sandbox, f"/v1/customers/{customer}/balance_transactions", **change)
    sandbox.advance(20 * 60)
    names = ("customers", *BELOW, "payouts", "payout_transactions", "setup_intents", "setup_attempts")
    with account(sandbox) as stripe:
        said = {"customers": TableRun(since=str(SINCE))}
        report = stripe.sync_by(RunFile(to=str(place), schema="below", endpoints=names, tables=said))
    assert not report.failed
    only = {"customers": {"created": {"gte": SINCE}}} | {name: {"customer": list(customers)} for name in BELOW}
    assert_equal_to_a_fresh_read(place, sandbox, names, only, schema="below")


def keys(sandbox: Sandbox) -> dict[str, set[tuple[object, ...]]]:
    return {name: set(expected_rows(sandbox, name)) for name in NAMES}
