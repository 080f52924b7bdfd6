"""Where rows come from: the kinds of source, and what each says when something is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from connector import Stripe
from connector.errors import ConnectorError, DataError, MissingExtra, UsageError
from connector.files.formats import ReadOptions
from connector.places import open_source
from connector.rows.streams import Source
from tests.reading import rows_of


def test_a_frame_keeps_its_types_and_the_index_that_has_a_name() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "n": [1, 2], "f": [1.5, float("nan")], "x": [1, "one"]}).set_index("id")
    source = open_source(frame)
    assert source.schema.names == ["id", "n", "f", "x"]
    assert rows_of(source) == rows_of(source) == [("a", 1, 1.5, "1"), ("b", 2, None, "one")]
    assert not source.is_text
    assert open_source(pd.DataFrame({"n": [1]}, index=[7])).schema.names == ["n"]


def test_a_frame_with_two_columns_of_a_name_is_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match='two columns are called "a"'):
        open_source(frame)


def test_what_is_nested_becomes_json_and_what_is_encoded_is_decoded() -> None:
    table = pa.table(
        {"l": [[1, 2], None], "d": pa.array(["x", "y"]).dictionary_encode(), "u": pa.array([1, 2**64 - 1], pa.uint64())}
    )
    source = open_source(table)
    assert source.schema.field("l").metadata == {b"type": b"json"}
    assert rows_of(source) == [("[1,2]", "x", Decimal(1)), (None, "y", Decimal(2**64 - 1))]


def test_a_reader_that_can_be_read_once_is_read_twice() -> None:
    table = pa.table({"n": list(range(1_000))})
    source = open_source(pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches(max_chunksize=70))))
    assert rows_of(source) == rows_of(source) == [(n,) for n in range(1_000)]
    batch = table.to_batches()[0]
    assert len(rows_of(open_source(batch))) == 1_000


def test_a_result_is_read_from_stripe_once(stripe: Stripe) -> None:
    result = stripe.extract("products")
    source = open_source(result)
    found = rows_of(source)
    requests = result.report.requests
    assert found == rows_of(source)
    assert len(found) > 0
    assert requests == result.report.requests


@pytest.mark.parametrize("what", [5, None, ["a"], b"a.csv"])
def test_what_holds_no_rows_is_refused(what: object) -> None:
    with pytest.raises(UsageError):
        open_source(what)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA crm")
        connection.execute("CREATE TABLE orders AS SELECT i AS id, '{\"a\": 1.10}'::JSON AS data FROM range(5) r(i)")
        connection.execute("CREATE TABLE crm.leads AS SELECT 'ann' AS name, 1.5::DECIMAL(10,2) AS score")
        connection.execute("CREATE VIEW few AS SELECT * FROM orders WHERE id < 2")
    return path


def duckdb_source(path: Path, **options: Any) -> Source:
    return open_source(f"duckdb:///{path.as_posix()}", ReadOptions(**options))


def test_a_table_a_view_and_a_query_of_duckdb(shop: Path) -> None:
    orders = duckdb_source(shop, table="orders")
    assert orders.schema.field("data").metadata == {b"type": b"json"}
    assert rows_of(orders) == rows_of(orders) == [(n, '{"a": 1.10}') for n in range(5)]
    assert rows_of(open_source(f"duckdb:///{shop.as_posix()}?table=crm.leads")) == [("ann", Decimal("1.50"))]
    assert len(rows_of(duckdb_source(shop, table="FEW"))) == 2
    assert rows_of(duckdb_source(shop, query="SELECT max(id) AS n FROM orders -- the last\n;")) == [(4,)]
    assert rows_of(open_source(str(shop), ReadOptions(table="crm.leads")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "ordres"}, "Did you mean orders?"),
        ({"table": "a.b.c"}, "write NAME or SCHEMA.NAME"),
        ({}, "Name the table to read"),
        ({"table": "orders", "query": "SELECT 1"}, "one thing to read"),
        ({"query": "DROP TABLE orders"}, "one SELECT"),
        ({"query": "SELECT 1; SELECT 2"}, "one SELECT"),
        ({"query": "SELEC 1"}, "syntax error"),
        ({"query": "SELECT * FROM pa"}, "pa"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, 'two columns are called "a"'),
        ({"query": "SELECT 'secret'::INTEGER AS a"}, "does not fit a type"),
        ({"table": "orders", "sheet": "x"}, "--sheet says nothing about databases"),
    ],
)
def test_what_duckdb_cannot_give_is_said_in_one_line(shop: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        rows_of(duckdb_source(shop, **options))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_duckdb_file_that_is_missing_is_not_made(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*Did you mean shop.duckdb"):
        open_source(f"duckdb:///{tmp_path.as_posix()}/shops.duckdb?table=orders")
    assert sorted(tmp_path.iterdir()) == [shop]


def test_a_duckdb_file_that_is_open_for_writing_here_is_told(shop: Path) -> None:
    with duckdb.connect(shop), pytest.raises(DataError, match="open in this program already"):
        duckdb_source(shop, table="orders")


def test_a_duckdb_file_that_another_program_holds_is_told_with_its_process(shop: Path) -> None:
    script = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(shop)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DataError, match=rf"shop\.duckdb is open in .*\(process {holder.pid}\): close it there"):
            duckdb_source(shop, table="orders")
        holder.communicate()


def test_a_driver_that_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"Postgres needs .*psycopg"):
        open_source("postgresql://u:secret@127.0.0.1:1/d?table=t")
    monkeypatch.setitem(sys.modules, "mssql_python", None)
    with pytest.raises(MissingExtra, match=r"SQL Server needs .*mssql-python"):
        open_source("mssql://u:secret@127.0.0.1:1/d?table=t")


def test_urls_that_mean_nothing_name_the_schemes() -> None:
    with pytest.raises(UsageError, match="Did you mean postgresql"):
        open_source("postgrsql://host/db?table=t")
