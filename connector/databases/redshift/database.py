# ruff: noqa: D102 - what a session's method does is said where it is declared, in base.py
"""Amazon Redshift: Postgres' protocol, and SQL of its own. Written by its documentation, never run against a server.

redshift://user:password@host:5439/database — what stands behind the ? goes to the driver, as in ?sslmode=require.
Rows come by INSERTs of many rows, written out: statements may have 16 MB, and parameters would be fewer than values.
"""

from __future__ import annotations

import contextlib
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import make_url

from connector.databases.base import Conflict, Database, RefusedValue, Session
from connector.databases.merge import Dialect, Table
from connector.databases.portable.dialect import QUOTED_OR_MARK, spelled_out_difference, without_alias
from connector.databases.postgres import types as postgres_types
from connector.errors import MissingExtra, TargetError, UsageError
from connector.rows.render import as_text, is_json, is_text
from connector.rows.types import arrow_field

try:
    import psycopg
    from psycopg import errors
except ImportError as missing:
    raise MissingExtra("Redshift", "postgres") from missing

from connector.databases.postgres.failures import explain_connection, explained

_PORT = 5439
_TEXT_BYTES = 65_535  # the most that a VARCHAR takes
_KEY_BYTES = 1_020  # 255 characters of four bytes
_STATEMENT_BYTES = 15_000_000  # a megabyte less than Redshift takes
# Without the second, names lose their capitals even in quotes.
_SETTINGS = ("SET timezone TO 'UTC'", "SET enable_case_sensitive_identifier TO TRUE")
_SIZED = re.compile(r"character varying\((?P<bytes>\d+)\)")
_OTHER_KINDS = {"v": "a view", "m": "a materialized view"}
_OF_COPY = ("s3", "iam_role")
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), c.relkind
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = ? AND c.relname = ? ORDER BY a.attnum"""


class Redshift(Database):
    """A database of a Redshift cluster or workgroup; it is connected to while a transaction is open."""

    default_schema = "public"

    def __init__(self, url: str) -> None:
        read = make_url(url)
        if given := [name for name in _OF_COPY if name in read.query]:
            raise UsageError(
                f"Rows go to Redshift by INSERT; COPY by way of S3 is not built: leave {' and '.join(given)} out."
            )
        if not read.host or not read.database:
            raise UsageError("A Redshift database is written redshift://user:password@host:5439/database.")
        port = read.port or _PORT
        self.label = f"{read.host}/{read.database}"
        self._tried = f"host {read.host}, port {port}, user {read.username}, database {read.database}"
        self._arguments: dict[str, Any] = {"host": read.host, "port": port, "dbname": read.database}
        self._arguments |= {"user": read.username, "password": read.password and str(read.password)}
        # It calls its encoding UNICODE, which the driver does not know, and has no statements to prepare.
        self._arguments |= {"client_encoding": "utf8", "prepare_threshold": None, **read.query}

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction; it is committed when the block ends well, taken back otherwise."""
        with self.connected() as connection:
            yield RedshiftSession(connection, self.label)
            connection.commit()

    @contextlib.contextmanager
    def connected(self) -> Iterator[psycopg.Connection[Any]]:
        """Connect for as long as the block runs; what is not committed then is taken back."""
        try:
            connection = psycopg.connect(**self._arguments)
        except psycopg.Error as error:
            raise TargetError(explain_connection(error, self._tried).replace("Postgres", "Redshift", 1)) from error
        with contextlib.closing(connection), self._explained():
            for setting in _SETTINGS:
                connection.execute(setting.encode())
            connection.commit()
            yield connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if "1023" in str(error):  # two transactions of which neither could have come first
                raise Conflict(
                    f"{self.label}: another program wrote to the same tables meanwhile: run again."
                ) from error
            raise explained(error, self.label) from error


class RedshiftDialect(Dialect):
    """Redshift's own: no alias for the table that is deleted from, no IS DISTINCT FROM, no index."""

    name_limit_bytes = 127
    keeps_null_bytes = False
    now = "GETDATE()"

    def sent(self, field: pa.Field) -> str:
        """Return how a value of a field stands in a statement."""
        return "JSON_PARSE(?)" if is_json(field) else "?"

    def compared(self, expression: str, kind: str) -> Sequence[str]:
        """Return what is compared to tell whether a value of this type has changed: of JSON, its text."""
        return (f"JSON_SERIALIZE({expression})",) if kind == "super" else (expression,)

    def differs(self, columns: Mapping[str, str]) -> str:
        """Return the condition that one of these columns has changed; a null is a value."""
        return spelled_out_difference(self, columns)

    def update(self, target: str, stage: str, names: Sequence[str], matched: str, condition: str) -> str:
        """Return the statement that gives these columns the stage's values where rows match and meet a condition."""
        values = ", ".join(f"{self.quote(name)} = s.{self.quote(name)}" for name in names)
        where = without_alias(f"{matched} AND {condition}", target)
        return f"UPDATE {target} SET {values} FROM {stage} AS s WHERE {where}"

    def delete(self, target: str, condition: str) -> str:
        """Return the statement that deletes the target's rows that meet a condition."""
        return f"DELETE FROM {target} WHERE {without_alias(condition, target)}"

    def widen(self, table: Table, name: str, kind: str) -> str:
        """Refuse: no column is widened in a transaction."""
        raise TargetError(
            f"{table}: the column {name} would have to be {kind}, and Redshift changes no type "
            "in a transaction. Change it yourself, or rename it, and run again."
        )


