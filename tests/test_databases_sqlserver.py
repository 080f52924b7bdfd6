"""SQL Server as a source, where TEST_MSSQL_URL names a database of one: by both of its drivers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from sqlalchemy import make_url

from connector import Stripe
from connector.databases.base import Counts
from connector.databases.merge import Table
from connector.databases.sqlserver import connection as mssql
from connector.databases.sqlserver.database import SQLServer
from connector.databases.sqlserver.source import described_field
from connector.errors import ConnectorError, DataError, UsageError
from connector.files.formats import ReadOptions
from connector.places import open_source
from connector.rows.streams import Source
from tests.reading import rows_of
from tests.sqlserver_server import URL, drop_schema, empty_database, make, stored

COLUMNS = """
    id BIGINT, tiny TINYINT, price DECIMAL(12,2), long DECIMAL(38,12), cash MONEY, coin SMALLMONEY, half FLOAT,
    ok BIT, at DATETIME2(6), old DATETIME, minute SMALLDATETIME, zoned DATETIMEOFFSET(6), day DATE, clock TIME(3),
    who UNIQUEIDENTIFIER, bytes VARBINARY(MAX), four BINARY(4), doc XML, name NVARCHAR(MAX), code VARCHAR(20),
    fixed CHAR(4)
"""
VALUES = """
    -9223372036854775808, 255, 12.30, 99999999999999999999999999.999999999999, -922337203685477.5808, 1.2345, 0.1,
    1, '0001-01-01 00:00:00.000001', '2026-01-01 12:00:00.997', '2026-01-01 12:00',
    '2026-01-01 12:00:00.000001 +05:30', '2026-01-31', '12:30:01.5', '0E984725-C51C-4BF4-9960-E1C80E27ABA0', 0x00ff,
    0x00ff, N'<a>\u96ea</a>', N'\u96ea\U0001f600', N'é€', 'ab'
"""
ROW = {
    "id": -(2**63), "tiny": 255, "price": Decimal("12.30"), "long": Decimal("99999999999999999999999999.999999999999"),
    "cash": Decimal("-922337203685477.5808"), "coin": Decimal("1.2345"), "half": 0.1, "ok": True,
    "at": datetime(1, 1, 1, microsecond=1), "old": datetime(2026, 1, 1, 12, microsecond=997_000),  # noqa: DTZ001
    "minute": datetime(2026, 1, 1, 12), "zoned": datetime(2026, 1, 1, 6, 30, microsecond=1, tzinfo=UTC),  # noqa: DTZ001
    "day": date(2026, 1, 31), "clock": "12:30:01.500000", "who": "0E984725-C51C-4BF4-9960-E1C80E27ABA0",
    "bytes": "AP8=", "four": "AP8AAA==", "doc": "<a>\u96ea</a>", "name": "\u96ea\U0001f600", "code": "é€",
    "fixed": "ab  ",
}  # fmt: skip
NAIVE, TEXT = pa.timestamp("us"), pa.string()
TYPES = [
    pa.int64(), pa.int64(), pa.decimal128(12, 2), pa.decimal128(38, 12), pa.decimal128(19, 4), pa.decimal128(10, 4),
    pa.float64(), pa.bool_(), NAIVE, NAIVE, NAIVE, pa.timestamp("us", "UTC"), pa.date32(), TEXT, TEXT, TEXT, TEXT, TEXT,
    TEXT, TEXT, TEXT,
]  # fmt: skip
MANY = "SELECT TOP 25000 ROW_NUMBER() OVER (ORDER BY (SELECT 1)) AS n, '50%' AS t FROM {0} AS a, {0} AS b, {0} AS c"


@pytest.fixture(scope="module")
def schema() -> str:
    """Return the name of a schema for all tests here: Babelfish takes its time to make one."""
    return f"t_{secrets.token_hex(6)}"


@pytest.fixture(scope="module")
def database(schema: str) -> Iterator[SQLServer]:
    """Yield the database with that schema, which is gone afterwards."""
    if not URL:
        pytest.skip("TEST_MSSQL_URL names no database of SQL Server")
    with empty_database(schema) as server:
        yield server
        with server.transaction() as session:
            drop_schema(session, schema)


@pytest.fixture
def table(database: SQLServer) -> Table:
    """Return a table of the schema; it is not there yet."""
    return Table(database.default_schema, f"things_{secrets.token_hex(3)}")


@pytest.fixture(scope="module", params=["mssql", "mssql+pymssql"])
def url(request: pytest.FixtureRequest, database: SQLServer) -> str:
    """Return the database's URL for one driver and the other."""
    assert database  # it is there, with its schema
    address = make_url(URL).set(drivername=request.param)
    if request.param == "mssql+pymssql":
        address = address.set(query={})
    return address.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def everything(database: SQLServer) -> Table:
    """Return a table with a column of every type, a row of values and one of nulls."""
    table = Table(database.default_schema, "everything")
    make(database, table, COLUMNS)
    with database.transaction() as session:
        session.execute(f"INSERT INTO {session.full(table)} VALUES ({VALUES})")
        session.execute(f"INSERT INTO {session.full(table)} (id) VALUES (2)")
    return table


