"""What is read from a database: a table, by its name, or the rows of a query."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import UsageError
from connector.files.formats import ReadOptions


@dataclass(frozen=True)
class Relation:
    """A table and its schema ("" for the default one), or a query."""

    schema: str = ""
    table: str = ""
    query: str | None = None

    @property
    def name(self) -> str:
        """The table as it is written: SCHEMA.NAME or NAME."""
        return f"{self.schema}.{self.table}" if self.schema else self.table

    @property
    def label(self) -> str:
        """What messages call it."""
        return "the query" if self.query is not None else f"table {self.name}"


def select(options: ReadOptions, in_url: str | None, example: str) -> Relation:
    """Return what options and a URL's ?table= ask for; a UsageError where that is nothing, or two things."""
    given = [each for each in (options.table, in_url, options.query) if each is not None]
    if len(set(given)) != 1 or not given[0].strip():
        what = "Say one thing to read, not several" if len(set(given)) > 1 else "Name the table to read"
        raise UsageError(f"{what}: {example}?table=invoices, or a table, or a query as an option.")
    if options.query is not None:
        return Relation(query=options.query)
    schema, dot, table = given[0].rpartition(".")
    if not table or "." in schema or (dot and not schema):
        raise UsageError(f'"{given[0]}" is not a table: write NAME or SCHEMA.NAME.')
    return Relation(schema, table)
