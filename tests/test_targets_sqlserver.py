"""T-SQL as it is sent, and what it does: each statement is compared with a file and run, in DuckDB's words, on rows.

The suite against a server is test_sqlserver_live.py.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from connector.databases.base import Conflict, Session
from connector.databases.duckdb.database import DuckDB
from connector.databases.duckdb.database import _Session as DuckDBSession
from connector.databases.merge import Table
from connector.databases.sqlserver import connection as mssql
from connector.databases.sqlserver.connection import (
    Address,
    Lost,
    Misfit,
    NoDatabase,
    connection_string,
    explained,
    parse_url,
)
from connector.databases.sqlserver.database import SQLServer
from connector.databases.sqlserver.stage import sent
from connector.databases.sqlserver.tsql import (
    PARAMETERS_PER_STATEMENT,
    ROWS_PER_STATEMENT,
    TSQL,
    insert_values,
    literal,
    parameter,
    placed,
    portions,
    utf16_units,
    written,
)
from connector.databases.sqlserver.types import Column, can_widen, field_of, least_row_bytes, type_of
from connector.errors import MissingExtra, TargetError, UsageError
from connector.places import open_database
from tests.merging import load, merge, stored, thing

GOLDEN = Path(__file__).parent / "data" / "sqlserver.sql"
TABLE = Table("main", "things")
TEXT = "NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2"
KEY = "NVARCHAR(255) COLLATE Latin1_General_100_BIN2"
WORDS: tuple[tuple[str, str], ...] = (
    # DuckDB has one collation, by code point, in which the spaces at the end count.
    (r" COLLATE Latin1_General_100_BIN2", ""),
    (r" WITH \(UPDLOCK, HOLDLOCK\)", ""),
    (r"DATALENGTH\(", "strlen("),
    (r"NVARCHAR\(MAX\)", "NVARCHAR"),
    # It joins in UPDATE and DELETE in Postgres's way, and has tables of a session by another word.
    (r"^UPDATE t SET (.*?) FROM (\S+) AS t INNER JOIN (.*?) ON (.*?) WHERE ",
     r"UPDATE \2 AS t SET \1 FROM \3 WHERE \4 AND "),
    (r"^DELETE t FROM ", "DELETE FROM "),
    (r"^SELECT TOP 0 (.*) INTO (\S+) FROM (.*)$", r"CREATE TEMPORARY TABLE \2 AS SELECT \1 FROM \3 LIMIT 0"),
    (r" (NON)?CLUSTERED INDEX", " INDEX"),
    (r'"#stage"', '"_staged"'),
    # It has no batches: what EXEC runs is run.
    (r"^IF SCHEMA_ID.*EXEC\(N'CREATE SCHEMA (.*)'\)$", r"CREATE SCHEMA IF NOT EXISTS \1"),
    (r"^IF EXISTS .* ELSE EXEC\(N'(.*)'\)$", r"\1"),
    (r"^EXEC sp_rename N'(.*)', N'(.*)', N'OBJECT'$", r'ALTER TABLE \1 RENAME TO "\2"'),
)  # fmt: skip


def in_duckdb(sql: str) -> str:
    """Return T-SQL as DuckDB has it, by sqlglot after the few words that sqlglot does not know."""
    for pattern, replacement in WORDS:
        sql = re.sub(pattern, replacement, sql)
    (found,) = sqlglot.transpile(sql, read="tsql", write="duckdb")
    return found


class OnDuckDB(DuckDB):
    """The merge in T-SQL, run by DuckDB; `said` is each statement as SQL Server would have got it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.said: list[str] = []

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        with self._transaction() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield _Translated(connection, "", self.said)


