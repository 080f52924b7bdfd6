"""Walks a list, a child list or single objects of Stripe's, page by page, as JSON.

Newest first, a hundred at a time, by cursor. A page carries its records as the bytes of a JSON array, so that the
next step decodes them once, straight into columns. What to read is a Selection; where it comes from is of no
concern here.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connector.api.calls import Call
from connector.api.client import Client
from connector.api.records import (
    ListResponse,
    Page,
    Retrieved,
    clean_content,
    decoded,
    embedded_lists,
    ids_of,
    is_cut,
    keys_of,
    list_in,
    matching,
    path_part,
    rows_at,
    rows_by_kind,
    unseen,
)
from connector.api.responses import Response
from connector.definitions.endpoint import Endpoint, Endpoints
from connector.definitions.parts import Parent
from connector.errors import DataError, DefinitionError, ObjectMissing, StripeError

PAGE_ROWS = 100  # Stripe's greatest `limit`
_REMEMBERED_IDS = 10 * PAGE_ROWS  # how far back a walk can step when its cursor's object has been deleted

Parameters = Mapping[str, Any]


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


@dataclass(frozen=True)
class Listing:
    """One list to walk: a path with its parameters, and where to begin and how to go on."""

    path: str
    label: str
    parameters: Parameters = field(default_factory=dict)
    cursor: str | None = None
    paging: str = "cursor"
    order_filter: str | None = None
    has_ids: bool = True

    @property
    def position(self) -> tuple[object, ...]:
        """Where in the list this is: no walk comes to the same place twice."""
        return self.path, self.cursor, self.parameters.get("page"), str(self.parameters.get(self.order_filter or ""))


class PageReader:
    """Reads the pages of endpoints; what is worth telling the user piles up in `notes`."""

    def __init__(self, client: Client, endpoints: Endpoints, page_rows: int = PAGE_ROWS) -> None:
        self.client = client
        self._endpoints = endpoints
        self._page_rows = page_rows
        self.notes: list[str] = []

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
        return self.walk(Listing(path, path, {"query": query}, paging="page"))

    def _lists(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        parameters = {**endpoint.always, **selection.parameters}
        varied = {name: values for name, values in endpoint.each.items() if name not in parameters}
        if not varied:
            yield from self.walk(_listing(endpoint, parameters))
            return
        # An object may move from one value to another meanwhile: the first is read again at the end, so that one
        # that moved there is not missed; one that moved away has been seen and is passed over.
        seen: set[str] = set()
        combinations = list(itertools.product(*varied.values()))
        for values in [*combinations, combinations[0]]:
            listing = _listing(endpoint, {**parameters, **dict(zip(varied, values, strict=True))})
            for page in self.walk(listing):
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
        for combination in _combinations(ids):
            yield from self._children_of(endpoint, selection, combination)

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

    def _children_of(
        self, endpoint: Endpoint, selection: Selection, ids: Sequence[str], cursor: str | None = None
    ) -> Iterator[Page]:
        """Yield the pages of one parent's list (one combination of parents'), behind `cursor` if given."""
        path, query = _filled(endpoint, selection.parameters, ids)
        listing = replace(_listing(endpoint, {**endpoint.always, **query}), path=path, cursor=cursor)
        pages = self._single(endpoint, path, query, ids) if _is_one(endpoint) else self.walk(listing)
        try:
            for page in pages:
                columns = zip(endpoint.parents, ids, strict=True)
                fills = {parent.column: [parent_id] * page.count for parent, parent_id in columns}
                yield replace(page, fills={**page.fills, **fills})
        except StripeError as error:
            if endpoint.nothing and error.code == endpoint.nothing:
                return
            if not _lacks_a_parent(endpoint, error):
                raise
            self.notes.append(f"{endpoint.name}: there is no {' with '.join(ids)} (any more).")

    def _embedded(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        for page in self.read(self._endpoints[endpoint.parents[0].table], Selection()):
            yield from self.children(endpoint, page, selection)

    def children(self, endpoint: Endpoint, parents: Page, selection: Selection | None = None) -> Iterator[Page]:
        """Yield the children of one page of parents: those that came with it, fetching only what was cut off."""
        selection, parents = selection or Selection(), self._with_lists(endpoint.parents[0], parents)
        if not endpoint.embedded:
            for owner in ids_of(parents):
                yield from self._children_of(endpoint, selection, [owner])
            return
        whole, owners, rest = embedded_lists(parents, endpoint.embedded)
        fills = {endpoint.parents[0].column: owners}
        page = Page(b"[" + b",".join(whole) + b"]", len(whole), parents.sent_at, fills, parents.origin)
        keys_of(page, need_id=_has_ids(endpoint))
        yield page
        for owner, cursor in rest:
            yield from self._children_of(endpoint, selection, [owner], cursor)

    def walk(self, listing: Listing) -> Iterator[Page]:
        """Yield the pages of one list, from its cursor to its end."""
        recent: deque[str] = deque(maxlen=_REMEMBERED_IDS)
        oldest = None
        seen: frozenset[str] = frozenset()
        visited = _Visited()
        while True:
            try:
                response = self.client.get(listing.path, self._query(listing), endpoint=listing.label)
            except StripeError as error:
                if not (recent and error.code == "resource_missing" and error.param == "starting_after"):
                    raise
                seen = frozenset(recent)
                listing = visited.restarted(self._behind_deleted_cursor(listing, recent, oldest))
                continue
            listed = list_in(response, is_strict=listing.paging != "none")
            page = Page(bytes(listed.data), 0, response.sent_at, origin=response.name)
            keys = keys_of(page, need_id=listing.has_ids)
            further = _further(listing, listed, response, keys[-1].id if keys else None)
            created = [key.created for key in keys]
            page = replace(page, count=len(keys), created=created, goes_on=further is not None)
            yield from unseen(page, set(seen)) if seen else [page]
            if further is None:
                return
            recent.extend(key.id for key in keys if key.id is not None)
            oldest = keys[-1].created if keys and isinstance(keys[-1].created, int) else oldest
            listing = visited.went_on(further, response)

    def _query(self, listing: Listing) -> dict[str, Any]:
        if listing.paging == "none" or "?" in listing.path:
            return dict(listing.parameters)
        cursor = {"starting_after": listing.cursor} if listing.cursor else {}
        return {**listing.parameters, "limit": self._page_rows, **cursor}

    def _behind_deleted_cursor(self, listing: Listing, recent: Sequence[str], oldest: int | None) -> Listing:
        """Go on from an earlier record, or by time, where the one to go on from has been deleted meanwhile."""
        for candidate in _ever_earlier(recent):
            if self._still_stands(listing, candidate):
                return replace(listing, cursor=candidate)
        if listing.order_filter is None or oldest is None:
            raise DataError(
                f"{listing.path}: the last {len(recent):,} objects read were all deleted meanwhile, so there is "
                "nothing to go on from. Run it again."
            )
        since = {
            key: value
            for key, value in listing.parameters.get(listing.order_filter, {}).items()
            if key in ("gt", "gte")
        }
        bounded = {**listing.parameters, listing.order_filter: {**since, "lte": oldest}}
        return replace(listing, parameters=bounded, cursor=None)

    def _still_stands(self, listing: Listing, candidate: str) -> bool:
        query = {**listing.parameters, "limit": 1, "starting_after": candidate}
        try:
            self.client.get(listing.path, query, endpoint=listing.label)
        except StripeError as error:
            if error.code != "resource_missing":
                raise
            return False
        return True


def _further(listing: Listing, listed: ListResponse, response: Response, last_id: str | None) -> Listing | None:
    """Return what to ask for after a response: behind its last record, or the page that it names; None at the end."""
    if listing.paging == "url":  # which holds the parameters already
        return replace(listing, path=listed.next_page_url, parameters={}) if listed.next_page_url else None
    if not listed.has_more:
        return None
    if listing.paging == "none":
        raise DataError(f'{response.name} has more, but the definition says paging = "none".')
    if listing.paging == "page" and listed.next_page:
        return replace(listing, parameters={**listing.parameters, "page": listed.next_page})
    if listing.paging == "page" or last_id is None:
        raise DataError(f"{response.name} has more, but gave no record to go on from.")
    return replace(listing, cursor=last_id)


class _Visited:
    """Where a walk has been, so that a list that turns in a circle is an error and not read for ever."""

    def __init__(self) -> None:
        self._positions: set[object] = set()
        self._restarts: set[object] = set()

    def went_on(self, listing: Listing, response: Response) -> Listing:
        """Remember where the walk goes next; a DataError where it has been there before."""
        if listing.position in self._positions:
            raise DataError(f"{response.name} leads back to a page that was read before, so the list would never end.")
        self._positions.add(listing.position)
        return listing

    def restarted(self, listing: Listing) -> Listing:
        """Remember where the walk begins again; from there on it passes places where it has been, once."""
        if listing.position in self._restarts:
            raise DataError(f"{listing.path} leads back to a record that it says is gone, so it would never end.")
        self._restarts.add(listing.position)
        self._positions.clear()
        return listing


def _ever_earlier(ids: Sequence[str]) -> Iterator[str]:
    """Yield the last id, then ones further and further back: the 2nd, 4th, 8th from the end and so on."""
    step = 1
    while step <= len(ids):
        yield ids[-step]
        step *= 2


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
