"""A table of a database server as the target of an extract: emptied and filled at once, or as it was."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest

from connector.cli.app import run
from connector.errors import UsageError
from connector.files.formats import WriteOptions
from connector.sandbox import Sandbox
from tests.row_batches import write_rows


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)  # type: ignore[call-overload,unused-ignore]
        return list(cursor.fetchall()) if cursor.description else []


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": [f"in_{number}" for number in numbers], "n": list(numbers)})


def write(url: str, rows: Iterator[pa.RecordBatch]) -> int:
    return write_rows(f"{url}?table=crm.invoices", batch(1).schema, rows, mode="replace")


def test_the_table_is_made_then_emptied_and_filled_with_its_views_and_indexes(postgres_database: str) -> None:
    assert write(postgres_database, iter([batch(1, 2)])) == 2
    ask(postgres_database, "CREATE INDEX by_n ON crm.invoices (n)")
    ask(postgres_database, "CREATE VIEW crm.large AS SELECT id FROM crm.invoices WHERE n > 2")
    assert write(postgres_database, iter([batch(2), batch(3)])) == 2
    assert ask(postgres_database, "SELECT id FROM crm.large") == [("in_3",)]
    assert ask(postgres_database, "SELECT indexname FROM pg_indexes WHERE schemaname = 'crm'") == [("by_n",)]


def test_rows_that_break_off_leave_the_table_as_it_was(postgres_database: str) -> None:
    write(postgres_database, iter([batch(1)]))

    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(2)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        write(postgres_database, broken())
    assert ask(postgres_database, "SELECT id FROM crm.invoices") == [("in_1",)]


def test_an_extract_goes_into_a_database_whose_url_stands_in_the_environment(
    shared_sandbox: Sandbox, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", shared_sandbox.key)
    monkeypatch.setenv("PG_URL", postgres_database)
    arguments = [
        "extract",
        "products",
        "--api-base",
        shared_sandbox.url,
        "--to",
        "${PG_URL}",
        "--table",
        "stripe.goods",
    ]
    assert run(arguments) == 0
    assert run([*arguments, "--replace"]) == 0
    ((rows, ids),) = ask(postgres_database, "SELECT count(*), count(DISTINCT id) FROM stripe.goods")
    assert rows == ids == len(list(shared_sandbox.truth("product")))


def test_formats_are_for_files(postgres_database: str) -> None:
    with pytest.raises(UsageError, match="is a database: --format"):
        write_rows(postgres_database, batch(1).schema, [], WriteOptions(format="csv", table="t"))
