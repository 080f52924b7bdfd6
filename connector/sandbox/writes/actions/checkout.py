"""Checkout sessions and payment links: what they sell, and how a session ends.

Nobody opens a session's page here; one that nobody expires, expires by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import pages
from connector.sandbox.writes.actions.balances import DAY
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.periods import MOST_ITEMS
from connector.sandbox.writes.actions.pricing import amount_of, price_asked, product_name
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Write, apply, merged

_LASTS = DAY
_MOST_SOLD = 100  # in one payment
_SHORTEST = 30 * 60
_NOT_TAKEN = (
    "automatic_tax", "customer_account", "discounts", "subscription_data", "transfer_data", "application_fee_amount",
    "application_fee_percent",
)  # fmt: skip
_OF_ITEMS = frozenset({"line_items", "expires_at", "metadata"}) | pages.WORKED_OUT
_CHANGEABLE = frozenset({"metadata", "expand", "shipping_options", "collected_information"})
_NOT_OF_LINKS = frozenset({"line_items", "after_completion"}) | pages.WORKED_OUT


@handles("POST /v1/checkout/sessions")
def create(write: Write) -> Record:
    """Open a session, whose page nobody will look at."""
    not_taken(write, _NOT_TAKEN)
    form = {name: value for name, value in write.form.items() if name not in _OF_ITEMS}
    mode = form.setdefault("mode", "payment")
    session = write.blank("checkout.session", id=write.new_id("cs_test_"), cancel_url=None, success_url=None)
    if form.get("customer"):
        write.get("customer", form["customer"], "customer")
    apply(session, form, "checkout.session")
    session["metadata"] = merged({}, write.form.get("metadata", {}))
    session["expires_at"] = _expiry(write)
    session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
    session["customer_creation"] = session["customer_creation"] or ("always" if mode == "subscription" else None)
    session["payment_method_types"] = form.get("allowed_payment_method_types") or ["card"]
    if mode == "setup":
        session.update(amount_subtotal=None, amount_total=None, payment_status="no_payment_required")
    else:
        _sell(write, session, f"/v1/checkout/sessions/{session['id']}/line_items")
    pages.check_modes(write, session)
    pages.ask(write, session)
    pages.open_page(write, session)
    write.put("checkout.session", session)
    return session


@handles("POST /v1/checkout/sessions/{session}")
def update(write: Write) -> Record:
    """Change the metadata of a session, or how and where an open one is sent."""
    not_taken(write, write.form.keys() - _CHANGEABLE)
    session = write.get("checkout.session", write.ids["session"])
    session["metadata"] = merged(session["metadata"], write.form.get("metadata", {}))
    pages.update_page(write, session)
    write.put("checkout.session", session)
    return session


@handles("POST /v1/checkout/sessions/{session}/expire")
def expire(write: Write) -> Record:
    """Close a session that nobody has completed."""
    session = write.get("checkout.session", write.ids["session"])
    if session["status"] != "open":
        raise write.refuse("session_state", verb="expired", status=session["status"])
    _expire(write, session)
    return session


@handles("POST /v1/payment_links")
def create_link(write: Write) -> Record:
    """Make a link that sells something."""
    not_taken(write, _NOT_TAKEN)
    link = write.blank("payment_link", id=write.new_id("plink_"))
    link["url"] = f"https://buy.stripe.com/test_{write.new_id('')[:14]}"
    _change_link(write, link)
    _sell(write, link, f"/v1/payment_links/{link['id']}/line_items")
    pages.ask(write, link)
    write.put("payment_link", link)
    write.emit("payment_link.created", link)
    return link


@handles("POST /v1/payment_links/{payment_link}")
def update_link(write: Write) -> Record:
    """Change a link, or close it with `active`."""
    not_taken(write, (*_NOT_TAKEN, "line_items"))
    link = write.get("payment_link", write.ids["payment_link"])
    before = write.get("payment_link", link["id"])
    _change_link(write, link)
    pages.ask(write, link)
    write.put("payment_link", link)
    write.emit("payment_link.updated", link, before)
    return link


def _change_link(write: Write, link: Record) -> None:
    form = {name: value for name, value in write.form.items() if name not in _NOT_OF_LINKS}
    apply(link, form, "payment_link")
    completion = write.form.get("after_completion")
    if completion is not None:
        if completion["type"] not in completion and completion["type"] == "redirect":
            raise write.refuse("required", "after_completion[redirect]")
        shown = {"custom_message": (completion.get("hosted_confirmation") or {}).get("custom_message")}
        is_hosted = completion["type"] == "hosted_confirmation"
        link["after_completion"] = {"type": completion["type"]}
        link["after_completion"] |= (
            {"hosted_confirmation": shown} if is_hosted else {"redirect": completion["redirect"]}
        )


def _sell(write: Write, seller: Record, url: str) -> None:
    """Fill in the lines of a session or a link, and what follows from them."""
    asked = write.form.get("line_items")
    if not asked:
        raise write.refuse("required", "line_items")
    most = MOST_ITEMS if seller.get("mode") != "payment" else _MOST_SOLD
    if len(asked) > most:
        raise write.refuse("too_many", "line_items", bound=most)
    lines = [_line(write, item, place) for place, item in enumerate(asked)]
    recurring = any(line["price"]["recurring"] for line in lines)
    mode = seller.get("mode")
    if mode is not None and recurring != (mode == "subscription"):
        raise write.refuse("price_of_mode", "line_items", mode=mode, price=lines[0]["price"]["id"])
    currency = lines[0]["currency"]
    if any(line["currency"] != currency for line in lines):
        raise write.refuse("one_currency", "line_items", currency=currency)
    seller["currency"] = currency
    seller["line_items"] = {"object": "list", "data": lines, "has_more": False, "url": url}
    if mode is not None:
        seller["amount_subtotal"] = seller["amount_total"] = sum(line["amount_total"] for line in lines)
    elif recurring:
        seller["payment_method_collection"] = "always"


def _line(write: Write, item: dict[str, Any], place: int) -> Record:
    param = f"line_items[{place}]"
    price = price_asked(write, _with_product(write, item), param)
    if price is None:
        raise write.refuse("required", f"{param}[price]")
    quantity = item.get("quantity", 1)
    cost = amount_of(price, quantity)
    return write.blank(
        "item",
        id=write.new_id("li_"),
        adjustable_quantity=pages.adjustable(item),
        amount_subtotal=cost,
        amount_total=cost,
        currency=price["currency"],
        description=product_name(write, price),
        price=price,
        quantity=quantity,
    )


def _with_product(write: Write, item: dict[str, Any]) -> dict[str, Any]:
    """Return the item as sent, its product made where it is only described."""
    described = dict(item.get("price_data") or {})
    if "product_data" not in described:
        return item
    product = write.blank("product", id=write.new_id("prod_"), active=False, updated=write.now)
    apply(product, described.pop("product_data"), "product")
    write.put("product", product)
    return {**item, "price_data": {**described, "product": product["id"]}}


def _expiry(write: Write) -> int:
    asked = write.form.get("expires_at", write.now + _LASTS)
    if not write.now + _SHORTEST <= asked <= write.now + _LASTS:
        raise write.refuse("session_expiry")
    return int(asked)


@due("checkout.session", looks_back_days=3)
def _falls_due(session: Record) -> Iterator[Due]:
    """Say when an open session expires."""
    if session["status"] == "open":
        yield session["expires_at"], _expire


def _expire(write: Write, session: Record) -> None:
    session.update(status="expired", url=None)
    pages.close(session)
    write.put("checkout.session", session)
    write.emit("checkout.session.expired", session)
