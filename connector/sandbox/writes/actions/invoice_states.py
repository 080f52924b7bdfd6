"""What becomes of a draft: finalized, paid, sent, voided, given up."""

from __future__ import annotations

from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import invoice_payments
from connector.sandbox.writes.actions import subscription_status as standing
from connector.sandbox.writes.actions.bills import settle
from connector.sandbox.writes.actions.invoices import HOUR
from connector.sandbox.writes.actions.payments import charge_bill, declined, default_method, not_taken
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import DAY
from connector.sandbox.writes.engine.write import Write

RETRIES_AFTER_DAYS = (3, 5, 7)
"""How long after each failed attempt the next one is made; Stripe's are an account's own setting."""


@handles("POST /v1/invoices/{invoice}/finalize")
def finalize(write: Write) -> Record:
    """Turn a draft into a bill."""
    invoice = _in_state(write, "finalize", "draft")
    if "auto_advance" in write.form:
        invoice["auto_advance"] = write.form["auto_advance"]
    finalized(write, invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}/pay")
def pay(write: Write) -> Record:
    """Take the money of an invoice now, or note that it came otherwise."""
    not_taken(write, ("source", "forgive", "mandate"))
    invoice = _in_state(write, "pay", "draft", "open", "uncollectible")
    if invoice["status"] == "draft":
        finalized(write, invoice)
    if invoice["status"] == "paid":
        return invoice
    if write.form.get("paid_out_of_band"):
        paid(write, invoice)
        return invoice
    method = write.form.get("payment_method")
    if method is None and method_of(write, invoice) is None:
        raise write.refuse("no_payment_method")
    intent = attempt(write, invoice, method)
    if intent["status"] != "succeeded":
        raise declined(write, intent).leaving()
    return invoice


@handles("POST /v1/invoices/{invoice}/send")
def send(write: Write) -> Record:
    """Send an invoice to its customer, finalizing it where it is a draft."""
    invoice = _in_state(write, "send", "draft", "open", "paid", "uncollectible")
    if invoice["status"] == "draft":
        finalized(write, invoice)
    write.emit("invoice.sent", invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}/void")
