"""Refunds: made of a charge or its intent, at once, after some days, or when the payer has acted.

A refund of a bank debit is pending for days, and so is one to the test card for that. One that waits for money in
the balance fails in the end, and nothing has moved; only the seeded business has those. One with
`instructions_email` waits for the payer (requires_action) and can be canceled until then; it fails after 45 days.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import balances, cards
from connector.sandbox.writes.actions.balances import DAY, Movement
from connector.sandbox.writes.actions.payments import check_step, not_taken
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Write, merged

_NOT_TAKEN = ("currency", "customer", "origin", "refund_application_fee", "reverse_transfer")
_TAKES = 3 * DAY
_FAILS_AFTER = DAY
_ASKED_FOR_DAYS = 45  # so long a payer has to say where the money goes
_WAITS_DAYS = 30  # for money in the balance
_TRANSFERS = {"us_bank_account": "us_bank_transfer", "sepa_debit": "eu_bank_transfer"}
_LOST = frozenset({"needs_response", "under_review", "lost"})
"""States of a dispute in which the bank has the money."""


@handles("POST /v1/refunds")
def create(write: Write) -> Record:
    """Give money back, all that is left of a charge unless an amount is sent."""
    not_taken(write, _NOT_TAKEN)
    charge = _charge(write)
    left = _left(write, charge)
    amount = write.form.get("amount", left)
    if amount > left:
        raise write.refuse("refund_too_large", "amount", amount=amount, left=left)
    if amount < 1:
        raise write.refuse("too_small", "amount", bound=1, value=amount)
    check_step(write, amount, charge["currency"])
    if not charge["captured"] and amount != left:
        raise write.refuse("charge_state", id=charge["id"], verb="refunded in part", status="not captured")
    refund = _refund(write, charge, amount)
    refund["reason"] = write.form.get("reason")
    refund["metadata"] = merged({}, write.form.get("metadata", {}))
    if not charge["captured"]:
        return _give_back(write, charge, refund)
    refund["status"] = _status(write, charge)
    if refund["status"] == "requires_action":
        refund["instructions_email"] = write.form["instructions_email"]
        refund["next_action"] = _instructions(write)
    else:
        refund["balance_transaction"] = _move(write, refund, charge, -1)["id"]
    if refund["status"] == "pending":
        refund["pending_reason"] = "processing"
    return _give_back(write, charge, refund)


@handles("POST /v1/refunds/{refund}")
def update(write: Write) -> Record:
    """Change the metadata of a refund."""
    refund = write.get("refund", write.ids["refund"])
    before = write.get("refund", refund["id"])
    refund["metadata"] = merged(refund["metadata"], write.form.get("metadata", {}))
    return _tell(write, refund, before)


@handles("POST /v1/refunds/{refund}/cancel")
def cancel(write: Write) -> Record:
    """Take back a refund that waits for the payer."""
    return _withdraw(write, _waiting(write, "canceled"), "canceled")


@handles("POST /v1/test_helpers/refunds/{refund}/expire")
def expire(write: Write) -> Record:
    """Let a refund fail because the payer never acted."""
    refund = _waiting(write, "expired")
    _lapse(write, refund)
    return refund


def release(write: Write, charge: Record) -> None:
    """Give back what a charge has held and will not take: all of it, or the rest of one captured in part."""
    rest = charge["amount"] - (charge["amount_captured"] if charge["captured"] else 0)
    if rest:
        _give_back(write, charge, _refund(write, charge, rest))


def _charge(write: Write) -> Record:
    """Return the charge to be refunded, refusing one that has taken nothing."""
    form = write.form
    if form.get("charge"):
        charge = write.get("charge", form["charge"], "charge")
    elif form.get("payment_intent"):
        intent = write.get("payment_intent", form["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded" or intent["latest_charge"] is None:
            raise write.refuse("intent_state", verb="refund", status=intent["status"])
        charge = write.get("charge", intent["latest_charge"], "payment_intent")
    else:
        raise write.refuse("refund_of_nothing")
    if charge["status"] != "succeeded":
        raise write.refuse("charge_state", id=charge["id"], verb="refunded", status=charge["status"])
    if not charge["captured"] and charge["payment_intent"] is not None:
        raise write.refuse("charge_state", id=charge["id"], verb="refunded", status="not captured")
    return charge


def _left(write: Write, charge: Record) -> int:
    """Return what can still be given back of a charge."""
    if charge["disputed"]:
        disputes = write.find("dispute", "charge", charge["id"])
        if any(dispute["status"] in _LOST for dispute in disputes):
            raise write.refuse("charge_disputed", id=charge["id"])
    left = int(charge["amount"] - charge["amount_refunded"])
    if left == 0:
        raise write.refuse("charge_refunded", id=charge["id"])
    return left


def _refund(write: Write, charge: Record, amount: int) -> Record:
    kind = charge["payment_method_details"]["type"]
    refund = write.blank(
        "refund",
        id=write.new_id("pyr_" if kind in cards.DEBITS else "re_"),
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        customer=charge["customer"],
        destination_details={"type": _TRANSFERS.get(kind, kind)},
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
    )
    if kind == "card":
        refund["destination_details"]["card"] = {"reference_status": "pending", "type": "refund"}
    return refund


def _status(write: Write, charge: Record) -> str:
    if "instructions_email" in write.form:
        return "requires_action"
    details = charge["payment_method_details"]
    digits = (details.get("card") or {}).get("last4")
    return "pending" if details["type"] in cards.DEBITS or digits == cards.REFUNDS_WAIT else "succeeded"


def _instructions(write: Write) -> Record:
    """Return how the payer was told to ask for the money."""
    sent = {"email_sent_at": write.now, "email_sent_to": write.form["instructions_email"]}
    shown = {"email_sent": sent, "expires_at": write.now + _ASKED_FOR_DAYS * DAY}
    return {"display_details": shown, "type": "display_details"}


def _give_back(write: Write, charge: Record, refund: Record) -> Record:
    """Leave behind a new refund, and its charge as it is then."""
    write.put("refund", refund)
    before = _count(write, charge, refund["amount"])
    write.emit("refund.created", refund)
    write.emit("charge.refunded", charge, before)
    return refund


def _count(write: Write, charge: Record, amount: int) -> Record:
    """Add to what a charge has given back; return the charge before."""
    before = write.get("charge", charge["id"])
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    write.put("charge", charge)
    return before


def _move(write: Write, refund: Record, charge: Record, sign: int) -> Record:
    debit = charge["payment_method_details"]["type"] in cards.DEBITS
    fails = sign > 0
    moved = Movement(
        amount=sign * refund["amount"],
        currency=refund["currency"],
        type="refund_failure" if fails else "payment_refund" if debit else "refund",
        category="refund_failure" if fails else "refund",
        source=refund["id"],
        description="REFUND FOR PAYMENT" if debit else "REFUND FOR CHARGE",
    )
    return balances.move(write, moved)


def _waiting(write: Write, verb: str) -> Record:
    refund = write.get("refund", write.ids["refund"])
    if refund["status"] != "requires_action":
        raise write.refuse("refund_state", id=refund["id"], verb=verb, status=refund["status"])
    return refund


def _withdraw(write: Write, refund: Record, status: str) -> Record:
    """Let a refund end without success; what had left the balance comes back."""
    before = write.get("refund", refund["id"])
    charge = write.get("charge", refund["charge"])
    if refund["balance_transaction"] is not None:
        refund["failure_balance_transaction"] = _move(write, refund, charge, 1)["id"]
    refund["status"] = status
    refund.pop("next_action", None)
    refund.pop("pending_reason", None)
    if status == "failed":
        write.emit("refund.failed", refund)
    _tell(write, refund, before)
    charge_before = _count(write, charge, -refund["amount"])
    write.emit("charge.updated", charge, charge_before)
    return refund


def _tell(write: Write, refund: Record, before: Record) -> Record:
    write.put("refund", refund)
    write.emit("refund.updated", refund, before)
    write.emit("charge.refund.updated", refund, before)
    return refund


@due("refund", looks_back_days=_ASKED_FOR_DAYS)
def _falls_due(refund: Record) -> Iterator[Due]:
    """Say when a pending refund has arrived, and when one may fail."""
    if refund["status"] == "pending" and refund.get("pending_reason") == "processing":
        yield refund["created"] + _TAKES, _arrive
    elif refund["status"] == "pending" and refund.get("pending_reason") == "insufficient_funds":
        yield refund["created"] + _WAITS_DAYS * DAY, _fail_for_want_of_money
    elif refund["status"] == "requires_action":
        yield refund["created"] + _ASKED_FOR_DAYS * DAY, _lapse
    elif refund["status"] == "succeeded" and refund["charge"]:
        yield refund["created"] + _FAILS_AFTER, _fail_where_the_card_does


def _arrive(write: Write, refund: Record) -> None:
    before = write.get("refund", refund["id"])
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    _tell(write, refund, before)


def _lapse(write: Write, refund: Record) -> None:
    refund["failure_reason"] = "unknown"
    _withdraw(write, refund, "failed")


def _fail_for_want_of_money(write: Write, refund: Record) -> None:
    refund["failure_reason"] = "insufficient_funds"
    _withdraw(write, refund, "failed")


def _fail_where_the_card_does(write: Write, refund: Record) -> None:
    charge = write.get("charge", refund["charge"])
    if (charge["payment_method_details"].get("card") or {}).get("last4") == cards.REFUNDS_FAIL:
        refund["failure_reason"] = "expired_or_canceled_card"
        _withdraw(write, refund, "failed")
