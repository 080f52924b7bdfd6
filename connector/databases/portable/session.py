# ruff: noqa: D102 - what a method does is said where it is declared, in base.py
"""A transaction on any database that SQLAlchemy reaches, by statements that nearly all of them understand."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import URL, Connection, inspect
from sqlalchemy import exc as sql_errors
from sqlalchemy.types import TypeEngine

from connector.databases.base import RefusedValue, Session
from connector.databases.merge import Table
from connector.databases.portable import types as portable_types
from connector.databases.portable.dialect import PortableDialect, placed
from connector.databases.sqlserver.tsql import insert_values
from connector.errors import TargetError
from connector.rows.render import as_text, is_text, utc_clock

_PARAMETERS = 990  # of one statement; no database that is still in use takes less
_CONVERTED_ROWS = 1_000  # many, since a column of few rows takes as long to convert


class PortableSession(Session):
    """One transaction, by what databases have in common."""

    dialect: PortableDialect

    def __init__(self, connection: Connection, label: str) -> None:
        self._connection = connection
        self._label = label
        self._engine = connection.dialect
        self.dialect = self.make_dialect()
        self._types: dict[str, TypeEngine[Any]] = {}  # as they are spelled
        self._kinds: dict[str, str] = {}  # of the stage's columns
        self._stage = ""

    @classmethod
    def arguments(cls, url: URL) -> dict[str, Any]:  # noqa: ARG003 - for databases that have some
        """Return what create_engine is given beside the URL."""
        return {}

    @classmethod
    def schema_of(cls, url: URL) -> str:
        """Return the schema of tables that are named without one; "" leaves it to the database."""
        return {"postgresql": "public", "cockroachdb": "public"}.get(url.get_backend_name(), "")

    @classmethod
    def is_there(cls, url: URL) -> bool | None:
        """Say whether there is such a database; None: one has to connect to know."""

    def make_dialect(self) -> PortableDialect:
        """Return how this database says what a merge needs."""
        return PortableDialect(self._engine)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return max(int(self._run(sql, list(map(self.bound, parameters))).rowcount), 0)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        found = self._run(sql, list(map(self.bound, parameters))).all()
        return [tuple(map(_plain, row)) for row in found]

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        if not parameters:  # percent signs are what they are, then
            return self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
        style = self._engine.paramstyle
        if style == "named":
            named: dict[str, object] = {str(number): value for number, value in enumerate(parameters, 1)}
            return self._connection.exec_driver_sql(placed(sql, style), named)
        return self._connection.exec_driver_sql(placed(sql, style), tuple(parameters))

    def bound(self, value: object) -> object:
        """Return a value as the driver is given it; times are in UTC and do not say so."""
        return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value

    # Tables

    def column_types(self, table: Table) -> dict[str, str]:
        known, schema = inspect(self._connection), table.schema or None
        try:
            columns = known.get_columns(table.name, schema)
        except sql_errors.NoSuchTableError:
            return {}
        if columns and table.name in known.get_view_names(schema):
            raise TargetError(f"{table} in {self._label} is a view: name the table behind it.")
        return {column["name"]: self._spelled(column["type"]) for column in columns}

    def _spelled(self, kind: TypeEngine[Any]) -> str:
        try:
            spelled = str(kind.compile(dialect=self._engine))
        except sql_errors.CompileError:
            spelled = str(kind)
        self._types[spelled] = kind
        return spelled

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:
        return self._spelled(self.made_for(field, is_key=is_key))

    def made_for(self, field: pa.Field, *, is_key: bool) -> TypeEngine[Any]:
        """Return the type of a column made for an Arrow field."""
        return portable_types.sql_type(field, is_key=is_key)

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        found = portable_types.arrow_type(self._types[kind]) if kind in self._types else None
        return found and found.with_name(name)

    def can_widen(self, old: str, new: str) -> bool:
        before, after = self._types.get(old), self._types.get(new)
        return before is not None and after is not None and portable_types.can_widen(before, after)

    def create_schema(self, name: str) -> None:
        if name and name not in inspect(self._connection).get_schema_names():
            super().create_schema(name)

    def end(self) -> None:
        """Leave nothing behind; called when the transaction is over."""

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        """Do nothing: databases have no lock in common that ends with a transaction."""

    # Rows

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        kinds = self.column_types(table)
        self._kinds = {name: kinds[name] for name in columns}
        self.drop_stage()
        self._stage = self.make_stage(table, self._kinds, place)
        return self._stage

    def make_stage(self, table: Table, kinds: Mapping[str, str], place: str) -> str:  # noqa: ARG002 - where it lies beside it
        """Create an empty stage that no other run can have, and return its whole name."""
        name = self.dialect.quote(stage_name())
        self.execute(self.dialect.create_typed_stage(name, kinds, place))
        return name

    def drop_stage(self) -> None:
        """Drop the stage, if there is one."""
        if self._stage:
            self.execute(f"DROP TABLE {self._stage}")
            self._stage = ""

    def append(self, into: str, rows: pa.Table) -> None:
        names = [self.dialect.quote(name) for name in rows.schema.names]
        at_once, first = max(_PARAMETERS // max(len(names), 1), 1), 0
        for batch in rows.to_batches(max_chunksize=_CONVERTED_ROWS):
            given = list(zip(*self._values(batch, first), strict=True))
            for start in range(0, len(given), at_once):
                sent = given[start : start + at_once]
                self._run(insert_values(into, names, len(sent)), [value for row in sent for value in row])
            first += batch.num_rows

    def _values(self, batch: pa.RecordBatch, first: int) -> list[list[object]]:
        """Return the values of each column as the driver is given them; a RefusedValue counts rows from `first`."""
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                columns.append(self.sent(column, self._kinds.get(name, "")))
            except ValueError as error:
                raise self._refused(name, column, first) from error
        return columns

    def _refused(self, name: str, column: pa.Array, first: int) -> RefusedValue:
        kind, reason = self._kinds.get(name, ""), ""
        for place in range(len(column)):
            try:
                self.sent(column.slice(place, 1), kind)
            except ValueError as error:
                reason = str(error)
                break
        return RefusedValue(name, first + place, reason)

    def sent(self, column: pa.Array, kind: str) -> list[object]:
        """Return values for a column of a type as the driver is given them; a ValueError says what it does not take."""
        field = self.field_of("", kind)
        if field is not None and is_text(field.type) and not is_text(column.type):
            return as_text(column).to_pylist()  # type: ignore[no-any-return]
        has_zone = bool(getattr(self._types.get(kind), "timezone", False))
        if pa.types.is_timestamp(column.type) and not has_zone:
            return utc_clock(column).to_pylist()  # type: ignore[no-any-return]
        return column.to_pylist()  # type: ignore[no-any-return]


def stage_name() -> str:
    """Return a name for a stage that no table has."""
    return f"_stage_{secrets.token_hex(4)}"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value
