"""Charges: attempts to take money, and what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.cards import authenticated, checks_of, codes_of, indicator_of, wallet_of
from connector.sandbox.history.objects.declines import decline, refuse
from connector.sandbox.history.objects.invoices import statement_descriptor
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.objects.orders import order_of
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.payments import Payment
from connector.sandbox.history.story.series import Movement

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_CHARGE = template("charge")
_OUTCOME = template("charge.outcome")
_DETAILS = {kind: template(f"charge.{kind}") for kind in ("card", "sepa_debit", "us_bank_account", "link")}
_ELEVATED = 55  # risk scores above
_ASKED = 4  # one payer in so many is asked by the bank
_HELD_DAYS = 7
_DESCRIPTOR = "SANDBOX SOEHNE"


class Charges(Kind):
    """What the hot path of the sandbox makes: a page of a hundred should cost a millisecond or two."""

    name = "charge"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.numbering = self.story.layout.charges
        self._payments, self._reversals = self.story.payments, self.story.reversals
        self._people = self.story.people

    def number(self, text: str) -> int | None:
        """The number of a charge, or of a payment by bank debit."""
        ids = self.identities.debit if text.startswith("py_") else self.identities.charge
        number = self.read(ids, text)
        payment = None if number is None else self._payments(number)
        return number if payment is None or self.id_of(payment) == text else None

    def at(self, number: int, instant: int) -> Record | None:
        """The charge as it was at an instant."""
        payment = self._payments(number)
        if payment is None or payment.created > instant:
            return None
        return self.of(payment, instant)

    def of(self, payment: Payment, instant: int) -> Record:
        """The charge of a payment that had been tried by then."""
        identities = self.identities
        method = identities.payment_method(payment.method)
        charge = _CHARGE()
        charge.update(
            id=self.id_of(payment),
            amount=payment.amount,
            billing_details=(billing := self.company.payment_methods.billing(payment.method)),
            created=payment.created,
            currency=payment.currency,
            customer=None if payment.customer is None else identities.customer(payment.customer),
            description=self.description(payment),
            outcome=_OUTCOME(),
            payment_intent=identities.payment_intent(self.intent(payment)),
            payment_method=method,
            payment_method_details={payment.kind: self._details(payment, method, billing), "type": payment.kind},
        )
        if payment.sale is not None:
            charge["metadata"].update(self._people.metadata[payment.sale.draw % len(self._people.metadata)])
            charge.update(order_of(payment.sale, self._people))
        if payment.failure is not None:
            refuse(charge, decline(payment.failure, payment.number))
            return charge
        charge["authorization_code"] = charge["payment_method_details"][payment.kind].get("authorization_code")
        charge["calculated_statement_descriptor"] = _DESCRIPTOR
        charge["outcome"]["risk_score"] = risk = payment.number % 60
        if risk > _ELEVATED:
            charge["outcome"]["risk_level"] = "elevated"
        if charge["receipt_email"]:
            charge["receipt_number"] = _receipt(payment.number)
        elif payment.sale is None:
            self._add_bill(charge, payment)
        charge["receipt_url"] = f"https://pay.stripe.com/receipts/payment/{charge['id']}"
        if payment.settled is not None and payment.settled > instant:
            charge.update(status="pending", paid=False)
        if payment.captured is not None and payment.captured <= instant:
            self._capture(charge, payment, instant)
        return charge

    def receipt_of(self, customer: int, number: int) -> str | None:
        """The number of the receipt for a bill that was paid by a charge, where the customer wants one."""
        return _receipt(number) if self._people.draw(customer) >> 58 & 1 and self._people.email(customer) else None

    def refund_receipt(self, payment: Payment, refund: int) -> str | None:
        """The number of the receipt for a refund, for whom had one for the payment."""
        if payment.sale is not None:
            return _receipt(refund) if order_of(payment.sale, self._people)["receipt_email"] else None
        assert payment.customer is not None
        return self.receipt_of(payment.customer, refund)

    def _add_bill(self, charge: Record, payment: Payment) -> None:
        """What a charge says as its invoice does."""
        assert payment.customer is not None
        charge["receipt_number"] = self.receipt_of(payment.customer, payment.number)
        descriptor = statement_descriptor(payment.intent_slot) if payment.contract is None else None
        if descriptor is not None:
            charge.update(statement_descriptor=descriptor, calculated_statement_descriptor=descriptor)

    def id_of(self, payment: Payment) -> str:
        """The charge's id: bank debits have a prefix of their own."""
        ids = self.identities.debit if payment.is_debit else self.identities.charge
        return ids(payment.number)

    def intent(self, payment: Payment) -> int:
        """The number of its payment intent."""
        return self.story.layout.payment_intents.number(payment.intent_slot, payment.lane)

    def transaction(self, payment: Payment) -> int:
        """The number of its balance transaction."""
        return self.story.layout.transaction(payment.slot, Movement.CHARGE, payment.place)

    def description(self, payment: Payment) -> str | None:
        """What the charge says it is for."""
        if payment.contract is not None:
            return "Subscription update" if payment.lane else "Subscription creation"
        if payment.sale is None:
            return "Payment for Invoice"
        descriptions = self._people.descriptions
        return None if payment.sale.lane == 1 else descriptions[payment.sale.draw % len(descriptions)]

    def of_customer(self, customer: int) -> list[int]:
        """The charges that a customer has or will have."""
        layout = self.story.layout
        found = [
            layout.charges.number(sale.slot, layout.charge_of_sale(sale.slot) + sale.lane)
            for sale in self.story.sales.of_customer(customer)
        ]
        for slot, lane in self.company.invoices.places_of_customer(customer):
            found += self._payments.attempts(slot, lane)
        return found

    def of_intent(self, number: int) -> list[int]:
        """The charges of a payment intent, oldest first, also those to come."""
        layout = self.story.layout
        slot, lane = layout.payment_intents.place(number)
        sale = lane - layout.intent_of_sale(slot)
        if sale >= 0:
            return [layout.charges.number(slot, layout.charge_of_sale(slot) + sale)]
        return self._payments.attempts(slot, lane)

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer or payment intent."""
        if field == "customer":
            customer = self.company.customers.number(value)
            return () if customer is None else self.of_customer(customer)
        if field == "payment_intent":
            intent = self.company.payment_intents.number(value)
            return () if intent is None else self.of_intent(intent)
        return None

    def payments(self, field: str, value: str) -> list[Payment] | None:
        """The payments of a charge or a payment intent; None for another field."""
        if field == "charge":
            charge = self.number(value)
            numbers = [] if charge is None else [charge]
        elif field == "payment_intent":
            numbers = list(self.numbers(field, value) or ())
        else:
            return None
        return [payment for payment in map(self._payments, numbers) if payment is not None]

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Charges succeed, fail, are pending for a day, and are captured."""
        charges = self.story.layout.charges
        for number in charges.numbers(slot):
            payment = self._payments(number)
            if payment is not None:
                yield from self._told(payment)
        yield from self._settling(slot)

    def _told(self, payment: Payment) -> Iterator[Happening]:
        word = "failed" if payment.failure is not None else "succeeded"
        if payment.settled is not None and payment.settled > payment.created:
            word = "pending"
        yield Happening(payment.created, f"charge.{word}", self.name, payment.number)
        if payment.captured is not None and payment.captured > payment.created:
            yield Happening(payment.captured, "charge.captured", self.name, payment.number)

    def _settling(self, slot: int) -> Iterator[Happening]:
        """Bank debits of the day before."""
        layout = self.story.layout
        for earlier in self.story.calendar.slots_before(slot, 86_400):
            number = layout.charges.number(earlier, layout.charge_of_sale(earlier) + 3)
            payment = self._payments(number)
            if payment is not None and payment.settled is not None and payment.settled > payment.created:
                yield Happening(payment.settled, "charge.succeeded", self.name, number)

    def _capture(self, charge: Record, payment: Payment, instant: int) -> None:
        refunded = self._reversals.refunded(payment, instant)
        charge["captured"] = True
        charge["amount_captured"] = payment.amount
        charge["balance_transaction"] = self.identities.transaction(self.transaction(payment))
        if refunded:
            charge["amount_refunded"] = refunded
            charge["refunded"] = refunded == payment.amount
        dispute = self._reversals.dispute_of(payment)
        if dispute is not None and dispute.created <= instant:
            charge["disputed"] = True
            if dispute.draw & 1:
                charge["fraud_details"]["user_report"] = "fraudulent"

    def _details(self, payment: Payment, method: str, billing: Record) -> Record:
        details = _DETAILS[payment.kind]()
        if payment.kind == "card":
            card = self.story.methods.card(payment.method)
            details["amount_authorized"] = details["overcapture"]["maximum_amount_capturable"] = payment.amount
            details["brand"], details["last4"], details["network"] = card.brand, card.last4, card.network
            details["country"], details["funding"] = card.country, card.funding
            details["exp_month"], details["exp_year"] = card.exp_month, card.exp_year
            details["fingerprint"] = self.identities.fingerprint(method)
            details["checks"], details["wallet"] = checks_of(billing), wallet_of(payment.method)
            if payment.failure is None:
                details.update(codes_of(payment.number))
                self._add_sale(details, payment)
        elif payment.kind == "link":
            details["country"] = billing["address"]["country"]
        else:
            details["fingerprint"] = self.identities.fingerprint(method)
            details["expected_debit_date"] = datetime.fromtimestamp(payment.created + DAY, UTC).date().isoformat()
            if payment.kind == "us_bank_account":
                details["payment_reference"] = f"{payment.number * 7919 % 10**15:015}"
        return details

    def _add_sale(self, details: Record, payment: Payment) -> None:
        """What only a payer who is there brings about: being asked by the bank, and being charged later."""
        sale = payment.sale
        if sale is None:
            return
        if payment.number % _ASKED == 0:
            details["three_d_secure"] = authenticated(payment.number, details["network"])
            details["electronic_commerce_indicator"] = indicator_of(details["network"])
        if self.story.layout.is_authorized(sale.slot, sale.lane):
            details["capture_before"] = payment.created + _HELD_DAYS * DAY


def _receipt(number: int) -> str:
    return f"{1000 + number % 9000}-{1000 + number % 60:04}"