@pytest.mark.parametrize(("kind", "digits", "scale", "expected"), [
    ("decimal(12,2)", 12, 2, pa.decimal128(12, 2)),
    ("numeric(38,38)", 38, 38, None),
    ("money", 19, 4, pa.decimal128(19, 4)),
    ("datetime2(7)", 27, 7, NAIVE),
    ("datetimeoffset(7)", 34, 7, pa.timestamp("us", "UTC")),
    ("nvarchar(max)", 0, 0, TEXT),
    ("timestamp", 0, 0, TEXT),
    ("sql_variant", 0, 0, TEXT),
    (None, 0, 0, TEXT),  # as of geography and of the types of others
])  # fmt: skip
def test_types_are_known_as_the_server_spells_them(
    kind: str | None, digits: int, scale: int, expected: pa.DataType | None
) -> None:
    field = described_field("x", kind or "", digits, scale)
    assert (field.type if field else None) == expected


def opened(url: str, table: Table | None = None, query: str | None = None) -> Source:
    name = f"{table.schema}.{table.name}" if table else None
    return open_source(url, ReadOptions(table=name, query=query))


def test_every_type_comes_as_what_it_says(url: str, everything: Table) -> None:
    source = opened(url, everything)
    assert dict(zip(source.schema.names, source.schema.types, strict=True)) == dict(zip(ROW, TYPES, strict=True))
    second, first = sorted(rows_of(source), key=lambda row: -row[0])
    assert dict(zip(ROW, first, strict=True)) == ROW
    assert second == (2, *[None] * (len(ROW) - 1))
    assert source.row_label(1_499) == "row 1,500"


def test_types_that_the_server_does_not_tell_are_those_of_the_values(url: str, everything: Table) -> None:
    there = f"{everything.schema}.{everything.name}"
    copied = opened(url, query=f"SELECT id, who, at INTO #copy FROM {there}; SELECT * FROM #copy ORDER BY id")
    assert rows_of(copied) == [(ROW["id"], ROW["who"], ROW["at"]), (2, None, None)]
    divided = opened(url, query=f"SELECT price / 4 AS p, bytes FROM {there} ORDER BY id;")
    assert rows_of(divided) == [(Decimal("3.075"), "AP8="), (None, None)]


def test_many_rows_are_streamed_and_can_be_read_again(url: str, database: SQLServer, table: Table) -> None:
    make(database, table, "id INT")
    with database.transaction() as session:
        session.execute(f"INSERT INTO {session.full(table)} VALUES {', '.join(f'({n})' for n in range(30))}")
    source = opened(url, query=MANY.format(f"{table.schema}.{table.name}"))
    assert [batch.num_rows for batch in source.batches()] == [10_000, 10_000, 5_000]
    next(source.batches())  # and left in the middle
    assert sum(row[0] for row in rows_of(source)) == 25_000 * 25_001 // 2


def test_a_query_has_signs_of_its_own_and_its_types(url: str) -> None:
    query = "WITH x AS (SELECT 'a?%s %(x)s :y' AS t, CAST(1.10 AS DECIMAL(9,2)) AS d) SELECT t, d FROM x -- ?\n ;"
    assert rows_of(opened(url, query=query)) == [("a?%s %(x)s :y", Decimal("1.10"))]
    assert rows_of(opened(url, query="SELECT 1 AS a WHERE 1 = 0")) == []


