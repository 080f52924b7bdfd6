"""Redshift as a source: a table, a view or a SELECT, row by row, in a transaction that is taken back."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa

from connector.databases.portions import BATCH_ROWS, Portion, as_batches, look_at, row_label
from connector.databases.postgres.source import fields_of, read_as_text
from connector.databases.redshift.database import Redshift, RedshiftDialect, columns_of
from connector.databases.relation import Relation
from connector.errors import DataError, TargetError, UsageError
from connector.rows.batches import check_header


class RedshiftSource:
    """The rows of a table, a view or a SELECT."""

    is_text = False

    def __init__(self, url: str, relation: Relation) -> None:
        self._database = Redshift(url)
        self.label = f"{relation.label} in {self._database.label}"
        self._relation = relation
        with self._connected() as connection:
            self._sql = self._checked(connection)
            self.schema = self._fields(connection)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        with self._connected() as connection:
            yield from as_batches(self._portions(connection), self.schema)

    def row_label(self, place: int) -> str:
        """Return the number of a row, counted from 1."""
        return row_label(place)

    def _checked(self, connection: psycopg.Connection[Any]) -> str:
        """Return the SELECT to run; a UsageError where there is no such table."""
        chosen = self._relation
        if chosen.query is not None:
            return chosen.query.strip().rstrip(";")
        schema = chosen.table.schema or self._database.default_schema
        if not columns_of(connection.cursor(), schema, chosen.table.name):
            raise UsageError(f"{self._database.label} has no {chosen.label}.")
        quote = RedshiftDialect().quote
        return f"SELECT * FROM {quote(schema)}.{quote(chosen.table.name)}"

    def _fields(self, connection: psycopg.Connection[Any]) -> pa.Schema:
        """Return the columns and their types, by what the server says or by their values."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM (\n{self._sql}\n) AS source LIMIT 0".encode())
            description = cursor.description or ()
        names, fields = [column.name for column in description], fields_of(description)
        check_header(names, self.label)
        if all(fields):
            return pa.schema(fields)
        return look_at(names, self._portions(connection), fields)

    def _portions(self, connection: psycopg.Connection[Any]) -> Iterator[Portion]:
        with connection.cursor() as cursor:
            rows = cursor.stream(self._sql.encode())
            while portion := list(itertools.islice(rows, BATCH_ROWS)):
                yield portion

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with self._database.connected() as connection:
                read_as_text(connection)
                yield connection
        except TargetError as error:
            raise DataError(str(error)) from error
