"""Refunds and disputes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.objects.orders import order_of
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.payments import Payment
from connector.sandbox.history.story.reversals import STUCK_DAYS, Dispute, Refund, Verdict, Way
from connector.sandbox.history.story.series import REFUNDS, Movement

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_REFUND, _DISPUTE, _EVIDENCE = template("refund"), template("dispute"), template("dispute.evidence_details")
_REASONS = ("requested_by_customer",) * 10 + (None,) * 7 + ("duplicate", "duplicate", "fraudulent")
_DISPUTED = (  # reason and the card network's code for it, as often as they come
    *(("fraudulent", "10.4"),) * 9,
    *(("product_not_received", "13.1"),) * 3,
    *(("subscription_canceled", "13.2"),) * 3,
    *(("unrecognized", "10.5"),) * 2,
    ("duplicate", "12.6"),
    ("product_unacceptable", "13.3"),
    ("general", "4853"),
)
_ANSWERS = {  # what is said, beside what is always said, to each reason
    "fraudulent": {"access_activity_log": "Signed in from this address 41 times since the order."},
    "product_not_received": {
        "shipping_carrier": "UPS",
        "shipping_date": "the day after the order",
        "shipping_tracking_number": "1Z 999 AA1 01 2345 6784",
    },
    "subscription_canceled": {
        "cancellation_policy_disclosure": "Shown above the button, and in each receipt.",
        "cancellation_rebuttal": "It was used until the end of the period that was paid for.",
    },
    "duplicate": {"duplicate_charge_explanation": "Two orders of the same day, both delivered."},
    "product_unacceptable": {
        "refund_policy_disclosure": "14 days, on the order page.",
        "refund_refusal_explanation": "It was asked for after three months.",
    },
}
_DUE_DAYS = 10


class Refunds(Kind):
    """Money given back to a payer; not every refund gets there."""

    name = "refund"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.numbering = self.story.layout.refunds

    def number(self, text: str) -> int | None:
        """The number of a refund, of a card or of a bank debit."""
        ids = self.identities.debit_refund if text.startswith("pyr_") else self.identities.refund
        number = self.read(ids, text)
        refund = None if number is None else self.find(number)
        return number if refund is None or self.id_of(refund) == text else None

    def at(self, number: int, instant: int) -> Record | None:
        """The refund as it was at an instant."""
        refund = self.find(number)
        if refund is None or refund.created > instant:
            return None
        payment, status = refund.payment, refund.status(instant)
        record = _REFUND()
        record.update(
            id=self.id_of(refund),
            amount=refund.amount,
            charge=self.company.charges.id_of(payment),
            created=refund.created,
            currency=payment.currency,
            customer=None if payment.customer is None else self.identities.customer(payment.customer),
            description="Back to your account" if payment.is_debit else None,
            destination_details=self._destination(refund, status),
            metadata=dict(self.story.people.metadata[number % len(self.story.people.metadata)]),
            payment_intent=self.identities.payment_intent(self.company.charges.intent(payment)),
            payment_method=self.identities.payment_method(payment.method),
            receipt_number=self.company.charges.refund_receipt(payment, number),
            reason=_REASONS[(refund.slot * 7 + refund.lane) % len(_REASONS)],
            status=status,
        )
        if refund.moves_money:
            record["balance_transaction"] = self._transaction(refund.slot, Movement.REFUND, refund.lane)
        if status == "pending":
            record["pending_reason"] = "insufficient_funds" if not refund.moves_money else "processing"
        if status == "failed" and not refund.moves_money:
            record["failure_reason"] = "insufficient_funds"
        elif status == "failed":
            failed = refund.slot + self.story.reversals.fails_after
            record["failure_balance_transaction"] = self._transaction(failed, Movement.FAILED_REFUND, refund.lane)
            record["failure_reason"] = "expired_or_canceled_card"
        return record

    def find(self, number: int) -> Refund | None:
        """The refund with that number."""
        slot, lane = self.story.layout.refunds.place(number)
        return self.story.reversals.refund(slot, lane)

    def id_of(self, refund: Refund) -> str:
        """The refund's id: those of bank debits have a prefix of their own."""
        ids = self.identities.debit_refund if refund.payment.is_debit else self.identities.refund
        return ids(refund.number)

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By charge or payment intent."""
        payments = self.company.charges.payments(field, value)
        if payments is None:
            return None
        return [refund.number for payment in payments for refund in self.story.reversals.refunds_of(payment)]

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Refunds are created, succeed late, fail or are withdrawn."""
        for earlier, lane in self._candidates(slot):
            refund = self.story.reversals.refund(earlier, lane)
            if refund is None:
                continue
            charge = Happening(refund.created, "charge.refunded", "charge", refund.payment.number)
            yield from (Happening(refund.created, "refund.created", self.name, refund.number), charge)
            if refund.succeeded is not None and refund.succeeded > refund.created:
                yield Happening(refund.succeeded, "refund.updated", self.name, refund.number)
            if refund.ended is not None:
                words = ("refund.failed", "refund.updated", "charge.refund.updated")
                for word in words[1:] if refund.way is Way.WITHDRAWN else words:
                    yield Happening(refund.ended, word, self.name, refund.number)
                yield charge._replace(instant=refund.ended, type="charge.updated")

    def _candidates(self, slot: int) -> set[tuple[int, int]]:
        """Refunds of this slot, and older ones of which something may happen now."""
        slots = {slot, slot - self.story.reversals.fails_after}
        for days in (2, 3, 5, STUCK_DAYS):
            slots |= set(self.story.calendar.slots_before(slot, days * DAY))
        return {(earlier, lane) for earlier in slots if earlier >= 0 for lane in range(REFUNDS)}

    def _transaction(self, slot: int, movement: Movement, lane: int) -> str:
        return self.identities.transaction(self.story.layout.transaction(slot, movement, lane))

    def _destination(self, refund: Refund, status: str) -> Record:
        kind = refund.payment.kind
        if kind != "card":
            return {"type": {"us_bank_account": "us_bank_transfer", "sepa_debit": "eu_bank_transfer"}.get(kind, kind)}
        card = {"reference_status": "available" if status == "succeeded" else "pending", "type": "refund"}
        if status == "succeeded":
            card["reference"] = f"{refund.number * 7919 % 10**17:017}"
            card["reference_type"] = "acquirer_reference_number"
        return {"card": card, "type": "card"}


