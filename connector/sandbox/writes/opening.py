"""What somebody had set up by hand before the sandbox began: files, a link to one, and webhook endpoints.

They are made by the same handlers as later ones, long enough ago that no event tells of them any more.
"""

from __future__ import annotations

from typing import Any

from connector.sandbox.world.store import Store
from connector.sandbox.writes.actions.files import save
from connector.sandbox.writes.engine.write import Call, writing
from connector.sandbox.writes.served import HANDLERS

_DAYS_AGO, _DAY = 90, 86_400
_FILES = (
    ("logo.png", "business_logo", b"\x89PNG\r\n\x1a\n"),
    ("receipt 0042.txt", "dispute_evidence", b"Paid in full, with thanks.\n"),
    ("terms.txt", "pci_document", b"Nothing to see here.\n"),
)
_ENDPOINTS: tuple[dict[str, Any], ...] = (
    {"url": "https://example.com/hooks/stripe", "enabled_events": ["*"], "description": "all, to the old shop"},
    {"url": "https://example.com/hooks/billing", "enabled_events": ["invoice.paid", "invoice.payment_failed"]},
)


def furnish(store: Store) -> None:
    """Leave behind in a new store what was set up there; its webhook endpoints are switched off."""
    began = store.clock.start - _DAYS_AGO * _DAY
    for place, (filename, purpose, content) in enumerate(_FILES):
        with writing(store, Call(now=began + place * _DAY)) as write:
            file = save(write, content, filename, purpose)
    _made(store, "POST /v1/file_links", began + 4 * _DAY, {"file": file["id"]})
    for place, form in enumerate(_ENDPOINTS):
        endpoint = _made(store, "POST /v1/webhook_endpoints", began + (5 + place) * _DAY, form)
        off = {"webhook_endpoint": endpoint}
        _made(store, "POST /v1/webhook_endpoints/{webhook_endpoint}", began + 8 * _DAY, {"disabled": True}, off)


def _made(store: Store, call: str, now: int, form: dict[str, Any], ids: dict[str, str] | None = None) -> str:
    """Make a call at a time; return the id of what it is about."""
    with writing(store, Call(now=now, form=form, ids=ids or {})) as write:
        return str(HANDLERS[call](write)["id"])
