"""What joins an invoice to its payment intent: made when it is finalized, and kept in line with what is left to pay."""

from __future__ import annotations

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.payments import cancel_intent, new_intent
from connector.sandbox.writes.engine.write import Write


def ask(write: Write, invoice: Record) -> None:
    """Ask for the money of a bill: by a payment intent that waits for a way to pay."""
    intent = new_intent(
        write,
        amount=invoice["amount_remaining"],
        capture_method="automatic",
        currency=invoice["currency"],
        customer=invoice["customer"],
        description="Payment for Invoice",
    )
    write.emit("payment_intent.created", intent)
    payment = write.blank("invoice_payment", id=write.new_id("inpay_"), invoice=invoice["id"], is_default=True)
    payment.update(
        amount_requested=intent["amount"],
        currency=intent["currency"],
        payment={"payment_intent": intent["id"], "type": "payment_intent"},
        status="open",
    )
    write.put("invoice_payment", payment)


def intent_of(write: Write, invoice: Record) -> Record | None:
    """Return the payment intent that an open invoice can be paid with."""
    payment = _open(write, invoice)
    return write.get("payment_intent", payment["payment"]["payment_intent"]) if payment else None


def keep_up(write: Write, invoice: Record) -> None:
    """Bring in line what is asked for, when less is left to pay of an open invoice, or more again."""
    payment, amount = _open(write, invoice), invoice["amount_remaining"]
    if payment is not None and amount:
        intent = write.get("payment_intent", payment["payment"]["payment_intent"])
        payment["amount_requested"] = intent["amount"] = amount
        write.put("invoice_payment", payment)
        write.put("payment_intent", intent)


def pay(write: Write, invoice: Record) -> None:
    """Note that what was asked for has been paid."""
    payment = _open(write, invoice)
    if payment is not None:
        payment.update(amount_paid=payment["amount_requested"], status="paid")
        payment["status_transitions"]["paid_at"] = write.now
        write.put("invoice_payment", payment)
        write.emit("invoice_payment.paid", payment)


def cancel(write: Write, invoice: Record, reason: str) -> None:
    """Ask no more: the invoice is void, or was paid otherwise."""
    payment = _open(write, invoice)
    if payment is not None:
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = write.now
        write.put("invoice_payment", payment)
        cancel_intent(write, write.get("payment_intent", payment["payment"]["payment_intent"]), reason)


def paid_with(write: Write, intent: Record) -> Record | None:
    """Return the invoice that an intent asks the money of, or None."""
    found = write.find("invoice_payment", "payment.payment_intent", intent["id"])
    payment = next((payment for payment in found if payment["status"] == "open"), None)
    return write.get("invoice", payment["invoice"]) if payment else None


def _open(write: Write, invoice: Record) -> Record | None:
    found = write.find("invoice_payment", "invoice", invoice["id"])
    return next((payment for payment in found if payment["status"] == "open"), None)
