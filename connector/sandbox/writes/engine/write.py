"""What a handler works with: one `Write`, which reads, changes and tells, and takes effect as a whole or not at all.

with writing(store, Call(form={"name": "Ada"}, now=store.clock.now())) as write:
    customer = write.blank("customer", id=write.new_id("cus_"))
    apply(customer, write.form, "customer")
    write.put("customer", customer)
    write.emit("customer.created", customer)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connector.sandbox.document import api
from connector.sandbox.document.api import Shape
from connector.sandbox.document.forms import METADATA_KEYS, only_clears
from connector.sandbox.document.refusals import Refusal, refusal
from connector.sandbox.document.rules import FILTERS, Record, values_at
from connector.sandbox.document.templates import RECORDS
from connector.sandbox.reads.readers import PARAM_OF
from connector.sandbox.world.expansion import stub
from connector.sandbox.world.store import Store, Stretch
from connector.sandbox.writes.engine.events import event

_WHOLE = frozenset({"address", "shipping"})
"""Objects that an update replaces whole [known]: what was not sent of them is empty then."""

_CLOCK = "test_helpers.test_clock"


@dataclass(frozen=True)
class Call:
    """What a write was given: the decoded form, the path parameters, and the circumstances.

    Outside of requests, for what happens by itself, `request_id` is None. `body` is the request's as sent,
    for calls that are not form-encoded.
    """

    now: int
    form: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    livemode: bool = False
    request_id: str | None = None
    idempotency_key: str | None = None
    content_type: str = ""
    body: bytes = b""


class Write:
    """One call that changes something: what it was given, what it reads, what it leaves behind; all or nothing."""

    def __init__(self, store: Store, call: Call) -> None:
        self.store = store
        self.call = call
        self.form = call.form
        self.ids = call.ids
        self.now = call.now
        self.livemode = call.livemode
        self.request_id = call.request_id
        self.idempotency_key = call.idempotency_key
        self._changed: dict[tuple[str, str], Record | None] = {}
        self._events: list[Record] = []

    def at(self, clock: str | None) -> None:
        """Go by the time of this test clock from here on; None for the sandbox's own."""
        self.now = self.call.now if clock is None else int(self.get(_CLOCK, clock, "test_clock")["frozen_time"])

    def get(self, kind: str, id: str, param: str | None = None) -> Record:  # noqa: A002 - Stripe's word for it
        """Return a copy of the object, or refuse: 404 for the path's own (no `param`), 400 for a parameter's."""
        found = self.look(kind, id)
        if found is not None:
            return found
        if param is not None:
            raise refusal("missing_reference", param, kind=kind, id=id)
        raise refusal("missing", self._param_of(id), kind=kind, id=id)

    def look(self, kind: str, id: str) -> Record | None:  # noqa: A002
        """Return a copy of the object, or None where there is none."""
        if (kind, id) in self._changed:
            record: Record | None = _copy(self._changed[kind, id])
            return record
        return self.store.get(kind, id) if kind in self.store.kinds else None

    def find(self, kind: str, field: str, value: Any) -> Iterator[Record]:
        """Yield copies of all objects whose field (a dotted path, or the name of a list's filter) equals `value`.

        Newest first. Where the business has an index for the field this is quick, else every object is made.
        """
        for key, record in reversed(list(self._changed.items())):
            if key[0] == kind and record is not None and _has(kind, record, field, value):
                yield _copy(record)
        near = (field, value) if isinstance(value, str) else None
        for record in self.store.records(kind, Stretch(near=near)):
            if (kind, record["id"]) not in self._changed and _has(kind, record, field, value):
                yield record

    def put(self, kind: str, record: Record) -> None:
        """Leave `record` behind, new or changed; this call sees it at once, others when the call has succeeded."""
        if len(record.get("metadata") or ()) > METADATA_KEYS:
            raise self.refuse("metadata_keys", "metadata", bound=METADATA_KEYS)
        self._changed.pop((kind, record["id"]), None)  # so that the newest stands last
        self._changed[kind, record["id"]] = _copy(record)

    def delete(self, kind: str, id: str) -> Record:  # noqa: A002
        """Delete the object, refusing where there is none; return the stub that the answer shows."""
        self.get(kind, id)
        self._changed[kind, id] = None
        return stub(kind, id)

    def new_id(self, prefix: str) -> str:
        """Return an id that was never given before, the same ones in the same order for a seed."""
        return self.store.new_id(prefix)

    def emit(self, type: str, record: Record, previous: Record | None = None) -> None:  # noqa: A002
        """Tell of `record` as it is now; `previous` is the record before, where the event says what changed.

        An "updated" event where nothing differs is not told. Stripe's holes stay holes: a type that it does not
        have is a ValueError.
        """
        made = event(self, type, record, previous)
        if made is not None:
            self._events.append(made)

    def refuse(self, name: str, param: str | None = None, **words: object) -> Refusal:
        """Return the refusal in that row of `refusals.RULES`, to be raised."""
        return refusal(name, param, **words)

    def blank(self, kind: str, **fields: Any) -> Record:
        """Return an object with every field that Stripe sends, empty, but for what every new one has and `fields`."""
        record = _copy(RECORDS[kind]) if kind in RECORDS else empty(api.schema(kind))
        usual = {"object": kind, "livemode": self.livemode, "created": self.now, "date": self.now, "metadata": {}}
        record.update({name: value for name, value in usual.items() if name in record})
        record.update(fields)
        return record

    def commit(self) -> None:
        """Let everything so far take effect; `writing` does this."""
        changed, told = self._changed, self._events
        self._changed, self._events = {}, []
        for (kind, id_), record in changed.items():
            if record is None:
                self.store.delete(kind, id_)
            else:
                self.store.put(kind, record)
        for made in told:
            self.store.tell(made)
        for listener in self.store.listeners:
            for made in told:
                listener(made)

    def _param_of(self, id: str) -> str | None:  # noqa: A002
        found = (PARAM_OF.get(name, name) for name, value in self.ids.items() if value == id)
        return next(found, None)


