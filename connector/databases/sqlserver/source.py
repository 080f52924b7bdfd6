"""SQL Server and Azure SQL as a source: a table, a view or a SELECT, in a transaction that is taken back.

The server is asked for the types of a query's columns. Where it cannot tell, as of temporary tables, all rows are
looked at once beforehand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pyarrow as pa

from connector.databases.portions import Portion, as_batches, look_at, row_label
from connector.databases.relation import Relation
from connector.databases.sqlserver.connection import Address, Connection, Misfit, connect, parse_url
from connector.databases.sqlserver.tsql import TSQL, literal
from connector.databases.sqlserver.types import field_of
from connector.errors import DataError, TargetError, UsageError, did_you_mean
from connector.rows.batches import check_header
from connector.rows.cast import plain_schema

_NAIVE = {"DATETIME2", "DATETIME", "SMALLDATETIME"}
_MOST_DIGITS = 38
_TABLES = (
    "SELECT s.name, o.name FROM sys.objects AS o INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id "
    "WHERE o.type IN ('U', 'V', 'SN')"
)


def open_sqlserver(url: str, relation: Relation) -> SQLServerSource:
    """Open a table or a query of the database at a URL."""
    address, _ = parse_url(url)
    return SQLServerSource(address, relation)


class SQLServerSource:
    """The rows of a table, a view or a SELECT."""

    is_text = False

    def __init__(self, address: Address, selection: Relation) -> None:
        self.label = f"{selection.label} in {address.label}"
        self._address = address
        self._selection = selection
        with self._connected() as connection:
            self._sql = self._checked(connection)
            self.schema = self._fields(connection)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        with self._connected() as connection:
            names, portions = self._rows(connection)
            if len(names) != len(self.schema):
                raise DataError(f"{self.label}: its columns were changed meanwhile; run it again.")
            yield from as_batches(portions, self.schema)

    def row_label(self, place: int) -> str:
        """Return the number of a row, counted from 1."""
        return row_label(place)

    def _checked(self, connection: Connection) -> str:
        """Return the SELECT to run; a UsageError where there is no such table."""
        chosen = self._selection
        if chosen.query is not None:
            return chosen.query.strip().rstrip(";")
        ((default,),) = connection.run("SELECT SCHEMA_NAME()")
        schema, table = chosen.table.schema or str(default or "dbo"), chosen.table.name
        # The server says which names are the same: in most databases those that differ in case alone.
        if not connection.run(f"{_TABLES} AND s.name = {literal(schema)} AND o.name = {literal(table)}"):
            known = [(str(owner), str(name)) for owner, name in connection.run(_TABLES)]
            names = [name for owner, name in known if owner.lower() == schema.lower()]
            hint = did_you_mean(table, names) if names else did_you_mean(schema, {owner for owner, _ in known})
            raise UsageError(f"{self._address.label} has no {chosen.label}.{hint}")
        quote = TSQL().quote
        return f"SELECT * FROM {quote(schema)}.{quote(table)}"

    def _fields(self, connection: Connection) -> pa.Schema:
        """Return the columns and their types, by what the server says or by their values."""
        told = self._described(connection)
        fields = [field for field in told if field is not None]
        if told and len(fields) == len(told):
            check_header([field.name for field in fields], self.label)
            return plain_schema(pa.schema(fields))
        names, portions = self._rows(connection)
        if not names:
            raise UsageError("A query to read from is one SELECT.")
        check_header(names, self.label)
        return plain_schema(look_at(names, portions, told))

    def _described(self, connection: Connection) -> list[pa.Field | None]:
        """Return the columns of the SELECT; none where the server cannot tell, or will say what is wrong with it."""
        asked = f"DECLARE @source NVARCHAR(MAX) = {literal(self._sql)}; EXEC sp_describe_first_result_set @source"
        try:
            found: Sequence[Sequence[Any]] = connection.run(asked)
        except TargetError:
            return []
        return [described_field(each[2] or "", each[5] or "", each[7], each[8]) for each in found]

    def _rows(self, connection: Connection) -> tuple[list[str], Iterator[Portion]]:
        """Run the SELECT; what else it may do is taken back when the connection closes."""
        connection.run("BEGIN TRANSACTION")
        names, portions = connection.stream(self._sql)
        return names, map(_in_capitals, portions)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with contextlib.closing(connect(self._address)) as connection:
                yield connection
        except Misfit as error:
            raise DataError(f"{self.label}: a value does not fit a type that the query asks for.") from error
        except TargetError as error:
            raise DataError(str(error)) from error


def described_field(name: str, kind: str, digits: int, scale: int) -> pa.Field | None:
    """Return a column by its type as the server spells it; None for a decimal whose digits are not known."""
    word = kind.partition("(")[0].upper()
    if word in {"DECIMAL", "NUMERIC"}:
        # Babelfish has all 38 digits behind the point of an expression that it knows nothing of.
        is_known = 0 <= scale <= digits <= _MOST_DIGITS and scale < _MOST_DIGITS
        return pa.field(name, pa.decimal128(digits, scale)) if is_known else None
    if word in _NAIVE:
        return pa.field(name, pa.timestamp("us"))
    return field_of(name, word) or pa.field(name, pa.string())


def _in_capitals(rows: Portion) -> Portion:
    """Return rows with their UUIDs as the server writes them."""
    if not any(isinstance(value, UUID) for row in rows for value in row):
        return rows
    return [[str(value).upper() if isinstance(value, UUID) else value for value in row] for row in rows]
