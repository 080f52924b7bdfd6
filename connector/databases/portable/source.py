"""Any database that SQLAlchemy reaches as a source: a table or a SELECT, in a transaction that changes nothing.

Postgres says its columns' types. Other drivers do not, or not reliably (SQLite has types for values only), and
Postgres does not say how large a numeric without precision gets: there all rows are looked at once beforehand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import URL, Connection, CursorResult, Engine, inspect, make_url
from sqlalchemy import exc as sql_errors

from connector.databases.portable.engine import open_engine, place_of, reason_of
from connector.databases.portions import BATCH_ROWS, as_batches, look_at, row_label
from connector.databases.relation import Relation
from connector.errors import DataError, UsageError, did_you_mean
from connector.rows.batches import check_header

_CONNECT_SECONDS = 15
_POSTGRES = {"postgres", "postgresql"}  # one driver, whichever the URL names: its values are those that are known here
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
_STREAMED = {"stream_results": True, "max_row_buffer": BATCH_ROWS}


class SqlSource:
    """The rows of a table or a SELECT."""

    is_text = False

    def __init__(self, address: str, relation: Relation) -> None:
        self._url = make_url(address)
        if self._url.get_backend_name() in _POSTGRES:
            self._url = self._url.set(drivername="postgresql+psycopg")
        self._where = place_of(self._url)
        self.label = f"{relation.label} in {self._where}"
        self._selection = relation
        self._engine = _engine(self._url)
        with self._connected() as connection:
            self._sql = self._checked(connection)
            self.schema = self._fields(connection)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        with self._connected() as connection, self._rows(connection) as result:
            yield from as_batches(result.partitions(BATCH_ROWS), self.schema)

    def row_label(self, place: int) -> str:
        """Return the number of a row, counted from 1."""
        return row_label(place)

    def _rows(self, connection: Connection) -> CursorResult[Any]:
        """Run the SELECT; its rows come as they are taken."""
        result = connection.exec_driver_sql(self._sql, execution_options=_STREAMED)
        if not result.returns_rows:
            raise UsageError("A query to read from is one SELECT.")
        return result

    def _fields(self, connection: Connection) -> pa.Schema:
        """Return the columns and their types, by what the database says or by their values."""
        fields: list[pa.Field | None] = []
        if connection.dialect.name == "postgresql":
            from connector.databases.postgres.source import described

            fields = described(connection, self._sql)
        told = [field for field in fields if field is not None]
        if fields and len(told) == len(fields):
            check_header([field.name for field in told], self.label)
            return pa.schema(told)
        with self._rows(connection) as result:
            names = list(result.keys())
            check_header(names, self.label)
            return look_at(names, result.partitions(BATCH_ROWS), fields)

    def _checked(self, connection: Connection) -> str:
        """Return the SELECT to run; a UsageError where there is no such table."""
        chosen = self._selection
        if chosen.query is not None:
            return chosen.query.strip().rstrip(";")
        known = inspect(connection)
        schema, table = chosen.table.schema or None, chosen.table.name
        if not known.has_table(table, schema):
            names = [*known.get_table_names(schema), *known.get_view_names(schema)]
            hint = did_you_mean(table, names) if names or not schema else did_you_mean(schema, known.get_schema_names())
            raise UsageError(f"{self._where} has no {chosen.label}.{hint}")
        quote = connection.dialect.identifier_preparer.quote_identifier
        return f"SELECT * FROM {'.'.join(quote(part) for part in (schema, table) if part)}"

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Open a connection whose transaction is taken back at the end, and read-only where there is such a thing."""
        try:
            opened = self._engine.connect()
        except Exception as error:  # drivers have errors that SQLAlchemy does not know
            raise DataError(f"{self._where} cannot be reached: {reason_of(error, self._url)}") from error
        try:
            with opened as connection:
                # Percent signs in a query are its own, not places for values.
                connection.execution_options(no_parameters=True)
                if connection.dialect.name == "postgresql":
                    from connector.databases.postgres.source import prepare

                    prepare(connection.execution_options(postgresql_readonly=True))
                elif statement := _READ_ONLY.get(connection.dialect.name):
                    connection.exec_driver_sql(statement)
                yield connection
        except sql_errors.DataError as error:
            raise DataError(f"{self.label}: a value does not fit a type that the query asks for.") from error
        except sql_errors.SQLAlchemyError as error:
            raise DataError(f"{self.label}: {reason_of(error, self._url)}") from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        _check_file(url)
    is_hasty = url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query
    return open_engine(url, {"connect_args": {"connect_timeout": _CONNECT_SECONDS} if is_hasty else {}})


def _check_file(url: URL) -> None:
    """Refuse a SQLite file that is not there, which would be made."""
    name = url.database or ":memory:"
    if name == ":memory:":
        raise UsageError("A SQLite database in memory has no tables to read: name a file, sqlite:///shop.db.")
    path = Path(name)
    if not name.startswith("file:") and not path.is_file():
        others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f'There is no file "{name}".{did_you_mean(path.name, others)}')