@contextmanager
def writing(store: Store, call: Call) -> Iterator[Write]:
    """Hold the store for one write, which takes effect when the block ends, and not when it raises.

    Only a refusal that leaves something behind, such as a declined payment, takes effect and is raised on.
    """
    with store.writing:
        write = Write(store, call)
        try:
            yield write
        except Refusal as no:
            if no.leaves:
                write.commit()
            raise
        write.commit()


def apply(record: Record, form: Mapping[str, Any], kind: str) -> None:
    """Copy parameters onto the fields of the same name; what needs more than that is for the handler.

    Metadata is merged key by key ("" removes one, all when sent for the whole), "" clears to null, nested
    objects are merged, arrays and addresses replaced.
    """
    fields = api.schema(kind).fields
    _apply(record, {name: value for name, value in form.items() if name != "expand"}, fields)


def _apply(record: Record, form: Mapping[str, Any], fields: Mapping[str, Shape]) -> None:
    for name, value in form.items():
        shape = fields.get(name)
        if shape is None:
            continue
        if name == "metadata" or shape.values is not None:
            record[name] = merged(record.get(name), value)
        elif value == "":
            record[name] = [] if shape.types == {"array"} and not shape.nullable else None
        elif isinstance(value, dict) and shape.fields:
            if not isinstance(record.get(name), dict) or name in _WHOLE:
                if only_clears(value):
                    continue
                record[name] = empty(shape)
            _apply(record[name], value, shape.fields)
        else:
            record[name] = value


def merged(before: Mapping[str, Any] | None, sent: Mapping[str, Any] | str) -> Record:
    """Return metadata after an update: "" removes one key, or all when it was sent for the whole."""
    if not isinstance(sent, Mapping):
        return {}
    return {key: value for key, value in {**(before or {}), **sent}.items() if value != ""}


def empty(shape: Shape) -> Record:
    """Return an object of this shape in which every field is empty."""
    fields = {name: field for name, field in shape.fields.items() if name != "deleted"}
    return {name: None if field.nullable else _nothing(field) for name, field in fields.items()}


def _nothing(shape: Shape) -> Any:
    if shape.is_list:
        return {"object": "list", "data": [], "has_more": False, "url": ""}
    if "object" in shape.types:
        return empty(shape)
    empties = {"array": [], "string": "", "boolean": False, "integer": 0, "number": 0}
    return next((empty for name, empty in empties.items() if name in shape.types), None)


def _has(kind: str, record: Record, field: str, value: Any) -> bool:
    special = FILTERS.get((kind, field))
    if special is not None:
        return special.passes(record, value)
    return any(found == value for found in values_at(record, field))


def _copy(record: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(record))