class _Translated(DuckDBSession):
    is_alone = False
    stage_whole, located = Session.stage_whole, Session.located

    def __init__(self, connection: Any, label: str, said: list[str]) -> None:
        super().__init__(connection, label)
        self.dialect = TSQL()
        self._said = said

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        self._said.append(sql)
        return super().execute(in_duckdb(sql), parameters)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        if "duckdb_" not in sql:
            self._said.append(sql)
            sql = in_duckdb(sql)
        found = super().rows(sql, parameters)
        return [tuple(v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for v in row) for row in found]

    def append(self, into: str, rows: pa.Table) -> None:
        self._connection.register("_rows", rows)
        names = ", ".join(map(TSQL().quote, rows.schema.names))
        self._connection.execute(
            f"INSERT INTO {into.replace('#stage', '_staged')} ({names}) SELECT {names} FROM temp._rows"
        )

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        self.execute('DROP TABLE IF EXISTS "#stage"')
        self.execute(self.dialect.create_stage('"#stage"', self.full(table), columns, place))
        return '"#stage"'

    def column_types(self, table: Table) -> dict[str, str]:
        return {
            name: KEY if name in {"account", "id"} else _SPELLED.get(kind, kind)
            for name, kind in super().column_types(table).items()
        }

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:
        return type_of(field, is_key=is_key)


_SPELLED = {"VARCHAR": TEXT, "TIMESTAMP": "DATETIME2(6)", "BIGINT": "BIGINT", "INTEGER": "INT"}
ODD = "a 'b\" [c]]? %s \U0001f600"
BATCHES: list[Callable[[Any], object]] = [
    lambda database: merge(database, thing("a", "1"), thing("vip", "1"), thing("VIP", "1"), thing("vip ", "1")),
    lambda database: merge(database, thing("a", "2", 5), thing("a", "3", 4), thing("b", None), thing("b", "x")),
    lambda database: merge(database, thing("a", "older", 1), thing("vip ", "2"), thing("vip", "1 ", 3)),
    lambda database: merge(database, thing("a", "2", 9), thing("VIP", None, 2)),
    lambda database: load(database, "insert", thing("a", "no"), thing("c", "new"), thing(None, "no key")),
    lambda database: load(database, "update", thing("c", "NEW"), thing("d", "unknown")),
    lambda database: load(database, "delete", thing("b", None), thing("d", None)),
    lambda database: load(database, "append", thing("z", "1"), thing("z", "2")),
    lambda database: load(database, "mirror", thing("a", "2"), thing("e", ""), scope={"account": "acct_1"}),
    lambda database: load(database, "replace", thing("only", "1")),
]


def reshape(database: Any) -> None:
    with database.transaction() as session:
        session.create(Table("other", ODD), {"id": KEY, "n": "INT"}, ["id"])
        session.execute(session.dialect.add_column(Table("main", "plain"), ODD, "BIGINT"))
        session.execute(session.dialect.widen(Table("main", "plain"), "n", "BIGINT"))
        for statement in session.dialect.swap(Table("main", "plain"), TABLE):
            session.execute(statement)


def test_every_statement_is_as_it_was_and_does_what_duckdbs_own_does(tmp_path: Path) -> None:
    own, translated = DuckDB(str(tmp_path / "own.duckdb")), OnDuckDB(str(tmp_path / "translated.duckdb"))
    for number, batch in enumerate(BATCHES):
        assert batch(translated) == batch(own), number
        assert sorted(stored(translated), key=str) == sorted(stored(own), key=str), number
    with translated.transaction() as session:
        session.create(Table("main", "plain"), {"id": KEY, "n": "INT"})  # DuckDB changes none that has an index
        schema = pa.schema({"id": pa.string(), "n": pa.int64()})
        for row in ({"id": "a", "n": 1}, {"id": ODD, "n": 2}, {"id": "a", "n": None}):
            session.put(Table("main", "plain"), schema, row, ["id"])
        assert {*session.rows("SELECT id, n FROM main.plain")} == {(ODD, 2), ("a", None)}
    reshape(translated)
    with translated.transaction() as session:
        assert session.column_types(TABLE) == {"id": KEY, "n": "BIGINT", ODD: "BIGINT"}
    said = "".join(f"{statement};\n\n" for statement in dict.fromkeys(translated.said))
    if not GOLDEN.exists():
        GOLDEN.write_text(said, encoding="utf-8", newline="\n")
        pytest.fail(f"{GOLDEN.name} was not there and is now: read it.")
    assert said == GOLDEN.read_text(encoding="utf-8")


