"""Walks a list, a child list or single objects of Stripe's, page by page, as JSON.

Newest first, a hundred at a time, by cursor. A page carries its records as the bytes of a JSON array, so that the
next step decodes them once, straight into columns. What to read is a Selection; how it was asked for is of no
concern here.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.json import decode, encode

from connector.answers import Reply
from connector.client import Client
from connector.endpoint import Endpoint, Endpoints, Parent
from connector.errors import DataError, ObjectMissing, StripeError

PAGE_ROWS = 100  # Stripe's greatest `limit`
_REMEMBERED_IDS = 10 * PAGE_ROWS  # how far back a walk can step when its cursor's object has been deleted

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Selection:
    """What to ask Stripe for: `parameters` of the list, only these `ids`, only the children of these `parents`.

    `parents` maps the parent's column to ids; a parent that it does not name is walked whole.
    """

    parameters: Parameters = field(default_factory=dict)
    ids: tuple[str, ...] | None = None
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Records as the bytes of a JSON array, the values of columns that are not in them, and when they were asked.

    `sent_at` is in whole seconds of Stripe's clock, when the request was sent.
    """

    records: bytes
    count: int
    sent_at: int
    fills: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """One list to walk: a path with its parameters, and where to begin and how to go on."""

    path: str
    label: str
    parameters: Parameters = field(default_factory=dict)
    cursor: str | None = None
    paged: bool = True
    order_filter: str | None = None


class _Key(msgspec.Struct):
    """What a walk needs to know of a record."""

    id: str | None = None
    created: int | None = None


class _List(msgspec.Struct):
    data: Raw
    has_more: bool = False


