"""A DuckDB file as a database that rows are merged into."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from connector.databases.base import Counts, Database, MergeOptions, Result, Session, Staged
from connector.databases.duckdb.file import File, explained
from connector.databases.duckdb.located import locate
from connector.databases.merge import Dialect, Keys, Merge, Table, place_column, quoted
from connector.errors import TargetError, UsageError
from connector.files.target import find_place
from connector.rows.render import is_json
from connector.rows.types import arrow_field

_LEAST_MEGABYTES, _MEGABYTES_A_THREAD = 160, 80  # of memory while a stage is filled and read
_HERE = "WHERE database_name = current_database()"


class DuckDB(Database):
    """A DuckDB file that rows are merged into; it is open only while a transaction is, or waits for another."""

    default_schema = "main"

    def __init__(self, path: str) -> None:
        if path == ":memory:":
            raise UsageError("A DuckDB in memory is gone when the run ends: name a file, duckdb:///stripe.duckdb.")
        self.label = path
        self._path = find_place(path)
        self._file = File(self._path)
        self._is_unlimited = False

    def close(self) -> None:
        """End the DuckDB that is kept between transactions."""
        self._file.end()

    def repeated(self, work: Callable[[Session], Result]) -> Result:
        """Do work in a transaction of its own; once more, with all memory there is, where its share did not do."""
        try:
            return super().repeated(work)
        except TargetError as error:
            if self._is_unlimited or not isinstance(error.__cause__, duckdb.OutOfMemoryException):
                raise
        self._is_unlimited = True
        return super().repeated(work)

    def exists(self) -> bool:
        """Say whether the file is there."""
        return self._path.exists()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open the file for one transaction; another program that holds it for a moment is waited for."""
        with self._transaction() as connection:
            yield _Session(connection, self.label, is_unlimited=self._is_unlimited)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a transaction; a file that was not there and is not filled goes again."""
        is_new, is_done = not self._path.exists(), False
        with self._explained():
            connection = self._file.open()
            # Another process may have made the file meanwhile, and filled it.
            is_new = is_new and not connection.execute(f"SELECT 1 FROM duckdb_tables() {_HERE} LIMIT 1").fetchall()
        try:
            with self._explained():
                connection.begin()
                yield connection
                connection.commit()
            is_done = True
        finally:
            self._file.close(connection, is_committed=is_done, is_wanted=self.turns.are_awaited)
            if is_new and not is_done:
                self._remove()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            misfit = "a value does not fit its column, such as text that is not JSON"
            raise TargetError(explained(error, self._path, self.label, misfit)) from error

    def _remove(self) -> None:
        for path in (self._path, self._path.with_name(self._path.name + ".wal")):
            path.unlink(missing_ok=True)


class _Dialect(Dialect):
    """DuckDB's own: names begin with the database's, since in crm.duckdb crm.invoices has two meanings."""

    def __init__(self, database: str) -> None:
        self._database = database

    def full(self, table: Table) -> str:
        return f"{self.quote(self._database)}.{super().full(table)}"

    def create_schema(self, name: str) -> str:
        return f"CREATE SCHEMA IF NOT EXISTS {self.quote(self._database)}.{self.quote(name)}"


_CHANGES_TABLES = ("ALTER ", "CREATE TABLE ", "DROP TABLE ")


class _Passing:
    """Rows that are read under one name, whichever they are; under a name each they would be kept until the commit."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