class RedshiftSession(Session):
    """One transaction on Redshift."""

    dialect = RedshiftDialect()

    def __init__(self, connection: psycopg.Connection[Any], label: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._label = label
        self._has_written = False
        self._kinds: dict[str, str] = {}  # of the stage's columns

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        self._has_written = True
        self._cursor.execute(_written(sql, parameters).encode())
        return max(self._cursor.rowcount, 0)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        self._cursor.execute(_written(sql, parameters).encode())
        return [tuple(map(_plain, row)) for row in self._cursor.fetchall()]

    def column_types(self, table: Table) -> dict[str, str]:
        found = columns_of(self._cursor, table.schema, table.name)
        if found and (other := _OTHER_KINDS.get(str(found[0][2]))):
            raise TargetError(f"{table} in {self._label} is {other}: name the table behind it.")
        return {str(name): str(kind) for name, kind, _ in found}

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:
        if is_json(field):
            return "super"
        if is_text(field.type):
            return f"character varying({_KEY_BYTES if is_key else _TEXT_BYTES})"
        return postgres_types.type_of(field)

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        return arrow_field(name, "json") if kind == "super" else postgres_types.field_of(name, kind)

    def can_widen(self, old: str, new: str) -> bool:
        return postgres_types.can_widen(old, new)

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        """Lock the table, if it is there: Redshift has no locks by name."""
        if not self.column_types(table):
            return
        if not self._has_written:
            self._connection.rollback()  # what is seen is what there was at the first statement: that is to be the lock
        self._cursor.execute(f"SET statement_timeout TO {max(int(wait_seconds * 1_000), 1)}".encode())
        try:
            self._cursor.execute(f"LOCK TABLE {self.full(table)}".encode())
        except errors.QueryCanceled as error:
            raise TargetError(
                f"{self._label}: another program holds {table}, still after {wait_seconds:g} "
                "seconds. Nothing was changed: run again later."
            ) from error
        self._cursor.execute(b"SET statement_timeout TO DEFAULT")

    # Rows

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        kinds = self.column_types(table)
        self._kinds = {name: kinds[name] for name in columns}
        name = self.dialect.quote(f"_stage_{secrets.token_hex(4)}")  # a temporary table hides another of its name
        self.execute(self.dialect.create_stage(name, self.full(table), columns, place))
        return name

    def append(self, into: str, rows: pa.Table) -> None:
        names = ", ".join(map(self.dialect.quote, rows.schema.names))
        for values in _portions(self._literals(rows)):
            self.execute(f"INSERT INTO {into} ({names}) VALUES {values}")

    def _literals(self, rows: pa.Table) -> Iterator[str]:
        """Yield each row as it stands behind VALUES."""
        first = 0
        for batch in rows.to_batches():
            columns = [
                list(self._column(name, column, first))
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            yield from (f"({', '.join(row)})" for row in zip(*columns, strict=True))
            first += batch.num_rows

    def _column(self, name: str, column: pa.Array, first: int) -> Iterator[str]:
        kind = self._kinds.get(name, "")
        sized, is_super = _SIZED.fullmatch(kind), kind == "super"
        values = as_text(column) if (sized or is_super) and not is_text(column.type) else column
        for place, value in enumerate(values.to_pylist(), first):
            if sized and value is not None and len(value.encode()) > int(sized["bytes"]):
                reason = f"the text has more than the {int(sized['bytes']):,} bytes that the column takes"
                raise RefusedValue(name, place, reason)
            if isinstance(value, str) and "\x00" in value:
                raise RefusedValue(name, place, "the text holds a null byte, which Redshift cannot store")
            yield f"JSON_PARSE({literal(value)})" if is_super and value is not None else literal(value)


def columns_of(cursor: psycopg.Cursor[Any], schema: str, table: str) -> list[tuple[object, ...]]:
    """Return the columns of a table or view with their types and what it is; nothing where there is none."""
    cursor.execute(_written(_COLUMNS, (schema, table)).encode())
    return list(cursor.fetchall())


def literal(value: object) -> str:
    """Return a value as Redshift writes it; in its texts, a backslash has to be escaped."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | float):
        return repr(value) if math.isfinite(value) else f"CAST('{value}' AS DOUBLE PRECISION)"
    text = str(value)  # of times and dates, it is what Redshift reads
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _written(sql: str, parameters: Sequence[object]) -> str:
    """Return a statement with its parameters written out; what stands in quotes is left as it is."""
    if not parameters:
        return sql
    given = iter(parameters)
    return QUOTED_OR_MARK.sub(lambda found: literal(next(given)) if found[0] == "?" else found[0], sql)


def _portions(rows: Iterator[str], limit_bytes: int = _STATEMENT_BYTES) -> Iterator[str]:
    """Yield rows joined by commas, as many as one statement takes."""
    taken: list[str] = []
    size = 0
    for row in rows:
        row_bytes = len(row.encode()) + 2
        if taken and size + row_bytes > limit_bytes:
            yield ", ".join(taken)
            taken, size = [], 0
        taken.append(row)
        size += row_bytes
    if taken:
        yield ", ".join(taken)


def _plain(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
