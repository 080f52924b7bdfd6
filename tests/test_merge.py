"""The merge that all databases share: newest wins, nothing doubled, nothing changed that did not come."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.databases.base import Counts, Database
from connector.databases.duckdb.database import DuckDB
from connector.databases.duckdb.file import File
from connector.databases.merge import Keys, Table
from connector.databases.portable.database import Portable
from connector.errors import TargetError
from tests.databases import FAMILIES, database
from tests.merging import COLUMNS, EXOTIC, KEYS, START, kind, merge, stored, table_of, thing, things, values

__all__ = ["database"]


def test_pk_updates(database: Database) -> None:
    assert merge(database, thing("a", "1"), thing("b", "1")) == Counts(inserted=2)
    assert merge(database, thing("a", "2", 1), thing("c", "1", 1)) == Counts(inserted=1, updated=1)
    assert values(database) == {"a": "2", "b": "1", "c": "1"}


def test_duplicate_records(database: Database) -> None:
    assert merge(database, thing("a", "old", 1), thing("a", "new", 2), thing("a", "older", 0)) == Counts(
        inserted=1, duplicates=2
    )
    assert values(database) == {"a": "new"}


def test_older_never_overwrites_newer(database: Database) -> None:
    merge(database, thing("a", "new", 5))
    assert merge(database, thing("a", "old", 4)) == Counts(unchanged=1)
    assert stored(database) == [("a", "new", START + timedelta(seconds=5))]


def test_tie_goes_to_the_incoming(database: Database) -> None:
    merge(database, thing("a", "first", 5))
    assert merge(database, thing("a", "second", 5), thing("a", "third", 5)) == Counts(updated=1, duplicates=1)
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
    value = '\'; ñ 雪 \U0001f600 \\ \n\t \x01 \r\n \\N \\. %s ? , " ""'
    columns = {"account": "text", "id": "text", **dict.fromkeys(EXOTIC, "text"), "select": "integer"}
    row = {"account": value, "id": value, **dict.fromkeys(EXOTIC, value), "select": 1}
    keys = Keys(("account", "id", EXOTIC[0], EXOTIC[7]))
    merge(database, row, columns=columns, keys=keys)
    assert merge(database, row, columns=columns, keys=keys) == Counts(unchanged=1)
    assert merge(database, {**row, "select": 2}, columns=columns, keys=keys) == Counts(updated=1)
    with database.transaction() as session:
        found = session.rows(
            f"SELECT * FROM {session.full(things(database))} WHERE {session.dialect.quote('50 % of ?')} = ?", (value,)
        )
        assert [dict(zip(columns, each, strict=True)) for each in found] == [{**row, "select": 2}]


@pytest.mark.parametrize("name", EXOTIC)
def test_special_characters_in_the_names_of_tables_and_schemas(name: str, database: Database) -> None:
    schema = database.default_schema if isinstance(database, Portable) else name  # SQLite has one only
    table, batch = Table(schema, name), table_of([thing("a", "1")], COLUMNS)
    for expected in (Counts(inserted=1), Counts(unchanged=1)):
        with database.transaction() as session:
            session.prepare(table, batch.schema, KEYS.columns)
            assert session.upsert(table, batch, KEYS) == expected


def test_tables_of_the_user_called_like_ours_stay_untouched(database: Database) -> None:
    tables = [Table(database.default_schema, name) for name in ("stage", "_stage", "incoming", "_rows")]
    with database.transaction() as session:
        for table in tables:
            session.create(table, {"mine": kind(session, "integer")})
            session.execute(f"INSERT INTO {session.full(table)} VALUES (?)", (1,))
    merge(database, thing("a", "1"))
    assert merge(database, thing("a", "2")) == Counts(updated=1)
    with database.transaction() as session:
        assert [session.rows(f"SELECT * FROM {session.full(table)}") for table in tables] == [[(1,)]] * 4


def test_a_row_without_its_key_is_refused_and_nothing_is_merged(database: Database) -> None:
    merge(database, thing("a", "1"))
    with pytest.raises(TargetError, match="without id"):
        merge(database, thing("b", "1"), {**thing("c", "1"), "id": None})
    assert values(database) == {"a": "1"}


def test_json_decimals_and_dates_come_back_exactly(database: Database) -> None:
    columns = {**COLUMNS, "json": "json", "decimal": "decimal", "big": "integer", "yes": "boolean", "half": "number"}
    columns |= {"day": "date", "moment": "timestamp"}
    typed = {
        "json": '{"b":[1,null],"a":"é"}',
        "decimal": Decimal("12345678901234567890.000000000001"),
        "big": 2**63 - 1,
        "yes": False,
        "half": 0.1,
        "day": date(1815, 12, 10),
        "moment": datetime(2026, 3, 29, 1, 30, 0, 123_456, UTC),
    }
    rows = [{**thing("a", "1"), **typed}, {**thing("b", "1"), "half": -1.5e300, "decimal": Decimal(0)}, thing("c", "1")]
    merge(database, *rows, columns=columns)
    assert merge(database, *rows, columns=columns) == Counts(unchanged=3)
    first, *others = stored(database, f"id, {', '.join(typed)}")
    assert json.loads(first[1]) == json.loads(str(typed["json"]))
    assert first[2:] == tuple(typed.values())[1:]
    assert others == [("b", None, 0, None, None, -1.5e300, None, None), ("c", *[None] * 7)]


def test_schema_grows(database: Database) -> None:
    merge(database, thing("a", "1"))
    wider = {**COLUMNS, "more": "integer"}
    assert merge(database, {**thing("a", "1"), "more": 7}, columns=wider) == Counts(updated=1)
    with database.transaction() as session:
        assert session.prepare(things(database), table_of([], wider).schema, KEYS.columns) == []
    assert stored(database, "id, value, more") == [("a", "1", 7)]


def test_type_widens(database: Database) -> None:
    columns = {**COLUMNS, "amount": "integer"}
    merge(database, {**thing("a", "1"), "amount": 5}, columns=columns)
    decimals = {**columns, "amount": "decimal"}
    with database.transaction() as session:
        (change,) = session.prepare(things(database), table_of([], decimals).schema, KEYS.columns)
        widened = f"from {kind(session, 'integer')} to {kind(session, 'decimal')}"
    assert change == f"things: the column amount was widened {widened}"
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
    merge(database, {**thing("a", "1"), "amount": 0.5}, columns={**COLUMNS, "amount": "number"})
    with pytest.raises(TargetError, match=r"the column amount is \w.* and would have to be \w"):
        merge(database, {**thing("a", "2"), "amount": 1}, columns={**COLUMNS, "amount": "integer"})
    assert values(database) == {"a": "1"}


def test_columns_of_the_user_survive(database: Database) -> None:
    merge(database, thing("a", "1"))
    with database.transaction() as session:
        session.execute(session.dialect.add_column(things(database), "mine", kind(session, "integer")))
        session.execute(f"UPDATE {session.full(things(database))} SET {session.dialect.quote('mine')} = 7")
    assert merge(database, thing("a", "2", 1), thing("b", "1")) == Counts(inserted=1, updated=1)
    assert stored(database, "id, mine") == [("a", 7), ("b", None)]


def test_a_name_that_is_too_long_is_refused_and_nothing_is_made(database: Database) -> None:
    long = "é" * 65
    with pytest.raises(TargetError, match=f"{long}.* is longer than the"):
        merge(database, {**thing("a", "1"), long: "x"}, columns={**COLUMNS, long: "text"})
    with database.transaction() as session:
        assert not session.column_types(things(database))


def test_a_view_is_refused(database: Database) -> None:
    merge(database, thing("a", "1"))
    view = Table(database.default_schema, "seen")
    with database.transaction() as session:
        session.execute(f"CREATE VIEW {session.full(view)} AS SELECT * FROM {session.full(things(database))}")
    with database.transaction() as session, pytest.raises(TargetError, match="is a view: name"):
        session.column_types(view)


def test_without_a_clock_the_last_row_wins_and_only_differences_are_written(database: Database) -> None:
    keys = Keys(("account", "id"))
    merge(database, thing("a", "1", 9), keys=keys)
    rows = thing("a", "1", 9), thing("b", "1"), thing("b", "2")
    assert merge(database, *rows, keys=keys) == Counts(inserted=1, unchanged=1, duplicates=1)
    assert merge(database, thing("a", "2", 0), keys=keys) == Counts(updated=1)
    assert values(database) == {"a": "2", "b": "2"}


def test_rows_without_a_clock_are_the_oldest(database: Database) -> None:
    without = {**thing("a", "no time"), "seen_at": None}
    assert merge(database, without, thing("a", "1", 1), without) == Counts(inserted=1, duplicates=2)
    assert merge(database, without) == Counts(unchanged=1)
    assert values(database) == {"a": "1"}


def test_names_that_differ_in_case_or_spaces_only_are_different_keys(database: Database) -> None:
    keys = ["a", "A", "ä", "a ", " a", ""]
    assert merge(database, *(thing(key, "1") for key in keys)) == Counts(inserted=len(keys))
    assert merge(database, *(thing(key, "2") for key in keys)) == Counts(updated=len(keys))
    assert {key for key, _ in values(database).items()} == set(keys)


# DuckDB's own


def test_exotic_columns_of_the_user_survive_in_duckdb(tmp_path: Path) -> None:
    database = DuckDB(str(tmp_path / "exotic.duckdb"))
    merge(database, thing("a", "1"))
    with database.transaction() as session:
        session.execute(f"ALTER TABLE {session.full(things(database))} ADD COLUMN mine STRUCT(x INTEGER, y VARCHAR[])")
        session.execute(f"UPDATE {session.full(things(database))} SET mine = {{'x': 1, 'y': ['z']}}")
    assert merge(database, thing("a", "2", 1), thing("b", "1")) == Counts(inserted=1, updated=1)
    assert stored(database, "id, mine") == [("a", {"x": 1, "y": ["z"]}), ("b", None)]


def test_rows_that_an_update_moves_in_duckdb_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    database = DuckDB(str(tmp_path / "moved.duckdb"))
    merge(database, thing("a", "1"), thing("b", "1"))
    with database.transaction() as session:  # DuckDB writes a row anew when what an index has of it changes
        session.execute(f"CREATE UNIQUE INDEX one ON {session.full(things(database))} (id, value)")
    assert merge(database, thing("a", "2", 1), thing("b", "1", 1), thing("c", "1")) == Counts(1, 1, 1)
    assert stored(database, "id, value") == [("a", "2"), ("b", "1"), ("c", "1")]


def test_a_column_of_the_user_called_like_the_number_of_a_row(tmp_path: Path) -> None:
    database = DuckDB(str(tmp_path / "number.duckdb"))
    merge(database, thing("a", "1"), thing("b", "1"))
    with database.transaction() as session:
        session.execute(f"ALTER TABLE {session.full(things(database))} ADD COLUMN RowId INTEGER DEFAULT 0")
    assert merge(database, thing("a", "2", 1), thing("c", "1")) == Counts(inserted=1, updated=1)
    assert stored(database, "id, value, RowId") == [("a", "2", 0), ("b", "1", 0), ("c", "1", 0)]


@pytest.mark.parametrize("name", ["_place", "_PLACE", "_number", "_Number"])
def test_a_column_called_like_one_of_the_stages_own(name: str, database: Database) -> None:
    columns = {**COLUMNS, name: "text"}
    merge(database, {**thing("a", "1"), name: "x"}, columns=columns)
    changed = {**thing("a", "1", 1), name: "y"}, {**thing("b", "1"), name: "z"}
    assert merge(database, *changed, columns=columns) == Counts(inserted=1, updated=1)
    assert stored(database, f'"{name}"') == [("y",), ("z",)]


def test_a_file_that_another_process_filled_meanwhile_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "both.duckdb"
    late, opened = DuckDB(str(file)), File.open

    def open_late(own: File) -> duckdb.DuckDBPyConnection:
        monkeypatch.setattr(File, "open", opened)
        merge(DuckDB(str(file)), thing("a", "1"))
        return opened(own)

    monkeypatch.setattr(File, "open", open_late)
    with pytest.raises(TargetError, match="refused"), late.transaction():
        raise TargetError("refused")
    assert values(DuckDB(str(file))) == {"a": "1"}


# Against a model

ROWS = st.builds(thing, st.sampled_from("abcd"), st.sampled_from(["", "x", "y", None]), st.integers(0, 4))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.lists(ROWS, max_size=6), max_size=3))
def test_any_sequence_of_batches_equals_a_plain_model(family: str, batches: list[list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, FAMILIES[family](Path(folder)) as database:
        model: dict[str, dict[str, Any]] = {}
        with database.transaction() as session:
            session.prepare(things(database), table_of([], COLUMNS).schema, KEYS.columns)
            for rows in batches:
                expected = merge_into(model, rows)
                assert session.upsert(things(database), table_of(rows, COLUMNS), KEYS) == expected
            found = session.rows(f"SELECT account, id, value, seen_at FROM {session.full(things(database))}")
    assert sorted(found, key=str) == sorted((tuple(row.values()) for row in model.values()), key=str)


def merge_into(model: dict[str, dict[str, Any]], rows: list[dict[str, Any]]) -> Counts:
    """Merge rows into a dictionary, as the database must."""
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
    return Counts(**counts, duplicates=len(rows) - len(newest))
