"""What the next invoice would be: worked out by the same rules as a real one, in a write that is thrown away."""

from __future__ import annotations

from fractions import Fraction

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.invoice_items import line_of, new_item, pending
from connector.sandbox.writes.actions.invoices import leave_new, new_invoice
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.periods import (
    bill,
    items_of,
    next_boundary,
    period_of,
    prorate,
    recurring,
    set_period,
)
from connector.sandbox.writes.actions.subscriptions import change_items, draw_up, set_terms
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Call, Write

_NOT_TAKEN = (
    "automatic_tax", "customer_account", "customer_details", "discounts", "issuer", "on_behalf_of", "schedule",
    "schedule_details",
)  # fmt: skip
_TERMS = {"items", "proration_behavior", "proration_date", "cancel_at", "cancel_at_period_end", "trial_end"}


@handles("POST /v1/invoices/create_preview")
def create(write: Write) -> Record:
    """Show the next invoice of a subscription, of one that is yet to be made, or of items alone."""
    not_taken(write, _NOT_TAKEN)
    details = write.form.get("subscription_details", {})
    for name in sorted(details.keys() - _TERMS):
        raise write.refuse("not_taken", f"subscription_details[{name}]")
    scratch = Write(write.store, Call(now=write.now, form=dict(details), livemode=write.livemode))
    if "subscription" in write.form:
        invoice = _of_subscription(scratch, write.get("subscription", write.form["subscription"], "subscription"))
    elif "customer" in write.form and details.get("items"):
        invoice = _of_new(scratch, write.get("customer", write.form["customer"], "customer"))
    elif "customer" in write.form and write.form.get("invoice_items"):
        customer = write.get("customer", write.form["customer"], "customer")
        scratch.at(customer["test_clock"])
        invoice = new_invoice(scratch, customer, write.form.get("currency"))
    else:
        raise write.refuse("preview_of_nothing")
    return _shown(write, scratch, invoice)


def _of_subscription(scratch: Write, subscription: Record) -> Record:
    scratch.at(subscription["test_clock"])
    if _is_over(scratch, subscription):
        raise scratch.refuse("nothing_upcoming", customer=subscription["customer"])
    before = scratch.get("subscription", subscription["id"])
    change_items(scratch, subscription, scratch.form.get("items", []))
    if scratch.form.get("proration_behavior") != "none" and subscription["status"] != "trialing":
        prorate(scratch, subscription, items_of(before), scratch.form.get("proration_date", scratch.now))
    end = period_of(subscription)[1]
    scratch.now = end  # which is when it will be drawn up
    subscription["status"] = "active"
    set_period(subscription, end, next_boundary(subscription["billing_cycle_anchor"], recurring(subscription), end))
    return bill(scratch, subscription, "upcoming", Fraction(1))


def _is_over(scratch: Write, subscription: Record) -> bool:
    """Whether no invoice follows: it has ended or is paused, or it ends with its period and nothing waits."""
    if subscription["status"] in ("canceled", "incomplete_expired", "paused"):
        return True
    ends = subscription["cancel_at_period_end"] and not scratch.form
    return ends and not pending(scratch, subscription["customer"], subscription["id"])


def _of_new(scratch: Write, customer: Record) -> Record:
    scratch.at(customer["test_clock"])
    subscription = draw_up(scratch, customer)
    share = set_terms(scratch, subscription)
    trialing = subscription["status"] == "trialing"
    return bill(scratch, subscription, "upcoming", Fraction(0) if trialing else share)


def _shown(write: Write, scratch: Write, invoice: Record) -> Record:
    customer = scratch.get("customer", invoice["customer"])
    for place, asked in enumerate(write.form.get("invoice_items", [])):
        if "invoiceitem" in asked:
            raise write.refuse("not_taken", f"invoice_items[{place}][invoiceitem]")
        invoice["lines"]["data"].append(line_of(scratch, new_item(scratch, customer, asked, invoice)))
    leave_new(scratch, invoice)
    invoice["id"] = write.new_id("upcoming_in_")
    for line in invoice["lines"]["data"]:
        line["invoice"] = invoice["id"]
    invoice.update(billing_reason="upcoming", number=None)
    return invoice
