"""An extract into a database empties and doubles nothing by accident: neither a user's table nor one of a sync."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from connector import Stripe
from connector.cli.app import run
from connector.databases.base import Session
from connector.databases.merge import Table
from connector.errors import ConnectorError, TargetError, UsageError
from connector.load import guard
from connector.places import open_database
from connector.sandbox import Sandbox
from connector.sync import journal, provenance
from tests.accounts import account


@pytest.fixture(params=["duckdb", "sqlite", "postgres"])
def to(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each family in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    return f"{request.param}:///{tmp_path.as_posix()}/shop.{'duckdb' if request.param == 'duckdb' else 'db'}"


def ask(to: str, sql: str) -> list[tuple[Any, ...]]:
    with open_database(to) as database, database.transaction() as session:
        return session.rows(sql)


def do(to: str, *statements: str) -> None:
    with open_database(to) as database, database.transaction() as session:
        for statement in statements:
            session.execute(statement)


def test_a_table_of_a_sync_is_never_a_place_for_an_extract(sandbox: Sandbox, to: str) -> None:
    with account(sandbox) as stripe:
        stripe.sync(["products"], to=to)
        before = ask(to, "SELECT id, _account_id FROM products ORDER BY id")
        for how in ({}, {"mode": "replace"}, {"key": "id"}, {"mode": "append"}, {"key": "id", "mode": "mirror"}):
            requests = stripe.requests_and_limit()[0]
            with pytest.raises(TargetError, match=r"products is written by a sync, and stays as it is"):
                stripe.extract("products", limit=2).to(to, table="products", **how)  # type: ignore[arg-type]
            assert stripe.requests_and_limit()[0] == requests  # it is refused before anything is read
        with pytest.raises(TargetError, match="_sync_runs belongs to a sync"):
            stripe.extract("products").to(to, table="_sync_runs", mode="replace")
        assert ask(to, "SELECT id, _account_id FROM products ORDER BY id") == before
        assert stripe.sync(["products"], to=to).runs[0].unchanged == len(before)


def test_a_sync_refuses_a_table_into_which_something_else_brought_rows(sandbox: Sandbox, to: str) -> None:
    with account(sandbox) as stripe:
        stripe.sync(["payouts"], to=to)
        do(
            to, "UPDATE payouts SET _account_id = NULL WHERE id = (SELECT min(id) FROM payouts)"
        ) if "postgres" not in to else do(
            to,
            "ALTER TABLE payouts DROP CONSTRAINT payouts_pkey",
            "ALTER TABLE payouts ALTER COLUMN _account_id DROP NOT NULL",
            "UPDATE payouts SET _account_id = NULL WHERE id = (SELECT min(id) FROM payouts)",
        )
        ((count,),) = ask(to, "SELECT count(*) FROM payouts")
        report = stripe.sync(["payouts"], to=to)
        assert "holds rows that no sync has written" in str(report.runs[0].error)
        assert ask(to, "SELECT count(*) FROM payouts") == [(count,)]


def test_a_table_that_is_there_needs_replace_or_a_key(stripe: Stripe, to: str) -> None:
    products = stripe.extract("products", columns=["id", "name"])
    count = products.to(to, table="goods")
    with pytest.raises(TargetError, match=rf"goods is there already, with {count} rows.*--replace .* --key id"):
        stripe.extract("products", limit=2).to(to, table="goods")
    assert ask(to, "SELECT count(*) FROM goods") == [(count,)]
    few = stripe.extract("products", columns=["id", "name"], limit=2)
    assert few.to(to, table="goods", key="id") == 2
    assert "0 inserted, 0 updated, 2 unchanged" in " ".join(few.report.notes)
    assert few.to(to, table="goods", mode="replace") == 2
    assert f"{count} rows that stood there replaced." in few.report.notes
    assert ask(to, "SELECT count(*) FROM goods") == [(2,)]


def test_the_command_takes_key_mode_and_replace(
    shared_sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", shared_sandbox.key)
    monkeypatch.setenv("STRIPE_API_BASE", shared_sandbox.url)
    to = str(tmp_path / "shop.duckdb")
    extract = ["extract", "products", "--columns", "id,name", "--to", to]
    assert run(extract) == 0
    assert run([*extract, "--limit", "2"]) == 1
    assert "--replace puts these rows in their place" in capsys.readouterr().err
    assert run([*extract, "--key", "id", "--mode", "insert"]) == 0
    assert "skipped" in capsys.readouterr().err
    assert run([*extract, "--limit", "2", "--replace"]) == 0
    assert "rows that stood there replaced" in capsys.readouterr().err
    assert run([*extract, "--replace", "--mode", "append"]) == 2
    assert run(["request", "GET", "products", "--limit", "3", "--to", to, "--table", "products", "--replace"]) == 0
    assert ask(to, "SELECT count(*) FROM products") == [(3,)]


def test_an_extract_is_appended_to_a_file(stripe: Stripe, tmp_path: Path) -> None:
    file = tmp_path / "goods.jsonl"
    two = stripe.extract("products", columns=["id"], limit=2)
    assert two.to(file) == 2
    assert two.to(file, mode="append") == 2
    assert len(file.read_text().splitlines()) == 4
    with pytest.raises(UsageError, match="--key is for tables"):
        two.to(file, key="id", mode="append")


def synced(session: Session, mode: str, new: set[str], *, journal: bool, name: str = "customers") -> bool:
    existing = dict.fromkeys(["id", *guard.PROVENANCE], "text")
    has = {"_sync_progress": {"endpoint": "text"}} if journal else {}
    session.column_types = lambda table: has.get(table.name, {})  # type: ignore[method-assign]
    try:
        guard.refuse_synced(session, Table("main", name), existing, mode, new)
    except ConnectorError:
        return True
    return False


@pytest.mark.parametrize(
    ("mode", "new", "journal", "is_refused"),
    [
        ("upsert", {"id", "name"}, True, True),
        ("insert", {"id", "name"}, True, True),
        ("delete", {"id"}, True, True),
        ("update", {"id", "segment"}, True, False),
        ("update", {"id", "_changed_at"}, True, True),
        ("upsert", {"id", "_account_id"}, True, True),
        ("upsert", {"id", "_account_id"}, False, False),
        ("upsert", {"id", "name"}, False, True),
    ],
)
def test_a_load_into_a_synced_table_only_updates_columns_that_are_not_the_syncs(
    tmp_path: Path, mode: str, new: set[str], journal: bool, is_refused: bool
) -> None:
    with open_database(str(tmp_path / "a.duckdb")) as database, database.transaction() as session:
        assert synced(session, mode, new, journal=journal) is is_refused


def test_the_guard_knows_what_a_sync_writes() -> None:
    assert tuple(provenance._COLUMNS) == guard.PROVENANCE

    made = journal.Journal(cast("Session", None), "main")
    assert {made._progress.name, made._runs.name, made._lease.name} == set(guard.JOURNAL)


def test_an_extract_adds_no_column_to_a_table_of_somebody_elses_unless_told(stripe: Stripe, to: str) -> None:
    do(to, "CREATE TABLE people (id VARCHAR(40) PRIMARY KEY, email VARCHAR(200))")
    people = ["id", "email", "name"]
    with pytest.raises(ConnectorError, match=r"no column .name.*--on-new-column"):
        stripe.extract("customers", columns=people, limit=2).to(to, table="people", key="id")
    assert ask(to, "SELECT count(*) FROM people") == [(0,)]
    stripe.extract("customers", columns=people, limit=2).to(to, table="people", key="id", on_new_column="ignore")
    assert [len(row) for row in ask(to, "SELECT * FROM people")] == [2, 2]
    stripe.extract("customers", columns=people, limit=2).to(to, table="people", key="id", on_new_column="add")
    assert ask(to, "SELECT count(name) FROM people") == [(2,)]
