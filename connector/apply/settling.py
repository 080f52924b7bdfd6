"""Rows whose outcome nobody was told: what the events of Stripe's say of them, or the objects themselves.

An event carries the idempotency key of the call that caused it; one reading of /v1/events serves all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connector.api.client import Client
from connector.api.walk import Listing, walk
from connector.apply.compare import DIFFERENT, EQUAL, compared, matches
from connector.apply.effects import Effect
from connector.apply.ledger import Entry
from connector.errors import ConnectorError, ObjectMissing

HAPPENED, DID_NOT_HAPPEN, UNKNOWN = "happened", "did not happen", "unknown"
EVENT_SECONDS = 600  # by then an event that must exist does
KEPT_EVENTS_SECONDS = 29 * 86_400  # a day less than Stripe keeps them
_EVENTS = "/v1/events"
_MARGIN_SECONDS = 60


@dataclass(frozen=True)
class Verdict:
    """What became of a row, as far as can be known; `object_id` where it made an object."""

    what: str
    object_id: str | None = None


class _Request(msgspec.Struct):
    idempotency_key: str | None = None


class _Data(msgspec.Struct):
    object: dict[str, Any] = {}


class _Event(msgspec.Struct):
    type: str
    created: int
    data: _Data
    request: _Request | None = None


@dataclass
class Settling:
    """Finds out what became of rows in doubt; `notes` say what could not be read for it."""

    client: Client
    notes: list[str] = field(default_factory=list)

    def verdicts(self, doubtful: Sequence[tuple[Effect, Entry]]) -> dict[str, Verdict]:
        """Return what became of each row, by its identity."""
        keyed = {entry.key: (effect, entry) for effect, entry in doubtful if effect.call.method == "POST"}
        events = self._events(keyed) if keyed else {}
        return {effect.identity: self._verdict(effect, entry, events) for effect, entry in doubtful}

    def _verdict(self, effect: Effect, entry: Entry, events: Mapping[str, list[_Event]] | None) -> Verdict:
        own = (events or {}).get(entry.key)
        if own:
            return Verdict(HAPPENED, _object_id(effect, own))
        by_object = self._by_object(effect)
        if by_object.what != UNKNOWN or events is None:
            return by_object
        age = self.client.stripe_seconds() - entry.sent_at
        must_tell = effect.call.method == "POST" and effect.action is not None and effect.action.event
        if must_tell and EVENT_SECONDS < age < KEPT_EVENTS_SECONDS:
            return Verdict(DID_NOT_HAPPEN)
        return by_object

    def _by_object(self, effect: Effect) -> Verdict:
        action, path = effect.action, effect.object_path
        if action is None or path is None or not (effect.by_object or action.done or action.method == "DELETE"):
            return Verdict(UNKNOWN)
        record = self._read(path)
        if record is None:
            return Verdict(UNKNOWN)
        is_gone = record.get("deleted") is True
        if matches(action.done, record) or (action.method == "DELETE" and is_gone):
            return Verdict(HAPPENED, effect.object_id or None)
        if action.method == "DELETE":
            return Verdict(DID_NOT_HAPPEN)
        if not effect.by_object or is_gone:
            return Verdict(UNKNOWN)
        standing = compared(effect.call.form or {}, record)
        return Verdict({EQUAL: HAPPENED, DIFFERENT: DID_NOT_HAPPEN}.get(standing, UNKNOWN), effect.object_id or None)

    def _read(self, path: str) -> dict[str, Any] | None:
        """Return an object, {"deleted": true} where it is gone, None where it cannot be read."""
        try:
            record = self.client.get(path).json()
        except ObjectMissing as error:
            return {"deleted": True} if error.code == "resource_missing" else None
        except ConnectorError:
            return None
        return record if isinstance(record, dict) else None

    def _events(self, keyed: Mapping[str, tuple[Effect, Entry]]) -> dict[str, list[_Event]] | None:
        """Return the events that carry these keys; None where they cannot be read."""
        since = min(entry.sent_at for _, entry in keyed.values()) - _MARGIN_SECONDS
        found: dict[str, list[_Event]] = {}
        try:
            for event in self._walk(since):
                key = event.request.idempotency_key if event.request else None
                if key is not None and key in keyed:
                    found.setdefault(key, []).append(event)
        except ConnectorError as error:
            self.notes.append(f"Events could not be read, which tell what became of rows in doubt: {error}")
            return None
        return found

    def _walk(self, since: int) -> Iterable[_Event]:
        listing = Listing(path=_EVENTS, label=_EVENTS, parameters={"created": {"gte": since}}, order_filter="created")
        decoder = msgspec.json.Decoder(list[_Event])
        for page in walk(self.client, listing):
            yield from decoder.decode(page.records)


def _object_id(effect: Effect, events: Sequence[_Event]) -> str | None:
    """Return the id of the object that a row made or changed, by the event that always tells of its action."""
    if effect.object_id:
        return effect.object_id
    wanted = effect.action.event if effect.action else ""
    return next((str(event.data.object.get("id")) for event in events if event.type == wanted), None)
