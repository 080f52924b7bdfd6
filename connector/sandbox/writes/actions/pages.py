"""What a checkout page asks for, on payment links and sessions alike: shipping, fields, consent, more to buy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.history.objects.pages import reopening
from connector.sandbox.writes.actions.shipping import cost, rate_asked
from connector.sandbox.writes.engine.write import Write, apply

WORKED_OUT = frozenset({"shipping_options", "custom_fields", "optional_items", "after_expiration"})
"""Parameters that a page does not show as they were sent."""

_MOST = {"shipping_options": 5, "custom_fields": 3, "optional_items": 10}
_ADDRESSES = ("cancel_url", "success_url")
_NOT_SHOWN_AS = {
    "elements": (
        "after_expiration", "branding_settings", "custom_fields", "custom_text", "optional_items", "origin_context",
        "submit_type", *_ADDRESSES,
    ),
    "embedded_page": _ADDRESSES,
    "form": ("optional_items",),
    "hosted_page": ("permissions",),
}  # fmt: skip
"""What cannot be set, by the mode in which a page is shown [spec]."""

_NOT_IN = {
    "payment": ("payment_method_collection",),
    "setup": ("phone_number_collection", "saved_payment_method_options", "submit_type"),
    "subscription": ("customer_creation",),
}
"""What cannot be set, by what a page is for [spec]."""

_KEY = re.compile(r"[A-Za-z0-9]{1,200}")
_COLLECTED = ("business_name", "individual_name", "shipping_details")


def ask(write: Write, page: Record) -> None:
    """Fill in what a form says of a page, whose currency is settled; the rest has been copied."""
    form = write.form
    for name, most in _MOST.items():
        if len(form.get(name) or ()) > most:
            raise write.refuse("too_many", name, bound=most)
    if page.get("tax_id_collection"):
        page["tax_id_collection"]["required"] = page["tax_id_collection"]["required"] or "never"
    if page.get("invoice_creation"):
        data = page["invoice_creation"]["invoice_data"]
        data["metadata"] = data["metadata"] or {}
    if "custom_fields" in form:
        page["custom_fields"] = list(_fields(write))
    if "optional_items" in form:
        page["optional_items"] = list(_optional(write))
    if "shipping_options" in form:
        page["shipping_options"] = list(_shipping(write, page["currency"]))


def check_modes(write: Write, session: Record) -> None:
    """Refuse what a session in its modes cannot have."""
    for field, refused in (("ui_mode", _NOT_SHOWN_AS), ("mode", _NOT_IN)):
        for name in (name for name in refused.get(session[field], ()) if name in write.form):
            raise write.refuse("not_in_mode", name, field=field, mode=session[field])


def open_page(write: Write, session: Record) -> None:
    """Fill in what only a session says: what was chosen beforehand, how it is shown, and how it is opened again."""
    for field in session["custom_fields"]:
        field[field["type"]]["value"] = None
    if session["consent_collection"]:
        session["consent"] = {"promotions": None, "terms_of_service": None}
    if session["shipping_options"]:
        _choose_first(write, session)
    recovery = (write.form.get("after_expiration") or {}).get("recovery")
    if recovery:
        usual = {"allow_promotion_codes": False, "expires_at": None, "url": None}
        session["after_expiration"] = {"recovery": usual | recovery}
    if session["ui_mode"] in ("embedded_page", "elements"):
        session.update(client_secret=f"{session['id']}_secret_{write.new_id('')}", url=None)
    if session["ui_mode"] == "embedded_page":
        session["redirect_on_completion"] = write.form.get("redirect_on_completion", "always")


def update_page(write: Write, session: Record) -> None:
    """Change how the goods of an open session are sent, and where to, as the shop has worked it out by then."""
    changes = write.form.keys() & {"shipping_options", "collected_information"}
    if changes and session["status"] != "open":
        raise write.refuse("session_state", verb="changed", status=session["status"])
    if "collected_information" in changes:
        if session["ui_mode"] not in ("embedded_page", "elements"):
            raise write.refuse("not_in_mode", "collected_information", field="ui_mode", mode=session["ui_mode"])
        session["collected_information"] = session["collected_information"] or dict.fromkeys(_COLLECTED)
        apply(session, {"collected_information": write.form["collected_information"]}, "checkout.session")
    if "shipping_options" in changes:
        ask(write, session)
        _choose_first(write, session)


def _choose_first(write: Write, session: Record) -> None:
    """Let the first way of sending be chosen, as on a page that was just opened; where there is none, none."""
    offered, totals = session["shipping_options"], session["total_details"]
    first = write.get("shipping_rate", offered[0]["shipping_rate"]) if offered else None
    session["shipping_cost"] = cost(first, session["currency"]) if first else None
    before = totals["amount_shipping"] or 0
    totals["amount_shipping"] = session["shipping_cost"]["amount_total"] if first else 0
    session["amount_total"] += totals["amount_shipping"] - before


def close(session: Record) -> None:
    """Fill in how an expired session is opened again, where it can be."""
    recovery = (session["after_expiration"] or {}).get("recovery")
    if recovery and recovery["enabled"]:
        recovery.update(reopening(session))


def adjustable(item: Mapping[str, Any]) -> Record | None:
    """Return how the buyer may change how many of an item they take, where that was sent."""
    asked = item.get("adjustable_quantity")
    return {"enabled": False, "maximum": None, "minimum": None} | asked if asked else None


def _shipping(write: Write, currency: str) -> Iterator[Record]:
    for place, option in enumerate(write.form["shipping_options"] or []):
        rate = rate_asked(write, option, f"shipping_options[{place}]", currency)
        yield {"shipping_amount": cost(rate, currency)["amount_total"], "shipping_rate": rate["id"]}


def _optional(write: Write) -> Iterator[Record]:
    for place, item in enumerate(write.form["optional_items"] or []):
        write.get("price", item["price"], f"optional_items[{place}][price]")
        yield {"adjustable_quantity": adjustable(item), "price": item["price"], "quantity": item["quantity"]}


def _fields(write: Write) -> Iterator[Record]:
    keys: set[str] = set()
    for place, field in enumerate(write.form["custom_fields"] or []):
        kind = field["type"]
        if not _KEY.fullmatch(field["key"]):
            raise write.refuse("field_key", f"custom_fields[{place}][key]")
        if field["key"] in keys:
            raise write.refuse("field_twice", f"custom_fields[{place}][key]", key=field["key"])
        keys.add(field["key"])
        yield {"optional": False, **field, kind: _details(write, field, place)}


def _details(write: Write, field: dict[str, Any], place: int) -> Record:
    """Return how a field is filled in, by its type."""
    kind = field["type"]
    if kind == "dropdown":
        if not field.get("dropdown", {}).get("options"):
            raise write.refuse("required", f"custom_fields[{place}][dropdown]")
        usual: Record = {"default_value": None}
    else:
        usual = {"default_value": None, "maximum_length": None, "minimum_length": None}
    return {**usual, **field.get(kind, {})}