def void(write: Write) -> Record:
    """Declare that an invoice is not to be paid, ever."""
    invoice = _in_state(write, "void", "open", "uncollectible")
    voided(write, invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(write: Write) -> Record:
    """Write an invoice off; it can still be paid."""
    invoice = _in_state(write, "mark_uncollectible", "open")
    given_up(write, invoice)
    standing.forgiven(write, invoice)
    return invoice


def finalized(write: Write, invoice: Record) -> None:
    """Finalize a draft: give it its number, use the customer's balance; one over nothing is paid at once."""
    before = write.get("invoice", invoice["id"])
    _use_balance(write, invoice, _number(write, invoice))
    page = f"{write.store.business.account()['id']}/test_{invoice['id'][-8:]}"
    invoice.update(
        automatically_finalizes_at=None,
        effective_at=invoice["effective_at"] or write.now,
        hosted_invoice_url=f"https://invoice.stripe.com/i/{page}",
        invoice_pdf=f"https://pay.stripe.com/invoice/{page}/pdf",
        next_payment_attempt=None,
        status="open",
    )
    if invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = write.now + HOUR
    invoice["status_transitions"]["finalized_at"] = write.now
    settle(invoice)
    if invoice["amount_due"]:
        invoice_payments.ask(write, invoice)
    _leave(write, invoice, before, "finalized")
    if invoice["amount_due"] == 0:
        paid(write, invoice)


def attempt(write: Write, invoice: Record, method: str | None = None, *, by_itself: bool = False) -> Record:
    """Try to take the money of an open invoice; return the payment intent, which tells how it went.

    What is tried `by_itself` may fail, as the cards of the generated business sometimes do.
    """
    before = write.get("invoice", invoice["id"])
    intent = invoice_payments.intent_of(write, invoice)
    assert intent is not None, "an open invoice has a payment intent"
    chance = invoice["attempt_count"] if by_itself else None
    intent = charge_bill(write, intent, method or method_of(write, invoice), chance)
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    if intent["status"] == "succeeded":
        paid(write, invoice, by_intent=True)
        return intent
    count, retries = invoice["attempt_count"], RETRIES_AFTER_DAYS
    again = invoice["auto_advance"] and count <= len(retries)
    invoice["next_payment_attempt"] = write.now + retries[count - 1] * DAY if again else None
    _leave(write, invoice, before, "payment_failed")
    if standing.unpaid(write, invoice):
        given_up(write, write.get("invoice", invoice["id"]), "max_payment_attempts")
    return intent


def method_of(write: Write, invoice: Record) -> str | None:
    """Return what an invoice is paid with by itself: its own payment method, else the customer's default."""
    own: str | None = invoice["default_payment_method"]
    return own or default_method(write.get("customer", invoice["customer"]))


def paid(write: Write, invoice: Record, *, by_intent: bool = False) -> None:
    """Let an invoice be paid: by its payment intent, or without one outside of Stripe or where nothing is due."""
    before = write.get("invoice", invoice["id"])
    amount = invoice["amount_remaining"]
    if by_intent:
        invoice_payments.pay(write, invoice)
    else:
        invoice_payments.cancel(write, invoice, "automatic")
        if amount:
            invoice["amount_paid_off_stripe"] = amount
    invoice["amount_paid"] += amount
    invoice.update(attempted=True, next_payment_attempt=None, status="paid")
    invoice["status_transitions"]["paid_at"] = write.now
    settle(invoice)
    _leave(write, invoice, before, "paid")
    write.emit("invoice.payment_succeeded", invoice)
    standing.paid(write, invoice)


def voided(write: Write, invoice: Record) -> None:
    """Void an invoice, giving back what it had used of the customer's balance."""
    before = write.get("invoice", invoice["id"])
    used = invoice["starting_balance"] - (invoice["ending_balance"] or 0)
    if used:
        move_balance(write, invoice["customer"], used, type="unapplied_from_invoice", invoice=invoice["id"])
    invoice_payments.cancel(write, invoice, "void_invoice")
    invoice.update(next_payment_attempt=None, status="void")
    invoice["status_transitions"]["voided_at"] = write.now
    _leave(write, invoice, before, "voided")


def given_up(write: Write, invoice: Record, reason: str = "user_forgiven") -> None:
    """Mark an invoice as one that will hardly be paid."""
    before = write.get("invoice", invoice["id"])
    invoice.update(next_payment_attempt=None, status="uncollectible")
    invoice["status_details"] = {"uncollectible": {"reason": reason}}
    invoice["status_transitions"]["marked_uncollectible_at"] = write.now
    _leave(write, invoice, before, "marked_uncollectible")


def move_balance(write: Write, customer: str, amount: int, **fields: Any) -> Record:
    """Move a customer's balance by an amount (a credit is negative), leaving a transaction behind."""
    owner = write.get("customer", customer)
    before = dict(owner)
    owner["balance"] += amount
    currency = owner["currency"] or fields.pop("currency", "usd")
    moved = write.blank("customer_balance_transaction", id=write.new_id("cbtxn_"), customer=customer, amount=amount)
    moved.update(currency=currency, ending_balance=owner["balance"], **fields)
    write.put("customer_balance_transaction", moved)
    write.put("customer", owner)
    write.emit("customer.updated", owner, before)
    return moved


def _in_state(write: Write, verb: str, *states: str) -> Record:
    invoice = write.get("invoice", write.ids["invoice"])
    write.at(invoice["test_clock"])
    if invoice["status"] not in states:
        raise write.refuse("invoice_state", verb=verb, status=invoice["status"])
    if verb == "send" and invoice["collection_method"] != "send_invoice":
        raise write.refuse("sent_by_hand")
    return invoice


def _leave(write: Write, invoice: Record, before: Record, word: str) -> None:
    write.put("invoice", invoice)
    write.emit("invoice.updated", invoice, before)
    write.emit(f"invoice.{word}", invoice)


def _number(write: Write, invoice: Record) -> Record:
    """Give an invoice the customer's next number; return the customer."""
    customer = write.get("customer", invoice["customer"])
    if invoice["number"] is None:
        before = dict(customer)
        invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
        customer["next_invoice_sequence"] += 1
        write.put("customer", customer)
        write.emit("customer.updated", customer, before)
    return customer


def _use_balance(write: Write, invoice: Record, customer: Record) -> None:
    """Let an invoice use up credit or take on debt; a total below zero becomes credit."""
    start = invoice["starting_balance"] = customer["balance"]
    left = min(0, invoice["total"] + start)
    invoice["ending_balance"] = left
    invoice["amount_due"] = max(0, invoice["total"] + start)
    if left != start:
        move_balance(write, customer["id"], left - start, type="applied_to_invoice", invoice=invoice["id"])
