"""Reads what a selection names of an endpoint: its list, lists below parents or single objects, page by page, as JSON.

A page carries its records as the bytes of a JSON array, so that the next step decodes them once, straight into columns.
What to read is a Selection; where it comes from is of no concern here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from connector.api.calls import Call
from connector.api.client import Client
from connector.api.crew import read_lists, readers_for
from connector.api.records import (
    Page,
    Retrieved,
    clean_content,
    decoded,
    embedded_lists,
    ids_of,
    is_cut,
    keys_of,
    matching,
    path_part,
    rows_at,
    rows_by_kind,
    unseen,
)
from connector.api.walk import PAGE_ROWS, Listing, Parameters, walk
from connector.definitions.endpoint import Endpoint, Endpoints
from connector.definitions.parts import Parent
from connector.errors import ConnectorError, DataError, DefinitionError, ObjectMissing, StripeError

_FEWEST_AT_ONCE = 2
_BelowParents = tuple[Sequence[str], str | None]  # the list of one parent (one of each kind), and where it goes on
IsPassedOver = Callable[[Endpoint, Sequence[str], ConnectorError], bool]


@dataclass(frozen=True)
class Selection:
    """What to ask Stripe for: `parameters` of the list, only these `ids`, only the children of these `parents`.

    `parents` maps the parent's column to ids; a parent that it does not name is walked, its list with the parameters
    that `above` has for it.
    """

    parameters: Parameters = field(default_factory=dict)
    ids: tuple[str, ...] | None = None
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    above: Mapping[str, Parameters] = field(default_factory=dict)
    search: str | None = None

    def within(self, parameter: str, bounds: Mapping[str, int]) -> Selection:
        """Return the same between other bounds of time, which are looked at anew for each page."""
        others = {name: value for name, value in self.parameters.items() if name != parameter}
        return replace(self, parameters={**others, parameter: bounds})


class PageReader:
    """Reads the pages of endpoints; what is worth telling the user piles up in `notes`.

    Where it `reads_ahead`, the lists below parents are read side by side, and in their order all the same. A list below
    a parent that fails ends the reading, unless it `is_passed_over`.
    """

    def __init__(
        self,
        client: Client,
        endpoints: Endpoints,
        page_rows: int = PAGE_ROWS,
        *,
        reads_ahead: bool = False,
        is_passed_over: IsPassedOver = lambda _endpoint, _ids, _error: False,
    ) -> None:
        self.client = client
        self._endpoints = endpoints
        self._page_rows = page_rows
        self._reads_ahead = reads_ahead
        self._is_passed_over = is_passed_over
        self.notes: list[str] = []

    def _walk(self, listing: Listing) -> Iterator[Page]:
        return walk(self.client, listing, self._page_rows)

    def read(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        """Yield every page of records that the selection names."""
        if selection.search is not None:
            return self._found(endpoint, selection.search)
        if selection.ids is not None:
            return self._retrieve(endpoint, selection.ids)
        if endpoint.parents or _is_one(endpoint):
            return self._children(endpoint, selection)
        return self._lists(endpoint, selection)

    def _found(self, endpoint: Endpoint, query: str) -> Iterator[Page]:
        """Yield the pages that Stripe's search gives, which may lag behind what is there by a minute."""
        path = endpoint.search or endpoint.path
        self.notes.append(f"{endpoint.name}: found by Stripe's search, which may not know the newest changes yet.")
        return self._walk(Listing(path, path, {"query": query}, paging="page"))

    def _lists(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        parameters = {**endpoint.always, **selection.parameters}
        varied = {name: values for name, values in endpoint.each.items() if name not in parameters}
        if not varied:
            yield from self._walk(_listing(endpoint, parameters))
            return
        # An object may move from one value to another meanwhile: the first is read again at the end, so that one
        # that moved there is not missed; one that moved away has been seen and is passed over.
        seen: set[str] = set()
        combinations = list(itertools.product(*varied.values()))
        for values in [*combinations, combinations[0]]:
            listing = _listing(endpoint, {**parameters, **dict(zip(varied, values, strict=True))})
            for page in self._walk(listing):
                yield from unseen(page, seen)

    def _single(self, endpoint: Endpoint, path: str, parameters: Parameters, ids: Sequence[str]) -> Iterator[Page]:
        """Yield the one page of the object at a path: the object itself, or the rows that stand inside it."""
        parameters, is_get = {**endpoint.always, **parameters}, endpoint.method == "GET"
        query, form = (parameters, None) if is_get else (None, parameters)
        response = self.client.request(Call(endpoint.method, path, query, form, endpoint=endpoint.path))
        if endpoint.rows:
            yield rows_by_kind(response, endpoint.rows)
        elif endpoint.rows_at:
            page = rows_at(response, endpoint.rows_at)
            if is_cut(response, endpoint.rows_at):
                of = f" of {' with '.join(ids)}" if ids else ""
                self.notes.append(
                    f"{endpoint.name}: only the first {page.count:,} rows{of}; Stripe gives no more here."
                )
            yield page
        else:
            yield Page(b"[" + clean_content(response) + b"]", 1, response.sent_at)

    def _retrieve(self, endpoint: Endpoint, ids: Sequence[str]) -> Iterator[Page]:
        path = endpoint.retrieve or ""
        for record_id in dict.fromkeys(ids):
            try:
                response = self.client.get(path.replace("{id}", path_part(record_id)), {}, endpoint=path)
            except ObjectMissing:
                self.notes.append(f"{endpoint.name}: there is no {record_id}.")
                continue
            retrieved: Retrieved = decoded(response, Retrieved)
            if retrieved.id != record_id:
                raise DataError(f"{response.name} is not {record_id}.")
            if retrieved.deleted:
                self.notes.append(f"{endpoint.name}: {record_id} has been deleted.")
                continue
            records = b"[" + clean_content(response) + b"]"
            yield Page(records, count=1, sent_at=response.sent_at, origin=response.name)

    def _children(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        if endpoint.embedded and endpoint.parents[0].column not in selection.parents:
            yield from self._embedded(endpoint, selection)
            return
        ids = [_Replayed(self._parent_ids(parent, selection)) for parent in endpoint.parents]
        combinations = _combinations(ids)
        while some := list(itertools.islice(combinations, PAGE_ROWS if self._reads_ahead else 1)):
            yield from self._below(endpoint, selection, [(combination, None) for combination in some])

    def _parent_ids(self, parent: Parent, selection: Selection) -> Iterator[str]:
        """Yield the ids of a parent: those selected, else all that are listed."""
        if parent.column in selection.parents:
            yield from selection.parents[parent.column]
            return
        for page in self.read(self._endpoints[parent.table], Selection(selection.above.get(parent.table, {}))):
            yield from ids_of(self._with_lists(parent, page))

    def _with_lists(self, parent: Parent, page: Page) -> Page:
        """Return the page of a parent's records with those only whose lists are read."""
        table = self._endpoints[parent.table]
        columns = {name: table.column(name) for name in parent.where}
        for name, column in columns.items():
            if column is None:
                raise DefinitionError(f'parent.where: {parent.table} has no column "{name}".')
        return matching(page, {column.path: parent.where[name] for name, column in columns.items() if column})

    def _below(self, endpoint: Endpoint, selection: Selection, lists: Sequence[_BelowParents]) -> Iterator[Page]:
        """Yield the pages of lists below parents, in their order."""
        if not self._reads_ahead or len(lists) < _FEWEST_AT_ONCE:
            for ids, cursor in lists:
                yield from self._children_of(endpoint, selection, ids, cursor)
            return
        walks = [partial(self._children_of, endpoint, selection, ids, cursor) for ids, cursor in lists]
        with closing(read_lists(walks, readers_for(self.client, endpoint.path))) as pages:
            yield from (page for _, page in pages)

    def _children_of(
        self, endpoint: Endpoint, selection: Selection, ids: Sequence[str], cursor: str | None = None
    ) -> Iterator[Page]:
        """Yield the pages of one parent's list (one combination of parents'), behind `cursor` if given."""
        path, query = _filled(endpoint, selection.parameters, ids)
        listing = replace(_listing(endpoint, {**endpoint.always, **query}), path=path, cursor=cursor)
        pages = self._single(endpoint, path, query, ids) if _is_one(endpoint) else self._walk(listing)
        try:
            for page in pages:
                columns = zip(endpoint.parents, ids, strict=True)
                fills = {parent.column: [parent_id] * page.count for parent, parent_id in columns}
                yield replace(page, fills={**page.fills, **fills})
        except StripeError as error:
            if endpoint.nothing and error.code == endpoint.nothing:
                return
            if _lacks_a_parent(endpoint, error):
                self.notes.append(f"{endpoint.name}: there is no {' with '.join(ids)} (any more).")
            elif not self._is_passed_over(endpoint, ids, error):
                raise
        except DataError as error:
            if not self._is_passed_over(endpoint, ids, error):
                raise

    def _embedded(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        for page in self.read(self._endpoints[endpoint.parents[0].table], Selection()):
            yield from self.children(endpoint, page, selection)

    def children(self, endpoint: Endpoint, parents: Page, selection: Selection | None = None) -> Iterator[Page]:
        """Yield the children of one page of parents: those that came with it, fetching only what was cut off."""
        selection, parents = selection or Selection(), self._with_lists(endpoint.parents[0], parents)
        if not endpoint.embedded:
            yield from self._below(endpoint, selection, [([owner], None) for owner in ids_of(parents)])
            return
        whole, owners, rest = embedded_lists(parents, endpoint.embedded)
        fills = {endpoint.parents[0].column: owners}
        page = Page(b"[" + b",".join(whole) + b"]", len(whole), parents.sent_at, fills, parents.origin)
        keys_of(page, need_id=_has_ids(endpoint))
        yield page
        yield from self._below(endpoint, selection, [([owner], cursor) for owner, cursor in rest])


class _Replayed:
    """What an iterator gives, read only as far as it is asked for, and any number of times."""

    def __init__(self, values: Iterator[str]) -> None:
        self._values = values
        self._seen: list[str] = []

    def __iter__(self) -> Iterator[str]:
        yield from self._seen
        for value in self._values:
            self._seen.append(value)
            yield value


def _combinations(ids: Sequence[_Replayed]) -> Iterator[list[str]]:
    """Yield every combination of one id of each parent, asking for no more parents than are needed."""
    if not ids:
        yield []
        return
    for one in ids[0]:
        for rest in _combinations(ids[1:]):
            yield [one, *rest]


def _filled(endpoint: Endpoint, parameters: Parameters, ids: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the path and the query of a child list, filled with the ids of its parents."""
    path, query = endpoint.path, dict(parameters)
    for parent, value in zip(endpoint.parents, ids, strict=True):
        if f"{{{parent.fills}}}" in path:
            path = path.replace(f"{{{parent.fills}}}", path_part(value))
        else:
            query[parent.fills] = value
    return path, query


def _listing(endpoint: Endpoint, parameters: Parameters) -> Listing:
    return Listing(
        path=endpoint.path,
        label=endpoint.path,
        parameters=parameters,
        paging=endpoint.paging,
        order_filter=endpoint.order_parameter,
        has_ids=_has_ids(endpoint),
    )


def _lacks_a_parent(endpoint: Endpoint, error: StripeError) -> bool:
    """Whether the object whose children were asked for is not there: in the path, or as the parameter that names it."""
    names = {parent.fills for parent in endpoint.parents}
    is_parent = isinstance(error, ObjectMissing) or error.param in names
    return bool(names) and is_parent and error.code == "resource_missing"


def _is_one(endpoint: Endpoint) -> bool:
    """Whether a single call gives all rows that there are, or all of one parent."""
    return endpoint.paging == "one" or bool(endpoint.rows or endpoint.rows_at)


def _has_ids(endpoint: Endpoint) -> bool:
    """Whether records of this endpoint are told apart by an id of their own."""
    return any(column.path == ("id",) for column in map(endpoint.column, endpoint.primary_key) if column)
