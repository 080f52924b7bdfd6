"""Invoice payments: which payment intent an invoice is paid with, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.invoices import Invoice

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company


class InvoicePayments(Kind):
    """One for each payment intent of an invoice, under the same number."""

    name = "invoice_payment"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.invoice_payment
        self.numbering = self.story.layout.payment_intents

    def at(self, number: int, instant: int) -> Record | None:
        """The invoice payment as it was at an instant."""
        slot, lane = self.story.layout.payment_intents.place(number)
        if lane >= self.story.layout.intent_of_sale(slot) or self.numbering.created(number) > instant:
            return None
        invoice = self.story.invoices(slot, lane)
        if invoice is None or not self.company.payment_intents.of_invoice(invoice):
            return None
        return self._of(number, invoice, instant)

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By invoice or payment intent."""
        if field == "invoice":
            invoice = self.company.invoices.number(value)
            return () if invoice is None else [self._number(*self.story.layout.invoices.place(invoice))]
        if field == "payment.payment_intent":
            intent = self.company.payment_intents.number(value)
            return () if intent is None else [intent]
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Stripe only tells that they were paid."""
        charges, layout = self.story.layout.charges, self.story.layout
        for lane in range(layout.charge_of_sale(slot)):
            payment = self.story.payments(charges.number(slot, lane))
            if payment is not None and payment.failure is None:
                about = self._number(payment.intent_slot, payment.lane)
                yield Happening(payment.created, "invoice_payment.paid", self.name, about)

    def _number(self, slot: int, lane: int) -> int:
        return self.story.layout.payment_intents.number(slot, lane)

    def _of(self, number: int, invoice: Invoice, instant: int) -> Record:
        course, amount = invoice.course, self.company.invoices.amount_due(invoice, instant)
        status = course.status(instant)
        paid = status == "paid" and not course.off_stripe
        canceled = status == "void" or (status == "paid" and not paid)
        return {
            "id": self.ids(number),
            "object": self.name,
            "amount_paid": amount if paid else None,
            "amount_requested": amount,
            "created": self.numbering.created(number),
            "currency": invoice.currency,
            "invoice": self.identities.invoice(invoice.number),
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": self.identities.payment_intent(number), "type": "payment_intent"},
            "status": "paid" if paid else "canceled" if canceled else "open",
            "status_transitions": {
                "canceled_at": (course.paid or course.voided) if canceled else None,
                "paid_at": course.paid if paid else None,
            },
        }
