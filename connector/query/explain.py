"""What a query would ask Stripe, in lines for people: each table with its calls, how many, and what is read whole."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from connector.api.encoding import form_encode
from connector.api.pages import Selection
from connector.definitions.endpoint import Endpoint
from connector.query.narrowing import Follow, Read, TableReads
from connector.words import count_of

_SHOWN_IDS = 3


def lines_of(table: TableReads) -> Iterator[str]:
    """Yield the lines of one table."""
    endpoint = table.endpoint
    if table.follows and not table.reads:
        yield f"{endpoint.name}: follows {' and '.join(_followed(follow) for follow in table.follows)}"
    elif not table.reads:
        yield f"{endpoint.name}: no call, since no row can meet its conditions"
    elif not any(read.conditions for read in table.reads):
        yield f"{endpoint.name}: read whole: nothing in the SQL is what Stripe narrows by{_narrow_by(endpoint)}"
    else:
        yield f"{endpoint.name}: narrowed by {' or '.join(_words(read) for read in table.reads)}"
    for read in table.reads:
        yield from _calls(endpoint, read)
    for follow in table.follows:
        yield f"  {_follow_calls(endpoint, follow)}"
    if table.stays and (table.reads or table.follows):
        yield f"  DuckDB decides {' and '.join(table.stays)}"
    yield from table.notes


def _followed(follow: Follow) -> str:
    return f"{follow.link.column} = {follow.link.other.endpoint.name}.{follow.link.other_column}"


def _follow_calls(endpoint: Endpoint, follow: Follow) -> str:
    """Say how a place is read by the values of another, whose number only the rows will show."""
    if follow.along:
        return f"comes with {follow.link.other.endpoint.name}; a call for each list that is cut off there"
    column = endpoint.column(follow.link.column)
    if column is not None and column.path == ("id",):
        return f"GET {endpoint.retrieve}   a call for each value, or the list where that is shorter"
    return f"GET {endpoint.path} with {follow.link.column}   a list for each value, or all where that is shorter"


def _narrow_by(endpoint: Endpoint) -> str:
    known = [*(["id"] if endpoint.retrieve else []), *(parent.column for parent in endpoint.parents), *endpoint.filters]
    return f" ({', '.join(known)})" if known else ""


def _words(read: Read) -> str:
    return " and ".join(str(condition) for condition in read.conditions)


def _calls(endpoint: Endpoint, read: Read) -> Iterator[str]:
    selection = read.selection
    if selection.ids is not None:
        shown = ", ".join(selection.ids[:_SHOWN_IDS]) + (", …" if len(selection.ids) > _SHOWN_IDS else "")
        yield f"  GET {endpoint.retrieve}   {count_of(len(set(selection.ids)), 'call')}: {shown}"
        return
    query = unquote(form_encode({**endpoint.always, **selection.parameters}))
    path = f"{endpoint.path}{'?' * bool(query)}{query}"
    call = f"  {endpoint.method} {path}   "
    if endpoint.parents:
        yield call + _children(endpoint, selection)
    elif endpoint.rows or endpoint.rows_at or endpoint.paging == "none":
        yield call + "1 call"
    else:
        yield call + "a call for every 100 rows; how many there are only Stripe knows"


def _children(endpoint: Endpoint, selection: Selection) -> str:
    named = [f"{len(ids):,} of {column}" for column, ids in selection.parents.items()]
    if named:
        return f"a call for each 100 rows of each ({', '.join(named)})"
    tables = " and ".join(_parents(parent.table, selection) for parent in endpoint.parents)
    if endpoint.embedded:
        return f"comes with {tables}; a call for each list that is cut off there"
    return f"a call for each row of {tables}"


def _parents(table: str, selection: Selection) -> str:
    """Say which rows of a parent are read."""
    above = unquote(form_encode(selection.above.get(table, {})))
    return f"{table} with {above}" if above else f"{table}, read whole"
