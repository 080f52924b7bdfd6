"""How tables are read, and which of them are about something."""

from __future__ import annotations

import contextlib

from connector.definitions.endpoint import Endpoint, Endpoints
from connector.errors import DefinitionError

READINGS = {
    "listed": "a list that Stripe has",
    "with its parent": "rows come inside those of another table",
    "per parent": "one call for each row of another table",
    "computed": "what Stripe works out when asked (POST), one call for each row of another table",
    "asked": "a condition has to be given, which nobody can guess",
    "one row": "a single object",
    "by id": "Stripe has no list: --where id=…",
}


def reading_of(endpoint: Endpoint) -> str:
    """Return how a table is read: one of READINGS."""
    if not endpoint.path:
        return "by id"
    if any(condition.required for condition in endpoint.filters.values()):
        return "asked"
    if endpoint.method == "POST":
        return "computed"
    if endpoint.parents:
        return "with its parent" if endpoint.embedded else "per parent"
    return "one row" if endpoint.paging == "one" else "listed"


def about(endpoints: Endpoints, word: str) -> list[Endpoint]:
    """Return the tables that have a word in their name, group, description or columns, whatever its case."""
    return [endpoint for endpoint in map(endpoints.__getitem__, endpoints) if word.lower() in _text(endpoint)]


def of_object(endpoints: Endpoints, name: str) -> Endpoint | None:
    """Return a table of Stripe's objects of this name; None where no file that can be read has one.

    Only files that mention the object are parsed, and those that extend a file which may.
    """
    for table in endpoints:
        text = endpoints.text(table)
        if name in text or "extends" in text:
            with contextlib.suppress(DefinitionError):
                if name in endpoints[table].object:
                    return endpoints[table]
    return None


def _text(endpoint: Endpoint) -> str:
    columns = (column.name for column in endpoint.columns)
    return " ".join((endpoint.name, endpoint.group, endpoint.description, *columns)).lower()
