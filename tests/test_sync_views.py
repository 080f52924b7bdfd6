"""Views of synced tables in major units: beside the tables, which stay as they are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from connector import major
from connector.sandbox import Sandbox
from connector.sync.columns import EVERY_COLUMN
from connector.sync.runfile import RunFile, TableRun, read_runfile
from tests.accounts import account
from tests.synced import query


def run(sandbox: Sandbox, to: str, **settings: object) -> None:
    with account(sandbox) as stripe:
        report = stripe.sync_by(RunFile(to=to, major=True, **settings))  # type: ignore[arg-type]
    assert not report.failed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stripe.duckdb"


def test_a_view_has_the_rows_of_its_table_in_major_units(shared_sandbox: Sandbox, file: Path) -> None:
    for _ in range(2):
        run(shared_sandbox, str(file), endpoints=("prices", "products", "refunds"))
    tables = {row["name"] for row in query(file, "SELECT table_name AS name FROM information_schema.tables")}
    assert {"prices", "prices_major", "refunds", "refunds_major", "products"} <= tables
    assert "products_major" not in tables
    rows = {row["id"]: row for row in query(file, "SELECT * FROM refunds")}
    shown = {row["id"]: row for row in query(file, "SELECT * FROM refunds_major")}
    assert {name: row["amount"] for name, row in shown.items()} == {
        name: major(row["amount"], row["currency"]) for name, row in rows.items()
    }
    assert {name: {**row, "amount": None} for name, row in shown.items()} == {
        name: {**row, "amount": None} for name, row in rows.items()
    }
    half_cents = query(file, "SELECT unit_amount_decimal AS a, currency FROM prices_major WHERE unit_amount IS NULL")
    assert all(isinstance(row["a"], Decimal | None) for row in half_cents)


def test_an_amount_without_its_currency_is_left_out_of_the_view(shared_sandbox: Sandbox, file: Path) -> None:
    run(shared_sandbox, str(file), endpoints=("refunds",), tables={"refunds": TableRun(exclude=("currency",))})
    (row,) = query(file, "SELECT * FROM refunds_major LIMIT 1")
    assert "amount" not in row
    assert "id" in row


def test_a_view_gains_the_columns_that_its_table_gains(shared_sandbox: Sandbox, file: Path) -> None:
    run(shared_sandbox, str(file), endpoints=("refunds",), tables={"refunds": TableRun(exclude=("reason",))})
    run(shared_sandbox, str(file), endpoints=("refunds",), tables={"refunds": TableRun(columns=EVERY_COLUMN)})
    assert query(file, "SELECT reason FROM refunds_major LIMIT 1")


def test_views_stand_in_sqlite_too(shared_sandbox: Sandbox, tmp_path: Path) -> None:
    import sqlite3

    for _ in range(2):
        run(shared_sandbox, f"sqlite:///{tmp_path / 'stripe.db'}", endpoints=("refunds",))
    with sqlite3.connect(tmp_path / "stripe.db") as connection:
        rows = connection.execute(
            "SELECT v.amount, t.amount, t.currency FROM refunds t JOIN refunds_major v USING (id)"
        ).fetchall()
    connection.close()
    assert len(rows) > 50
    assert all(Decimal(str(shown)) == major(minor, currency) for shown, minor, currency in rows)


def test_a_table_of_that_name_is_not_touched(shared_sandbox: Sandbox, file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.sql("CREATE TABLE refunds_major AS SELECT 1 AS mine")
    with account(shared_sandbox) as stripe:
        report = stripe.sync_by(RunFile(to=str(file), major=True, endpoints=("refunds",)))
    assert "refunds_major" in str(report.runs[0].error)
    assert query(file, "SELECT * FROM refunds_major") == [{"mine": 1}]


def test_major_in_a_config_is_true_or_false(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('to = "a.duckdb"\nendpoints = "all"\nmajor = true\n', encoding="utf-8")
    assert read_runfile(tmp_path / "run.toml").major is True
