"""The merge that all databases share: newest wins, nothing doubled, nothing changed that did not come."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import TargetError
from connector.tables import arrow_field
from connector.targets.base import Counts, Database, Keys, Table
from connector.targets.duckdb import DuckDB

TABLE = Table("main", "things")
KEYS = Keys(("account", "id"), "seen_at", ("seen_at",))
COLUMNS = {"account": "text", "id": "text", "value": "text", "seen_at": "timestamp"}
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return DuckDB(str(tmp_path / "merge.duckdb"))


def table_of(rows: list[dict[str, Any]], columns: dict[str, str]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema([arrow_field(name, kind) for name, kind in columns.items()]))


def thing(key: str, value: str | None, second: int = 0) -> dict[str, Any]:
    return {"account": "acct_1", "id": key, "value": value, "seen_at": START + timedelta(seconds=second)}


def merge(
    database: Database, *rows: dict[str, Any], columns: dict[str, str] | None = None, keys: Keys = KEYS
) -> Counts:
    batch = table_of(list(rows), columns or COLUMNS)
    with database.transaction() as session:
        session.prepare(TABLE, batch.schema)
        return session.upsert(TABLE, batch, keys)


def stored(database: Database, columns: str = "id, value, seen_at") -> list[tuple[Any, ...]]:
    with database.transaction() as session:
        return session.rows(f"SELECT {columns} FROM {session.full(TABLE)} ORDER BY id")


def values(database: Database) -> dict[Any, Any]:
    return {key: value for key, value, _ in stored(database)}


def test_pk_updates(database: Database) -> None:
    assert merge(database, thing("a", "1"), thing("b", "1")) == Counts(inserted=2)
    assert merge(database, thing("a", "2", 1), thing("c", "1", 1)) == Counts(inserted=1, updated=1)
    assert values(database) == {"a": "2", "b": "1", "c": "1"}


def test_duplicate_records(database: Database) -> None:
    assert merge(database, thing("a", "old", 1), thing("a", "new", 2), thing("a", "older", 0)) == Counts(inserted=1)
    assert values(database) == {"a": "new"}


def test_older_never_overwrites_newer(database: Database) -> None:
    merge(database, thing("a", "new", 5))
    assert merge(database, thing("a", "old", 4)) == Counts(unchanged=1)
    assert stored(database) == [("a", "new", START + timedelta(seconds=5))]


def test_tie_goes_to_the_incoming(database: Database) -> None:
    merge(database, thing("a", "first", 5))
    assert merge(database, thing("a", "second", 5), thing("a", "third", 5)) == Counts(updated=1)
    assert values(database) == {"a": "third"}


def test_rerun_is_noop(database: Database) -> None:
    rows = [thing(str(number), None if number % 3 else "x") for number in range(50)]
    merge(database, *rows)
    before = stored(database)
    assert merge(database, *rows) == Counts(unchanged=50)
    assert stored(database) == before


def test_quiet_columns_are_written_on_unchanged_rows_and_on_none_that_is_older(database: Database) -> None:
    merge(database, thing("a", "1", 1), thing("b", "1", 9))
    assert merge(database, thing("a", "1", 3), thing("b", "1", 3)) == Counts(unchanged=2)
    assert [at for *_, at in stored(database)] == [START + timedelta(seconds=3), START + timedelta(seconds=9)]


def test_null_and_empty_are_different(database: Database) -> None:
    merge(database, thing("a", ""), thing("b", None))
    assert merge(database, thing("a", None, 1), thing("b", "", 1)) == Counts(updated=2)
    assert values(database) == {"a": None, "b": ""}


def test_special_characters_in_names_and_values(database: Database) -> None:
    name, value = 'qu"ote; DROP TABLE x --', "'; ñ 雪 \U0001f600 \\ \n\t \x01"
    columns = {"account": "text", "id": "text", name: "text", "select": "integer", "seen_at": "timestamp"}
    row = {"account": value, "id": value, name: value, "select": 1, "seen_at": START}
    merge(database, row, columns=columns)
    assert merge(database, {**row, "select": 2}, columns=columns) == Counts(updated=1)
    with database.transaction() as session:
        assert session.rows(f"SELECT * FROM {session.full(TABLE)}") == [(value, value, value, 2, START)]


def test_tables_of_the_user_called_like_ours_stay_untouched(database: Database) -> None:
    names = ["stage", "_stage", "incoming", "_rows"]
    with database.transaction() as session:
        for name in names:
            session.execute(f"CREATE TABLE main.{name} AS SELECT 1 AS mine")
    merge(database, thing("a", "1"))
    assert merge(database, thing("a", "2")) == Counts(updated=1)
    with database.transaction() as session:
        assert [session.rows(f"SELECT * FROM main.{name}") for name in names] == [[(1,)]] * 4


def test_a_row_without_its_key_is_refused_and_nothing_is_merged(database: Database) -> None:
    merge(database, thing("a", "1"))
    with pytest.raises(TargetError, match="without id"):
        merge(database, thing("b", "1"), {**thing("c", "1"), "id": None})
    assert values(database) == {"a": "1"}


def test_json_decimals_and_dates_come_back_exactly(database: Database) -> None:
    columns = {**COLUMNS, "json": "json", "decimal": "decimal", "big": "integer", "yes": "boolean", "half": "number"}
    typed = {
        "json": '{"b":[1,null],"a":"é"}',
        "decimal": Decimal("12345678901234567890.000000000001"),
        "big": 2**63 - 1,
        "yes": False,
        "half": 0.1,
    }
    merge(database, {**thing("a", "1"), **typed}, columns=columns)
    assert merge(database, {**thing("a", "1"), **typed}, columns=columns) == Counts(unchanged=1)
    assert stored(database, "id, json, decimal, big, yes, half") == [("a", *typed.values())]


def test_schema_grows(database: Database) -> None:
    merge(database, thing("a", "1"))
    wider = {**COLUMNS, "more": "integer"}
    assert merge(database, {**thing("a", "1"), "more": 7}, columns=wider) == Counts(updated=1)
    with database.transaction() as session:
        assert session.prepare(TABLE, table_of([], wider).schema) == []
    assert stored(database, "id, value, more") == [("a", "1", 7)]


def test_type_widens(database: Database) -> None:
    columns = {**COLUMNS, "amount": "integer"}
    merge(database, {**thing("a", "1"), "amount": 5}, columns=columns)
    decimals = {**columns, "amount": "decimal"}
    with database.transaction() as session:
        (change,) = session.prepare(TABLE, table_of([], decimals).schema)
    assert change == "things: the column amount was widened from BIGINT to DECIMAL(38,12)"
    merge(database, {**thing("b", "1"), "amount": Decimal("0.5")}, columns=decimals)
    assert stored(database, "id, amount") == [("a", Decimal(5)), ("b", Decimal("0.5"))]


def test_a_column_that_is_wider_already_takes_the_values_as_its_own(database: Database) -> None:
    merge(database, {**thing("a", "1"), "amount": "five"}, columns={**COLUMNS, "amount": "text"})
    columns = {**COLUMNS, "amount": "integer"}
    assert merge(database, {**thing("b", "1"), "amount": 5}, columns=columns) == Counts(inserted=1)
    assert merge(database, {**thing("b", "1"), "amount": 5}, columns=columns) == Counts(unchanged=1)
    assert merge(database, {**thing("a", "1"), "amount": 6}, columns=columns) == Counts(updated=1)
    assert stored(database, "id, amount") == [("a", "6"), ("b", "5")]


def test_type_that_would_lose_is_refused(database: Database) -> None:
    merge(database, thing("a", "1"), columns=COLUMNS)
    with database.transaction() as session:
        session.execute(f"ALTER TABLE {session.full(TABLE)} ADD COLUMN amount DOUBLE")
    with pytest.raises(TargetError, match="the column amount is DOUBLE and would have to be BIGINT"):
        merge(database, {**thing("a", "2"), "amount": 1}, columns={**COLUMNS, "amount": "integer"})
    assert values(database) == {"a": "1"}


def test_exotic_columns_of_the_user_survive(database: Database) -> None:
    merge(database, thing("a", "1"))
    with database.transaction() as session:
        session.execute(f"ALTER TABLE {session.full(TABLE)} ADD COLUMN mine STRUCT(x INTEGER, y VARCHAR[])")
        session.execute(f"UPDATE {session.full(TABLE)} SET mine = {{'x': 1, 'y': ['z']}}")
    assert merge(database, thing("a", "2", 1), thing("b", "1")) == Counts(inserted=1, updated=1)
    assert stored(database, "id, mine") == [("a", {"x": 1, "y": ["z"]}), ("b", None)]


def test_without_a_clock_the_last_row_wins_and_only_differences_are_written(database: Database) -> None:
    keys = Keys(("account", "id"))
    merge(database, thing("a", "1", 9), keys=keys)
    assert merge(database, thing("a", "1", 9), thing("b", "1"), thing("b", "2"), keys=keys) == Counts(1, 0, 1)
    assert merge(database, thing("a", "2", 0), keys=keys) == Counts(updated=1)
    assert values(database) == {"a": "2", "b": "2"}


def test_a_file_that_another_process_filled_meanwhile_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "both.duckdb"
    late = DuckDB(str(file))
    opened = late._connect
    monkeypatch.setattr(late, "_connect", lambda: (merge(DuckDB(str(file)), thing("a", "1")), opened())[1])
    with pytest.raises(TargetError, match="refused"), late.transaction():
        raise TargetError("refused")
    assert values(DuckDB(str(file))) == {"a": "1"}


ROWS = st.builds(thing, st.sampled_from("abcd"), st.sampled_from(["", "x", "y", None]), st.integers(0, 4))


@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.lists(ROWS, max_size=6), max_size=3))
def test_any_sequence_of_batches_equals_a_plain_model(batches: list[list[dict[str, Any]]]) -> None:
    model: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        database = DuckDB(str(Path(folder, "model.duckdb")))
        with database.transaction() as session:
            session.prepare(TABLE, table_of([], COLUMNS).schema)
            for rows in batches:
                newest: dict[str, dict[str, Any]] = {}
                for row in rows:
                    if row["id"] not in newest or row["seen_at"] >= newest[row["id"]]["seen_at"]:
                        newest[row["id"]] = row
                counts = {"inserted": 0, "updated": 0, "unchanged": 0}
                for key, row in newest.items():
                    old = model.get(key)
                    is_newer = old is None or row["seen_at"] >= old["seen_at"]
                    differs = old is None or row["value"] != old["value"]
                    counts["inserted" if old is None else "updated" if is_newer and differs else "unchanged"] += 1
                    model[key] = row if is_newer else model[key]
                assert session.upsert(TABLE, table_of(rows, COLUMNS), KEYS) == Counts(**counts)
            found = session.rows(f"SELECT account, id, value, seen_at FROM {session.full(TABLE)}")
    assert sorted(found, key=str) == sorted((tuple(row.values()) for row in model.values()), key=str)
