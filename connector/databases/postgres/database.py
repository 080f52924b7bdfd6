"""Postgres 12 and later: rows come by COPY into a temporary table, and are merged from there."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from connector.databases.base import Database, Session
from connector.databases.merge import Dialect, Table, looked_up
from connector.databases.postgres import types as postgres_types
from connector.errors import MissingExtra, TargetError
from connector.rows.render import as_text

try:
    import psycopg
    from psycopg import errors
    from psycopg.types.string import TextLoader
except ImportError as missing:
    raise MissingExtra("Postgres", "postgres") from missing

from connector.databases.postgres.failures import explain_connection, explained, refused_value

_STAGE = 'pg_temp."_stage"'  # with its schema: a table of the user's may have the same name
_COPY_ROWS = 1_000  # few enough to be written as CSV while the server still reads those before
_CSV = csv.WriteOptions(include_header=False, quoting_style="needed")
# Joins of wide rows go to disk with the 4 MB that most servers give; compiling so many comparisons costs more than it
# saves.
_SETTINGS = """
    SET LOCAL TIME ZONE 'UTC'; SET LOCAL datestyle TO 'ISO, YMD'; SET LOCAL jit TO off;
    SELECT set_config('work_mem', '64MB', true)
    WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')"""
_TOKEN = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|\?|%""")
_OTHER_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' OR a.attidentity = 'a', c.relkind
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = CAST(? AS text) AND c.relname = CAST(? AS text) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY a.attnum"""


