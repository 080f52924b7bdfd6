"""What is read from a database: a table, by its name, or the rows of a query."""

from __future__ import annotations

from dataclasses import dataclass

from connector.databases.merge import Table
from connector.errors import UsageError


@dataclass(frozen=True)
class Relation:
    """A table, whose schema is "" for the default one, or a query."""

    table: Table
    query: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return "the query" if self.query is not None else f"table {self.table}"


def select(table: str | None, in_url: str | None, query: str | None, example: str) -> Relation:
    """Return what options and a URL's ?table= ask for; a UsageError where that is nothing, or two things."""
    given = [each for each in (table, in_url, query) if each is not None]
    if len(set(given)) != 1 or not given[0].strip():
        what = "Say one thing to read, not several" if len(set(given)) > 1 else "Name the table to read"
        raise UsageError(f"{what}: {example}?table=invoices, or a table, or a query as an option.")
    return Relation(Table("", ""), query) if query is not None else Relation(Table.parse(given[0], ""))