def test_nothing_is_summed_up_that_has_a_query_in_it_which_sql_server_refuses() -> None:
    statements = sqlglot.parse(GOLDEN.read_text(encoding="utf-8"), read="tsql")
    summed = [found for each in statements if each for found in each.find_all(sqlglot.exp.AggFunc)]
    assert summed
    assert not [found.sql() for found in summed if found.find(sqlglot.exp.Select)]


def test_a_key_of_a_table_that_is_there_is_compared_as_it_compares() -> None:
    assert TSQL().same("id", "NVARCHAR(20)") == 't."id" = s."id"'
    assert TSQL().grouped("id", "INT") == ('"id"',)
    assert TSQL().grouped("id", KEY) == ('"id"', 'DATALENGTH("id")')


@pytest.mark.parametrize(("keys", "index"), [
    ({"n": "BIGINT"}, 'CLUSTERED INDEX "_key" ON "s"."t" ("n")'),
    ({"a": KEY}, 'CLUSTERED INDEX "_key" ON "s"."t" ("a")'),
    ({"a": KEY, "b": KEY}, 'NONCLUSTERED INDEX "_key" ON "s"."t" ("a", "b")'),
    ({"a": KEY, "b": KEY, "c": KEY, "d": KEY}, 'NONCLUSTERED INDEX "_key" ON "s"."t" ("a", "b", "c")'),
    ({"a": TEXT}, None),
])  # fmt: skip
def test_an_index_takes_as_much_of_a_key_as_it_can_hold(keys: dict[str, str], index: str | None) -> None:
    _, *made = TSQL().create_table(Table("s", "t"), keys, list(keys))
    assert made == ([f"CREATE {index}"] if index else [])


@given(rows=st.integers(0, 5_000), columns=st.integers(1, 1_024))
def test_no_statement_has_too_many_rows_or_parameters_and_no_row_is_lost(rows: int, columns: int) -> None:
    found = list(portions(rows, columns))
    assert [row for portion in found for row in portion] == list(range(rows))
    for portion in found:
        assert 0 < len(portion) <= ROWS_PER_STATEMENT
        assert len(portion) * columns <= max(PARAMETERS_PER_STATEMENT, columns) <= 2_098


@given(rows=st.integers(1, 9), names=st.lists(st.text("a?'\"[]% ", min_size=1), min_size=1, max_size=5, unique=True))
def test_each_place_gets_its_parameter_whatever_the_names_are(rows: int, names: list[str]) -> None:
    quoted = [TSQL().quote(name) for name in names]
    sql = insert_values('"#stage"', quoted, rows)
    found = placed(sql, [parameter(number) for number in range(rows * len(names))])
    assert found == sql[: sql.index("VALUES")] + sql[sql.index("VALUES") :].replace("?", "CAST(? AS BIGINT)")
    numbers = re.findall(r"CAST\(N'(\d+)' AS BIGINT\)", written(sql, [parameter(n) for n in range(rows * len(names))]))
    assert numbers == [str(number) for number in range(rows * len(names))]


@given(st.text())
def test_a_literal_says_the_text_and_ends_where_it_ends(text: str) -> None:
    found = literal(text)
    assert "\\\n" not in found
    assert "\\\r" not in found
    parts = re.findall(r"N'((?:[^']|'')*)'", found)
    assert "".join(parts).replace("''", "'") == text
    assert re.sub(r"N'(?:[^']|'')*'", "N", found) in {"N", "CAST(N AS NVARCHAR(MAX)) + N" + " + N" * (len(parts) - 2)}
    assert utf16_units(text) == len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(("value", "expected"), [
    (None, "CAST(NULL AS NVARCHAR(4000))"),
    ("it's", "CAST(N'it''s' AS NVARCHAR(4000))"),
    ("x" * 4_001, f"CAST(N'{'x' * 4_001}' AS NVARCHAR(MAX))"),
    (True, "CAST(N'1' AS BIT)"),
    (-5, "CAST(N'-5' AS BIGINT)"),
    (0.1, "CAST(1.00000000000000006e-01 AS FLOAT)"),
    (Decimal("-12.50"), "CAST(N'-12.50' AS DECIMAL(4,2))"),
    (Decimal("1E+3"), "CAST(N'1000' AS DECIMAL(4,0))"),
    (b"\x00\xff", "CAST(0x00ff AS VARBINARY(MAX))"),
    (date(2026, 1, 31), "CAST(N'2026-01-31' AS DATE)"),
    (datetime(2026, 1, 31, 1, 30, 0, 1, timezone(timedelta(hours=2))),
     "CAST(N'2026-01-30 23:30:00.000001' AS DATETIME2(6))"),
])  # fmt: skip
def test_a_value_has_a_type_that_is_named(value: object, expected: str) -> None:
    assert written("?", [parameter(value)]) == expected