class _Session(Session):
    is_alone = True

    def __init__(self, connection: duckdb.DuckDBPyConnection, label: str, *, is_unlimited: bool = False) -> None:
        self._connection = connection
        self._label = label
        self._is_unlimited = is_unlimited
        ((database,),) = connection.execute("SELECT current_database()").fetchall()
        self.dialect = _Dialect(database)
        self._types: dict[Table, dict[str, str]] = {}
        self._passing: _Passing | None = None

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        if sql.startswith(_CHANGES_TABLES):
            self._types.clear()
        found = self._connection.execute(sql, list(parameters)).fetchone()
        return found[0] if found and isinstance(found[0], int) else 0

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        # As Arrow, since times with a zone would need another library as tuples.
        found = self._connection.sql(sql, params=list(parameters)).to_arrow_table()
        return [tuple(row.values()) for row in found.to_pylist()]

    def now(self) -> datetime:
        """Return the time by this machine's clock, which is the file's."""
        return datetime.now(UTC)

    def append(self, into: str, rows: pa.Table) -> None:
        if self._passing is None or self._passing.rows.schema != rows.schema:
            self._passing = _Passing(rows)
            self._connection.register("_passing", self._passing)
        self._passing.rows = rows
        names = ", ".join(map(quoted, rows.schema.names))
        self.execute(f"INSERT INTO {into} ({names}) SELECT {names} FROM temp._passing")
        self._passing.rows = rows.schema.empty_table()

    def stage(self, table: Table, batches: Iterable[pa.Table], columns: Sequence[str]) -> Staged:
        """Fill the stage, of which what takes more than some memory goes to a file beside the database."""
        if not self._is_unlimited:
            ((threads,),) = self._connection.execute("SELECT current_setting('threads')").fetchall()
            most_megabytes = max(_LEAST_MEGABYTES, _MEGABYTES_A_THREAD * threads)
            self._connection.execute(f"SET memory_limit = '{most_megabytes}MB'")
        return super().stage(table, batches, columns)

    def merge(self, table: Table, staged: Staged, keys: Keys, how: MergeOptions | None = None) -> Counts:
        """Bring the staged rows into the table; the caller holds its lock."""
        counts = super().merge(table, staged, keys, how)
        self._lift_memory_limit()
        return counts

    def located(self, table: Table, merge: Merge) -> Merge:
        """Look for the stage's keys once; the statements of the merge know the rows by their numbers."""
        return locate(self, table, merge)

    def _update(self, merge: Merge, rows: int) -> int:
        self._lift_memory_limit()  # for what an UPDATE changes stays in memory until it is committed
        return super()._update(merge, rows)

    def widen(self, table: Table, name: str, kind: str) -> None:
        """Give a column another type, which holds all of its values."""
        self._lift_memory_limit()
        super().widen(table, name, kind)

    def _lift_memory_limit(self) -> None:
        self._connection.execute("RESET memory_limit")

    def stage_whole(self, table: Table, rows: pa.Table, keys: Keys) -> Staged:
        """Take the rows for the stage as they are, in the target's types; copy them where some have to go."""
        place, types = place_column(rows.schema.names), self.column_types(table)
        places = pa.array(range(rows.num_rows), pa.int64())
        self._connection.register("_rows", rows.append_column(place, places))
        values = ", ".join(f"CAST({quoted(name)} AS {types[name]}) AS {quoted(name)}" for name in rows.schema.names)
        self.execute("DROP VIEW IF EXISTS temp._seen")
        self.execute(f"CREATE TEMPORARY VIEW _seen AS SELECT {values}, {quoted(place)} FROM temp._rows")
        staged = Staged("temp._seen", tuple(rows.schema.names), rows.num_rows)
        if not self.rows(self._merge(table, staged, keys).is_doubled())[0][0]:
            return replace(staged, is_distinct=True)
        name = self.create_stage(table, rows.schema.names, place)
        self.execute(f"INSERT INTO {name} SELECT * FROM {staged.name}")
        return replace(staged, name=name)

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        name = "temp._stage"  # with its schema: a table of the user's may have the same name
        self._connection.execute(f"DROP TABLE IF EXISTS {name}")
        self.execute(self.dialect.create_stage(name, self.full(table), columns, place))
        return name

    def column_types(self, table: Table) -> dict[str, str]:
        """Return the types of a table's columns; asked for once, since the catalogue answers slowly."""
        if table not in self._types:
            self._types[table] = self._column_types(table)
        return dict(self._types[table])

    def _column_types(self, table: Table) -> dict[str, str]:
        here, names = f"{_HERE} AND schema_name = ?", [table.schema, table.name]
        views, tables = (f"SELECT '{one}' FROM duckdb_{one}s() {here} AND {one}_name = ?" for one in ("view", "table"))
        kinds = self._connection.execute(f"{views} UNION ALL {tables}", names * 2).fetchall()
        if ("view",) in kinds:
            raise TargetError(f"{table} in {self._label} is a view: name the table behind it.")
        # Ten times as quick as duckdb_columns(); of a table that is not there it would abort the transaction.
        columns = self._connection.execute(f"DESCRIBE {self.full(table)}").fetchall() if kinds else []
        return {name: kind for name, kind, *_ in columns}

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:  # noqa: ARG002 - every type can be a key here
        return _type_of(field)

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        return _field_of(name, kind)

    def can_widen(self, old: str, new: str) -> bool:
        return _can_widen(old, new)

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        """Do nothing: who has opened the file for writing has it alone."""


_TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.date32(): "DATE",
}
_FIELDS = {name: kind for kind, name in _TYPES.items()} | {
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "HUGEINT": pa.decimal128(38, 0),
    "FLOAT": pa.float32(),
    "BLOB": pa.binary(),
}
_DECIMAL = re.compile(r"DECIMAL\((?P<digits>\d+),(?P<scale>\d+)\)")
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 39}
_WIDER = {
    "DOUBLE": ("VARCHAR", "JSON"),
    "FLOAT": ("DOUBLE", "VARCHAR", "JSON"),
    "BOOLEAN": ("VARCHAR", "JSON"),
    "DATE": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "VARCHAR"),
    "TIMESTAMP": ("TIMESTAMP WITH TIME ZONE", "VARCHAR"),
    "TIMESTAMP WITH TIME ZONE": ("VARCHAR",),
    "JSON": ("VARCHAR",),
}


def _digits(kind: str) -> tuple[int, int] | None:
    """Return how many digits an exact number has before and after its point; None for other types."""
    if decimal := _DECIMAL.fullmatch(kind):
        return int(decimal["digits"]) - int(decimal["scale"]), int(decimal["scale"])
    return (_DIGITS[kind], 0) if kind in _DIGITS else None


def _can_widen(old: str, new: str) -> bool:
    old_digits, new_digits = _digits(old), _digits(new)
    if old_digits and new_digits:
        return all(before <= after for before, after in zip(old_digits, new_digits, strict=True))
    if old_digits:
        return new == "VARCHAR" or (new == "JSON" and old in _DIGITS)
    return new in _WIDER.get(old, ())


def _type_of(field: pa.Field) -> str:
    if is_json(field):
        return "JSON"
    if pa.types.is_decimal(field.type):
        return f"DECIMAL({field.type.precision},{field.type.scale})"
    return _TYPES[field.type]


def _field_of(name: str, kind: str) -> pa.Field | None:
    if kind == "JSON":
        return arrow_field(name, "json")
    if decimal := _DECIMAL.fullmatch(kind):
        return pa.field(name, pa.decimal128(int(decimal["digits"]), int(decimal["scale"])))
    return pa.field(name, _FIELDS[kind]) if kind in _FIELDS else None
