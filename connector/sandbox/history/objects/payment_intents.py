"""Payment intents: of invoices, which may need several charges, and of sales."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, Template, template
from connector.sandbox.history.objects.declines import decline, error_of
from connector.sandbox.history.objects.invoices import statement_descriptor
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.objects.orders import order_of, terms_of
from connector.sandbox.history.story.invoices import Invoice
from connector.sandbox.history.story.payments import Payment
from connector.sandbox.history.story.sales import Outcome, Sale
from connector.sandbox.history.story.series import SALES

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_INTENT = template("payment_intent")
_OPTIONS = {
    "card": Template(
        {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    ),
    "link": Template({"persistent_token": None}),
    "sepa_debit": Template({"mandate_options": {"reference_prefix": "SOEHNE-"}}),
    "us_bank_account": Template({"verification_method": "automatic"}),
}
_CANCELED_AFTER = 20  # seconds after which an intent that nobody wants is canceled
_DEBIT_LANE = 3


class PaymentIntents(Kind):
    """What somebody means to pay, through all its attempts."""

    name = "payment_intent"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.payment_intent
        self.numbering = self.story.layout.payment_intents

    def at(self, number: int, instant: int) -> Record | None:
        """The payment intent as it was at an instant."""
        if self.numbering.created(number) > instant:
            return None
        slot, lane = self.story.layout.payment_intents.place(number)
        sale = lane - self.story.layout.intent_of_sale(slot)
        if sale >= 0:
            return self._of_sale(number, self.story.sales(slot, sale), instant)
        invoice = self.story.invoices(slot, lane)
        if invoice is None or not self.of_invoice(invoice):
            return None
        return self._of_invoice(number, invoice, instant)

    def of_invoice(self, invoice: Invoice) -> bool:
        """Whether an invoice has or will have a payment intent: it is sent, and there is something to pay."""
        return invoice.course.finalized is not None and invoice.total > 0

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer."""
        if field != "customer":
            return None
        customer = self.company.customers.number(value)
        return () if customer is None else self._of_customer(customer)

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Intents are created, and end well, badly or not at all."""
        layout = self.story.layout
        for lane in range(layout.intent_of_sale(slot)):
            invoice = self.story.invoices(slot, lane)
            if invoice is not None and self.of_invoice(invoice):
                number = layout.payment_intents.number(slot, lane)
                yield Happening(self.numbering.created(number), "payment_intent.created", self.name, number)
        for sale in range(SALES):
            yield from self._told(self.story.sales(slot, sale))
        for earlier in self.story.invoices.ending(slot):
            yield from self._canceled(earlier)
        charges = layout.charges
        for charge in charges.numbers(slot):
            payment = self.story.payments(charge)
            if payment is not None:
                yield from self._tried(payment)
        for earlier in self.story.calendar.slots_before(slot, 86_400):
            charge = charges.number(earlier, layout.charge_of_sale(earlier) + _DEBIT_LANE)
            payment = self.story.payments(charge)
            if payment is not None and payment.settled is not None and payment.settled > payment.created:
                yield self._happening(payment.settled, "succeeded", payment)

    def _canceled(self, slot: int) -> Iterator[Happening]:
        """Intents of a slot's invoices end with them, where these are voided or paid elsewhere."""
        layout = self.story.layout
        for lane in range(layout.intent_of_sale(slot) if slot >= 0 else 0):
            invoice = self.story.invoices(slot, lane)
            if invoice is None or not self.of_invoice(invoice):
                continue
            ended = invoice.course.paid if invoice.course.off_stripe else invoice.course.voided
            if ended is not None:
                number = layout.payment_intents.number(slot, lane)
                yield Happening(ended, "payment_intent.canceled", self.name, number)

    def _of_customer(self, customer: int) -> Iterator[int]:
        layout = self.story.layout
        for sale in self.story.sales.of_customer(customer):
            yield layout.payment_intents.number(sale.slot, layout.intent_of_sale(sale.slot) + sale.lane)
        for slot, lane in self.company.invoices.places_of_customer(customer):
            yield layout.payment_intents.number(slot, lane)

    def _tried(self, payment: Payment) -> Iterator[Happening]:
        if payment.failure is not None:
            yield self._happening(payment.created, "payment_failed", payment)
        elif payment.captured is None:
            yield self._happening(payment.created, "amount_capturable_updated", payment)
        elif payment.settled is not None and payment.settled > payment.created:
            yield self._happening(payment.created, "processing", payment)
        else:
            yield self._happening(payment.captured, "succeeded", payment)

    def _happening(self, instant: int, word: str, payment: Payment) -> Happening:
        number = self.company.charges.intent(payment)
        return Happening(instant, f"payment_intent.{word}", self.name, number)

    def _told(self, sale: Sale) -> Iterator[Happening]:
        """What happens to a sale's intent beside its charge."""
        if sale.outcome is Outcome.ABANDONED:
            return
        layout = self.story.layout
        number = layout.payment_intents.number(sale.slot, layout.intent_of_sale(sale.slot) + sale.lane)
        created = self.numbering.created(number)
        yield Happening(created, "payment_intent.created", self.name, number)
        if sale.outcome is Outcome.NEEDS_ACTION:
            yield Happening(created, "payment_intent.requires_action", self.name, number)
        if sale.outcome is Outcome.CANCELED:
            yield Happening(created + _CANCELED_AFTER, "payment_intent.canceled", self.name, number)

    def _intent(self, number: int, fields: Record) -> Record:
        intent = _INTENT()
        ident = self.ids(number)
        intent.update(
            id=ident,
            client_secret=f"{ident}_secret_{self.identities.letters(number)}",
            created=self.numbering.created(number),
        )
        intent["payment_method_options"] = {kind: _OPTIONS[kind]() for kind in fields["payment_method_types"]}
        intent.update(fields)
        return intent

    def _of_invoice(self, number: int, invoice: Invoice, instant: int) -> Record:
        customer, course = invoice.customer, invoice.course
        method = self.story.methods.of_customer(customer)
        kind = self.story.methods.kind_of_customer(customer, self.story.people.market(customer))
        intent = self._intent(
            number,
            {
                "amount": self.company.invoices.amount_due(invoice, instant),
                "currency": invoice.currency,
                "customer": self.identities.customer(customer),
                "description": _description(invoice),
                "payment_method_types": [kind],
                "setup_future_usage": None if invoice.contract is None else "off_session",
                "statement_descriptor": statement_descriptor(invoice.slot) if invoice.contract is None else None,
            },
        )
        self._add_charge(intent, course.attempts, instant)
        status = course.status(instant)
        if status == "paid" and not course.off_stripe:
            intent.update(
                amount_received=intent["amount"],
                payment_method=self.identities.payment_method(method),
                status="succeeded",
            )
        elif status in ("paid", "void"):
            intent.update(
                canceled_at=course.paid or course.voided,
                cancellation_reason="void_invoice" if status == "void" else "automatic",
                status="canceled",
            )
        return intent

    def _of_sale(self, number: int, sale: Sale, instant: int) -> Record | None:
        if sale.outcome is Outcome.ABANDONED:
            return None
        layout = self.story.layout
        held = layout.is_authorized(sale.slot, sale.lane)
        descriptions = self.story.people.descriptions
        order = order_of(sale, self.story.people)
        intent = self._intent(
            number,
            {
                "amount": sale.amount,
                "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
                "capture_method": "manual" if held else "automatic_async",
                "currency": sale.currency,
                "customer": None if sale.customer is None else self.identities.customer(sale.customer),
                "description": None if sale.lane == 1 else descriptions[sale.draw % len(descriptions)],
                "metadata": dict(self.story.people.metadata[sale.draw % len(self.story.people.metadata)]),
                "payment_method": self.identities.payment_method(sale.method),
                "payment_method_types": [sale.kind] if sale.kind == "card" else [sale.kind, "card"],
                **order,
                **terms_of(sale, order["shipping"]),
            },
        )
        charge = layout.charges.number(sale.slot, layout.charge_of_sale(sale.slot) + sale.lane)
        payment = self.story.payments(charge)
        if payment is not None:
            self._add_charge(intent, (charge,), instant)
            self._move_on(intent, payment, instant)
        elif sale.outcome is Outcome.NEEDS_ACTION:
            intent.update(next_action={"type": "use_stripe_sdk"}, status="requires_action")
        elif instant >= intent["created"] + _CANCELED_AFTER:
            intent.update(
                canceled_at=intent["created"] + _CANCELED_AFTER,
                cancellation_reason="abandoned",
                payment_method=None,
                status="canceled",
            )
        else:
            intent["payment_method"] = None
        return intent

    def _move_on(self, intent: Record, payment: Payment, instant: int) -> None:
        """How far the one payment of a sale had come."""
        if payment.created > instant:
            intent["status"] = "requires_confirmation"
        elif payment.failure is not None:
            intent.update(payment_method=None, status="requires_payment_method")
        elif payment.settled is not None and payment.settled > instant:
            intent["status"] = "processing"
        elif payment.captured is None or payment.captured > instant:
            intent.update(amount_capturable=payment.amount, status="requires_capture")
        else:
            intent.update(amount_received=payment.amount, status="succeeded")

    def _add_charge(self, intent: Record, charges: Iterable[int], instant: int) -> None:
        """The latest charge, and its error if it failed."""
        tried = [number for number in charges if self.story.layout.charges.created(number) <= instant]
        payment = self.story.payments(tried[-1]) if tried else None
        if payment is None:
            return
        intent["latest_charge"] = self.company.charges.id_of(payment)
        if payment.failure is not None:
            reason = decline(payment.failure, payment.number)
            method = self.company.payment_methods.at(payment.method, instant)
            intent["last_payment_error"] = error_of(reason, intent["latest_charge"], method)


def _description(invoice: Invoice) -> str:
    if invoice.contract is None:
        return "Payment for Invoice"
    return "Subscription update" if invoice.lane else "Subscription creation"