class Reader:
    """Reads the pages of endpoints; what is worth telling the user piles up in `notes`."""

    def __init__(self, client: Client, endpoints: Endpoints, page_rows: int = PAGE_ROWS) -> None:
        self._client = client
        self._endpoints = endpoints
        self._page_rows = page_rows
        self.notes: list[str] = []

    def read(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        """Yield every page of records that the selection names."""
        if selection.ids is not None:
            return self._retrieve(endpoint, selection.ids)
        if endpoint.rows:
            return self._rows_inside(endpoint)
        if endpoint.parents:
            return self._children(endpoint, selection)
        return self._lists(endpoint, selection)

    def _lists(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        parameters = {**endpoint.always, **selection.parameters}
        each = {name: values for name, values in endpoint.each.items() if name not in parameters}
        if not each:
            yield from self.walk(_listing(endpoint, parameters))
            return
        # An object may move from one value to another meanwhile: the first is read again at the end, so that one
        # that moved there is not missed; one that moved away has been seen and is passed over.
        seen: set[str] = set()
        combinations = list(itertools.product(*each.values()))
        for values in [*combinations, combinations[0]]:
            listing = _listing(endpoint, {**parameters, **dict(zip(each, values, strict=True))})
            for page in self.walk(listing):
                yield from _unseen(page, seen)

    def _rows_inside(self, endpoint: Endpoint) -> Iterator[Page]:
        """Yield the one page of an endpoint whose rows stand inside a single object, by kind."""
        reply = self._client.get(endpoint.path, {}, endpoint=endpoint.path)
        fields = _decode(reply, dict[str, Any])
        roots = {kind.split(".")[0] for kind in endpoint.rows}
        shared = {key: value for key, value in fields.items() if key not in roots and key != "object"}
        found = [(kind, row) for kind in endpoint.rows for row in _rows_at(fields, kind)]
        yield Page(
            records=encode([{**shared, **row} for _, row in found]),
            count=len(found),
            sent_at=reply.sent_at,
            fills={"kind": [kind for kind, _ in found]},
        )

    def _retrieve(self, endpoint: Endpoint, ids: Sequence[str]) -> Iterator[Page]:
        path = endpoint.retrieve or ""
        for each in dict.fromkeys(ids):
            try:
                reply = self._client.get(path.replace("{id}", _path_part(each)), {}, endpoint=path)
            except ObjectMissing:
                self.notes.append(f"{endpoint.name}: there is no {each}.")
                continue
            if _decode(reply, _Stub).deleted:
                self.notes.append(f"{endpoint.name}: {each} has been deleted.")
                continue
            yield Page(records=b"[" + _content(reply) + b"]", count=1, sent_at=reply.sent_at)

    def _children(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        if endpoint.embedded and endpoint.parents[0].column not in selection.parents:
            yield from self._embedded(endpoint, selection)
            return
        ids = [_Kept(self._parent_ids(parent, selection)) for parent in endpoint.parents]
        for combination in _combinations(ids):
            yield from self._children_of(endpoint, selection, combination)

    def _parent_ids(self, parent: Parent, selection: Selection) -> Iterator[str]:
        """Yield the ids of a parent: those selected, else all that are listed."""
        if parent.column in selection.parents:
            yield from selection.parents[parent.column]
            return
        for page in self.read(self._endpoints[parent.table], Selection()):
            yield from _ids(page)

    def _children_of(
        self, endpoint: Endpoint, selection: Selection, ids: Sequence[str], cursor: str | None = None
    ) -> Iterator[Page]:
        """Yield the pages of one parent's list (one combination of parents'), behind `cursor` if given."""
        filled = {parent.fills: each for parent, each in zip(endpoint.parents, ids, strict=True)}
        path, query = endpoint.path, dict(selection.parameters)
        for name, value in filled.items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", _path_part(value))
            else:
                query[name] = value
        listing = replace(_listing(endpoint, {**endpoint.always, **query}), path=path, cursor=cursor)
        try:
            for page in self.walk(listing):
                columns = zip(endpoint.parents, ids, strict=True)
                yield replace(page, fills={parent.column: [each] * page.count for parent, each in columns})
        except ObjectMissing as error:
            if error.code != "resource_missing":
                raise
            self.notes.append(f"{endpoint.name}: there is no {' with '.join(ids)} (any more).")

    def _embedded(self, endpoint: Endpoint, selection: Selection) -> Iterator[Page]:
        for page in self.read(self._endpoints[endpoint.parents[0].table], Selection()):
            yield from self.children(endpoint, page, selection)

    def children(self, endpoint: Endpoint, parents: Page, selection: Selection | None = None) -> Iterator[Page]:
        """Yield the children of one page of parents: those that came with it, fetching only what was cut off."""
        selection = selection or Selection()
        if not endpoint.embedded:
            for owner in _ids(parents):
                yield from self._children_of(endpoint, selection, [owner])
            return
        whole, owners, rest = _embedded_lists(parents, endpoint.embedded)
        fills = {endpoint.parents[0].column: owners}
        yield Page(b"[" + b",".join(whole) + b"]", len(whole), parents.sent_at, fills)
        for owner, cursor in rest:
            yield from self._children_of(endpoint, selection, [owner], cursor)

    def walk(self, listing: Listing) -> Iterator[Page]:
        """Yield the pages of one list, from its cursor to its end."""
        recent: deque[str] = deque(maxlen=_REMEMBERED_IDS)
        oldest = None
        seen: frozenset[str] = frozenset()
        while True:
            try:
                reply = self._client.get(listing.path, self._query(listing), endpoint=listing.label)
            except StripeError as error:
                if not (recent and error.code == "resource_missing" and error.param == "starting_after"):
                    raise
                seen = frozenset(recent)
                listing = self._behind_deleted_cursor(listing, recent, oldest)
                continue
            answer = _decode(reply, _List)
            keys = decode(answer.data, type=list[_Key])
            page = Page(bytes(answer.data), len(keys), reply.sent_at)
            yield from _unseen(page, set(seen)) if seen else [page]
            if not (answer.has_more and listing.paged):
                return
            if not keys or keys[-1].id is None:
                raise DataError(f"Stripe says that {listing.path} has more, but gave no record to go on from.")
            recent.extend(key.id for key in keys if key.id is not None)
            oldest = keys[-1].created or oldest
            listing = replace(listing, cursor=keys[-1].id)

    def _query(self, listing: Listing) -> dict[str, Any]:
        if not listing.paged:
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
            self._client.get(listing.path, query, endpoint=listing.label)
        except StripeError as error:
            if error.code != "resource_missing":
                raise
            return False
        return True


def _ever_earlier(ids: Sequence[str]) -> Iterator[str]:
    """Yield the last id, then ones further and further back: the 2nd, 4th, 8th from the end and so on."""
    step = 1
    while step <= len(ids):
        yield ids[-step]
        step *= 2


class _Kept:
    """What an iterator gives, read only as far as it is asked for, and any number of times."""

    def __init__(self, values: Iterator[str]) -> None:
        self._values = values
        self._seen: list[str] = []

    def __iter__(self) -> Iterator[str]:
        yield from self._seen
        for value in self._values:
            self._seen.append(value)
            yield value


def _combinations(ids: Sequence[_Kept]) -> Iterator[list[str]]:
    """Yield every combination of one id of each parent, asking for no more parents than are needed."""
    if not ids:
        yield []
        return
    for one in ids[0]:
        for rest in _combinations(ids[1:]):
            yield [one, *rest]


class _Stub(msgspec.Struct):
    deleted: bool = False


def _listing(endpoint: Endpoint, parameters: Parameters) -> Listing:
    order = endpoint.filter_for(endpoint.order) if endpoint.order else None
    return Listing(
        path=endpoint.path,
        label=endpoint.path,
        parameters=parameters,
        paged=endpoint.paging == "cursor",
        order_filter=order.parameter if order and order.kind == "range" else None,
    )


def _content(reply: Reply) -> bytes:
    """Return the answer's bytes; half a surrogate pair, which is no character, becomes U+FFFD."""
    if b"\\ud" not in reply.content and b"\\uD" not in reply.content:
        return reply.content
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found["half"] else found[0], reply.content)


# Every escape is matched, so that an escaped backslash is never taken for the start of one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def _decode(reply: Reply, kind: Any) -> Any:
    try:
        return decode(_content(reply), type=kind)
    except msgspec.MsgspecError as error:
        raise DataError(f"Stripe's answer (request {reply.request_id}) is not what it should be: {error}") from error


def _ids(page: Page) -> list[str]:
    return [key.id for key in decode(page.records, type=list[_Key]) if key.id is not None]


def only(page: Page, ids: Collection[str]) -> Page:
    """Return the page without the records whose id is not among these."""
    pairs = zip(_ids(page), decode(page.records, type=list[Raw]), strict=True)
    kept = [bytes(raw) for each, raw in pairs if each in ids]
    return replace(page, records=b"[" + b",".join(kept) + b"]", count=len(kept))


def _unseen(page: Page, seen: set[str]) -> Iterator[Page]:
    """Yield the page without the records that were seen before, and remember those that were not."""
    keys = decode(page.records, type=list[_Key])
    pairs = zip(keys, decode(page.records, type=list[Raw]), strict=True)
    fresh = [(key.id, bytes(raw)) for key, raw in pairs if key.id not in seen]
    seen.update(key for key, _ in fresh if key is not None)
    if fresh:
        yield replace(page, records=b"[" + b",".join(raw for _, raw in fresh) + b"]", count=len(fresh))


def _rows_at(fields: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    here: Any = fields
    for key in kind.split("."):
        here = here.get(key) if isinstance(here, dict) else None
    return here or []


def _embedded_lists(page: Page, path: Sequence[str]) -> tuple[list[bytes], list[str], list[tuple[str, str | None]]]:
    """Return the embedded records, the owner of each, and the owners whose list goes on (with the last id)."""
    records: list[bytes] = []
    owners: list[str] = []
    rest: list[tuple[str, str | None]] = []
    for owner, raw in zip(_ids(page), decode(page.records, type=list[dict[str, Raw]]), strict=True):
        embedded = _list_at(raw, path)
        if embedded is None:
            rest.append((owner, None))
            continue
        inside = decode(embedded.data, type=list[Raw])
        records += [bytes(each) for each in inside]
        owners += [owner] * len(inside)
        if embedded.has_more:
            rest.append((owner, decode(inside[-1], type=_Key).id if inside else None))
    return records, owners, rest


def _list_at(fields: Mapping[str, Raw], path: Sequence[str]) -> _List | None:
    """Return the list that stands at `path` in a record, or None where the record came without it."""
    *above, last = path
    for key in above:
        fields = decode(fields[key], type=dict[str, Raw]) if key in fields else {}
    raw = fields.get(last)
    return None if raw is None or bytes(raw) == b"null" else decode(raw, type=_List)


def _path_part(value: str) -> str:
    """Return an id as it may stand in a path: nothing in it can lead elsewhere."""
    from urllib.parse import quote

    return quote(value, safe="")
