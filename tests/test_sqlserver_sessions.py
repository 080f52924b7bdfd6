"""Locks, lost connections, bulk copy and a whole sync on a server, where TEST_MSSQL_URL names a database of one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pytest

from connector.databases.base import Conflict, Counts, RefusedValue, Session
from connector.databases.merge import Table
from connector.databases.sqlserver import connection as mssql
from connector.databases.sqlserver.connection import Lost
from connector.databases.sqlserver.database import SQLServer
from connector.databases.sqlserver.stage import Sent
from connector.databases.sqlserver.tsql import insert_values
from connector.definitions.endpoint import Endpoints
from connector.errors import TargetError
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.sqlserver_server import URL, database, load, make, rows_of, schema, stored, table
from tests.synced import expected_rows
from tests.test_extract import comparable

__all__ = ["database", "schema", "table"]
pytestmark = pytest.mark.skipif(not URL, reason="TEST_MSSQL_URL names no database of SQL Server")


def test_a_load_waits_for_another_and_says_so_when_it_waits_too_long(database: SQLServer, table: Table) -> None:
    with SQLServer(URL) as other:
        with database.transaction() as session:
            session.lock(table)
            with pytest.raises(TargetError, match=r"Another load holds .*things"), other.transaction() as late:
                late.lock(table, wait_seconds=0)
        with other.transaction() as late:
            late.lock(table, wait_seconds=0)
            late.lock(table, wait_seconds=0)


def test_two_loads_at_once_insert_no_key_twice(database: SQLServer, table: Table) -> None:
    columns = {"id": "text", "n": "integer"}
    load(database, table, rows_of(columns, ("first", 0)), "id")
    done: list[Counts] = []

    def work(number: int) -> None:
        with SQLServer(URL) as mine:
            done.extend(
                load(mine, table, rows_of(columns, *((f"k{key}", number + each) for key in range(20))), "id")
                for each in range(5)
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts.inserted for counts in done) == 20
    assert len(done) == 15
    assert len(stored(database, table)) == 21


def test_work_in_whose_way_another_was_is_done_once_more(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT PRIMARY KEY")
    tries = []

    def work(session: Session) -> int:
        tries.append(1)
        session.execute(f"INSERT INTO {session.full(table)} VALUES (?)", (len(tries),))
        if len(tries) == 1:
            session.execute(f"INSERT INTO {session.full(table)} VALUES (1)")
        return len(tries)

    assert database.repeated(work) == 2
    assert stored(database, table) == [(2,)]
    with pytest.raises(Conflict, match="the same values as another in a unique index"):
        database.repeated(lambda session: session.execute(f"INSERT INTO {session.full(table)} VALUES (2)"))


def kill(number: object) -> None:
    """End another session, as an administrator or a restart does."""
    with SQLServer(URL) as other:
        connection = other._begun()
        connection.run("COMMIT TRANSACTION")
        connection.run(f"KILL {number}")


def test_a_lost_connection_is_opened_again(database: SQLServer, table: Table) -> None:
    make(database, table, "id INT")
    with database.transaction() as session:
        ((number,),) = session.rows("SELECT @@SPID")
    kill(number)
    assert stored(database, table) == []

    def work(session: Session) -> None:
        session.execute(f"INSERT INTO {session.full(table)} VALUES (1)")
        kill(session.rows("SELECT @@SPID")[0][0])
        session.rows("SELECT 1")

    with pytest.raises(Lost, match="the connection was lost"):
        database.repeated(work)
    assert stored(database, table) == []


def wrong(url: str) -> str:
    with pytest.raises(TargetError) as caught, SQLServer(url) as server, server.transaction():
        pass
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    return str(caught.value)


def test_who_cannot_come_in_is_told_why_and_never_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import make_url

    # The driver asks a closed port until then.
    monkeypatch.setattr("connector.databases.sqlserver.connection._LOGIN_SECONDS", 2)

    right = make_url(URL)
    hidden = right.set(password="hidden;PWD={x}").render_as_string(hide_password=False)
    assert f"does not let the user {right.username} in" in wrong(hidden)
    nowhere = right.set(database="nowhere").render_as_string(hide_password=False)
    assert "there is no such database" in wrong(nowhere)
    if "pymssql" not in URL:  # it tells why only once in a process
        assert not SQLServer(nowhere).exists()
    assert SQLServer(URL).exists()
    silent = right.set(host="127.0.0.1", port=9).render_as_string(hide_password=False)
    assert "no SQL Server answers there" in wrong(silent)


def by_statements(self: mssql._Explained, name: str, rows: pa.Table, names: Sequence[str]) -> None:
    """Stand in for the driver's bulk copy, which Babelfish does not take; all around it is what runs in earnest."""
    columns = [
        Sent(each, "", _travels_as(rows.column(each).type), rows.column(each).combine_chunks()) for each in names
    ]
    parameters = [column.parameters() for column in columns]
    given = [values[place] for place in range(rows.num_rows) for values in parameters]
    self.run(insert_values(name, [f'"{each}"' for each in names], rows.num_rows), given)


