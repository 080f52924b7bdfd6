# ruff: noqa: D102 - what a method does is said where it is declared, in base.py and portable.py
"""SQLite: a file that one program at a time writes to.

SQLite has no types for decimals, times and JSON, and what looks like a number in a column that is not declared as text
becomes one. So their columns are declared as kinds of text (DECIMAL_TEXT, TIMESTAMP_TEXT …): the values stay digit
for digit, and which type was meant can be read from the table. Times are in UTC, as SQLAlchemy writes them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import URL
from sqlalchemy import exc as sql_errors

from connector.databases.base import Counts, MergeOptions, Staged
from connector.databases.merge import Keys, Table
from connector.databases.portable.dialect import PortableDialect
from connector.databases.portable.session import PortableSession, stage_name
from connector.errors import TargetError, UsageError
from connector.files.target import find_place
from connector.rows.render import as_text, is_json, is_text, utc_clock
from connector.rows.types import arrow_field

_SCHEMA = "main"
_WAIT_SECONDS = 60.0
_DEPTH = 50  # SQLite takes expressions that are nested 1,000 deep, and each OR is a level
_EXACT_DIGITS = 15  # of a column that SQLite keeps as floats
_SIZES = re.compile(r"\((?P<digits>\d+)(?:\s*,\s*(?P<scale>\d+))?\)")
_TYPES = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", "UTC"): "TIMESTAMP_TEXT",
    pa.timestamp("us"): "TIMESTAMP_TEXT",
    pa.date32(): "DATE_TEXT",
}
_DECIMAL = pa.decimal128(38, 12)
# In the order in which SQLite itself looks for these words, after our own.
_FIELDS: tuple[tuple[str, pa.Field], ...] = (
    ("DECIMAL_TEXT", pa.field("", _DECIMAL)),
    ("JSON", arrow_field("", "json")),
    ("TIMESTAMP", pa.field("", pa.timestamp("us", "UTC"))),
    ("DATETIME", pa.field("", pa.timestamp("us", "UTC"))),
    ("DATE", pa.field("", pa.date32())),
    ("INT", pa.field("", pa.int64())),
    ("CHAR", pa.field("", pa.string())),
    ("CLOB", pa.field("", pa.string())),
    ("TEXT", pa.field("", pa.string())),
    ("REAL", pa.field("", pa.float64())),
    ("FLOA", pa.field("", pa.float64())),
    ("DOUB", pa.field("", pa.float64())),
    ("BOOL", pa.field("", pa.bool_())),
)
_WIDER = {
    "BIGINT": ("DECIMAL_TEXT", "TEXT"),
    "DECIMAL_TEXT": ("TEXT",),
    "DATE_TEXT": ("TEXT",),
    "JSON_TEXT": ("TEXT",),
}


def _read(convert: Callable[[str], object]) -> Callable[[bytes], object]:
    def read(value: bytes) -> object:
        try:
            return convert(value.decode())
        except (ValueError, ArithmeticError):  # somebody else has written it
            return value.decode(errors="replace")

    return read


# The names are ours, so that nobody else's columns are read by these.
sqlite3.register_converter("DECIMAL_TEXT", _read(Decimal))
sqlite3.register_converter("DATE_TEXT", _read(date.fromisoformat))
sqlite3.register_converter("TIMESTAMP_TEXT", _read(lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC)))


class SQLiteDialect(PortableDialect):
    """SQLite's own: a comparison in which a null is a value, and conditions that are not nested too deep for it."""

    def differs(self, columns: Mapping[str, str]) -> str:
        """Return the condition that one of these columns has changed."""
        pairs = [f"t.{self.quote(name)} IS NOT s.{self.quote(name)}" for name in columns]
        groups = [" OR ".join(pairs[first : first + _DEPTH]) for first in range(0, len(pairs), _DEPTH)]
        return f"({' OR '.join(f'({group})' for group in groups)})" if pairs else "1 = 0"


