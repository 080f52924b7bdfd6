"""Invoices as drafts: created, changed, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.bills import discounts, no_lines, reckon, set_rates
from connector.sandbox.writes.actions.invoice_items import pending, pull_in
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.shipping import cost, rate_asked
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import DAY
from connector.sandbox.writes.engine.write import Write, apply

HOUR = 3_600
_NOT_TAKEN = (
    "customer_account", "from_invoice", "transfer_data", "application_fee_amount", "on_behalf_of",
    "default_source",
)  # fmt: skip
_LASTING = {"auto_advance", "metadata", "default_payment_method", "payment_settings", "rendering", "expand"}
_DERIVED = (
    "discounts",
    "default_tax_rates",
    "days_until_due",
    "subscription",
    "pending_invoice_items_behavior",
    "customer",
    "currency",
    "shipping_cost",
)


@handles("POST /v1/invoices")
def create(write: Write) -> Record:
    """Create a draft, with the items that wait for it where they are asked for."""
    not_taken(write, _NOT_TAKEN)
    subscription = None
    if "subscription" in write.form:
        subscription = write.get("subscription", write.form["subscription"], "subscription")
    name = write.form.get("customer") or (subscription and subscription["customer"])
    if name is None:
        raise write.refuse("required", "customer")
    customer = write.get("customer", str(name), "customer")
    write.at(customer["test_clock"])
    invoice = new_invoice(write, customer, write.form.get("currency"))
    if subscription is not None:
        _bill(write, invoice, subscription)
    elif write.form.get("pending_invoice_items_behavior") == "include":
        pull_in(write, invoice, pending(write, customer["id"]))
    change(write, invoice, write.form)
    leave_new(write, invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}")
def update(write: Write) -> Record:
    """Change a draft in everything, a later invoice in a few things."""
    not_taken(write, _NOT_TAKEN)
    invoice = write.get("invoice", write.ids["invoice"])
    write.at(invoice["test_clock"])
    before = write.get("invoice", invoice["id"])
    if invoice["status"] != "draft":
        for name in sorted(write.form.keys() - _LASTING):
            raise write.refuse("not_editable", name, what=name)
    change(write, invoice, write.form)
    write.put("invoice", invoice)
    write.emit("invoice.updated", invoice, before)
    return invoice


@handles("DELETE /v1/invoices/{invoice}")
def delete(write: Write) -> Record:
    """Delete a draft that no subscription has made; its items wait for another invoice."""
    invoice = write.get("invoice", write.ids["invoice"])
    if invoice["status"] != "draft":
        raise write.refuse("invoice_state", verb="delete", status=invoice["status"])
    if invoice["parent"]:
        raise write.refuse("invoice_of_subscription")
    for item in list(write.find("invoiceitem", "invoice", invoice["id"])):
        item["invoice"] = None
        write.put("invoiceitem", item)
    gone = write.delete("invoice", invoice["id"])
    write.emit("invoice.deleted", invoice)
    return gone


def new_invoice(write: Write, customer: Record, currency: str | None = None) -> Record:
    """Return an empty draft for a customer; the caller fills it and leaves it behind."""
    ident = write.new_id("in_")
    settings = customer["invoice_settings"]
    invoice = write.blank("invoice", id=ident, customer=customer["id"], lines=no_lines(ident))
    invoice.update({f"customer_{name}": customer[name] for name in ("address", "email", "name", "phone", "shipping")})
    invoice.update(
        billing_reason="manual",
        currency=currency or customer["currency"] or "usd",
        custom_fields=settings["custom_fields"],
        customer_tax_exempt=customer["tax_exempt"],
        footer=settings["footer"],
        period_end=write.now,
        period_start=write.now,
        test_clock=customer["test_clock"],
    )
    return invoice


def leave_new(write: Write, invoice: Record) -> None:
    """Reckon a new draft, leave it behind and tell of it; a customer's first bill settles their currency."""
    reckon(write, invoice)
    write.put("invoice", invoice)
    write.emit("invoice.created", invoice)
    customer = write.get("customer", invoice["customer"])
    if customer["currency"] is None:
        before = dict(customer)
        customer["currency"] = invoice["currency"]
        write.put("customer", customer)
        write.emit("customer.updated", customer, before)


def change(write: Write, invoice: Record, asked: Mapping[str, Any]) -> None:
    """Change an invoice as a form asks; the caller leaves it behind."""
    if "default_payment_method" in asked:
        write.get("payment_method", asked["default_payment_method"], "default_payment_method")
    apply(invoice, {name: value for name, value in asked.items() if name not in _DERIVED}, "invoice")
    set_rates(write, invoice, "default_tax_rates", asked)
    if "shipping_cost" in asked:
        _ship(write, invoice, asked["shipping_cost"])
    invoice["discounts"] = invoice["discounts"] or []
    if "discounts" in asked:
        invoice["discounts"] = discounts(write, asked["discounts"], customer=invoice["customer"], invoice=invoice["id"])
    if invoice["status"] == "draft":
        _set_due_date(write, invoice, asked)
        advance(invoice, write.now)
        reckon(write, invoice)


def _ship(write: Write, invoice: Record, asked: Any) -> None:
    """Add what sending the goods costs; "" takes it off."""
    currency = invoice["currency"]
    rate = rate_asked(write, asked, "shipping_cost", currency) if asked else None
    invoice["shipping_cost"] = cost(rate, currency) if rate else None
    invoice["amount_shipping"] = invoice["shipping_cost"]["amount_total"] if rate else 0


def advance(invoice: Record, now: int) -> None:
    """Set when a draft is finalized by itself: an hour from now, or at the time that somebody chose."""
    if not invoice["auto_advance"]:
        invoice.update(automatically_finalizes_at=None, next_payment_attempt=None)
        return
    at = invoice["automatically_finalizes_at"] or now + HOUR
    automatic = invoice["collection_method"] == "charge_automatically"
    invoice.update(automatically_finalizes_at=at, next_payment_attempt=at if automatic else None)


def _set_due_date(write: Write, invoice: Record, asked: Mapping[str, Any]) -> None:
    if invoice["collection_method"] == "charge_automatically":
        for name in ("days_until_due", "due_date"):
            if name in asked:
                raise write.refuse("only_sent_invoices", name)
        invoice["due_date"] = None
    elif "days_until_due" in asked:
        invoice["due_date"] = invoice["created"] + asked["days_until_due"] * DAY
    elif invoice["due_date"] is None:
        raise write.refuse("when_due")


def _bill(write: Write, invoice: Record, subscription: Record) -> None:
    """Let a draft bill what waits for a subscription; refuse where nothing does."""
    items = pending(write, subscription["customer"], subscription["id"])
    if not items:
        raise write.refuse("nothing_to_invoice", subscription=subscription["id"])
    for_subscription(invoice, subscription)
    pull_in(write, invoice, items)


def for_subscription(invoice: Record, subscription: Record) -> None:
    """Make an invoice one of a subscription, with its settings."""
    details = {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]}
    invoice["parent"] = {"quote_details": None, "subscription_details": details, "type": "subscription_details"}
    invoice.update(
        collection_method=subscription["collection_method"],
        currency=subscription["currency"],
        default_payment_method=subscription["default_payment_method"],
        default_tax_rates=list(subscription["default_tax_rates"] or []),
        discounts=list(subscription["discounts"]),
    )
    for name in ("custom_fields", "description", "footer"):
        if subscription["invoice_settings"].get(name):
            invoice[name] = subscription["invoice_settings"][name]
    if subscription["collection_method"] == "send_invoice":
        invoice["due_date"] = invoice["created"] + (subscription["days_until_due"] or 0) * DAY
