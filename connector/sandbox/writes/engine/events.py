"""How an event is made: the object as it is at that moment, and what stood there before.

Which events there are follows from the document, and so do Stripe's holes: no payment_intent.updated, no
invoiceitem.updated, none for balance transactions.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

import msgspec

from connector.sandbox.document import api
from connector.sandbox.document.event_versions import changed, in_its_version
from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import RECORDS
from connector.sandbox.world.expansion import snapshot
from connector.sandbox.world.store import Store


class Cause(Protocol):
    """The call that an event is told of: its write, as far as an event shows it."""

    store: Store
    now: int
    livemode: bool
    request_id: str | None
    idempotency_key: str | None

    def new_id(self, prefix: str) -> str:
        """Return an id that was never given before."""


@cache
def types() -> frozenset[str]:
    """Return the types of all events that Stripe tells."""
    operation = api.operation("POST", "/v1/webhook_endpoints")
    items = operation.body["enabled_events"].items if operation else None
    return frozenset(items.choices if items else ()) - {"*"}


def event(cause: Cause, type: str, record: Record, previous: Record | None) -> Record | None:  # noqa: A002
    """Return the event that tells of `record`, or None where it differs in nothing from `previous`."""
    if type not in types():
        raise ValueError(f"Stripe has no event {type}")
    payload: Record = {"object": _shown(record)}
    if previous is not None:
        payload["previous_attributes"] = changed(_shown(previous), payload["object"])
        if not payload["previous_attributes"]:
            return None
    made = {
        **RECORDS["event"],
        "id": cause.new_id("evt_"),
        "api_version": api.version(),
        "created": cause.now,
        "data": payload,
        "livemode": cause.livemode,
        "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
        "type": type,
    }
    if cause.store.connected_account is not None:
        made["account"] = cause.store.connected_account
    return in_its_version(made, cause.store.older_events)


def _shown(record: Record) -> Record:
    copy: Record = msgspec.json.decode(msgspec.json.encode(record))
    snapshot(copy)
    return copy
