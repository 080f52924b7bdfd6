"""A DuckDB file as a source: a table or the rows of a SELECT, read-only and streamed as Arrow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from connector.databases.duckdb.file import explained
from connector.databases.merge import Table, quoted
from connector.databases.relation import Relation
from connector.errors import DataError, UsageError, did_you_mean
from connector.rows import cast as casting
from connector.rows.batches import check_header

_BATCH_ROWS = 50_000


class DuckDBSource:
    """The rows of a table or a SELECT; the file is open only while they are read."""

    is_text = False

    def __init__(self, address: str, selection: Relation) -> None:
        path = Path(address).expanduser()
        if not path.exists():
            others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            raise UsageError(f'There is no file "{path}".{did_you_mean(path.name, others)}')
        self.label = f"{selection.label} in {path.name}"
        self._path = path
        self._selection = selection
        with self._opened() as connection:
            self._sql = self._checked(connection)
            whole = connection.sql(self._sql)
            check_header(whole.columns, self.label)
            rows = whole.limit(0)
            fields = rows.to_arrow_table().schema
            marked = [
                field.with_metadata({"type": "json"}) if str(kind) == "JSON" else field
                for field, kind in zip(fields, rows.types, strict=True)
            ]
        self.schema = casting.plain_schema(pa.schema(marked))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        place = 0
        with self._opened() as connection:
            for batch in connection.sql(self._sql).to_arrow_reader(_BATCH_ROWS):
                yield casting.cast(batch, self.schema, place, self.row_label)
                place += batch.num_rows

    def row_label(self, place: int) -> str:
        """Return the number of a row, counted from 1."""
        return f"row {place + 1:,}"

    def _checked(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Return the SELECT to run; a UsageError where there is no such table, or the query is none."""
        chosen = self._selection
        if chosen.query is not None:
            statements = connection.extract_statements(chosen.query)
            if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
                raise UsageError("A query to read from is one SELECT.")
            return chosen.query.rstrip().rstrip(";")
        known = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = current_database()"
        ).fetchall()
        schema = chosen.table.schema or "main"
        wanted = (schema.lower(), chosen.table.name.lower())
        found = next((each for each in known if (each[0].lower(), each[1].lower()) == wanted), None)
        if found is None:
            names = [str(Table("" if owner == "main" else owner, name)) for owner, name in known]
            raise UsageError(f"{self._path.name} has no {chosen.label}.{did_you_mean(str(chosen.table), names)}")
        return f"SELECT * FROM {quoted(found[0])}.{quoted(found[1])}"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        # No variables of Python: a misspelt table must not find one of them instead.
        settings: dict[str, str | bool | int | float | list[str]] = {"python_enable_replacements": "false"}
        try:
            with duckdb.connect(self._path, read_only=True, config=settings) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
        except duckdb.Error as error:
            misfit = "a value does not fit a type that the query asks for"
            raise DataError(explained(error, self._path, self.label, misfit)) from error
