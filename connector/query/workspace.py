"""The DuckDB that runs a query: in memory, one transaction, our tables and macros; nothing is installed or written."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connector.databases.merge import quoted
from connector.definitions.endpoint import Endpoint
from connector.errors import UsageError, did_you_mean
from connector.query.refusals import explained
from connector.query.statement import Statement
from connector.rows.currencies import EXPONENTS
from connector.rows.frames import open_frame
from connector.rows.render import is_json

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # a misspelt table must not find a variable of Python's instead
}
_TYPES = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "decimal": "DECIMAL(38, 12)", "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ", "date": "DATE", "json": "JSON",
}  # fmt: skip
_COMPARED_TYPE = re.compile(r"Cannot compare values of type (.+?) and type MAP")
_INCOMING = "__incoming"
_BATCH_ROWS = 50_000


class Session:
    """One connection to a DuckDB in memory, as a context manager; what does not fit memory spills to its own folder."""

    def __init__(self, zone: tzinfo) -> None:
        folder = tempfile.mkdtemp(prefix="connector-query-")
        self._remove_folder = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.connection = duckdb.connect(":memory:", config={**_SETTINGS, "temp_directory": folder})
        self.connection.execute(f"SET TimeZone = '{getattr(zone, 'key', 'UTC')}'")
        for macro in _macros():
            self.connection.execute(macro)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the DuckDB and its folder; of a session that nobody keeps both go by themselves."""
        self.connection.close()
        self._remove_folder()

    def attach(self, files: Iterable[str | Path]) -> None:
        """Make the tables of DuckDB files known as FILE.TABLE, to be read only."""
        for file in map(Path, files):
            if not file.is_file():
                others = [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []
                raise UsageError(f'There is no file "{file}" to attach.{did_you_mean(file.name, others)}')
            path = str(file).replace("'", "''")
            with explained():
                self.connection.execute(f"ATTACH '{path}' AS {quoted(file.stem)} (READ_ONLY)")

    def begin(self) -> None:
        """Begin the one transaction, so that now() is one instant; from here on settings stay as they are."""
        self.connection.execute("SET lock_configuration = true")
        self.connection.begin()

    def create(self, endpoint: Endpoint, hidden: Iterable[str] = ()) -> None:
        """Create the empty table of an endpoint, with a column for each filter that has none but is named."""
        columns = {**types_of(endpoint), **dict.fromkeys(hidden, "VARCHAR")}
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        self.connection.execute(f"CREATE TABLE {quoted(endpoint.name)} ({listed})")

    def fill(self, name: str, frame: object) -> None:
        """Create a table of rows that Python has."""
        source = open_frame(frame)
        self._register(source.schema.empty_table())
        columns = [
            f"{quoted(field.name)}{'::JSON' * is_json(field)} AS {quoted(field.name)}" for field in source.schema
        ]
        self.connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT {', '.join(columns)} FROM {_INCOMING}")
        for batch in source.batches():
            self.insert(name, batch)

    def insert(self, name: str, rows: pa.RecordBatch | pa.Table, unique: Sequence[str] = ()) -> None:
        """Add rows to a table; those that it has by the `unique` columns are left out."""
        self._register(rows)
        known = " AND ".join(f"t.{quoted(column)} IS NOT DISTINCT FROM s.{quoted(column)}" for column in unique)
        without = f" WHERE NOT EXISTS (SELECT 1 FROM {quoted(name)} t WHERE {known})" if known else ""
        self.connection.execute(f"INSERT INTO {quoted(name)} BY NAME SELECT * FROM {_INCOMING} s{without}")

    def check(self, statement: Statement, names: Sequence[str]) -> None:
        """Refuse a statement that DuckDB cannot plan; texts that are no dates for it may still be ours."""
        with explained(statement, names), contextlib.suppress(duckdb.ConversionException):
            self.connection.execute(f"EXPLAIN {statement.text}")

    def type_in(self, probe: str) -> str | None:
        """Return the type that DuckDB names as it refuses to compare; to be called before the transaction begins."""
        try:
            self.connection.execute(f"EXPLAIN {probe}")
        except duckdb.Error as error:
            match = _COMPARED_TYPE.search(str(error))
            return match[1] if match else None
        return None

    def fits(self, text: str, kind: str) -> bool:
        """Say whether a text can be cast to a type."""
        ((fits,),) = self.connection.execute(f"SELECT TRY_CAST(? AS {kind}) IS NOT NULL", [text]).fetchall()
        return bool(fits)

    def has(self, table: str, column: str, value: str) -> bool:
        """Say whether a row has this value."""
        sql = f"SELECT 1 FROM {quoted(table)} WHERE {quoted(column)} = ? LIMIT 1"
        return bool(self.connection.execute(sql, [value]).fetchall())

    def one(self, sql: str) -> tuple[Any, ...]:
        """Return the one row of a query."""
        (row,) = self.connection.execute(sql).fetchall()
        values: tuple[Any, ...] = row
        return values

    def plan(self, statement: Statement) -> pa.Schema:
        """Have DuckDB plan the statement on the tables as they are; return the columns that it gives."""
        with explained(statement):
            self.connection.execute(f"EXPLAIN {statement.text}")
            relation = self.connection.sql(statement.text)
            fields = relation.limit(0).to_arrow_table().schema
        marked = [
            field.with_metadata({"type": "json"}) if str(kind) == "JSON" else field
            for field, kind in zip(fields, relation.types, strict=True)
        ]
        return pa.schema([field.with_name(name) for field, name in zip(marked, _distinct(fields.names), strict=True)])

    def rows(self, statement: Statement) -> Iterator[pa.RecordBatch]:
        """Run the statement and yield its rows."""
        with explained(statement):
            yield from self.connection.sql(statement.text).to_arrow_reader(_BATCH_ROWS)

    def _register(self, rows: pa.RecordBatch | pa.Table) -> None:
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        self.connection.register(_INCOMING, table)


def types_of(endpoint: Endpoint) -> dict[str, str]:
    """Return the columns of an endpoint's table with their types in DuckDB."""
    return {**{column.name: _TYPES[column.type] for column in endpoint.columns}, "_extra": "JSON"}


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names of which none stands twice: id, id_1."""
    seen: dict[str, int] = {}
    distinct: list[str] = []
    for name in names:
        number, chosen = seen.get(name.lower(), 0), name
        while chosen.lower() in seen:
            number += 1
            chosen = f"{name}_{number}"
        seen[name.lower()] = number
        seen.setdefault(chosen.lower(), 0)
        distinct.append(chosen)
    return distinct


def _macros() -> Iterator[str]:
    """Yield major and minor, exact, by the same table of currencies as the functions of these names."""
    decimals: Mapping[int, list[str]] = {
        number: [code for code, known in EXPONENTS.items() if known == number] for number in (0, 3)
    }
    cases = " ".join(
        f"WHEN lower(currency) IN ({', '.join(map(repr, codes))}) THEN {{{number}}}"
        for number, codes in decimals.items()
    )
    factor = f"CASE WHEN currency IS NULL THEN NULL {cases} ELSE {{2}} END"
    to_major = factor.format("1.000", "", "0.010", "0.001")
    to_minor = factor.format("1", "", "100", "1000")
    yield (
        "CREATE MACRO major(amount, currency) AS "
        "CASE WHEN amount % 1 <> 0 THEN error('major() takes whole minor units; these have a fraction') "
        f"ELSE CAST(amount AS DECIMAL(30, 0)) * ({to_major}) END"
    )
    yield (
        "CREATE MACRO minor(amount, currency) AS "
        f"CASE WHEN CAST(amount AS DECIMAL(30, 6)) * ({to_minor}) % 1 <> 0 "
        "THEN error('minor(): an amount has more decimals than its currency') "
        f"ELSE CAST(CAST(amount AS DECIMAL(30, 6)) * ({to_minor}) AS BIGINT) END"
    )