class Postgres(Database):
    """A database of a Postgres server; one connection is kept between transactions."""

    def __init__(self, url: str) -> None:
        self.default_schema = "public"
        read = make_url(url).set(drivername="postgresql+psycopg")
        host, user = read.host or str(read.query.get("host", "localhost")), read.username
        self.label = f"{host}/{read.database or user or ''}"
        self._tried = f"host {host}, port {read.port or 5432}, user {user}, database {read.database or user}"
        self._engine = create_engine(
            read,
            pool_size=1,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",  # what is seen after a lock is what the other has left
            use_native_hstore=False,
            connect_args={"client_encoding": "utf8", "fallback_application_name": "stripe-connector"}
            | {"prepare_threshold": None},  # a stage is another table each time; poolers keep no statements
        )

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction; it is committed when the block ends well, taken back otherwise."""
        try:
            kept = self._engine.raw_connection()
        except (psycopg.Error, SQLAlchemyError) as error:
            raise TargetError(explain_connection(error, self._tried)) from error
        connection = cast("psycopg.Connection[Any]", kept.driver_connection)
        try:
            with self._explained():
                yield _Session(connection, self.label)
            self._commit(connection)
        finally:
            if connection.closed:
                kept.invalidate()
            kept.close()  # which takes back what is not committed

    def _commit(self, connection: psycopg.Connection[Any]) -> None:
        is_lost = False
        with self._explained():
            try:
                connection.commit()
            except psycopg.OperationalError:
                is_lost = connection.closed
                if not is_lost:
                    raise
        if is_lost:
            raise TargetError(
                f"{self.label}: the connection was lost during the commit: all of it may have been written, or "
                "nothing. Run again."
            )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise explained(error, self.label) from error


class _Dialect(Dialect):
    keeps_null_bytes = False
    now = "clock_timestamp()"  # the other stands still in a transaction, also while it waits for a lock

    def compared(self, expression: str, kind: str) -> Sequence[str]:
        return (postgres_types.compared(expression, kind),)

    def create_table(self, table: Table, columns: Mapping[str, str], keys: Sequence[str]) -> Sequence[str]:
        # Keys are compared letter by letter, whatever the language of the database.
        described = [
            f"{self.quote(name)} {kind}" + (' COLLATE "C"' if name in keys and kind == "text" else "")
            for name, kind in columns.items()
        ]
        if keys:
            described.append(f"PRIMARY KEY ({', '.join(map(self.quote, keys))})")
        create = f"CREATE TABLE {self.full(table)} ({', '.join(described)})"
        by_itself = ", ".join(map(self.quote, looked_up(keys)))
        return (create, f"CREATE INDEX ON {self.full(table)} ({by_itself})") if by_itself else (create,)

    def create_stage(self, name: str, target: str, columns: Sequence[str], place: str) -> str:
        made = super().create_stage(name, target, columns, place)
        return made.replace(" AS SELECT ", " ON COMMIT DROP AS SELECT ", 1)


class _Session(Session):
    dialect = _Dialect()

    def __init__(self, connection: psycopg.Connection[Any], label: str) -> None:
        self._label = label
        self._cursor = connection.cursor()
        for name in ("json", "jsonb"):  # as text, as every database gives it
            self._cursor.adapters.register_loader(name, TextLoader)
        self._kinds: dict[str, str] = {}
        self._cursor.execute(_SETTINGS)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        self._run(sql, parameters)
        return max(self._cursor.rowcount, 0)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        self._run(sql, parameters)
        return self._cursor.fetchall()

    def _run(self, sql: str, parameters: Sequence[object]) -> None:
        if parameters:
            self._cursor.execute(_with_placeholders(sql).encode(), list(parameters))
        else:
            self._cursor.execute(sql.encode())

    def append(self, into: str, rows: pa.Table) -> None:
        if rows.num_rows == 0:
            return
        names = ", ".join(map(self.dialect.quote, rows.schema.names))
        try:
            with self._cursor.copy(f"COPY {into} ({names}) FROM STDIN (FORMAT csv)".encode()) as copy:
                for batch in rows.to_batches(max_chunksize=_COPY_ROWS):
                    copy.write(_as_csv(batch))
        except psycopg.Error as error:
            if refused := refused_value(error, rows, self._kinds):
                raise refused from error
            raise

    def column_types(self, table: Table) -> dict[str, str]:
        return {name: kind for name, kind, _ in self._columns(table)}

    def _columns(self, table: Table) -> list[tuple[str, str, bool]]:
        """Return name, type and whether it is computed, column by column."""
        found = cast("list[tuple[str, str, bool, str]]", self.rows(_COLUMNS, (table.schema, table.name)))
        if found and (other := _OTHER_KINDS.get(found[0][3])):
            raise TargetError(f"{table} in {self._label} is {other}: name a table, such as the one behind it.")
        return [column[:3] for column in found]

    def create_schema(self, name: str) -> None:
        self.lock(Table(name, ""))  # of two that create it at once, one would fail
        if not self.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", (name,)):
            super().create_schema(name)  # which takes rights on the database, also where there is nothing to do

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        found = self._columns(table)
        for name in (name for name, _, is_computed in found if is_computed and name in columns):
            raise TargetError(f"{table}: Postgres computes the column {name} by itself: leave it out.")
        self._kinds = {name: kind for name, kind, _ in found}
        self.execute(f"DROP TABLE IF EXISTS {_STAGE}")
        self.execute(self.dialect.create_stage(_STAGE, self.full(table), columns, place))
        return _STAGE

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:  # noqa: ARG002 - every type can be a key here
        return postgres_types.type_of(field)

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        return postgres_types.field_of(name, kind)

    def can_widen(self, old: str, new: str) -> bool:
        return postgres_types.can_widen(old, new)

    def widen(self, table: Table, name: str, kind: str) -> None:
        try:
            super().widen(table, name, kind)
        except (errors.FeatureNotSupported, errors.InsufficientPrivilege) as error:
            raise TargetError(
                f"{table}: the column {name} would have to be {kind}, but cannot be changed: "
                f"{error.diag.message_detail or error.diag.message_primary}. Nothing was changed: change its type "
                "by hand, or correct the values."
            ) from error

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        digest = hashlib.sha256(f"stripe-connector {self.full(table)}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        self.execute(f"SET LOCAL lock_timeout TO {max(int(wait_seconds * 1000), 1)}")  # 0 would be without end
        try:
            self.execute(f"SELECT pg_catalog.pg_advisory_xact_lock({number})")
        except errors.LockNotAvailable as error:
            raise TargetError(
                f"{self._label}: another load into {table} is running; {wait_seconds:g} seconds "
                "were not enough for it to end. Nothing was changed: run again later."
            ) from error
        self.execute("SET LOCAL lock_timeout TO DEFAULT")


def _with_placeholders(sql: str) -> str:
    """Return SQL in which values stand as ? as psycopg has it; what stands in quotes is left as it is."""
    return _TOKEN.sub(lambda found: "%s" if found[0] == "?" else found[0].replace("%", "%%"), sql)


def _as_csv(batch: pa.RecordBatch) -> pa.Buffer:
    """Return rows as CSV, in which a null is nothing and an empty text is quoted."""
    columns = [_as_csv_column(column) for column in batch.columns]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.RecordBatch.from_arrays(columns, batch.schema.names), sink, _CSV)
    return sink.getvalue()


def _as_csv_column(column: pa.Array) -> pa.Array:
    """Return the column as Arrow writes it to CSV as Postgres reads it, also where it goes to a column of text."""
    if pa.types.is_timestamp(column.type) or pa.types.is_decimal(column.type):
        return as_text(column)
    if pa.types.is_binary(column.type):
        return pa.array([None if each is None else f"\\x{each.hex()}" for each in column.to_pylist()], pa.string())
    if pa.types.is_float16(column.type):
        return pc.cast(column, pa.float32())
    return column
