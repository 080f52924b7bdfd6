"""Charges on their own, as old integrations make them; those of payment intents are in `payments`."""

from __future__ import annotations

from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import refunds
from connector.sandbox.writes.actions.payments import (
    Sought,
    capture,
    check_amount,
    check_step,
    default_method,
    not_taken,
    take_alone,
    usable_method,
)
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply, merged

_NOT_TAKEN = ("application_fee", "application_fee_amount", "destination", "transfer_data")


@handles("POST /v1/charges")
def create(write: Write) -> Record:
    """Take money from a test token such as tok_visa, or from a customer."""
    not_taken(write, _NOT_TAKEN)
    form = dict(write.form)
    for name in ("amount", "currency"):
        if name not in form:
            raise write.refuse("required", name)
    check_amount(write, form["amount"], form["currency"])
    capture_now, source = form.pop("capture", True), form.pop("source", None)
    customer = form.get("customer")
    source = source or _source_of(write, customer)
    fields: dict[str, Any] = {"shipping": None, "metadata": {}, "customer": None}
    apply(fields, form, "charge")
    method = usable_method(write, source, "source", customer)
    return take_alone(write, Sought(form["amount"], form["currency"], method, capture_now, fields))


@handles("POST /v1/charges/{charge}")
def update(write: Write) -> Record:
    """Change what is noted on a charge."""
    charge = write.get("charge", write.ids["charge"])
    before = write.get("charge", charge["id"])
    customer = write.form.get("customer")
    if customer:
        write.get("customer", customer, "customer")
        if charge["customer"] not in (None, customer):
            raise write.refuse("customer_set", id=charge["id"])
    form = dict(write.form)
    reported = form.pop("fraud_details", None)
    if reported is not None:
        charge["fraud_details"] = merged(charge["fraud_details"], reported)
    apply(charge, form, "charge")
    write.put("charge", charge)
    write.emit("charge.updated", charge, before)
    return charge


@handles("POST /v1/charges/{charge}/capture")
def capture_charge(write: Write) -> Record:
    """Take what a charge holds, or a part of it."""
    not_taken(write, _NOT_TAKEN)
    charge = write.get("charge", write.ids["charge"])
    if charge["payment_intent"] is not None:
        raise write.refuse("charge_state", id=charge["id"], verb="captured", status="part of a PaymentIntent")
    if charge["captured"]:
        raise write.refuse("charge_captured", id=charge["id"])
    if charge["refunded"] or charge["status"] != "succeeded":
        status = "refunded" if charge["refunded"] else charge["status"]
        raise write.refuse("charge_state", id=charge["id"], verb="captured", status=status)
    amount: Any = write.form.get("amount", charge["amount"])
    if amount > charge["amount"]:
        raise write.refuse("capture_too_large", "amount", amount=amount, held=charge["amount"])
    if amount < 1:
        raise write.refuse("too_small", "amount", bound=1, value=amount)
    check_step(write, amount, charge["currency"])
    form = {name: value for name, value in write.form.items() if name != "amount"}
    apply(charge, form, "charge")
    charge = capture(write, charge, amount)
    refunds.release(write, charge)
    return charge


def _source_of(write: Write, customer: str | None) -> str:
    record = write.get("customer", customer, "customer") if customer else None
    source = default_method(record) if record else None
    if source is None:
        raise write.refuse("charge_needs_source")
    return source
