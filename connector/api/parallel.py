"""A list that is read by several readers at once, each a part of its time, where Stripe lists by time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

from connector.api.crew import NewestFirst, Walk, read_in_parallel, readers_for
from connector.api.division import Division, Portion, ReadAhead
from connector.api.pages import PageReader, Selection
from connector.api.records import Page
from connector.api.spans import BEGINNING, END, Span
from connector.api.walk import PAGE_ROWS
from connector.definitions.endpoint import Endpoint


def time_parameter(endpoint: Endpoint) -> str | None:
    """Return the parameter by whose time of creation a list can be divided; None: it is read from end to end."""
    column = endpoint.column(endpoint.order) if endpoint.order else None
    is_one_list = not (endpoint.each or endpoint.parents or endpoint.rows or endpoint.rows_at or endpoint.window)
    if column is None or column.path != ("created",) or endpoint.paging != "cursor" or not is_one_list:
        return None
    return endpoint.order_parameter


def read_list(reader: PageReader, endpoint: Endpoint, selection: Selection, span: Span) -> Generator[Portion]:
    """Yield the pages of a selection that is bounded by a span, and of which time all is read with each.

    They are read by several threads where Stripe lists by time.
    """
    parameter = time_parameter(endpoint)
    if parameter is None:
        return _read_serially(reader.read(endpoint, selection), span)
    walk, readers = _walk(reader, endpoint, selection, parameter), readers_for(reader.client, endpoint.path)
    return read_in_parallel(walk, Division(span, PAGE_ROWS), readers)


def read_ahead(reader: PageReader, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
    """Yield the pages of a selection in their order, read by several threads where Stripe lists by time."""
    parameter = time_parameter(endpoint)
    if parameter is None or selection.ids is not None or selection.search is not None:
        yield from reader.read(endpoint, selection)
        return
    asked = selection.parameters.get(parameter, {})
    span = (asked.get("gte", BEGINNING), asked.get("lt", END))
    walk, readers = _walk(reader, endpoint, selection, parameter), readers_for(reader.client, endpoint.path)
    with closing(read_in_parallel(walk, ReadAhead(span, PAGE_ROWS), readers, NewestFirst(span[1]))) as portions:
        yield from (portion.page for portion in portions if portion.page is not None)


def _walk(reader: PageReader, endpoint: Endpoint, selection: Selection, parameter: str) -> Walk:
    return lambda part: reader.read(endpoint, selection.within(parameter, part.bounds))


def _read_serially(pages: Iterator[Page], span: Span) -> Generator[Portion]:
    """Yield the pages of what cannot be divided; that its span is whole is known at the end."""
    for page in pages:
        yield Portion(page, (span[1], span[1]))
    yield Portion(None, span)
