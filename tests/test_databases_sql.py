"""Databases as sources: SQLite, whose values have types of their own, and Postgres, whose columns do."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest

from connector.errors import ConnectorError, DataError, UsageError
from connector.files.formats import ReadOptions
from connector.places import open_source
from connector.rows.streams import Source
from tests.postgres_server import PASSWORD, postgres_database, postgres_url
from tests.reading import rows_of

__all__ = ["postgres_database", "postgres_url"]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (id INTEGER, price REAL, note TEXT, mixed, picture BLOB, gone TEXT)")
    connection.execute(
        "INSERT INTO orders VALUES (1, 1.5, '50% off', 1, x'00ff', NULL), (2, NULL, '', 'two', NULL, NULL)"
    )
    connection.execute("CREATE VIEW cheap AS SELECT id FROM orders WHERE price < 2")
    connection.commit()
    connection.close()
    return f"sqlite:///{path.as_posix()}"


def test_sqlite_columns_get_the_types_of_their_values(shop: str) -> None:
    source = open_source(shop + "?table=orders")
    assert source.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.string(), pa.string(), pa.string()]
    first, second = rows_of(source)
    assert first == (1, 1.5, "50% off", "1", "AP8=", None)
    assert second == (2, None, "", "two", None, None)
    assert rows_of(source) == [first, second]
    assert source.row_label(0) == "row 1"


def test_a_view_and_a_query_with_percent_signs_and_colons(shop: str) -> None:
    assert rows_of(open_source(shop, ReadOptions(table="cheap"))) == [(1,)]
    query = "SELECT id, ':x' AS c FROM orders WHERE note LIKE '50%' -- :no %s\n;"
    assert rows_of(open_source(shop, ReadOptions(query=query))) == [(1, ":x")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM orders", "readonly"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1 AS a, 2 AS a", 'two columns are called "a"'),
        ("PRAGMA query_only", None),
    ],
)
def test_a_query_changes_nothing(shop: str, query: str, message: str | None) -> None:
    if message is None:
        rows_of(open_source(shop, ReadOptions(query=query)))
    else:
        with pytest.raises(ConnectorError, match=message):
            open_source(shop, ReadOptions(query=query))
    assert len(rows_of(open_source(shop + "?table=orders"))) == 2


def test_a_sqlite_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        open_source(f"sqlite:///{tmp_path.as_posix()}/none.db?table=t")
    assert not list(tmp_path.iterdir())


def test_a_misspelt_table_is_told_with_the_nearest(shop: str) -> None:
    with pytest.raises(UsageError, match=r"shop.db has no table oders. Did you mean orders\?"):
        open_source(shop + "?table=oders")


# Postgres

CREATE = """
    CREATE SCHEMA crm;
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE crm.everything (
        id bigint, small int2, price numeric(12,2), free numeric, rate float8, ok boolean, name text, day date,
        at timestamptz, local timestamp, data jsonb, raw json, tags text[], who uuid, host inet, how mood,
        long interval, clock time, bytes bytea
    );
    INSERT INTO crm.everything VALUES
        (1, 2, 12.30, 0.5, 0.1, true, '', '2024-01-31', '2024-01-31 12:00+02', '2024-01-31 12:00', '{"a": 1.10}',
         '{"b":1.10}', '{a,NULL}', '6b1bc0e4-9a58-4d25-9a6f-5e5d5a1cf0a1', '10.0.0.1', 'sad', '1 mon 2 days', '12:30',
         '\\x00ff');
    INSERT INTO crm.everything VALUES (2);
