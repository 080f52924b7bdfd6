"""The page on finance: its config syncs, and its queries answer what Stripe holds, in DuckDB and in Postgres."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector import major
from connector.sandbox import Sandbox
from connector.sync.runfile import RunFile
from tests.accounts import account
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import Place, query

__all__ = ["postgres_database", "postgres_url"]

PAGE = (Path(__file__).parents[1] / "docs/finance.md").read_text(encoding="utf-8")
CONFIG = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
QUERIES = dict(re.findall(r"```sql\n-- (\w+)\n(.*?)```", PAGE, re.DOTALL))


def synced(sandbox: Sandbox, to: str) -> None:
    with account(sandbox) as stripe:
        report = stripe.sync_by(RunFile(to=to, endpoints=tuple(CONFIG["endpoints"]), major=CONFIG["major"]))
    assert not report.failed


@pytest.fixture(scope="module")
def warehouse(shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Place:
    file = tmp_path_factory.mktemp("finance") / "stripe.duckdb"
    synced(shared_sandbox, str(file))
    return file


def test_every_charge_finds_the_invoice_that_it_pays(warehouse: Place, shared_sandbox: Sandbox) -> None:
    payments = {
        each["payment"]["payment_intent"]: each["invoice"]
        for each in shared_sandbox.truth("invoice_payment")
        if each["status"] == "paid"
    }
    expected = {
        each["id"]: payments[each["payment_intent"]]
        for each in shared_sandbox.truth("charge")
        if each["status"] == "succeeded" and each["payment_intent"] in payments
    }
    assert len(expected) > 1000
    assert {row["charge"]: row["invoice"] for row in query(warehouse, QUERIES["charges_and_invoices"])} == expected


def test_every_automatic_payout_is_explained(warehouse: Place, shared_sandbox: Sandbox) -> None:
    rows = {row["payout"]: row for row in query(warehouse, QUERIES["payouts_reconciled"])}
    automatic = {each["id"]: each for each in shared_sandbox.truth("payout") if each["automatic"]}
    assert rows.keys() == automatic.keys()
    assert {row["difference"] for row in rows.values()} == {0}
    for name, row in rows.items():
        assert row["paid_out"] == major(automatic[name]["amount"], automatic[name]["currency"])
        assert row["charges"] + row["refunds"] + row["others"] + row["fees"] == row["paid_out"]


def test_revenue_is_in_major_units_by_month_and_currency(warehouse: Place, shared_sandbox: Sandbox) -> None:
    expected: Counter[str] = Counter()
    for each in shared_sandbox.truth("charge"):
        if each["status"] == "succeeded":
            expected[each["currency"]] += each["amount_captured"] - each["amount_refunded"]
    found: dict[str, Decimal] = {}
    for row in query(warehouse, QUERIES["revenue_by_month"]):
        found[row["currency"]] = found.get(row["currency"], Decimal(0)) + row["revenue"]
    assert found == {currency: major(amount, currency) for currency, amount in expected.items()}


def test_open_invoices_add_up(warehouse: Place, shared_sandbox: Sandbox) -> None:
    expected: Counter[str] = Counter()
    for each in shared_sandbox.truth("invoice"):
        if each["status"] == "open" and not each.get("test_clock"):
            expected[each["currency"]] += each["amount_remaining"]
    found: dict[str, Decimal] = {}
    for row in query(warehouse, QUERIES["open_invoices_by_age"]):
        found[row["currency"]] = found.get(row["currency"], Decimal(0)) + row["owed"]
    assert found == {currency: major(amount, currency) for currency, amount in expected.items()}


def test_what_went_back_is_what_the_charges_say(warehouse: Place, shared_sandbox: Sandbox) -> None:
    rows = {row["charge"]: row for row in query(warehouse, QUERIES["refunds_and_disputes"])}
    charges = {each["id"]: each for each in shared_sandbox.truth("charge")}
    refunded = {name for name, each in charges.items() if each["amount_refunded"]}
    assert refunded <= rows.keys()
    for name in refunded:
        assert rows[name]["refunded"] == major(charges[name]["amount_refunded"], charges[name]["currency"])
    assert {name for name, each in charges.items() if each["disputed"]} == {
        name for name, row in rows.items() if row["disputed"]
    }


def test_the_page_runs_in_postgres_too(warehouse: Place, shared_sandbox: Sandbox, postgres_database: str) -> None:
    synced(shared_sandbox, postgres_database)
    assert len(QUERIES) == 5
    for sql in QUERIES.values():
        assert comparable(query(postgres_database, sql)) == comparable(query(warehouse, sql))


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "month"} for row in rows]
