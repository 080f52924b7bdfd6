"""Payment intents: created, changed, confirmed, captured and canceled, as far as their status allows.

A payer's consent is given by confirming once more: an intent that requires action succeeds then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connector.sandbox.document.forms import only_clears
from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import invoice_payments, refunds
from connector.sandbox.writes.actions.balances import DAY
from connector.sandbox.writes.actions.invoice_states import paid
from connector.sandbox.writes.actions.payments import (
    HELD_DAYS,
    Manner,
    attempt,
    cancel_intent,
    capture,
    check_amount,
    check_step,
    declined,
    new_intent,
    not_taken,
    settle,
    succeed,
    usable_method,
)
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Write, apply

_NOT_TAKEN = (
    "amount_to_confirm", "application_fee_amount", "confirmation_token", "hooks", "payment_method_data",
    "payment_method_options", "transfer_data",
)  # fmt: skip
_ONLY_CONFIRMING = ("error_on_requires_action", "mandate_data", "off_session", "return_url")
_OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_FREE = frozenset({"description", "expand", "metadata", "receipt_email", "shipping"})
"""What can be changed of an intent that has come further."""
_DEBIT_TAKES = DAY


@handles("POST /v1/payment_intents")
def create(write: Write) -> Record:
    """Create an intent, and confirm it where asked to."""
    form = write.form
    _check_taken(write)
    check_amount(write, form["amount"], form["currency"])
    if not form.get("confirm"):
        for name in _ONLY_CONFIRMING:
            if name in form:
                raise write.refuse("only_confirming", name)
    intent = new_intent(write, capture_method="automatic_async")
    intent["automatic_payment_methods"] = {"allow_redirects": "always", "enabled": True}
    _change(write, intent)
    write.put("payment_intent", intent)
    write.emit("payment_intent.created", intent)
    return _confirmed(write, intent, Manner()) if form.get("confirm") else intent


@handles("POST /v1/payment_intents/{intent}")
def update(write: Write) -> Record:
    """Change an intent; Stripe tells nobody of it."""
    _check_taken(write)
    intent = write.get("payment_intent", write.ids["intent"])
    changes_payment = write.form.keys() - _FREE
    if intent["status"] == "canceled" or (changes_payment and intent["status"] not in _OPEN):
        raise write.refuse("intent_state", verb="update", status=intent["status"])
    if changes_payment and invoice_payments.paid_with(write, intent):
        raise write.refuse("intent_of_invoice", verb="updated")
    _change(write, intent)
    if changes_payment:
        check_amount(write, intent["amount"], intent["currency"])
    write.put("payment_intent", intent)
    return intent


@handles("POST /v1/payment_intents/{intent}/confirm")
def confirm(write: Write) -> Record:
    """Try to take the money; a payment that fails is refused, and shows in the intent."""
    _check_taken(write)
    intent = write.get("payment_intent", write.ids["intent"])
    if intent["status"] not in _OPEN:
        raise write.refuse("intent_state", verb="confirm", status=intent["status"])
    authenticated = intent["status"] == "requires_action" and "payment_method" not in write.form
    _change(write, intent)
    bill = invoice_payments.paid_with(write, intent)
    intent = _confirmed(write, intent, Manner(authenticated=authenticated, debits_wait=bill is None))
    if bill is not None and intent["status"] == "succeeded":
        paid(write, bill, by_intent=True)
    return intent


@handles("POST /v1/payment_intents/{intent}/capture")
def capture_intent(write: Write) -> Record:
    """Take the money that is held, or a part of it, once and for all."""
    _check_taken(write, "final_capture")
    intent = write.get("payment_intent", write.ids["intent"])
    if intent["status"] != "requires_capture":
        raise write.refuse("intent_state", verb="capture", status=intent["status"])
    held: int = intent["amount_capturable"]
    amount: int = write.form.get("amount_to_capture", held)
    if amount > held:
        raise write.refuse("capture_too_large", "amount_to_capture", amount=amount, held=held)
    if amount < 1:
        raise write.refuse("too_small", "amount_to_capture", bound=1, value=amount)
    check_step(write, amount, intent["currency"], "amount_to_capture")
    apply(intent, write.form, "payment_intent")
    charge = capture(write, write.get("charge", intent["latest_charge"]), amount)
    refunds.release(write, charge)
    return succeed(write, intent, charge)


@handles("POST /v1/payment_intents/{intent}/cancel")
def cancel(write: Write) -> Record:
    """Give an intent up; what it holds is released."""
    intent = write.get("payment_intent", write.ids["intent"])
    if intent["status"] not in _OPEN | {"requires_capture"}:
        raise write.refuse("intent_state", verb="cancel", status=intent["status"])
    if invoice_payments.paid_with(write, intent):
        raise write.refuse("intent_of_invoice", verb="canceled")
    if intent["status"] != "requires_capture" and _session_of(write, intent) is not None:
        raise write.refuse("intent_of_session")
    return end(write, intent, write.form.get("cancellation_reason"))


def end(write: Write, intent: Record, reason: str | None) -> Record:
    """Cancel an intent that has not taken money."""
    if intent["status"] == "requires_capture":
        refunds.release(write, write.get("charge", intent["latest_charge"]))
    return cancel_intent(write, intent, reason)


def _check_taken(write: Write, *more: str) -> None:
    """Refuse what the sandbox does not act on; of what an amount is made of it takes sums, and no list of goods."""
    not_taken(write, (*_NOT_TAKEN, *more))
    if not only_clears((write.form.get("amount_details") or {}).get("line_items") or ""):
        raise write.refuse("not_taken", "amount_details[line_items]")


def _change(write: Write, intent: Record) -> None:
    """Copy what was sent onto the intent; a payment method moves it on, or back."""
    form = dict(write.form)
    if form.get("customer"):
        write.get("customer", form["customer"], "customer")
    text = form.pop("payment_method", None)
    allowed = form.get("allowed_payment_method_types")
    apply(intent, form, "payment_intent")
    if allowed:
        intent.update(automatic_payment_methods=None, payment_method_types=allowed)
    if text == "":
        intent.update(payment_method=None, next_action=None, status="requires_payment_method")
    elif text is not None:
        method = usable_method(write, text, "payment_method", intent["customer"])
        intent.update(payment_method=method["id"], next_action=None, status="requires_confirmation")
        if method["type"] not in intent["payment_method_types"]:
            intent["payment_method_types"] = [*intent["payment_method_types"], method["type"]]


def _confirmed(write: Write, intent: Record, manner: Manner) -> Record:
    if intent["payment_method"] is None:
        raise write.refuse("intent_needs_method")
    method = write.get("payment_method", intent["payment_method"], "payment_method")
    alone = bool(write.form.get("off_session")) or bool(write.form.get("error_on_requires_action"))
    intent = attempt(write, intent, method, replace(manner, off_session=alone))
    if intent["status"] == "requires_payment_method":
        raise declined(write, intent)
    if intent["setup_future_usage"] and intent["customer"] and method["customer"] is None:
        method["customer"] = intent["customer"]
        write.put("payment_method", method)
        write.emit("payment_method.attached", method)
    return intent


def _session_of(write: Write, intent: Record) -> Record | None:
    return next(write.find("checkout.session", "payment_intent", intent["id"]), None)


@due("payment_intent", looks_back_days=HELD_DAYS + 1)
def _falls_due(intent: Record) -> Iterator[Due]:
    """Say when a bank has paid, and when held money is released."""
    if intent["status"] == "processing":
        yield intent["created"] + _DEBIT_TAKES, _arrive
    elif intent["status"] == "requires_capture":
        yield intent["created"] + HELD_DAYS * DAY, _expire


def _arrive(write: Write, intent: Record) -> None:
    succeed(write, intent, settle(write, write.get("charge", intent["latest_charge"])))


def _expire(write: Write, intent: Record) -> None:
    end(write, intent, "automatic")
