"""The database of SQL Server that TEST_MSSQL_URL names: tests have a schema each there, and leave nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from connector.databases.base import Counts, MergeOptions, Session
from connector.databases.merge import Keys, Table
from connector.databases.sqlserver.database import SQLServer
from connector.rows.types import arrow_field

URL = os.environ.get("TEST_MSSQL_URL", "")
_BABELFISH_LACKS = {
    "test_special_characters_in_names_and_values": "sys.columns tells names in lower case and a code page",
    "test_odd_names_survive": "sys.columns tells names in lower case and a code page",
    "test_a_widened_column_that_may_not_be_null_still_may_not": "no ALTER COLUMN with NOT NULL",
    "test_letters_that_a_code_page_lacks_are_refused": "it refuses such letters without a word about which",
}


def skip_what_babelfish_lacks(database: SQLServer, test: str) -> None:
    """Skip a test of what SQL Server does and Babelfish, which speaks its protocol, does not."""
    reason = _BABELFISH_LACKS.get(test.partition("[")[0])
    if reason:
        with database.transaction() as session:
            if "Babelfish" in str(session.rows("SELECT @@VERSION")[0][0]):
                pytest.skip(f"Babelfish: {reason}")


def empty_database(schema: str, *others: str) -> SQLServer:
    """Return the database with an empty schema of this name as its default one, and no others with a table each."""
    database = SQLServer(URL)
    database.default_schema = schema
    with database.transaction() as session:
        drop_schema(session, schema)
        for name in others:  # by name: Babelfish does not list each of them by its own
            session.execute(f"DROP TABLE IF EXISTS {session.full(Table(name, name))}")
            session.execute(f"DROP SCHEMA IF EXISTS {session.dialect.quote(name)}")
        session.execute(session.dialect.create_schema(schema))
    return database


def drop_schema(session: Session, schema: str) -> None:
    """Drop a schema and everything in it."""
    found = session.rows(
        "SELECT TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_TYPE DESC",
        (schema,),
    )
    for name, kind in found:  # views first
        what = "VIEW" if kind == "VIEW" else "TABLE"
        session.execute(f"DROP {what} {session.full(Table(schema, str(name)))}")
    session.execute(f"DROP SCHEMA IF EXISTS {session.dialect.quote(schema)}")


@pytest.fixture
def schema() -> str:
    """Return the name of a schema of one's own."""
    return f"t_{secrets.token_hex(6)}"


@pytest.fixture
def database(schema: str, request: pytest.FixtureRequest) -> Iterator[SQLServer]:
    """Yield the database with an empty schema, which is gone afterwards."""
    with empty_database(schema) as server:
        skip_what_babelfish_lacks(server, request.node.name)
        yield server
        with server.transaction() as session:
            drop_schema(session, schema)


@pytest.fixture
def table(schema: str) -> Table:
    """Return a table of the schema; it is not there yet."""
    return Table(schema, "things")


def rows_of(columns: dict[str, str], *rows: tuple[Any, ...]) -> pa.Table:
    """Return rows with columns of the definition's types."""
    fields = pa.schema([arrow_field(name, kind) for name, kind in columns.items()])
    return pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], schema=fields)


def load(database: SQLServer, table: Table, rows: pa.Table, *keys: str, mode: str = "upsert") -> Counts:
    """Merge rows, into a table that is made where there is none."""
    with database.transaction() as session:
        if not session.column_types(table):
            session.prepare(table, rows.schema, keys)
        session.lock(table)
        return session.merge(table, session.stage(table, [rows], rows.schema.names), Keys(keys), MergeOptions(mode))


def stored(database: SQLServer, table: Table, columns: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
    """Return what a table holds."""
    with database.transaction() as session:
        return session.rows(f"SELECT {columns} FROM {session.full(table)} ORDER BY {order}")


def make(database: SQLServer, table: Table, columns: str) -> None:
    """Create a table as somebody else would."""
    with database.transaction() as session:
        session.execute(f"CREATE TABLE {session.full(table)} ({columns})")
