"""Disputes: how they open, are answered and end.

A payment with one of Stripe's test cards for it is disputed at once. Evidence whose `uncategorized_text` is
"winning_evidence" or "losing_evidence" ends it at once, as in Stripe's test mode; other evidence is under review
for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.rules import Record
from connector.sandbox.story import money
from connector.sandbox.writes import balances
from connector.sandbox.writes.cards import Disputed
from connector.sandbox.writes.core import Write, merged
from connector.sandbox.writes.hands import handles

if TYPE_CHECKING:
    from typing import Literal

    Verdict = Literal["won", "lost"]

_DUE_DAYS = 10
_FEES = {"usd": 1500, "eur": 2000}
_REVIEWED = {"needs_response": "under_review", "warning_needs_response": "warning_under_review"}
_NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}
_VERDICTS: dict[str, Verdict] = {"winning_evidence": "won", "losing_evidence": "lost"}


def open_dispute(write: Write, charge: Record, cause: Disputed) -> Record:
    """Leave behind a dispute of a charge, and what the bank takes back."""
    dispute = write.blank(
        "dispute",
        id=write.new_id("du_"),
        amount=charge["amount_captured"],
        charge=charge["id"],
        currency=charge["currency"],
        evidence_details=write.blank("dispute.evidence_details", due_by=_due(write.now)),
        is_charge_refundable=cause.is_inquiry,
        payment_intent=charge["payment_intent"],
        payment_method_details=_details(charge, cause),
        reason=cause.reason,
        status="warning_needs_response" if cause.is_inquiry else "needs_response",
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


def _must_be_open(write: Write, dispute: Record) -> None:
    if dispute["status"] not in _REVIEWED:
        raise write.refuse("dispute_state", status=dispute["status"])


def _add_evidence(dispute: Record, evidence: Record | str) -> None:
    sent = evidence if isinstance(evidence, dict) else dict.fromkeys(dispute["evidence"], "")
    for name, value in sent.items():
        if name != "enhanced_evidence":
            dispute["evidence"][name] = None if value == "" else value
    dispute["evidence_details"]["has_evidence"] = any(
        value for name, value in dispute["evidence"].items() if name != "enhanced_evidence"
    )


def _submit(write: Write, dispute: Record, before: Record) -> Record:
    dispute["status"] = _REVIEWED[dispute["status"]]
    dispute["evidence_details"]["submission_count"] += 1
    dispute["evidence_details"]["submission_method"] = "manual"
    verdict = _VERDICTS.get(dispute["evidence"]["uncategorized_text"] or "")
    if verdict is not None:
        return _end(write, dispute, before, verdict)
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