def test_columns_that_hold_nothing_are_not_sent() -> None:
    rows = pa.table({"a": pa.array([None, None], pa.string()), "b": [None, True], "c": [Decimal("0E-12"), None]})
    assert [(each.name, [value.value for value in each.parameters()]) for each in sent(rows, {})] == [
        ("b", [None, "1"]),
        ("c", ["0", None]),
    ]


def described(kind: str, size: int = 0, precision: int = 0, scale: int = 0, collation: str | None = None) -> str:
    return Column("x", kind, size, precision, scale, collation, is_identity=False, is_computed=False).spelled()


def test_types_are_spelled_with_their_sizes() -> None:
    assert described("nvarchar", -1) == "NVARCHAR(MAX)"
    assert described("nvarchar", 510, collation="Latin1_General_100_BIN2") == KEY
    assert described("varchar", 20, collation="SQL_Latin1_General_CP1_CI_AS") == "VARCHAR(20)"
    assert described("numeric", 9, 18, 4) == "DECIMAL(18,4)"
    assert described("datetime2", 8, 26, 6) == "DATETIME2(6)"
    assert described("timestamp", 8) == "ROWVERSION"
    assert Column("x", "int", 4, 10, 0, None, is_identity=True, is_computed=False).spelled() == "INT IDENTITY"


KINDS = ["TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL(10,2)", "DECIMAL(38,12)", "FLOAT", "REAL", "BIT", "DATE",
         "DATETIME2(6)", "NVARCHAR(20)", KEY, TEXT, "VARCHAR(20)", "VARCHAR(MAX)", "MONEY",
         "UNIQUEIDENTIFIER"]  # fmt: skip


@pytest.mark.parametrize(("old", "wider"), [
    ("TINYINT", {"SMALLINT", "INT", "BIGINT", "DECIMAL(10,2)", "DECIMAL(38,12)", "NVARCHAR(20)", KEY, TEXT,
                 "VARCHAR(20)", "VARCHAR(MAX)"}),
    ("BIGINT", {"DECIMAL(38,12)", "NVARCHAR(20)", KEY, TEXT, "VARCHAR(20)", "VARCHAR(MAX)"}),
    ("DECIMAL(10,2)", {"DECIMAL(38,12)", KEY, TEXT, "VARCHAR(MAX)"}),
    ("FLOAT", set()),
    ("BIT", set()),
    ("REAL", {"FLOAT"}),
    ("DATE", {"DATETIME2(6)", "NVARCHAR(20)", KEY, TEXT, "VARCHAR(20)", "VARCHAR(MAX)"}),
    ("VARCHAR(20)", {"NVARCHAR(20)", KEY, TEXT, "VARCHAR(MAX)"}),
    (TEXT, set()),
])  # fmt: skip
def test_a_type_is_widened_only_to_one_that_loses_nothing(old: str, wider: set[str]) -> None:
    assert {kind for kind in KINDS if kind != old and can_widen(old, kind)} == wider


def test_rows_are_cast_to_what_a_column_takes() -> None:
    found = {kind: field_of("x", kind) for kind in KINDS}
    assert found["MONEY"] == pa.field("x", pa.decimal128(19, 4))
    assert found["INT"] == pa.field("x", pa.int32())
    assert found[KEY] == pa.field("x", pa.string())
    assert found["UNIQUEIDENTIFIER"] is None
    assert field_of("x", "XML") is None


def test_the_least_size_of_a_row_is_that_of_its_fixed_columns() -> None:
    assert least_row_bytes(["BIGINT", "BIT", "BIT", TEXT, "DECIMAL(38,12)"]) == 4 + 8 + 1 + 17 + 2 + 1