def test_a_view_is_read_and_a_table_of_no_rows(url: str, database: SQLServer, table: Table) -> None:
    make(database, table, "id INT, price DECIMAL(9,2)")
    assert rows_of(opened(url, table)) == []
    view = Table(table.schema, f"{table.name}_seen")
    with database.transaction() as session:
        session.execute(f"INSERT INTO {session.full(table)} VALUES (1, 1.50)")
        session.execute(f"CREATE VIEW {session.full(view)} AS SELECT price FROM {session.full(table)}")
    assert rows_of(opened(url, view)) == [(Decimal("1.50"),)]


def failure(url: str, table: Table | None = None, query: str | None = None) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        rows_of(opened(url, table, query))
    said, password = str(caught.value), make_url(url).password
    assert "\n" not in said
    assert password
    assert str(password) not in said
    return caught.value


def test_a_misspelt_table_or_schema_is_told_with_the_nearest(url: str, database: SQLServer, table: Table) -> None:
    make(database, table, "id INT")
    error = failure(url, Table(table.schema, table.name.replace("things", "thigns")))
    assert isinstance(error, UsageError)
    assert f"has no table {table.schema}.thigns" in str(error)
    assert table.name in str(error).partition("Did you mean")[2]
    assert table.schema in str(failure(url, Table(table.schema + "x", table.name))).partition("Did you mean")[2]


def test_a_bad_query_is_said_in_one_line_and_changes_nothing(url: str, database: SQLServer, table: Table) -> None:
    make(database, table, "id INT, secret NVARCHAR(20)")
    with database.transaction() as session:
        session.execute(f"INSERT INTO {session.full(table)} VALUES (1, 'hidden')")
    there = f"{table.schema}.{table.name}"
    for query, said in (
        (f"DELETE FROM {there}", "is one SELECT"),
        (f"SELECT * INTO {there}_too FROM {there}", "is one SELECT"),
        (f"SELECT id FROM {there} WHERE CAST(secret AS INT) = 1", "does not fit a type that the query asks for"),
        ("SELECT 1 AS a, 2 AS a", 'two columns are called "a"'),
        ("SELEC 1", "selec"),
        (f"SELECT * FROM {there}_none", f"{table.name}_none"),
    ):
        message = str(failure(url, query=query))
        assert said in message
        assert "hidden" not in message
    assert stored(database, table) == [(1, "hidden")]
    with pytest.raises(UsageError, match="has no table"):
        opened(url, Table(table.schema, f"{table.name}_too"))


def test_who_cannot_come_in_is_told_without_the_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mssql, "_LOGIN_SECONDS", 2)
    address = make_url(url)
    for wrong in (address.set(password="wrong-secret"), address.set(port=1), address.set(database="none_such")):
        error = failure(wrong.render_as_string(hide_password=False), Table("dbo", "t"))
        assert isinstance(error, DataError)
        assert str(address.host) in str(error)


def test_rows_come_back_from_sql_server_as_they_went(url: str, table: Table, tmp_path: Path) -> None:
    path, there = tmp_path / "shop.duckdb", f"{table.schema}.{table.name}"
    with duckdb.connect(path) as shop:
        shop.execute(
            "CREATE TABLE sent AS SELECT i AS id, 'é雪' || i AS name, (i / 4)::DECIMAL(12,2) AS price, i / 3 AS ratio, "
            "i % 2 = 0 AS ok, DATE '2026-01-01' + i::INT AS day, TIMESTAMPTZ '2026-01-01 12:00:00.000001Z' "
            "+ INTERVAL (i) HOUR AS at, if(i % 5 = 0, NULL, '') AS gap FROM range(1_200) AS r(i)"
        )
        shop.execute("CREATE TABLE back AS SELECT * FROM sent LIMIT 0")
    to, source = f"duckdb:///{path}", make_url(url).update_query_dict({"table": there})
    assert Stripe.load(f"{to}?table=sent", url, there, key=["id"]).counts == Counts(inserted=1_200)
    source_url = source.render_as_string(hide_password=False)
    assert Stripe.load(source_url, to, "back", key=["id"]).counts == Counts(inserted=1_200)
    assert Stripe.load(source_url, to, "made", key=["id"]).counts == Counts(inserted=1_200)
    with duckdb.connect(path) as shop:
        differences = "(FROM sent EXCEPT FROM back) UNION ALL (FROM back EXCEPT FROM sent)"
        assert shop.execute(differences).fetchall() == []
        assert shop.execute('SELECT DISTINCT typeof(price), typeof("at") FROM made').fetchall() == [
            ("DECIMAL(12,2)", "TIMESTAMP")
        ]