class Disputes(Kind):
    """Payments that the payer's bank takes back, or asks about."""

    name = "dispute"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.dispute
        self.numbering = self.story.layout.disputes

    def at(self, number: int, instant: int) -> Record | None:
        """The dispute as it was at an instant."""
        dispute = self.story.reversals.dispute(number)
        if dispute is None or dispute.created > instant:
            return None
        payment, status = dispute.payment, dispute.status(instant)
        reason, network_code = _DISPUTED[(dispute.draw >> 12) % len(_DISPUTED)]
        record = _DISPUTE()
        record.update(
            id=self.ids(number),
            amount=dispute.amount,
            balance_transactions=self._transactions(dispute, instant),
            charge=self.company.charges.id_of(payment),
            created=dispute.created,
            currency=payment.currency,
            evidence_details=self._evidence(dispute, status, instant),
            metadata={"ticket": f"S-{dispute.draw % 10_000:04}"} if dispute.draw & 2 else {},
            network_reason_code=network_code,
            is_charge_refundable=status in ("warning_needs_response", "warning_under_review"),
            payment_intent=self.identities.payment_intent(self.company.charges.intent(payment)),
            reason=reason,
            status=status,
        )
        if payment.kind == "card":
            card = self.story.methods.card(payment.method)
            record["payment_method_details"] = {
                "card": {
                    "brand": card.brand,
                    "case_type": "inquiry" if dispute.verdict is Verdict.WARNING else "chargeback",
                    "network": card.network,
                    "network_reason_code": network_code,
                },
                "type": "card",
            }
        if record["evidence_details"]["has_evidence"]:
            record["evidence"].update(self._answer(payment), **_ANSWERS.get(reason, {}))
        return record

    def _answer(self, payment: Payment) -> Record:
        """What the business says to any dispute."""
        billing = self.company.payment_methods.billing(payment.method)
        order = order_of(payment.sale, self.story.people) if payment.sale is not None else {}
        shipping = order.get("shipping") or {"address": {}}
        return {
            "billing_address": _in_one_line(billing["address"]),
            "shipping_address": _in_one_line(shipping["address"]),
            "customer_email_address": billing["email"],
            "customer_name": billing["name"],
            "customer_purchase_ip": f"203.0.113.{payment.number % 254 + 1}",
            "product_description": self.company.charges.description(payment),
            "service_date": f"{datetime.fromtimestamp(payment.created, UTC):%Y-%m-%d}",
            "uncategorized_text": 'We have\na signed order, "see attachment"; and more…',
        }

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By charge or payment intent."""
        payments = self.company.charges.payments(field, value)
        if payments is None:
            return None
        disputes = map(self.story.reversals.dispute_of, payments)
        return [dispute.slot for dispute in disputes if dispute is not None]

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Disputes come up, are answered and are closed."""
        reversals = self.story.reversals
        opened, answered = reversals.dispute(slot), reversals.answering(slot)
        closed = reversals.dispute(slot - reversals.closed_after)
        if opened is not None:
            yield self._happening(opened.created, "created", opened)
            yield Happening(opened.created, "charge.updated", "charge", opened.payment.number)
            if opened.moves_money:
                yield self._happening(opened.created, "funds_withdrawn", opened)
        if answered is not None:
            yield self._happening(answered.answered, "updated", answered)
        oldest = self.story.calendar.slots_before(slot, (_DUE_DAYS + 1) * DAY).start
        for earlier in range(oldest, self.story.calendar.slots_before(slot, _DUE_DAYS * DAY).stop):
            overdue = reversals.dispute(earlier)
            if overdue is not None:
                yield self._happening(_due(overdue) + 1, "updated", overdue)
        if closed is not None and closed.verdict is not Verdict.PREVENTED:
            yield self._happening(closed.closed, "updated", closed)
            yield self._happening(closed.closed, "closed", closed)
            if closed.verdict is Verdict.WON:
                yield self._happening(closed.closed, "funds_reinstated", closed)

    def _happening(self, instant: int, word: str, dispute: Dispute) -> Happening:
        return Happening(instant, f"charge.dispute.{word}", self.name, dispute.slot)

    def _transactions(self, dispute: Dispute, instant: int) -> list[Record]:
        """The balance transactions so far, whole as Stripe embeds them."""
        layout = self.story.layout
        closed = dispute.slot + self.story.reversals.closed_after
        numbers = [layout.transaction(dispute.slot, Movement.DISPUTE), layout.transaction(closed, Movement.REINSTATED)]
        found = (self.company.transactions.at(number, instant) for number in numbers)
        return [record for record in found if record is not None]

    def _evidence(self, dispute: Dispute, status: str, instant: int) -> Record:
        details = _EVIDENCE()
        answers = dispute.verdict not in (Verdict.ACCEPTED, Verdict.PREVENTED)
        has_evidence = answers and instant >= dispute.answered
        due = _due(dispute)
        details.update(
            due_by=None if status == "prevented" else due,
            has_evidence=has_evidence,
            past_due=not has_evidence and instant > due and status != "prevented",
            submission_count=int(has_evidence),
            submission_method="manual" if has_evidence else "not_submitted",
        )
        return details


def _in_one_line(address: Record) -> str | None:
    return ", ".join(part for part in address.values() if part) or None


def _due(dispute: Dispute) -> int:
    """The last second for an answer: the end of a day."""
    due = dispute.created + _DUE_DAYS * DAY
    return due - due % DAY + DAY - 1
