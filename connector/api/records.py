"""Records as Stripe sends them: found in a response, told apart, put together to pages, as JSON text all the while."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.json import decode, encode

from connector.api.responses import Response
from connector.errors import DataError, UsageError, did_you_mean

LIST_OBJECTS = ("list", "search_result")
_NULL = Raw(b"null")


@dataclass(frozen=True)
class Page:
    """Records as the bytes of a JSON array, and the values of columns that are not in them.

    `sent_at` is when the request was sent, in whole seconds of Stripe's clock; `origin` is what errors call the
    response that the records came with. Of a list, `created` is when each record was, `goes_on` whether more follow.
    """

    records: bytes
    count: int
    sent_at: int
    fills: Mapping[str, Sequence[str]] = field(default_factory=dict)
    origin: str = "The response"
    created: Sequence[int | str | None] = ()
    goes_on: bool = False


class RecordKey(msgspec.Struct):
    """What a walk needs to know of a record; v2 writes times as text."""

    id: str | None = None
    created: int | str | None = None


class Listed(msgspec.Struct, kw_only=True):
    """What a list says of itself, and how it goes on: after its last record, on a named page, or at a URL."""

    object: str | None = None
    has_more: bool | None = None
    next_page: str | None = None
    next_page_url: str | UnsetType | None = UNSET

    @property
    def problem(self) -> str | None:
        """Why this is no list of Stripe's, all of whose lists say whether they go on; None where it is one."""
        if self.next_page_url is not UNSET:  # v2 says so by naming the next page, or null
            return None
        if self.object not in LIST_OBJECTS:
            return "is no list" if self.object is None else f"is no list but an object: {self.object}"
        return None if self.has_more is not None else "does not say has_more, so it may not be the whole list"


class ListResponse(Listed, kw_only=True):
    """A list as it stands in a response."""

    data: Raw


class EmbeddedList(Listed, kw_only=True):
    """A list as it stands in a record."""

    data: list[Raw]


class Retrieved(msgspec.Struct):
    """What tells a deleted object from one that is there."""

    id: str | None = None
    deleted: bool = False


def clean_content(response: Response) -> bytes:
    """Return the response's bytes; half a surrogate pair, which is no character, becomes U+FFFD."""
    try:
        response.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{response.name} is no text: {error.reason} at byte {error.start:,}.") from None
    if not _SURROGATE.search(response.content):
        return response.content
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match["half"] else match[0], response.content)


_SURROGATE = re.compile(rb"\\u[dD]")  # found by its first letters in a third of the time
# Every escape is matched, so that an escaped backslash is never taken for the start of one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def decoded(response: Response, kind: Any) -> Any:
    """Return the response decoded as `kind`; a DataError where it is something else."""
    return decoded_part(clean_content(response), kind, response.name)


