"""Disputes: how they open, are answered and end.

A payment with one of Stripe's test cards for it is disputed at once. Evidence whose `uncategorized_text` is
"winning_evidence" or "losing_evidence" ends it at once, and "escalate_inquiry_evidence" makes a chargeback of an
inquiry, as in Stripe's test mode; other evidence is under review until the bank decides (`banks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.document.rules import Record
from connector.sandbox.history.story import money
from connector.sandbox.writes.actions import balances
from connector.sandbox.writes.actions.cards import Disputed
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import due
from connector.sandbox.writes.engine.write import Write, apply, merged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from connector.sandbox.writes.engine.schedule import Due

    Verdict = Literal["won", "lost", "warning_closed"]

_DUE_DAYS = 10
_INQUIRY_DAYS = 120
_FEES = {"usd": 1500, "eur": 2000}
_REVIEWED = {"needs_response": "under_review", "warning_needs_response": "warning_under_review"}
_NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}
_ESCALATES = "escalate_inquiry_evidence"
_DECIDED_FROM: dict[Verdict, tuple[str, ...]] = {
    "won": ("under_review",),
    "lost": ("needs_response", "under_review"),
    "warning_closed": ("warning_needs_response", "warning_under_review"),
}
_VERDICTS: dict[str, Verdict] = {"winning_evidence": "won", "losing_evidence": "lost"}


def open_dispute(write: Write, charge: Record, cause: Disputed) -> Record:
    """Leave behind a dispute of a charge, and what the bank takes back."""
    dispute = write.blank(
        "dispute",
        id=write.new_id("du_"),
        amount=charge["amount"] - charge["amount_refunded"],
        charge=charge["id"],
        currency=charge["currency"],
        evidence_details=write.blank(
            "dispute.evidence_details", due_by=None if cause.is_prevented else _due(write.now)
        ),
        is_charge_refundable=cause.is_inquiry and not cause.is_prevented,
        payment_intent=charge["payment_intent"],
        payment_method_details=_details(charge, cause),
        reason=cause.reason,
        status=_opens_as(cause),
    )
    if not cause.is_inquiry:
        dispute["balance_transactions"].append(_move(write, dispute, "withdrawal"))
    write.put("dispute", dispute)
    before = write.get("charge", charge["id"])
    charge["disputed"] = True
    write.put("charge", charge)
    write.emit("charge.dispute.created", dispute)
    write.emit("charge.updated", charge, before)
    if not cause.is_inquiry:
        write.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


@handles("POST /v1/disputes/{dispute}")
def update(write: Write) -> Record:
    """Change the evidence and the metadata of a dispute; evidence is submitted unless `submit` is false."""
    dispute = write.get("dispute", write.ids["dispute"])
    before = write.get("dispute", dispute["id"])
    evidence = write.form.get("evidence")
    dispute["metadata"] = merged(dispute["metadata"], write.form.get("metadata", {}))
    if evidence is not None:
        _must_be_open(write, dispute)
        _add_evidence(dispute, evidence)
        if write.form.get("submit", True):
            return _submit(write, dispute, before)
    write.put("dispute", dispute)
    write.emit("charge.dispute.updated", dispute, before)
    return dispute


@handles("POST /v1/disputes/{dispute}/close")
def close(write: Write) -> Record:
    """Accept a dispute, which is lost by that."""
    dispute = write.get("dispute", write.ids["dispute"])
    _must_be_open(write, dispute)
    return _end(write, dispute, write.get("dispute", dispute["id"]), "lost")


def disputed(write: Write, charge: Record, cause: Disputed) -> Record:
    """Open a dispute of a charge that its bank disputes by itself."""
    if charge["status"] != "succeeded" or not charge["captured"] or charge["refunded"]:
        status = "refunded" if charge["refunded"] else "not captured"
        raise write.refuse("charge_state", id=charge["id"], verb="disputed", status=status)
    if charge["disputed"]:
        raise write.refuse("charge_state", id=charge["id"], verb="disputed", status="disputed already")
    return open_dispute(write, charge, cause)


def decided(write: Write, dispute: Record, verdict: Verdict) -> Record:
    """End a dispute as its bank decides."""
    if dispute["status"] not in _DECIDED_FROM[verdict]:
        raise write.refuse("dispute_undecided", verdict=verdict, status=dispute["status"])
    return _end(write, dispute, write.get("dispute", dispute["id"]), verdict)


def escalated(write: Write, dispute: Record) -> Record:
    """Let a bank make a chargeback of what it had only asked about."""
    if dispute["status"] not in _DECIDED_FROM["warning_closed"]:
        raise write.refuse("dispute_undecided", verdict="needs_response", status=dispute["status"])
    before = write.get("dispute", dispute["id"])
    dispute.update(is_charge_refundable=False, status="needs_response")
    dispute["evidence_details"]["due_by"] = _due(write.now)
    if dispute["payment_method_details"]:
        dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    dispute["balance_transactions"].append(_move(write, dispute, "withdrawal"))
    write.put("dispute", dispute)
    write.emit("charge.dispute.updated", dispute, before)
    write.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _opens_as(cause: Disputed) -> str:
    if cause.is_prevented:
        return "prevented"
    return "warning_needs_response" if cause.is_inquiry else "needs_response"


def _must_be_open(write: Write, dispute: Record) -> None:
    if dispute["status"] not in _REVIEWED:
        raise write.refuse("dispute_state", status=dispute["status"])


def _add_evidence(dispute: Record, evidence: Record | str) -> None:
    sent = evidence if isinstance(evidence, dict) else dict.fromkeys(dispute["evidence"], "")
    held = {name: value for name, value in sent.items() if name != "enhanced_evidence"}
    apply(dispute, {"evidence": held}, "dispute")
    dispute["evidence_details"]["has_evidence"] = any(
        value for name, value in dispute["evidence"].items() if name != "enhanced_evidence"
    )


def _submit(write: Write, dispute: Record, before: Record) -> Record:
    dispute["status"] = _REVIEWED[dispute["status"]]
    dispute["evidence_details"]["submission_count"] += 1
    dispute["evidence_details"]["submission_method"] = "manual"
    text = dispute["evidence"]["uncategorized_text"] or ""
    if text in _VERDICTS:
        return _end(write, dispute, before, _VERDICTS[text])
    if text == _ESCALATES and dispute["status"] == "warning_under_review":
        return escalated(write, dispute)
    write.put("dispute", dispute)
    write.emit("charge.dispute.updated", dispute, before)
    return dispute


def _end(write: Write, dispute: Record, before: Record, verdict: Verdict) -> Record:
    is_inquiry = dispute["status"].startswith("warning_")
    dispute["status"] = "warning_closed" if is_inquiry else verdict
    wins_back = verdict == "won" and not is_inquiry
    if wins_back:
        dispute["balance_transactions"].append(_move(write, dispute, "reversal"))
    write.put("dispute", dispute)
    write.emit("charge.dispute.updated", dispute, before)
    write.emit("charge.dispute.closed", dispute)
    if wins_back:
        write.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def _move(write: Write, dispute: Record, word: Literal["withdrawal", "reversal"]) -> Record:
    gives = word == "reversal"
    currency = money.settled_in(dispute["currency"])
    moved = balances.Movement(
        amount=dispute["amount"] if gives else -dispute["amount"],
        currency=dispute["currency"],
        type="adjustment",
        category="dispute_reversal" if gives else "dispute",
        source=dispute["id"],
        description=f"Chargeback {word} for {dispute['charge']}",
        fee=0 if gives else _FEES[currency],
    )
    return balances.move(write, moved)


def _details(charge: Record, cause: Disputed) -> Record | None:
    card = charge["payment_method_details"].get("card")
    if card is None:
        return None
    details = {
        "brand": card["brand"],
        "case_type": "inquiry" if cause.is_inquiry else "chargeback",
        "network": card["network"],
        "network_reason_code": _NETWORK_CODES[cause.reason],
    }
    return {"card": details, "type": "card"}


def _due(now: int) -> int:
    """Return the last second for an answer: the end of a day."""
    return (now // balances.DAY + _DUE_DAYS + 1) * balances.DAY - 1


@due("dispute", looks_back_days=_INQUIRY_DAYS + 10)
def _falls_due(dispute: Record) -> Iterator[Due]:
    """Say when a dispute that nobody answered is lost, and when a bank that only asked asks no more."""
    if dispute["status"] == "needs_response":
        yield dispute["evidence_details"]["due_by"] + 1, _lose
    elif dispute["status"] in _DECIDED_FROM["warning_closed"]:
        yield dispute["created"] + _INQUIRY_DAYS * balances.DAY, _drop


def _lose(write: Write, dispute: Record) -> None:
    before = write.get("dispute", dispute["id"])
    dispute["evidence_details"]["past_due"] = not dispute["evidence_details"]["submission_count"]
    _end(write, dispute, before, "lost")


def _drop(write: Write, dispute: Record) -> None:
    decided(write, dispute, "warning_closed")