@pytest.mark.parametrize(("said", "kind", "meaning"), [
    ("Cannot open server 'x' requested by the login. Client with IP address '1.2.3.4' is not allowed to access the "
     "server.", Exception, "the firewall of Azure SQL keeps this computer out"),
    ("Cannot open database \"crm\" requested by the login. The login failed.", NoDatabase, "there is no such database"),
    ("Login failed for user 'me'.", Exception, "does not let the user me in"),
    ("SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed certificate]", Exception,
     "add TrustServerCertificate=yes"),
    ("TCP Provider: Error code 0x2749", Lost, "no SQL Server answers there"),
    ("Communication link failure", Lost, "the connection was lost"),
    ("Transaction (Process ID 52) was deadlocked on lock resources with another process", Conflict, "run it again"),
    ("Violation of UNIQUE KEY constraint 'ux_mail'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key "
     "value is (secret).", Conflict, "in a unique index (ux_mail)"),
    ("Conversion failed when converting the nvarchar value 'secret' to data type int.", Misfit, "does not fit"),
    ("String or binary data would be truncated in table 'dbo.t', column 'c'. Truncated value: 'secret'.", Misfit,
     "does not fit"),
    ("Lock request time out period exceeded.", Exception, "another program has held rows"),
    ("The INSERT permission was denied on the object 't', database 'crm', schema 'dbo'.", Exception,
     "The INSERT permission was denied on the object 't'"),
    ("Something new, value 'secret' and more", Exception, "Something new,"),
])  # fmt: skip
def test_errors_say_what_to_do_and_hold_no_value(said: str, kind: type[Exception], meaning: str) -> None:
    address = Address("db.example.com", 1433, "crm", "me", "hidden")
    for error in (Exception(said), Exception((1, said.encode())), Exception(1, said.encode())):
        found = explained(error, address)
        assert isinstance(found, kind)
        assert str(found).startswith("crm on db.example.com:1433: ")
        assert meaning in str(found)
        assert "secret" not in str(found)
    assert "hidden" not in repr(address)


def test_the_driver_gets_the_options_of_the_url_and_no_sign_means_anything() -> None:
    url = "mssql://me%40corp:a%3Bb%7D%3D@db.example.com:1433/crm?Encrypt=strict&TrustServerCertificate=no"
    address, is_bulk = parse_url(url)
    assert not is_bulk
    assert connection_string(address) == (
        "Server={db.example.com,1433};Database={crm};UID={me@corp};PWD={a;b}}=};Encrypt={strict};"
        "TrustServerCertificate={no};"
    )
    entra, is_bulk = parse_url("mssql://db.example.com/crm?Authentication=ActiveDirectoryDefault&bulk=1")
    assert is_bulk
    assert connection_string(entra) == (
        "Server={db.example.com};Database={crm};Authentication={ActiveDirectoryDefault};"
    )
    found = open_database("mssql+pymssql://me:hidden@db.example.com/crm?table=dbo.x")
    assert isinstance(found, SQLServer)
    assert found.label == "crm on db.example.com"


@pytest.mark.parametrize(("url", "said"), [
    ("mssql+pyodbc://h/d", "no way to SQL Server"),
    ("mssql://h", "is written mssql://"),
    ("mssql+pymssql://h/d?bulk=1", "Bulk copy needs Microsoft's driver"),
])  # fmt: skip
def test_urls_that_mean_nothing_are_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        SQLServer(url)


def test_an_option_that_the_driver_does_not_know_is_named() -> None:
    pytest.importorskip("mssql_python")
    with pytest.raises(TargetError, match="encrypted") as caught:
        mssql.connect(Address("h", None, "d", "me", "hidden", options={"Encrypted": "yes"}))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(("driver", "library"), [("mssqlpython", "mssql_python"), ("pymssql", "pymssql")])
def test_a_missing_driver_is_told_with_the_line_that_installs_it(
    driver: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=r"pip install .*mssql-python pymssql"):
        mssql.connect(Address("h", None, "d", driver=driver))
