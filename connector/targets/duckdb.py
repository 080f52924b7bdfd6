"""A table in a DuckDB file, created or replaced in one transaction."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import duckdb
import pyarrow as pa

from connector.errors import TargetError, UsageError
from connector.files import refuse_repeated, regroup
from connector.rendering import is_json
from connector.targets.files import find_place

_HOLDER = re.compile(r"(?:held in|already open in)\s+(?P<program>.+?) \(PID (?P<number>\d+)\)")
_STAGE = "incoming"


class DuckDBTarget:
    """A table of a DuckDB file; views on it stay, and until the last row is in, so does the old table."""

    def __init__(self, path: str, table: str) -> None:
        if path == ":memory:":
            raise UsageError("A DuckDB in memory is gone when the run ends: name a file, duckdb:///stripe.duckdb.")
        self.label = f"table {table} in {path}"
        self._path = find_place(path)
        self._table = _split(table)

    def replace(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Create the table anew with these rows and return their number; after an error all is as before."""
        with self._transaction() as connection:
            return self._fill(connection, schema, batches)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        is_new, is_done = not self._path.exists(), False
        with self._explained():
            connection = duckdb.connect(self._path)
        try:
            connection.begin()
            yield connection
            with self._explained():
                connection.commit()
            is_done = True
        finally:
            connection.close()  # which takes back what is not committed
            if is_new and not is_done:
                self._remove()

    def _fill(self, connection: duckdb.DuckDBPyConnection, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        table = self._create(connection, schema)
        count = 0
        for rows in regroup(batches, schema):
            with self._explained():
                connection.register(_STAGE, rows)
                connection.execute(f"INSERT INTO {table} SELECT * FROM {_STAGE}")  # noqa: S608
            count += rows.num_rows
        return count

    def _create(self, connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> str:
        """Create the empty table with DuckDB's own types for Arrow's and return its full name, quoted."""
        refuse_repeated([name.casefold() for name in schema.names])  # DuckDB would rename one of them by itself
        columns = [_quoted(field.name) + ("::JSON AS " + _quoted(field.name)) * is_json(field) for field in schema]
        with self._explained():
            # The database is named too: in crm.duckdb, crm.invoices would have two meanings.
            database, default_schema = connection.execute("SELECT current_database(), current_schema()").fetchall()[0]
            schema_name, table_name = self._table
            namespace = f"{_quoted(database)}.{_quoted(schema_name or default_schema)}"
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {namespace}")
            connection.register(_STAGE, schema.empty_table())
            table = f"{namespace}.{_quoted(table_name)}"
            connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {', '.join(columns)} FROM {_STAGE}")  # noqa: S608
        return table

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise TargetError(self._explain(error)) from error

    def _explain(self, error: duckdb.Error) -> str:
        text = str(error)
        if holder := _HOLDER.search(text):
            return f"{self._path.name} is open in {holder['program']} (process {holder['number']}): close it there."
        if isinstance(error, duckdb.DataError):
            return f"{self.label}: a value does not fit its column, such as text that is not JSON."  # it stays unsaid
        return f"{self.label}: {text.splitlines()[0].partition(': ')[2]}"

    def _remove(self) -> None:
        for path in (self._path, self._path.with_name(self._path.name + ".wal")):
            path.unlink(missing_ok=True)


def _split(table: str) -> tuple[str, str]:
    """Return schema and name of "crm.invoices"; the schema of "invoices" is "", the default one."""
    schema_name, dot, name = table.rpartition(".")
    if not name or "." in schema_name or (dot and not schema_name):
        raise UsageError(f'"{table}" is not a table: write NAME or SCHEMA.NAME.')
    return schema_name, name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
