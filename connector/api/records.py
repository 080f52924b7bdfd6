"""Records as Stripe sends them: found in a response, told apart, put together to pages, as JSON text all the while."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw
from msgspec.json import decode, encode

from connector.api.responses import Response
from connector.errors import DataError, UsageError

_NULL = Raw(b"null")


@dataclass(frozen=True)
class Page:
    """Records as the bytes of a JSON array, the values of columns that are not in them, and when they were asked.

    `sent_at` is in whole seconds of Stripe's clock, when the request was sent.
    """

    records: bytes
    count: int
    sent_at: int
    fills: Mapping[str, Sequence[str]] = field(default_factory=dict)


class RecordKey(msgspec.Struct):
    """What a walk needs to know of a record; v2 writes times as text."""

    id: str | None = None
    created: int | str | None = None


class ListResponse(msgspec.Struct):
    """A response that lists, and how it goes on: after its last record, on a page by name, or at a URL."""

    data: Raw
    has_more: bool = False
    next_page: str | None = None
    next_page_url: str | None = None


class Stub(msgspec.Struct):
    """What tells a deleted object from one that is there."""

    deleted: bool = False


def clean_content(response: Response) -> bytes:
    """Return the response's bytes; half a surrogate pair, which is no character, becomes U+FFFD."""
    if b"\\ud" not in response.content and b"\\uD" not in response.content:
        return response.content
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match["half"] else match[0], response.content)


# Every escape is matched, so that an escaped backslash is never taken for the start of one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def decoded(response: Response, kind: Any) -> Any:
    """Return the response decoded as `kind`; a DataError where it is something else."""
    return decoded_part(response, clean_content(response), kind)


def decoded_part(response: Response, part: bytes | Raw, kind: Any) -> Any:
    """Return a part of a response decoded as `kind`, {} for null; a DataError where it is something else."""
    try:
        value = decode(part, type=kind)
    except msgspec.MsgspecError as error:
        raise DataError(f"{response.name} is not what it should be: {error}.") from None
    return {} if value is None else value


def ids_of(page: Page) -> list[str]:
    """Return the ids of the records of a page, in their order."""
    return [key.id for key in decode(page.records, type=list[RecordKey]) if key.id is not None]


def only(page: Page, ids: Collection[str]) -> Page:
    """Return the page without the records whose id is not among these."""
    pairs = zip(ids_of(page), decode(page.records, type=list[Raw]), strict=True)
    remaining = [bytes(raw) for key, raw in pairs if key in ids]
    return replace(page, records=b"[" + b",".join(remaining) + b"]", count=len(remaining))


def matching(page: Page, where: Mapping[tuple[str, ...], Any]) -> Page:
    """Return the page with those records only that have these values at these paths."""
    if not where:
        return page
    records = zip(decode(page.records), decode(page.records, type=list[Raw]), strict=True)
    kept = [bytes(raw) for record, raw in records if all(_at(record, path) == value for path, value in where.items())]
    return replace(page, records=b"[" + b",".join(kept) + b"]", count=len(kept))


def _at(record: Any, path: Sequence[str]) -> Any:
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def unseen(page: Page, seen: set[str]) -> Iterator[Page]:
    """Yield the page without the records that were seen before, and remember those that were not."""
    keys = decode(page.records, type=list[RecordKey])
    pairs = zip(keys, decode(page.records, type=list[Raw]), strict=True)
    fresh = [(key.id, bytes(raw)) for key, raw in pairs if key.id not in seen]
    seen.update(key for key, _ in fresh if key is not None)
    if fresh:
        yield replace(page, records=b"[" + b",".join(raw for _, raw in fresh) + b"]", count=len(fresh))


def rows_by_kind(response: Response, kinds: Sequence[str]) -> Page:
    """Return the rows of several lists inside one object, each with the object's own fields, by kind."""
    fields = decoded(response, dict[str, Any])
    roots = {kind.split(".")[0] for kind in kinds}
    shared = {key: value for key, value in fields.items() if key not in roots and key != "object"}
    rows = [(kind, row) for kind in kinds for row in _rows_of_kind(fields, kind)]
    return Page(
        records=encode([{**shared, **row} for _, row in rows]),
        count=len(rows),
        sent_at=response.sent_at,
        fills={"kind": [kind for kind, _ in rows]},
    )


def _rows_of_kind(fields: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return _at(fields, kind.split(".")) or []


def rows_at(response: Response, path: Sequence[str]) -> Page:
    """Return the items of the one list that stands at `path` in a response; none where it is null or absent."""
    raw = decoded(response, Raw)
    for name in path:
        raw = decoded_part(response, raw, dict[str, Raw] | None).get(name, _NULL)
    items = decoded_part(response, raw, list[Raw] | None)
    return Page(bytes(raw) if items else b"[]", len(items), response.sent_at)


def embedded_lists(page: Page, path: Sequence[str]) -> tuple[list[bytes], list[str], list[tuple[str, str | None]]]:
    """Return the embedded records, the owner of each, and the owners whose list goes on (with the last id)."""
    records: list[bytes] = []
    owners: list[str] = []
    rest: list[tuple[str, str | None]] = []
    for owner, raw in zip(ids_of(page), decode(page.records, type=list[dict[str, Raw]]), strict=True):
        embedded = _list_at(raw, path)
        if embedded is None:
            rest.append((owner, None))
            continue
        inside = decode(embedded.data, type=list[Raw])
        records += [bytes(record) for record in inside]
        owners += [owner] * len(inside)
        if embedded.has_more:
            rest.append((owner, decode(inside[-1], type=RecordKey).id if inside else None))
    return records, owners, rest


def _list_at(fields: Mapping[str, Raw], path: Sequence[str]) -> ListResponse | None:
    """Return the list that stands at `path` in a record, or None where the record came without it."""
    *above, last = path
    for key in above:
        fields = decode(fields[key], type=dict[str, Raw]) if key in fields else {}
    raw = fields.get(last)
    return None if raw is None or bytes(raw) == b"null" else decode(raw, type=ListResponse)


def path_part(value: str) -> str:
    """Return an id as it may stand in a path: nothing in it can lead elsewhere."""
    if value in ("", ".", ".."):
        raise UsageError(f'"{value}" is no id: as part of an address it would lead elsewhere.')
    return quote(value, safe="", errors="replace")  # half of a surrogate pair is part of no id
