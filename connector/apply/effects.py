"""What a plan sends and what becomes of it: one call for one row, and its outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connector.api.calls import Call
from connector.api.encoding import form_encode
from connector.definitions.actions import Action

SENT, UNCHANGED, DONE_BEFORE, FAILED, UNKNOWN, IN_ERROR, NOT_SENT = (
    "sent", "unchanged", "done before", "failed", "unknown", "in error", "not sent",
)  # fmt: skip
BAD = (FAILED, UNKNOWN, IN_ERROR, NOT_SENT)


@dataclass(frozen=True)
class Effect:
    """One call for one row: `place` in the source and the `label` that people know it by, as line 17.

    `identity` tells the row from all others of its action, in whatever file it comes. `object_id` is what the call is
    about, `order_by` what it must not overtake. Where `by_object` is set, the live object has decided what is sent.
    """

    place: int
    label: str
    scope: str
    identity: str
    call: Call
    action: Action | None = None
    object_id: str = ""
    order_by: str = ""
    by_object: bool = False
    needs: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        """What is sent, the same bytes each time."""
        call = self.call
        body = call.content or form_encode(call.form or {}).encode() or msgspec.json.encode(call.json)
        query, headers = form_encode(call.params or {}), msgspec.json.encode(dict(call.headers or {}), order="sorted")
        return b"\n".join([call.method.encode(), call.url.encode(), query.encode(), headers, body])

    @property
    def object_path(self) -> str | None:
        """The path that reads the object, where the action has one."""
        if self.action is None or "{id}" not in self.action.path:
            return self.call.url if self.action is not None and self.action.name == "update" else None
        further = self.action.path.split("{id}")[1].count("/")
        return "/".join(self.call.url.split("/")[: -further or None])


@dataclass(frozen=True)
class Outcome:
    """What became of a row."""

    place: int
    label: str
    status: str
    object_id: str | None = None
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    http_status: int | None = None


@dataclass(frozen=True)
class RowError:
    """A row that cannot be sent as it is, and why; `column` is the source's, where it is one column's fault."""

    place: int
    label: str
    column: str | None
    message: str

    def __str__(self) -> str:
        column = f', column "{self.column}"' if self.column else ""
        return f"{self.label}{column}: {self.message}"


@dataclass(frozen=True)
class Change:
    """One field that an update sends, as it is and as it will be."""

    object_id: str
    field: str
    before: Any
    after: Any


@dataclass
class Amounts:
    """Rows that move money, and how much by currency where the rows say."""

    rows: int = 0
    by_currency: dict[str, int] = field(default_factory=dict)

    def add(self, form: Mapping[str, Any]) -> None:
        """Count a row by what it sends."""
        self.rows += 1
        amount, currency = form.get("amount"), form.get("currency")
        if isinstance(amount, int):
            code = str(currency).lower() if currency else "in the currency of their objects"
            self.by_currency[code] = self.by_currency.get(code, 0) + amount


def content_identity(content: object, number: int) -> str:
    """Return the identity of a row by what it sends, and by how many rows before it sent the same."""
    written = msgspec.json.encode(content, order="sorted")
    return f"{hashlib.sha256(written).hexdigest()}#{number}"