class SQLiteSession(PortableSession):
    """One transaction on a SQLite file, which begins with its first statement and keeps other writers out."""

    _is_begun = False

    @classmethod
    def arguments(cls, url: URL) -> dict[str, Any]:
        if (url.database or ":memory:") == ":memory:":
            raise UsageError("A SQLite database in memory is gone when the run ends: name a file, sqlite:///stripe.db.")
        _place(url)
        # Left alone, Python's driver would commit before it creates a table.
        return {"connect_args": {"isolation_level": None, "detect_types": sqlite3.PARSE_DECLTYPES}}

    def make_dialect(self) -> PortableDialect:
        return SQLiteDialect(self._engine)

    @classmethod
    def schema_of(cls, url: URL) -> str:  # noqa: ARG003 - it is always the same
        return _SCHEMA

    @classmethod
    def is_there(cls, url: URL) -> bool | None:
        place = _place(url)
        return None if place is None else place.exists()

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        if not self._is_begun:
            self._begin(_WAIT_SECONDS)
        return super()._run(sql, parameters)

    def _begin(self, wait_seconds: float) -> None:
        self._connection.exec_driver_sql(f"PRAGMA busy_timeout = {max(int(wait_seconds * 1_000), 0)}")
        try:
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sql_errors.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise
            raise TargetError(
                f"{self._label}: another program is writing to it; {wait_seconds:g} seconds were not enough for it to "
                "end. Nothing was changed: run again later."
            ) from error
        self._is_begun = True

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:  # noqa: ARG002 - the whole file is locked
        """Begin to write, unless that has been done: who writes has the file alone."""
        if not self._is_begun:
            self._begin(wait_seconds)

    def bound(self, value: object) -> object:
        if isinstance(value, datetime):
            return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M:%S.%f")
        if isinstance(value, bool):
            return int(value)
        return (
            value.isoformat()
            if isinstance(value, date)
            else format(value, "f")
            if isinstance(value, Decimal)
            else value
        )

    # Tables

    def column_types(self, table: Table) -> dict[str, str]:
        if table.schema != _SCHEMA:
            raise self._without_schemas(table.schema)
        name = self.dialect.quote(table.name)
        views = f"SELECT 1 FROM {_SCHEMA}.sqlite_master WHERE type = 'view' AND name = ? COLLATE NOCASE"
        if self.rows(views, (table.name,)):
            raise TargetError(f"{table} in {self._label} is a view: name the table behind it.")
        found = self.rows(f"PRAGMA {_SCHEMA}.table_xinfo({name})")
        return {str(column): str(kind).upper() for _, column, kind, *_ in found}

    def create_schema(self, name: str) -> None:
        if name != _SCHEMA:
            raise self._without_schemas(name)

    def _without_schemas(self, name: str) -> TargetError:
        return TargetError(f'{self._label} is SQLite, which has no schemas: name the table without "{name}.".')

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:  # noqa: ARG002 - every type can be a key here
        if is_json(field):
            return "JSON_TEXT"
        if pa.types.is_decimal(field.type):
            fits = field.type.scale <= _DECIMAL.scale
            fits = fits and field.type.precision - field.type.scale <= _DECIMAL.precision - _DECIMAL.scale
            return "DECIMAL_TEXT" if fits else "TEXT"
        return _TYPES.get(field.type, "TEXT")

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        if kind.startswith(("DECIMAL", "NUMERIC")) and kind != "DECIMAL_TEXT":
            sizes = _SIZES.search(kind)
            digits, scale = (int(sizes["digits"]), int(sizes["scale"] or 0)) if sizes else (38, 12)
            return pa.field(name, pa.decimal128(digits, scale)) if scale <= digits <= 38 else None  # noqa: PLR2004
        found = next((field for word, field in _FIELDS if word in kind), None)
        return found and found.with_name(name)

    def can_widen(self, old: str, new: str) -> bool:
        if new in _WIDER.get(old, ()):
            return True
        before, after = self.field_of("", old), self.field_of("", new)
        if before is None or after is None or pa.types.is_decimal(before.type):
            return False
        return bool(before.type == after.type) and is_json(before) >= is_json(after)

    def widen(self, table: Table, name: str, kind: str) -> None:
        """Give a column another type: SQLite cannot, so that another takes its place, as the last one."""
        full, quote = self.full(table), self.dialect.quote
        fresh = stage_name()
        self.execute(self.dialect.add_column(table, fresh, kind))
        self.execute(f"UPDATE {full} SET {quote(fresh)} = CAST({quote(name)} AS TEXT)")
        self.execute(f"ALTER TABLE {full} DROP COLUMN {quote(name)}")
        self.execute(f"ALTER TABLE {full} RENAME COLUMN {quote(fresh)} TO {quote(name)}")

    # Rows

    def make_stage(self, table: Table, kinds: Mapping[str, str], place: str) -> str:  # noqa: ARG002 - it lies elsewhere
        name = f"temp.{self.dialect.quote(stage_name())}"
        self.execute(self.dialect.create_typed_stage(name, kinds, place, "TABLE"))
        return name

    def sent(self, column: pa.Array, kind: str) -> list[object]:
        field = self.field_of("", kind)
        given = column.type
        if field is not None and is_text(field.type) and not is_text(given):
            column = as_text(column)
        elif pa.types.is_timestamp(given):
            column = utc_clock(column).cast(pa.string())
        elif pa.types.is_date(given):
            column = column.cast(pa.string())
        elif pa.types.is_decimal(given):
            column = as_text(column)
            if kind != "DECIMAL_TEXT" and not pc.all(_few_digits(column), min_count=0).as_py():
                raise ValueError(f"the number has more than the {_EXACT_DIGITS} digits that SQLite keeps of {kind}")
        elif pa.types.is_floating(given) and pc.any(pc.is_nan(column), min_count=0).as_py():
            raise ValueError("SQLite cannot store NaN")
        return column.to_pylist()  # type: ignore[no-any-return]

    def merge(self, table: Table, staged: Staged, keys: Keys, how: MergeOptions | None = None) -> Counts:
        if keys.columns:  # else each row of the target would be looked for in the whole stage
            schema, _, name = staged.name.partition(".")
            columns = ", ".join(map(self.dialect.quote, keys.columns))
            self.execute(f"CREATE INDEX {schema}.{self.dialect.quote(stage_name())} ON {name} ({columns})")
        return super().merge(table, staged, keys, how)


def _place(url: URL) -> Path | None:
    """Return the file that a URL names, in a folder that is there; None where the name is a URI of SQLite's own."""
    name = url.database or ""
    return None if name.startswith("file:") else find_place(name)


def _few_digits(text: pa.Array) -> pa.Array:
    plain = pc.replace_substring_regex(text, r"^-?0*(\d*?)\.?(\d*?)0*$", r"\1\2")
    return pc.less_equal(pc.utf8_length(plain), _EXACT_DIGITS)