"""


@pytest.fixture(scope="module")
def crm(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS source_crm")
        server.execute("CREATE DATABASE source_crm")
    url = urlsplit(postgres_url)._replace(path="/source_crm").geturl()
    with psycopg.connect(url) as connection:
        connection.execute(CREATE)
    return url


def test_postgres_types_are_kept_exactly(crm: str) -> None:
    source = open_source(crm + "?table=crm.everything")
    kinds = dict(zip(source.schema.names, source.schema.types, strict=True))
    assert kinds["price"] == pa.decimal128(12, 2)
    assert kinds["free"] == pa.decimal128(38, 12)
    assert kinds["at"] == pa.timestamp("us", "UTC")
    assert kinds["local"] == pa.timestamp("us")
    assert {name for name in kinds if source.schema.field(name).metadata} == {"data", "raw", "tags"}
    first, second = (dict(zip(kinds, row, strict=True)) for row in rows_of(source))
    assert first == {
        "id": 1, "small": 2, "price": Decimal("12.30"), "free": Decimal("0.5"), "rate": 0.1, "ok": True, "name": "",
        "day": date(2024, 1, 31), "at": datetime(2024, 1, 31, 10, tzinfo=UTC),
        "local": datetime(2024, 1, 31, 12), "data": '{"a": 1.10}', "raw": '{"b":1.10}',  # noqa: DTZ001
        "tags": '["a",null]', "who": "6b1bc0e4-9a58-4d25-9a6f-5e5d5a1cf0a1", "host": "10.0.0.1", "how": "sad",
        "long": "1 mon 2 days", "clock": "12:30:00", "bytes": "AP8=",
    }  # fmt: skip
    assert second == dict.fromkeys(kinds) | {"id": 2}


def test_postgres_streams_and_can_be_read_again(crm: str) -> None:
    source = open_source(crm, ReadOptions(query="SELECT i, 'x%' AS t FROM generate_series(1, 25000) AS i;"))
    assert [batch.num_rows for batch in source.batches()] == [10_000, 10_000, 5_000]
    next(source.batches())  # and left in the middle
    assert sum(batch.num_rows for batch in source.batches()) == 25_000


def test_numerics_without_end_are_text(crm: str) -> None:
    query = "SELECT v::numeric AS v FROM (VALUES ('1e30'), ('0.00000000000001'), ('NaN')) AS rows(v)"
    source = open_source(crm, ReadOptions(query=query))
    assert rows_of(source) == [("1" + "0" * 30,), ("0.00000000000001",), ("NaN",)]


def failure(url: str, **options: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        rows_of(open_source(url, ReadOptions(**options)))
    said = str(caught.value)
    assert "\n" not in said
    assert PASSWORD not in said
    return caught.value


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM crm.everything", "syntax error"),
        ("SELECT setval('crm.x', 1)", "does not exist"),
        ("WITH gone AS (DELETE FROM crm.everything RETURNING *) SELECT * FROM gone", "WITH clause"),
        ("SELECT nextval('s')", "does not exist"),
        ("SELECT * FROM crm.nothing", '"crm.nothing" does not exist'),
        ("SELECT 'secret'::int AS n", "does not fit a type"),
        ("SELECT 1/(3-i) AS n FROM generate_series(1, 5) i", "does not fit a type"),
        ("SELECT 'NaN'::numeric(5,2) AS n", 'row 1, column "n": the value does not fit the type decimal(5,2)'),
    ],
)
def test_a_bad_query_is_said_in_one_line_and_changes_nothing(crm: str, query: str, message: str) -> None:
    said = str(failure(crm, query=query))
    assert message in said
    assert "secret" not in said
    assert len(rows_of(open_source(crm + "?table=crm.everything"))) == 2


def test_a_query_runs_in_a_transaction_that_reads_only(crm: str) -> None:
    source = open_source(crm, ReadOptions(query="SELECT current_setting('transaction_read_only') AS it"))
    assert rows_of(source) == [("on",)]


def test_what_cannot_be_reached_is_said_without_the_password(crm: str) -> None:
    host = urlsplit(crm).hostname
    wrong = (
        urlsplit(crm)._replace(netloc=f"postgres:wrong-secret@{host}:{urlsplit(crm).port}", query="table=t").geturl()
    )
    error = failure(wrong)
    assert isinstance(error, DataError)
    assert "password authentication failed" in str(error)
    assert "wrong-secret" not in str(error)
    nobody = urlsplit(crm)._replace(netloc="postgres:secret-2@127.0.0.1:1", query="table=t").geturl()
    assert "127.0.0.1:1/source_crm cannot be reached" in str(failure(nobody))
    assert "secret-2" not in str(failure(nobody))


def test_a_misspelt_table_or_schema_is_told_with_the_nearest(crm: str) -> None:
    assert "Did you mean everything?" in str(failure(crm + "?table=crm.everyting"))
    assert "Did you mean crm?" in str(failure(crm + "?table=crn.everything"))


def test_both_names_of_postgres_mean_it(crm: str) -> None:
    source: Source = open_source(crm.replace("postgresql://", "postgres://") + "?table=crm.everything")
    assert source.label.startswith("table crm.everything in 127.0.0.1:")
    assert "postgres:" not in source.label