def _travels_as(kind: pa.DataType) -> str:
    return "BIGINT" if pa.types.is_integer(kind) else f"DECIMAL({kind.precision},{kind.scale})" if (
        pa.types.is_decimal(kind)) else "NVARCHAR(MAX)"  # fmt: skip


@pytest.fixture
def bulk(database: SQLServer, monkeypatch: pytest.MonkeyPatch) -> SQLServer:
    if "pymssql" in URL:
        pytest.skip("pymssql has no bulk copy")
    monkeypatch.setattr(mssql._Explained, "bulk_copy", by_statements)
    server = SQLServer(f"{URL}{'&' if '?' in URL else '?'}bulk=1")
    server.default_schema = database.default_schema
    return server


def loading_tables(server: SQLServer) -> list[object]:
    with server.transaction() as session:
        return [name for (name,) in session.rows("SELECT name FROM sys.tables WHERE LEFT(name, 6) = '_load_'")]


def test_bulk_copy_brings_what_batches_bring_and_leaves_nothing(bulk: SQLServer, table: Table) -> None:
    left = f"_load_{'0' * 12}"
    with bulk.transaction() as session:
        session.execute(f"CREATE TABLE {left} (x INT)")
    columns = {"id": "text", "n": "integer", "money": "decimal"}
    rows = rows_of(columns, ("vip", 1, Decimal("0.5")), ("vip ", None, None), ("雪", 2**63 - 1, None))
    with bulk:
        assert load(bulk, table, rows, "id") == Counts(inserted=3)
        assert load(bulk, table, rows, "id") == Counts(unchanged=3)
        assert len(stored(bulk, table)) == 3
        assert loading_tables(bulk) == []
        make(bulk, Table(table.schema, "guids"), "id INT, g UNIQUEIDENTIFIER")
        guids = rows_of({"id": "integer", "g": "text"}, (1, "0E984725-C51C-4BF4-9960-E1C80E27ABA0"), (2, "x"))
        with pytest.raises(RefusedValue, match=r'Row 2, column "g"'):
            load(bulk, Table(table.schema, "guids"), guids, "id")
        assert loading_tables(bulk) == []


def test_bulk_copy_that_loses_a_value_changes_nothing(
    bulk: SQLServer, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(self: mssql._Explained, name: str, rows: pa.Table, names: Sequence[str]) -> None:
        place = rows.schema.get_field_index("n")
        nothing = pa.nulls(rows.num_rows, pa.int64())
        by_statements(self, name, rows.set_column(place, "n", nothing), names)

    rows = rows_of({"id": "text", "n": "integer"}, ("a", 1), ("b", 2))
    with bulk:
        load(bulk, table, rows, "id")
        monkeypatch.setattr(mssql._Explained, "bulk_copy", lossy)
        with pytest.raises(TargetError, match="bulk copy was given 2 of n and brought 0; nothing was changed"):
            load(bulk, table, rows_of({"id": "text", "n": "integer"}, ("a", 7), ("c", 8)), "id")
        assert stored(bulk, table) == [("a", 1), ("b", 2)]


ENDPOINTS = Endpoints()
SYNCED = ("customers", "subscriptions", "subscription_items", "prices", "coupons")


def test_synced_tables_equal_stripe(database: SQLServer, schema: str, shared_sandbox: Sandbox) -> None:
    with account(shared_sandbox) as stripe:
        first = stripe.sync(list(SYNCED), to=URL, schema=schema)
        again = stripe.sync(list(SYNCED), to=URL, schema=schema)
    assert not first.failed
    assert [(run.status, run.inserted, run.deleted) for run in again.runs] == [("succeeded", 0, 0)] * len(SYNCED)
    for name in SYNCED:
        keys = ENDPOINTS[name].primary_key
        with database.transaction() as session:
            names = list(session.column_types(Table(schema, name)))
            found = session.rows(f"SELECT {', '.join(f'[{each}]' for each in names)} FROM [{schema}].[{name}]")
        by_key = {}
        for row in (dict(zip(names, values, strict=True)) for values in found):
            by_key[tuple(row[key] for key in keys)] = row
        expected = expected_rows(shared_sandbox, name)
        assert by_key.keys() == expected.keys()
        for key, row in expected.items():
            shown = {column: value for column, value in by_key[key].items() if column in row}
            assert comparable(shown, ENDPOINTS[name]) == row, (name, key)