def decoded_part(part: bytes | Raw, kind: Any, origin: str) -> Any:
    """Return a part of a response decoded as `kind`; a DataError that names the response where it is something else."""
    try:
        return decode(part, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DataError(f"{origin} is not what it should be: {error}.") from None


def list_in(response: Response, *, is_strict: bool = True) -> ListResponse:
    """Return the list that a response is; unless `is_strict`, one that does not say whether it goes on will do."""
    listed: ListResponse = decoded(response, ListResponse)
    if listed.problem and (is_strict or listed.object not in (None, *LIST_OBJECTS)):
        raise DataError(f"{response.name} {listed.problem}.")
    return listed


def keys_of(page: Page, *, need_id: bool = False) -> list[RecordKey]:
    """Return the keys of the records of a page, in their order; a DataError where one lacks the id that it needs."""
    keys: list[RecordKey] = decoded_part(page.records, list[RecordKey], page.origin)
    if need_id and any(not key.id for key in keys):
        raise DataError(f"{page.origin} holds a record without an id.")
    return keys


def ids_of(page: Page) -> list[str]:
    """Return the ids of the records of a page, in their order."""
    return [key.id for key in keys_of(page) if key.id is not None]


def only(page: Page, ids: Collection[str]) -> Page:
    """Return the page without the records whose id is not among these."""
    return _chosen(page, [key.id in ids for key in keys_of(page)])


def created_since(page: Page, start: int) -> Page:
    """Return the page of a list without the records that were created before `start`."""
    return _chosen(page, [not isinstance(created, int) or created >= start for created in page.created])


def _chosen(page: Page, is_chosen: Sequence[bool]) -> Page:
    """Return the page of a list with those records only that are chosen."""
    raws = [bytes(raw) for raw in itertools.compress(decode(page.records, type=list[Raw]), is_chosen)]
    created = tuple(itertools.compress(page.created, is_chosen))
    return replace(page, records=b"[" + b",".join(raws) + b"]", count=len(raws), created=created)


def oldest_of(page: Page, path: Sequence[str]) -> int | None:
    """Return when the oldest record of a page was created, in unix seconds, as stands at a path; None: it has none."""
    fields = decoded_part(page.records, list[dict[str, Raw]], page.origin)
    moments = (_part_at(record, path, int | None, page.origin) for record in fields)
    return min((moment for moment in moments if moment is not None), default=None)


def matching(page: Page, where: Mapping[tuple[str, ...], Collection[Any]]) -> Page:
    """Return the page with those records only that have one of these values at each of these paths."""
    if not where:
        return page
    fields = decoded_part(page.records, list[dict[str, Raw]], page.origin)
    return _chosen(page, [_has(record, where, page.origin) for record in fields])


def _has(fields: Mapping[str, Raw], where: Mapping[tuple[str, ...], Collection[Any]], origin: str) -> bool:
    return all(_part_at(fields, path, Any, origin) in values for path, values in where.items())


def _part_at(fields: Mapping[str, Raw], path: Sequence[str], kind: Any, origin: str) -> Any:
    """Return what stands at a path in an object, decoded as `kind`, which must take null for what is not there."""
    *above, last = path
    for key in above:
        fields = decoded_part(fields.get(key, _NULL), dict[str, Raw] | None, origin) or {}
    return decoded_part(fields.get(last, _NULL), kind, origin)


def unseen(page: Page, seen: set[str]) -> Iterator[Page]:
    """Yield the page without the records that were seen before, and remember those that were not."""
    keys = [key.id for key in keys_of(page)]
    fresh = _chosen(page, [key not in seen for key in keys])
    seen.update(key for key in keys if key is not None)
    if fresh.count:
        yield fresh


def rows_by_kind(response: Response, kinds: Sequence[str]) -> Page:
    """Return the rows of several lists inside one object, each with the object's own fields, by kind."""
    fields: dict[str, Raw] = decoded(response, dict[str, Raw])
    roots = {kind.split(".")[0] for kind in kinds}
    shared = {key: value for key, value in fields.items() if key not in roots and key != "object"}
    lists = [(kind, _part_at(fields, kind.split("."), list[dict[str, Raw]] | None, response.name)) for kind in kinds]
    rows = [(kind, row) for kind, items in lists for row in items or ()]
    return Page(
        records=encode([{**shared, **row} for _, row in rows]),
        count=len(rows),
        sent_at=response.sent_at,
        fills={"kind": [kind for kind, _ in rows]},
        origin=response.name,
    )


def rows_at(response: Response, path: Sequence[str]) -> Page:
    """Return the items of the one list that stands at `path` in a response; none where it is null.

    A DataError where the response has no such field: a misspelt path must not pass for an empty list.
    """
    raw = decoded(response, Raw)
    for name in path:
        fields = decoded_part(raw, dict[str, Raw] | None, response.name)
        if fields is None:
            return Page(b"[]", 0, response.sent_at, origin=response.name)
        if name not in fields:
            near = did_you_mean(name, fields)
            raise DataError(f"{response.name} has no {'.'.join(path)}, which `rows` of the definition names.{near}")
        raw = fields[name]
    items = decoded_part(raw, list[dict[str, Raw]] | None, response.name)
    return Page(bytes(raw) if items else b"[]", len(items or ()), response.sent_at, origin=response.name)


def is_cut(response: Response, path: Sequence[str]) -> bool:
    """Whether the list whose items stand at `path` in a response says that there are more of them."""
    fields: dict[str, Raw] = decoded(response, dict[str, Raw])
    return _part_at(fields, [*path[:-1], "has_more"], Any, response.name) is True


def embedded_lists(page: Page, path: Sequence[str]) -> tuple[list[bytes], list[str], list[tuple[str, str | None]]]:
    """Return the embedded records, the owner of each, and the owners whose list goes on (with the last id)."""
    records: list[bytes] = []
    owners: list[str] = []
    rest: list[tuple[str, str | None]] = []
    for holder in decoded_part(page.records, list[_holder_of(tuple(path))], page.origin):  # type: ignore[misc]
        if not holder.id:
            raise DataError(f"{page.origin} holds a record without an id.")
        embedded = _list_in(holder, path, page.origin)
        if embedded is None:
            rest.append((holder.id, None))
            continue
        records += map(bytes, embedded.data)
        owners += [holder.id] * len(embedded.data)
        if embedded.has_more:
            last = decoded_part(embedded.data[-1], RecordKey, page.origin) if embedded.data else RecordKey()
            rest.append((holder.id, last.id))
    return records, owners, rest


@functools.cache
def _holder_of(path: tuple[str, ...]) -> Any:
    """Return what decodes a record's id and the list at a path, and passes over all else."""
    if not path:
        return EmbeddedList
    fields = [("id", str | None, None), ("within", _holder_of(path[1:]) | None, None)]
    return msgspec.defstruct("Holder", fields, rename={"within": path[0]})


def _list_in(holder: Any, path: Sequence[str], origin: str) -> EmbeddedList | None:
    """Return the list that stands at `path` in a record, or None where the record came without it."""
    listed = holder
    for _ in path:
        listed = None if listed is None else listed.within
    if listed is not None and listed.problem:
        raise DataError(f"{origin}: {'.'.join(path)} of {holder.id} {listed.problem}.")
    return cast("EmbeddedList | None", listed)


def path_part(value: str) -> str:
    """Return an id as it may stand in a path: nothing in it can lead elsewhere."""
    if value in ("", ".", ".."):
        raise UsageError(f'"{value}" is no id: as part of an address it would lead elsewhere.')
    return quote(value, safe="", errors="replace")  # half of a surrogate pair is part of no id
