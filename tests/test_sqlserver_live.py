"""Values, types and tables on a server that speaks SQL Server's protocol, where TEST_MSSQL_URL names a database of one.

Babelfish is such a server, too; what it lacks is left out there, and said in sqlserver_server.py.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from connector.databases.base import Counts, MergeOptions, RefusedValue
from connector.databases.merge import Keys, Table
from connector.databases.sqlserver.database import SQLServer
from connector.errors import TargetError
from connector.rows.types import arrow_field
from tests.sqlserver_server import URL, database, load, make, rows_of, schema, stored, table

__all__ = ["database", "schema", "table"]
pytestmark = pytest.mark.skipif(not URL, reason="TEST_MSSQL_URL names no database of SQL Server")

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ODD = 'o\'dd "n[a]me" ? %s %(x)s \U0001f600 select'
BIN2 = "COLLATE Latin1_General_100_BIN2"


def test_every_value_comes_back_as_it_was(database: SQLServer, table: Table) -> None:
    columns = {"id": "integer", "text": "text", "json": "json", "half": "number", "money": "decimal", "yes": "boolean",
               "at": "timestamp", "day": "date"}  # fmt: skip
    rows = [
        (1, "", "{}", 0.1, Decimal("-0.000000000001"), False, datetime(1, 1, 1, tzinfo=UTC), date(1, 1, 1)),
        (2, "é雪\U0001f600 \\\n'\t ", '{"a":"é"}', 5e-324, Decimal("99999999999999999999999999.999999999999"), True,
         datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), date(9999, 12, 31)),
        (3, "x" * 3_999 + "\U0001f600", "y" * 100_000, 1.7976931348623157e308, Decimal(0), None, NOON, None),
        (4, None, None, -2.5e-10, None, None, NOON + timedelta(microseconds=1), None),
        (-(2**63), "trailing  ", " ", 1 / 3, Decimal("0.5"), True, datetime(1969, 12, 31, 23, 59, 59, 3, tzinfo=UTC),
         date(1969, 12, 31)),
        (2**63 - 1, "a\\\r\nb", "\\\n", None, None, None, None, None),
    ]  # fmt: skip
    assert load(database, table, rows_of(columns, *rows), "id") == Counts(inserted=6)
    assert stored(database, table) == [tuple(v for v in row) for row in sorted(rows, key=lambda row: row[0])]
    assert load(database, table, rows_of(columns, *rows), "id") == Counts(unchanged=6)


def test_keys_that_differ_in_case_accents_or_spaces_are_different_rows(database: SQLServer, table: Table) -> None:
    columns = {"id": "text", "n": "integer"}
    keys = ["vip", "VIP", "vip ", "víp", "vip  "]
    assert load(database, table, rows_of(columns, *((key, 1) for key in keys)), "id") == Counts(inserted=5)
    assert load(database, table, rows_of(columns, ("vip ", 2), ("VIP", 1)), "id") == Counts(updated=1, unchanged=1)
    assert sorted(stored(database, table)) == sorted((key, 2 if key == "vip " else 1) for key in keys)
    assert load(database, table, rows_of(columns, ("vip", 9)), "id", mode="delete") == Counts(deleted=1)
    doubled = rows_of(columns, ("a", 1), ("a ", 2), ("a", 3))
    assert load(database, table, doubled, "id") == Counts(inserted=2, duplicates=1)


def test_keys_of_a_table_that_is_there_are_equal_as_it_has_them(database: SQLServer, table: Table) -> None:
    make(database, table, "id NVARCHAR(20) NOT NULL PRIMARY KEY, n INT")
    columns = {"id": "text", "n": "integer"}
    assert load(database, table, rows_of(columns, ("vip", 1)), "id") == Counts(inserted=1)
    assert load(database, table, rows_of(columns, ("VIP", 2)), "id") == Counts(updated=1)
    assert load(database, table, rows_of(columns, ("Vip ", 3), ("VIP", 3)), "id") == Counts(updated=1, duplicates=1)
    assert stored(database, table) == [("vip", 3)]


@pytest.mark.parametrize("kind", ["NVARCHAR(MAX)", "NVARCHAR(50)", "VARCHAR(50)"])
def test_a_change_of_case_accent_or_space_is_a_change(database: SQLServer, table: Table, kind: str) -> None:
    make(database, table, f"id INT, value {kind}")
    columns = {"id": "integer", "value": "text"}
    for value in ("resume", "Resume", "Résumé", "Résumé ", "", None, "", " "):
        load(database, table, rows_of(columns, (1, value)), "id")
        assert stored(database, table) == [(1, value)]
        assert load(database, table, rows_of(columns, (1, value)), "id") == Counts(unchanged=1)


def test_a_table_made_here_has_the_types_that_it_is_asked_for_again(database: SQLServer, table: Table) -> None:
    columns = {"id": "text", "text": "text", "n": "integer", "half": "number", "money": "decimal", "yes": "boolean",
               "at": "timestamp", "day": "date"}  # fmt: skip
    empty = rows_of(columns)
    with database.transaction() as session:
        assert session.prepare(table, empty.schema, ["id"]) == []
        assert session.prepare(table, empty.schema, ["id"]) == []
        assert session.column_types(table) == {
            "id": f"NVARCHAR(255) {BIN2}",
            "text": f"NVARCHAR(MAX) {BIN2}",
            "n": "BIGINT",
            "half": "FLOAT",
            "money": "DECIMAL(38,12)",
            "yes": "BIT",
            "at": "DATETIME2(6)",
            "day": "DATE",
        }


def test_types_of_others_are_named_and_filled(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT NOT NULL, s SMALLINT, y TINYINT, m MONEY, d NUMERIC(10,2), v VARCHAR(20), "
         "c CHAR(4), t DATETIME, "
         "z SMALLDATETIME, g UNIQUEIDENTIFIER, o TIME(3), r REAL, b VARBINARY(8), p DATETIME2(3)")  # fmt: skip
    with database.transaction() as session:
        kinds = session.column_types(table)
    assert list(kinds.values()) == [
        "INT", "SMALLINT", "TINYINT", "MONEY", "DECIMAL(10,2)", "VARCHAR(20)", "CHAR(4)", "DATETIME", "SMALLDATETIME",
        "UNIQUEIDENTIFIER", "TIME(3)", "REAL", "VARBINARY(8)", "DATETIME2(3)"]  # fmt: skip
    with database.transaction() as session:
        fields = [session.field_of(name, kind) or pa.field(name, pa.string()) for name, kind in kinds.items()]
    guid = "0E984725-C51C-4BF4-9960-E1C80E27ABA0"
    row = [
        1,
        -2,
        255,
        Decimal("1.2345"),
        Decimal("-0.10"),
        "é",
        "ab",
        NOON,
        NOON,
        guid,
        "12:30:01.5",
        0.5,
        b"\x00a",
        NOON,
    ]
    rows = pa.table([pa.array([value], each.type) for value, each in zip(row, fields, strict=True)], pa.schema(fields))
    assert load(database, table, rows, "id") == Counts(inserted=1)
    assert load(database, table, rows, "id") == Counts(unchanged=1)
    (found,) = stored(database, table, "id, s, y, m, d, v, RTRIM(c), t, z, g, CAST(o AS NVARCHAR(10)), r, b, p")
    assert found == (*row[:10], "12:30:01.5", *row[11:])


def refused(database: SQLServer, table: Table, rows: pa.Table, *keys: str) -> RefusedValue:
    before = stored(database, table, "count(*)")
    with pytest.raises(RefusedValue) as caught:
        load(database, table, rows, *keys)
    assert stored(database, table, "count(*)") == before
    return caught.value


def test_text_that_is_too_long_is_told_by_column_and_row(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT, name NVARCHAR(4), code VARCHAR(3)")
    rows = {"id": "integer", "name": "text", "code": "text"}
    assert load(database, table, rows_of(rows, (0, "\U0001f600\U0001f600", "abc")), "id") == Counts(inserted=1)
    error = refused(database, table, rows_of(rows, (1, "four", "abc"), (2, "\U0001f600abc", "")), "id")
    assert (error.column, error.place) == ("name", 1)
    error = refused(database, table, rows_of(rows, (1, "", "abc"), (2, "", None), (3, "", "abcd")), "id")
    assert (error.column, error.place) == ("code", 2)
    assert "VARCHAR(3)" in str(error)


@pytest.mark.parametrize(("kind", "good", "bad"), [
    ("UNIQUEIDENTIFIER", "0E984725-C51C-4BF4-9960-E1C80E27ABA0", "secret"),
    ("TIME(3)", "12:00", "secret"),
    ("SMALLDATETIME", "2026-01-01 12:00", "1066-10-14 09:00"),
])  # fmt: skip
def test_a_value_that_the_server_refuses_is_told_by_column_and_row(
    database: SQLServer, table: Table, kind: str, good: str, bad: str
) -> None:
    make(database, table, f"id INT, value {kind}")
    many = [(number, good) for number in range(2_500)]
    many[2_345] = (2_345, bad)
    error = refused(database, table, rows_of({"id": "integer", "value": "text"}, *many), "id")
    assert (error.column, error.place) == ("value", 2_345)
    assert kind in str(error)
    assert bad not in str(error)


def test_letters_that_a_code_page_lacks_are_refused(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT, name VARCHAR(40)")
    columns = {"id": "integer", "name": "text"}
    assert load(database, table, rows_of(columns, (0, "Zoë €")), "id") == Counts(inserted=1)
    assert stored(database, table) == [(0, "Zoë €")]
    error = refused(database, table, rows_of(columns, (1, "Zoë"), (2, "雪")), "id")
    assert (error.column, error.place) == ("name", 1)


def test_nan_is_refused(database: SQLServer, table: Table) -> None:
    columns = {"id": "integer", "half": "number"}
    load(database, table, rows_of(columns, (0, 0.5)), "id")
    error = refused(database, table, rows_of(columns, (1, 0.5), (2, float("nan"))), "id")
    assert (error.column, error.place) == ("half", 1)


def test_columns_that_the_server_fills_are_left_to_it(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT IDENTITY(5, 1), n INT, twice AS (n * 2)")
    assert load(database, table, rows_of({"n": "integer"}, (1,)), "n") == Counts(inserted=1)
    assert stored(database, table) == [(5, 1, 2)]
    found = rows_of({"id": "integer", "n": "integer"}, (5, 8), (6, 9))
    assert load(database, table, found, "id", mode="update") == Counts(updated=1, skipped=1)
    with pytest.raises(TargetError, match="the column id is an identity, which SQL Server fills itself"):
        load(database, table, found, "id")
    with pytest.raises(TargetError, match="the column twice is computed"):
        load(database, table, rows_of({"n": "integer", "twice": "integer"}, (1, 2)), "n")


def test_views_are_refused(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT")
    view = Table(table.schema, "seen")
    with database.transaction() as session:
        session.execute(f"CREATE VIEW {session.full(view)} AS SELECT id FROM {session.full(table)}")
    with pytest.raises(TargetError, match="is a view: name the table behind it"):
        load(database, view, rows_of({"id": "integer"}, (1,)), "id")


def test_a_widened_column_that_may_not_be_null_still_may_not(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT NOT NULL, n INT")
    with database.transaction() as session:
        changes = session.prepare(table, rows_of({"id": "integer", "n": "integer", "new": "text"}).schema)
        nullable = "SELECT is_nullable FROM sys.columns WHERE object_id = OBJECT_ID(?) ORDER BY column_id"
        assert session.rows(nullable, (session.full(table),)) == [(False,), (True,), (True,)]
    assert changes == [
        "things: the column id was widened from INT to BIGINT",
        "things: the column n was widened from INT to BIGINT",
        "things: the column new is new",
    ]


def test_what_stands_in_a_widened_column_stays(database: SQLServer, table: Table) -> None:
    make(database, table, "n INT, d DECIMAL(10,2), v VARCHAR(20), day DATE")
    with database.transaction() as session:
        session.execute(f"INSERT INTO {session.full(table)} VALUES (1, 0.25, 'x', '2026-01-31')")
    wider = pa.schema([arrow_field("n", "decimal"), arrow_field("d", "decimal"), arrow_field("day", "timestamp")])
    with database.transaction() as session:
        assert len(session.prepare(table, wider)) == 3
        assert list(session.column_types(table).values()) == [
            "DECIMAL(38,12)", "DECIMAL(38,12)", "VARCHAR(20)", "DATETIME2(6)"]  # fmt: skip
        with pytest.raises(TargetError, match=r"the column n is DECIMAL.38,12. and would have to be BIT"):
            session.prepare(table, pa.schema([arrow_field("n", "boolean")]))
    assert stored(database, table) == [(Decimal(1), Decimal("0.25"), "x", datetime(2026, 1, 31, tzinfo=UTC))]


def test_odd_names_survive(database: SQLServer, schema: str) -> None:
    odd, column = Table(schema, ODD), ODD.upper()
    rows = rows_of({"id": "text", column: "text", "group": "integer"}, ("a?%s", "?", 1), ("b", "%(x)s ]", 2))
    assert load(database, odd, rows, "id", column) == Counts(inserted=2)
    assert load(database, odd, rows, "id", column) == Counts(unchanged=2)
    with database.transaction() as session:
        quoted = session.dialect.quote(column)
        assert session.rows(f"SELECT id FROM {session.full(odd)} WHERE {quoted} = ? AND id = ?", ("?", "a?%s")) == [
            ("a?%s",)
        ]
        update = f'UPDATE {session.full(odd)} SET "group" = ? WHERE {quoted} <> '
        assert session.execute(f"{update} '?'", (7,)) == 1


def test_what_no_table_can_have_is_refused_before_anything_is_made(database: SQLServer, table: Table) -> None:
    wide = rows_of({f"c{number}": "integer" for number in range(1_025)})
    heavy = rows_of({f"c{number}": "decimal" for number in range(500)})
    for rows, said in ((wide, "1,025 columns"), (heavy, "rows of 8,5")):
        with database.transaction() as session:
            with pytest.raises(TargetError, match=said):
                session.prepare(Table("never_made", "x"), rows.schema)
            assert session.rows("SELECT SCHEMA_ID('never_made')") == [(None,)]
            assert session.column_types(table) == {}


def test_many_columns_and_rows_go_in_as_many_statements_as_it_takes(database: SQLServer, table: Table) -> None:
    columns = {"id": "integer"} | {f"c{number}": "text" for number in range(300)}
    rows = [(number, *(f"{number}.{column}" for column in range(300))) for number in range(23)]
    assert load(database, table, rows_of(columns, *rows), "id") == Counts(inserted=23)
    assert stored(database, table, order="id") == rows


def test_replace_mirror_and_swap(database: SQLServer, table: Table) -> None:
    columns = {"id": "integer", "name": "text"}
    load(database, table, rows_of(columns, (1, "a"), (2, "b")), "id")
    assert load(database, table, rows_of(columns, (2, "b"), (3, "c")), "id", mode="mirror") == Counts(1, 0, 1, 1)
    assert load(database, table, rows_of(columns, (9, "z")), "id", mode="replace") == Counts(inserted=1, deleted=2)
    fresh = Table(table.schema, "things (new)")
    load(database, fresh, rows_of(columns, (1, "new")), "id")
    with database.transaction() as session:
        for statement in session.dialect.swap(fresh, table):
            session.execute(statement)
    assert stored(database, table) == [(1, "new")]


def test_a_mirror_deletes_only_in_its_scope(database: SQLServer, table: Table) -> None:
    columns = {"id": "integer", "name": "text"}
    load(database, table, rows_of(columns, (1, "a"), (2, "b"), (3, "b")), "id")
    with database.transaction() as session:
        session.lock(table)
        staged = session.stage(table, [rows_of(columns, (2, "b"))], list(columns))
        counts = session.merge(table, staged, Keys(("id",)), MergeOptions("mirror", scope={"name": "b"}))
    assert counts == Counts(unchanged=1, deleted=1)
    assert stored(database, table) == [(1, "a"), (2, "b")]


def test_rows_are_counted_right_where_a_trigger_counts_too(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT, name NVARCHAR(9)")
    other = Table(table.schema, "log")
    make(database, other, "id INT")
    with database.transaction() as session:
        session.execute(
            f"CREATE TRIGGER {session.full(Table(table.schema, 'logs'))} ON {session.full(table)} AFTER INSERT AS "
            f"INSERT INTO {session.full(other)} SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
        )
    assert load(database, table, rows_of({"id": "integer"}, (1,), (2,)), "id") == Counts(inserted=2)
    assert len(stored(database, other)) == 3
