"""SQLite as a target: values digit for digit, transactions that leave nothing behind, locks, and a sync."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sql

from connector import Stripe
from connector.api.spans import Spans
from connector.databases.base import Counts, MergeOptions, RefusedValue, Session
from connector.databases.merge import Keys, Table
from connector.databases.portable.database import Portable
from connector.errors import TargetError
from connector.files.formats import ReadOptions
from connector.load.loading import Loading
from connector.load.run import load
from connector.places import open_source
from connector.rows.types import arrow_field
from connector.sandbox import Sandbox
from connector.sync.deletions import Deletion, Unseen, mark_deleted
from connector.sync.journal import Journal, Run, State
from connector.sync.lease import Lease
from connector.sync.provenance import latest
from tests.row_batches import write_rows

TABLE = Table("main", "things")
BY_ID = Keys(("id",))
START = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = {
    "text": "é '?' %s",
    "integer": 2**63 - 1,
    "number": 0.1,
    "decimal": Decimal("12345678901234567890.000000000001"),
    "boolean": True,
    "timestamp": datetime(2026, 3, 29, 1, 30, 0, 5, UTC),
    "date": date(1815, 12, 10),
    "json": '{"b":[1,null]}',
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def database(url: str) -> Portable:
    return Portable(url)


def ask(file: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


def typed(*rows: dict[str, Any], **columns: str) -> pa.Table:
    return pa.Table.from_pylist(list(rows), pa.schema([arrow_field(name, kind) for name, kind in columns.items()]))


def merged(session: Session, batch: pa.Table, mode: str = "upsert", keys: Keys = BY_ID, table: Table = TABLE) -> Counts:
    session.lock(table)
    session.prepare(table, batch.schema, keys.columns)
    return session.merge(table, session.stage(table, [batch], batch.schema.names), keys, MergeOptions(mode))


# What SQLite stores


def test_values_are_stored_digit_for_digit_in_columns_whose_types_say_what_they_are(
    database: Portable, file: Path
) -> None:
    with database.transaction() as session:
        merged(session, typed({"id": "a", **TYPES}, id="text", **{name: name for name in TYPES}))
    assert ask(file, "SELECT name, type FROM pragma_table_info('things')") == [
        ("id", "TEXT"),
        ("text", "TEXT"),
        ("integer", "BIGINT"),
        ("number", "DOUBLE"),
        ("decimal", "DECIMAL_TEXT"),
        ("boolean", "BOOLEAN"),
        ("timestamp", "TIMESTAMP_TEXT"),
        ("date", "DATE_TEXT"),
        ("json", "JSON_TEXT"),
    ]
    ((_, *stored),) = ask(file, "SELECT * FROM things")
    as_text = {"decimal": "12345678901234567890.000000000001", "timestamp": "2026-03-29 01:30:00.000005"}
    assert stored == list({**TYPES, **as_text, "boolean": 1, "date": "1815-12-10"}.values())


def test_what_was_written_is_read_and_loaded_again_without_a_change(url: str, tmp_path: Path) -> None:
    kinds = {name: name for name in TYPES if name != "boolean"}  # which are 0 and 1 in SQLite, and stay numbers
    rows = typed({"id": "a", **TYPES}, {"id": "b"}, id="text", **kinds)
    load(rows, url, "things", Loading(key=["id"]))
    (read,) = open_source(url, ReadOptions(table="things")).batches()
    assert [row["decimal"] for row in read.to_pylist()] == ["12345678901234567890.000000000001", None]
    again = load(url, url.replace("shop", "copy"), "things", Loading(key=["id"]), reading=ReadOptions(table="things"))
    assert again.counts == Counts(inserted=2)
    other = f"duckdb:///{tmp_path / 'other.duckdb'}"
    load(rows, other, "things", Loading(key=["id"]))
    back = load(url, other, "things", Loading(key=["id"]), reading=ReadOptions(table="things"))
    assert back.counts == Counts(unchanged=2)


def test_a_table_made_by_others_keeps_its_types_and_a_rerun_changes_nothing(database: Portable, file: Path) -> None:
    ask(file, "CREATE TABLE things (id VARCHAR(20) PRIMARY KEY, at DATETIME, day DATE, price DECIMAL(10, 2), n INT)")
    row = {"id": "a", "at": START, "day": date(2026, 1, 2), "price": Decimal("12.50"), "n": 7}
    batch = typed(row, id="text", at="timestamp", day="date", price="decimal", n="integer")
    for expected in (Counts(inserted=1), Counts(unchanged=1)):
        with database.transaction() as session:
            kinds = session.column_types(TABLE)
            fields = [session.field_of(name, kind) for name, kind in kinds.items()]
            rows = batch.cast(pa.schema(fields))
            assert session.merge(TABLE, session.stage(TABLE, [rows], rows.schema.names), BY_ID) == expected
    engine = sql.create_engine(f"sqlite:///{file}", poolclass=sql.pool.NullPool)
    with engine.connect() as connection:  # as SQLAlchemy's own types read it
        found = connection.execute(sql.select(sql.Table("things", sql.MetaData(), autoload_with=connection))).one()
    assert found == ("a", START.replace(tzinfo=None), date(2026, 1, 2), Decimal("12.50"), 7)


@pytest.mark.parametrize(
    ("kind", "column", "reason"),
    [
        ("DECIMAL(20,4)", pa.array([Decimal("1.0"), Decimal("1234567890123456.1")], pa.decimal128(20, 4)), "15 digits"),
        ("DOUBLE", pa.array([0.0, float("nan")]), "cannot store NaN"),
    ],
)
def test_numbers_that_sqlite_would_change_are_refused(
    kind: str, column: pa.Array, reason: str, database: Portable, file: Path
) -> None:
    ask(file, f"CREATE TABLE things (id TEXT, n {kind})")
    batch = pa.table({"id": ["a", "b"], "n": column})
    with pytest.raises(RefusedValue, match=reason) as caught, database.transaction() as session:
        session.stage(TABLE, [batch.slice(0, 0), batch], ["id", "n"])
    assert (caught.value.column, caught.value.place) == ("n", 1)


def test_a_type_widens_and_the_values_stay(database: Portable, file: Path) -> None:
    with database.transaction() as session:
        merged(session, typed({"id": "a", "n": 5, "z": "z"}, id="text", n="integer", z="text"))
    with database.transaction() as session:
        changes = session.prepare(TABLE, typed(n="decimal").schema)
    assert changes == ["things: the column n was widened from BIGINT to DECIMAL_TEXT"]
    assert ask(file, "SELECT id, z, n, typeof(n) FROM things") == [("a", "z", "5", "text")]


# Transactions and locks of SQLite


def test_a_failed_load_leaves_no_table_behind(database: Portable, file: Path) -> None:
    twice, table = typed({"id": "a"}, {"id": "a"}, id="text"), Table("main", "others")

    def work(session: Session) -> Counts:
        merged(session, twice)
        session.prepare(table, twice.schema, BY_ID.columns)
        return session.merge(table, session.stage(table, [twice], ["id"]), Keys(()), MergeOptions("append"))

    with pytest.raises(TargetError, match="breaks a rule"):
        database.repeated(work)
    assert ask(file, "SELECT name FROM sqlite_master") == []


def test_a_load_leaves_no_stage_behind(database: Portable, file: Path) -> None:
    with database.transaction() as session:
        merged(session, typed({"id": "a"}, id="text"))
        merged(session, typed({"id": "a"}, id="text"), "mirror")
    assert ask(file, "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'") == [("things",)]


def test_another_writer_is_waited_for_and_then_named(database: Portable, file: Path) -> None:
    with database.transaction() as session:
        merged(session, typed({"id": "a"}, id="text"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    expected = pytest.raises(TargetError, match=r"shop.db: another program is writing to it; 0.01 seconds were not")
    with expected, database.transaction() as session:
        session.lock(TABLE, 0.01)
    other.execute("ROLLBACK")
    other.close()
    with database.transaction() as session:
        session.lock(TABLE, 0.01)


def test_a_lock_keeps_other_writers_out_until_the_end(database: Portable, url: str) -> None:
    with database.transaction() as session:
        session.lock(TABLE)
        with pytest.raises(TargetError, match="another program"), Portable(url).transaction() as second:
            second.lock(TABLE, 0)


def test_a_unique_violation_is_told_without_the_value(database: Portable, file: Path) -> None:
    ask(file, "CREATE TABLE things (id TEXT, secret TEXT UNIQUE)")
    rows = typed({"id": "a", "secret": "private"}, {"id": "b", "secret": "private"}, id="text", secret="text")
    expected = pytest.raises(TargetError, match=r"shop.db: a row breaks a rule of the table")
    with expected as caught, database.transaction() as session:
        merged(session, rows)
    assert "private" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="none"):
        Portable(f"sqlite:///{tmp_path / 'none' / 'a.db'}").exists()


def test_whether_there_is_a_file_is_asked_without_making_one(database: Portable, file: Path) -> None:
    assert not database.exists()
    assert not file.exists()
    with database.transaction() as session:
        assert session.column_types(TABLE) == {}
    assert database.exists()


def test_sqlite_has_no_schemas(database: Portable) -> None:
    expected = pytest.raises(TargetError, match=r'has no schemas: name the table without "crm\."')
    with expected, database.transaction() as session:
        session.prepare(Table("crm", "leads"), typed(id="text").schema)


def test_a_file_that_is_no_database_stays_what_it_is(database: Portable, file: Path) -> None:
    file.write_bytes(b"id,n\r\n" * 500)
    with pytest.raises(TargetError, match="file is not a database"), database.transaction() as session:
        session.lock(TABLE)
    assert file.read_bytes() == b"id,n\r\n" * 500


# What a sync needs of SQLite


def test_a_sync_remembers_in_sqlite(database: Portable) -> None:
    with database.transaction() as session:
        memory = Journal(session, "main")
        memory.prepare()
        memory.prepare()
        assert memory.take_lease(Lease("run_1", "host", 1)) is None
        held = memory.take_lease(Lease("run_2", "other", 2))
        assert held is not None
        assert (held.run_id, abs(held.heartbeat_at - time.time()) < 60) == ("run_1", True)
        progress = State("charges", Spans(), int(START.timestamp()), "here")
        memory.save_progress("acct_1", progress, livemode=False)
        memory.check_mode(livemode=False)
        with pytest.raises(TargetError, match="test data"):
            memory.check_mode(livemode=True)
        assert memory.progress("acct_1") == {"charges": progress}
        for number in range(2):
            memory.save_runs("acct_1", [Run(f"run_{number}", "charges", "running", int(START.timestamp()) + number)])
        memory.close_runs()
        (last,) = memory.last_runs()
        assert (last.run_id, last.status, last.started_at) == ("run_1", "failed", int(START.timestamp()) + 1)


def test_a_second_sync_into_sqlite_changes_nothing(url: str, shared_sandbox: Sandbox) -> None:
    with Stripe(key=shared_sandbox.key, api_base=shared_sandbox.url) as stripe:
        for expected in ("inserted", "unchanged"):
            (run,) = stripe.sync(["customers"], to=url, full=expected == "unchanged").runs
            assert getattr(run, expected) == run.rows_read > 0


def test_the_latest_times_of_an_account_and_what_a_pass_did_not_see(database: Portable) -> None:
    names = {"_account_id": "text", "id": "text", "_changed_at": "timestamp", "_synced_at": "timestamp"}
    names |= {"_deleted_at": "timestamp", "created": "timestamp"}
    rows = [
        {"_account_id": "acct_1", "id": str(number), "_changed_at": START, "_synced_at": START + timedelta(number)}
        | {"created": START}
        for number in range(3)
    ]
    keys = Keys(("_account_id", "id"))
    with database.transaction() as session:
        merged(session, typed(*rows, **names), keys=keys)
        assert latest(session, TABLE, "acct_1") == (START, START + timedelta(2))
        assert latest(session, TABLE, "acct_2") == (None, None)
        unseen = Unseen("acct_1", START + timedelta(2), [("created", ">=", START)], {"id": ["0", "1", "2"]})
        assert mark_deleted(session, TABLE, unseen, Deletion(START, START + timedelta(3))) == 2
        assert mark_deleted(session, TABLE, unseen, Deletion(START, START, remove=True)) == 0


def test_extract_writes_to_sqlite_by_its_url(url: str, file: Path) -> None:
    batch = typed({"id": "a"}, {"id": "b"}, id="text")
    for mode in ("create", "replace"):
        assert write_rows(f"{url}?table=things", batch.schema, batch.to_batches(), mode=mode) == 2
    assert ask(file, "SELECT * FROM things") == [("a",), ("b",)]
