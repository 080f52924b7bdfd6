"""What Stripe's events say has changed since a time: the newest change of each object, and what it was like then.

One pass over `/v1/events` serves all endpoints: an event belongs to the kind and the id of the object in it, whatever
its type is called. Of a change only some numbers stay in memory; what the objects were like is spooled to a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import Any

import msgspec
from msgspec import Raw

from connector.api.account import Api
from connector.api.identity import Identity
from connector.api.records import Page, decoded_part
from connector.api.walk import Listing, walk
from connector.sync.provenance import Held

_EVENTS = "/v1/events"
_SPOOLED_BYTES = 32 * 2**20
ParentFields = Mapping[str, Collection[str]]
_IS_CUT_SHORT = re.compile(rb'"has_more"\s*:\s*true')


@dataclass(frozen=True, slots=True)
class Change:
    """The newest change of an object: when the object was created and when it changed, in unix seconds.

    `snapshot` is where its form after the change stands, as an offset and a number of bytes; None where the event's
    form cannot stand for the object: it is of another API version, cut short, or one of several in that second.
    `parents` are those that its events name, where they are asked for.
    """

    created: int | None
    changed_at: int
    snapshot: tuple[int, int] | None = None
    parents: frozenset[str] = frozenset()


class Verdict(Enum):
    """What becomes of an object that has changed."""

    SETTLED = "the row is newer"
    SHOWN = "the event shows it"
    UNSURE = "it has to be read again"


def judge(change: Change, row: Held | None, *, is_ordered: bool) -> Verdict:
    """Decide what a change means for the row of its object; unless events are ordered, it only names the object.

    A row that was read in the second of a change may show it or not.
    """
    if row is None or not is_ordered:
        return Verdict.UNSURE
    if row.changed_at > change.changed_at:
        return Verdict.SETTLED
    is_shown = change.snapshot is not None and row.changed_at < change.changed_at
    return Verdict.SHOWN if is_shown and not row.is_deleted else Verdict.UNSURE


@dataclass(frozen=True)
class Told:
    """What becomes of objects that have changed: merged as `shown`, or `unsure`: read again, by second of creation.

    Of these, `absent` have no row and are shown by an event, too.
    """

    shown: Mapping[str, Change]
    unsure: Mapping[str, int]
    absent: Mapping[str, Change]


def sort_out(
    newest: Mapping[str, Change], rows: Mapping[str, Held], is_about: Callable[[int], bool], *, is_ordered: bool
) -> Told:
    """Decide what becomes of changed objects by the rows that are there, but of those created at other times."""
    shown, absent, unsure = dict[str, Change](), dict[str, Change](), dict[str, int]()
    for id_, change in newest.items():
        row = rows.get(id_)
        created = change.created if change.created is not None or row is None else row.created
        if created is None or not is_about(created):
            continue
        verdict = judge(change, row, is_ordered=is_ordered)
        if verdict is Verdict.SHOWN:
            shown[id_] = change
        elif verdict is Verdict.UNSURE:
            unsure[id_] = created
            if change.snapshot is not None and is_ordered and (row is None or row.is_deleted):
                absent[id_] = change
    return Told(shown, unsure, absent)


def parents_of(newest: Mapping[str, Change], rows: Mapping[str, Mapping[str, Held]], *, is_ordered: bool) -> set[str]:
    """Return the parents whose lists may be otherwise since these objects of theirs have changed.

    They are those that events name and those by which `rows` hold the objects, unless the row there is newer.
    """
    parents = set[str]()
    for id_, change in newest.items():
        held = rows.get(id_, {})
        for parent in change.parents | held.keys():
            if judge(change, held.get(parent), is_ordered=is_ordered) is not Verdict.SETTLED:
                parents.add(parent)
    return parents


class Changes:
    """The newest change of each object in a stretch of events, by kind and id.

    `parent_fields` says, by kind, which fields of objects name their parents. `as_of` is when the first page of events
    was asked for, in seconds of Stripe's clock.
    """

    def __init__(self, version: str, identity: Identity, parent_fields: ParentFields | None = None) -> None:
        self.as_of: int | None = None
        self._parent_fields = parent_fields or {}
        self._version = version
        self._identity = identity
        self._newest: dict[str, dict[str, Change]] = {}
        self._reading = Lock()  # of the file, by families side by side
        self._spool = SpooledTemporaryFile(max_size=_SPOOLED_BYTES)  # noqa: SIM115 - it lives as long as this does

    def of(self, kinds: Iterable[str]) -> Mapping[str, Change]:
        """Return the newest changes of the objects of these kinds, by their ids."""
        return {id_: change for kind in kinds for id_, change in self._newest.get(kind, {}).items()}

    def snapshots(self, changes: Iterable[Change]) -> bytes:
        """Return what objects were like after their changes, as a JSON array."""
        return b"[" + b",".join(map(self._snapshot, changes)) + b"]"

    def add(self, page: Page) -> None:
        """Take in a page of events, in whatever order.

        Events without an object's id, of another account or of the other mode are about nothing that is synced here.
        """
        self.as_of = self.as_of or page.sent_at
        events: Sequence[_Event] = decoded_part(page.records, list[_Event], page.origin)
        for event in events:
            content: _Object = decoded_part(event.data.object, _Object, page.origin)
            if content.id is not None and content.object is not None and self._is_ours(event):
                self._add(
                    event,
                    content.object,
                    content.id,
                    content.created,
                    self._parents(event, content.object, page.origin),
                )

    def close(self) -> None:
        """Give back the space that what objects were like takes."""
        self._spool.close()

    def _is_ours(self, event: _Event) -> bool:
        return event.account in (None, self._identity.account) and event.livemode == self._identity.livemode

    def _add(self, event: _Event, kind: str, id_: str, created: int | None, parents: frozenset[str]) -> None:
        newest = self._newest.setdefault(kind, {})
        known = newest.get(id_)
        parents |= known.parents if known else frozenset()
        if known is None or event.created > known.changed_at:
            newest[id_] = Change(created, event.created, self._spooled(event), parents)
        elif event.created == known.changed_at:  # nothing tells which of them came last
            created = created if known.created is None else known.created
            newest[id_] = Change(created, event.created, None, parents)
        elif parents != known.parents:
            newest[id_] = replace(known, parents=parents)

    def _parents(self, event: _Event, kind: str, origin: str) -> frozenset[str]:
        """Return the parents that an object names, at present or before."""
        fields = self._parent_fields.get(kind)
        if not fields:
            return frozenset()
        forms = (event.data.object, event.data.previous_attributes)
        contents = [decoded_part(form, dict[str, Any] | None, origin) or {} for form in forms]
        named = [content.get(field) for content in contents for field in fields]
        return frozenset(name for name in named if isinstance(name, str))

    def _spooled(self, event: _Event) -> tuple[int, int] | None:
        """Keep what an object was like after an event; None where the event does not show that."""
        content = bytes(event.data.object)
        is_shown = event.api_version == self._version and not event.type.endswith(".deleted")
        if not is_shown or _IS_CUT_SHORT.search(content):
            return None
        return self._spool.seek(0, 2), self._spool.write(content)

    def _snapshot(self, change: Change) -> bytes:
        assert change.snapshot is not None
        offset, size = change.snapshot
        with self._reading:
            self._spool.seek(offset)
            return self._spool.read(size)


def read_changes(
    api: Api, identity: Identity, since: int, most_pages: int, parent_fields: ParentFields
) -> Changes | None:
    """Read the events since a time, newest first; None where they take more than so many pages."""
    changes = Changes(api.client.connection.version, identity, parent_fields)
    listing = Listing(_EVENTS, _EVENTS, {"created": {"gte": since}}, order_filter="created")
    with ExitStack() as opened:
        opened.callback(changes.close)
        for number, page in enumerate(walk(api.client, listing)):
            if number >= most_pages:
                return None
            changes.add(page)
        opened.pop_all()
    return changes


class _Data(msgspec.Struct):
    object: Raw
    previous_attributes: Raw = Raw(b"null")


class _Event(msgspec.Struct):
    created: int
    type: str
    data: _Data
    livemode: bool = False
    api_version: str | None = None
    account: str | None = None


class _Object(msgspec.Struct):
    id: str | None = None
    object: str | None = None
    created: int | None = None
