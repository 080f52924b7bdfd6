"""What a merge's counts do not tell by themselves: rows that a table drops, keys that stand twice, very wide tables."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from connector.databases.base import Counts, Database
from connector.databases.merge import Keys, Table
from connector.databases.sqlserver.tsql import TSQL
from connector.errors import TargetError
from connector.rows.characters import without_null_bytes
from connector.rows.types import arrow_field
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.databases import database, postgres, sqlite_file
from tests.merging import COLUMNS, merge, stored, table_of, thing, things, values

__all__ = ["database"]

DROPPING = {
    "postgres": (
        "CREATE FUNCTION dropped() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER t BEFORE {} ON {} FOR EACH ROW EXECUTE FUNCTION dropped()",
    ),
    "sqlite": ("CREATE TRIGGER t BEFORE {} ON things BEGIN SELECT RAISE(IGNORE); END",),
}


@pytest.mark.parametrize(("action", "second"), [("INSERT", thing("b", "1", 1)), ("UPDATE", thing("a", "2", 1))])
@pytest.mark.parametrize("family", DROPPING)
def test_rows_that_a_trigger_drops_are_an_error_and_not_unchanged(
    family: str, action: str, second: dict[str, object], tmp_path: Path
) -> None:
    with (postgres if family == "postgres" else sqlite_file)(tmp_path) as database:
        merge(database, thing("a", "1", 0))
        with database.transaction() as session:
            for statement in DROPPING[family]:
                session.execute(statement.format(action, session.full(things(database))))
        with pytest.raises(TargetError, match="things: 1 of 1 rows were not taken, as by a trigger"):
            merge(database, second)
        assert values(database) == {"a": "1"}


def test_keys_that_stand_twice_after_a_restore_are_an_error(database: Database) -> None:
    with database.transaction() as session:
        session.prepare(things(database), table_of([], COLUMNS).schema)  # as a table is that lost its primary key
    merge(database, thing("a", "1"), thing("b", "1"))
    with database.transaction() as session:
        full = session.full(things(database))
        session.execute(f"INSERT INTO {full} SELECT * FROM {full} WHERE id = 'a'")
    with pytest.raises(TargetError, match="1 rows too many have the key of another"):
        merge(database, thing("a", "2", 1), thing("b", "2", 1))
    assert stored(database, "value") == [("1",)] * 3
    assert merge(database, thing("b", "2", 1)) == Counts(updated=1)


@pytest.mark.parametrize("columns", [195, 900])
def test_a_very_wide_table_of_sqlite_takes_a_second_run(columns: int, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(columns)]
    keys, table = Keys(("id",)), Table("main", "wide")
    with sqlite_file(tmp_path) as database:
        for value, expected in (("1", Counts(inserted=1)), ("1", Counts(unchanged=1)), ("2", Counts(updated=1))):
            rows = pa.table({"id": ["a"], **{name: [value] for name in names}})
            with database.transaction() as session:
                session.prepare(table, rows.schema, keys.columns)
                assert session.upsert(table, rows, keys) == expected


def test_null_bytes_become_the_replacement_character_and_are_counted() -> None:
    schema = pa.schema([arrow_field("text", "text"), arrow_field("json", "json"), arrow_field("n", "integer")])
    texts = ["a\0b\0", None, "plain"]
    json = ['{"a":"x\\u0000\\u0000y"}', '{"a":"\\\\u0000"}', None]
    batch, count = without_null_bytes(pa.RecordBatch.from_pydict({"text": texts, "json": json, "n": [1, 2, 3]}, schema))
    assert count == 2
    assert batch.column("text").to_pylist() == ["a\ufffdb\ufffd", None, "plain"]
    assert batch.column("json").to_pylist() == ['{"a":"x\\ufffd\\ufffdy"}', '{"a":"\\\\u0000"}', None]


def test_a_null_byte_in_stripe_does_not_block_a_table_of_postgres(sandbox: Sandbox, postgres_database: str) -> None:
    customer = next(each for each in sandbox.truth("customer") if not each.get("test_clock"))
    sandbox.put("customer", {**customer, "name": "Ann\0", "metadata": {"note": "a\0b"}})
    with account(sandbox) as stripe:
        report = stripe.sync(["customers"], to=postgres_database)
    assert [run.status for run in report.runs] == ["succeeded"]
    assert "customers: 2 values with a null byte" in " ".join(report.notes)
    with postgres_at(postgres_database) as database, database.transaction() as session:
        sql = "SELECT name, metadata ->> 'note' FROM customers WHERE id = ?"
        assert session.rows(sql, (customer["id"],)) == [("Ann\ufffd", "a\ufffdb")]
        indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'customers' AND indexdef LIKE '%(id)'"
        assert len(session.rows(indexes)) == 1


def postgres_at(url: str) -> Database:
    from connector.databases.postgres.database import Postgres

    return Postgres(url)


def test_sql_server_finds_a_synced_row_by_its_id_alone() -> None:
    text = "NVARCHAR(255) COLLATE Latin1_General_100_BIN2"
    columns = {"_account_id": text, "id": text, "v": "BIGINT"}
    *_, index = TSQL().create_table(Table("dbo", "customers"), columns, ["_account_id", "id"])
    assert index == 'CREATE NONCLUSTERED INDEX "_id" ON "dbo"."customers" ("id")'
    assert len(TSQL().create_table(Table("dbo", "leads"), columns, ["id"])) == 2


def test_a_row_whose_time_of_sync_was_emptied_is_still_found_gone(sandbox: Sandbox, tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "stripe.duckdb"
    with account(sandbox) as stripe:
        stripe.sync(["products"], to=str(file))
        with duckdb.connect(file) as connection:
            connection.execute("UPDATE products SET _synced_at = NULL")
        gone = next(iter(sandbox.truth("product")))["id"]
        sandbox.delete("product", gone)
        assert stripe.sync(["products"], to=str(file)).runs[0].deleted == 1
    with duckdb.connect(file) as connection:
        assert connection.execute("SELECT id FROM products WHERE _deleted_at IS NOT NULL").fetchall() == [(gone,)]
        assert connection.execute("SELECT count(*) FROM products WHERE _synced_at IS NULL").fetchall() == [(0,)]
