"""A view beside each synced table that has amounts: invoices_major has the rows of invoices, in major units.

The table stays as it is. An amount whose currency is not in the table is left out of the view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.databases.base import Session
from connector.databases.merge import Table
from connector.definitions.endpoint import Endpoint
from connector.definitions.names import shorten
from connector.definitions.parts import Column
from connector.rows.money import factor_sql

SUFFIX = "_major"


def make_view(session: Session, table: Table, endpoint: Endpoint) -> None:
    """Make the view of a table, or make it anew; nothing where the table has no amounts."""
    amounts = {column.name: column for column in endpoint.columns if column.currency}
    present = session.column_types(table)
    if amounts.keys().isdisjoint(present):
        return
    view = Table(table.schema, shorten(f"{table.name}{SUFFIX}", session.dialect.name_limit_bytes))
    columns = ", ".join(_columns(session, present, amounts))
    for statement in session.dialect.replace_view(view, f"SELECT {columns} FROM {session.full(table)}"):
        session.execute(statement)


def _columns(session: Session, present: Mapping[str, str], amounts: Mapping[str, Column]) -> Iterator[str]:
    """Yield what the view selects: exact products, since a division of decimals is a float in some databases."""
    quote = session.dialect.quote
    for name in present:
        amount = amounts.get(name)
        if amount is None:
            yield quote(name)
        elif amount.currency and amount.currency in present:
            kind, decimals = ("DECIMAL(19,0)", 3) if amount.type == "integer" else ("DECIMAL(30,12)", 15)
            product = f"CAST({quote(name)} AS {kind}) * {factor_sql(quote(amount.currency))}"
            yield f"ROUND({product}, {decimals}) AS {quote(name)}"
