"""Invoices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, listed, template
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.contracts import Contract, Fate
from connector.sandbox.history.story.invoices import GRACE_DAYS, SHORT_GRACE_DAYS, Invoice

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_INVOICE = template("invoice")
_LAST = 4  # invoices of a subscription of which something may still be heard
_DESCRIPTOR = "SOEHNE INVOICE"
_FOOTERS = (None, None, None, "Thank you!\nBitte innerhalb von 30 Tagen zahlen.", None, 'VAT "reverse charge", if any')


class Invoices(Kind):
    """Bills of subscriptions, and bills written by hand."""

    name = "invoice"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.invoice
        self.numbering = self.story.layout.invoices
        self._month = self.story.calendar.slots_per_month

    def at(self, number: int, instant: int) -> Record | None:
        """The invoice as it was at an instant."""
        slot, lane = self.story.layout.invoices.place(number)
        invoice = self.story.invoices(slot, lane)
        if invoice is None or invoice.created > instant:
            return None
        return self.of(invoice, instant)

    def of(self, invoice: Invoice, instant: int) -> Record:
        """The invoice as it was at an instant, which had been drafted by then."""
        bill = self.story.invoices.bill(invoice)
        ident = self.ids(invoice.number)
        due = self.amount_due(invoice, instant)
        status = invoice.course.status(instant)
        paid = due if status == "paid" else 0
        discounts, taxes = sum(bill.discounts), sum(bill.taxes)
        record = _INVOICE()
        record.update(
            id=ident,
            amount_due=due,
            amount_paid=paid,
            amount_remaining=due - paid,
            amount_shipping=bill.shipping,
            created=invoice.created,
            currency=invoice.currency,
            footer=_FOOTERS[invoice.slot % len(_FOOTERS)],
            lines=listed(f"/v1/invoices/{ident}/lines", self.company.lines.of(invoice, bill)),
            period_end=invoice.created,
            period_start=invoice.created,
            shipping_cost=self.company.shipping_rates.cost(bill.rate),
            post_payment_credit_notes_amount=self.story.invoices.credits(invoice, instant, before_payment=False),
            pre_payment_credit_notes_amount=invoice.total - due,
            status=status,
            subtotal=bill.subtotal,
            subtotal_excluding_tax=bill.subtotal,
            test_clock=self.company.customers.test_clock(invoice.customer),
            total=bill.total,
            total_excluding_tax=bill.total - taxes,
            webhooks_delivered_at=invoice.created,
        )
        if self.story.people.tax_permyriad(invoice.customer):
            record["default_tax_rates"].append(self.company.tax_rates.of_customer(invoice.customer))
        if taxes:
            record["total_taxes"].append(self.company.tax(invoice.customer, taxes, bill.subtotal - discounts))
        record.update(self.company.customers.agreed(invoice.customer))
        self._add_customer(record, invoice)
        self._add_origin(record, invoice, discounts)
        self._add_course(record, invoice, instant)
        return record

    def is_over(self, number: int, instant: int) -> bool:
        """Most invoices are paid, and there are many."""
        invoice = self.story.invoices(*self.story.layout.invoices.place(number))
        return invoice is None or invoice.course.status(instant) not in ("draft", "open")

    def amount_due(self, invoice: Invoice, instant: int) -> int:
        """The total less what was credited before payment."""
        return invoice.total - self.story.invoices.credits(invoice, instant, before_payment=True)

    def number_of(self, contract: Contract, period: int) -> int:
        """The number of a subscription's invoice."""
        return self.story.layout.invoices.number(contract.number + period * self._month, period)

    def serial(self, invoice: Invoice) -> str:
        """What is printed on it as its number."""
        customers = self.company.customers
        issued = customers.invoices_issued(invoice.customer, invoice.course.finalized or invoice.created)
        return f"{customers.invoice_prefix(invoice.customer)}-{issued:04}"

    def places_of_customer(self, customer: int) -> Iterator[tuple[int, int]]:
        """Slot and lane of every invoice that a customer has or will have."""
        last = self.story.calendar.slots
        for slot in self.story.people.slots(customer):
            contract = self.story.contracts(slot)
            for period in range((last - slot) // self._month + 1):
                if contract is not None and contract.billed(period):
                    yield slot + period * self._month, period
            if self.story.bills.is_by_hand(slot):
                yield slot, self.story.layout.by_hand(slot)

    def newest_of_customer(self, customer: int, slot: int) -> Iterator[tuple[int, int]]:
        """Slot and lane of the customer's last invoices up to a slot: four of each subscription, and those by hand."""
        for own in self.story.people.slots(customer):
            contract = self.story.contracts(own)
            if contract is not None and own <= slot:
                last = min((slot - own) // self._month, contract.stop - 1)
                last -= last % contract.every
                for period in range(last, max(-1, last - _LAST * contract.every), -contract.every):
                    yield own + period * self._month, period
            if own <= slot and self.story.bills.is_by_hand(own):
                yield own, self.story.layout.by_hand(own)

    def turns(self, slot: int, lane: int) -> Iterator[tuple[int, bool]]:
        """When an invoice makes its customer delinquent, and when no longer."""
        invoice = self.story.invoices(slot, lane)
        if invoice is None:
            return
        course = invoice.course
        for created in map(self.story.layout.charges.created, course.attempts):
            if created != course.paid:
                yield created, True
        if course.due is not None and course.is_late():
            yield course.due, True
        if course.paid is not None:
            yield course.paid, False
        if course.uncollectible is not None and course.due is not None:
            yield course.uncollectible, False  # somebody has said so, while one that was sought in vain just ends

    def settling(self, slot: int) -> Iterator[tuple[int, Invoice]]:
        """When an earlier invoice is late, paid elsewhere or given up in a slot, and which."""
        calendar = self.story.calendar
        waiting = {
            earlier
            for days in (SHORT_GRACE_DAYS, GRACE_DAYS)
            for earlier in calendar.slots_before(slot, days * DAY + calendar.finalized_after)
        }
        for earlier in self.story.invoices.ending(slot) | waiting:
            for invoice in self._in(earlier):
                course = invoice.course
                for instant in (course.due, course.paid, course.uncollectible):
                    if instant is not None:
                        yield instant, invoice

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer or subscription."""
        if field == "customer":
            customer = self.company.customers.number(value)
            places = [] if customer is None else self.places_of_customer(customer)
            return [self.story.layout.invoices.number(slot, lane) for slot, lane in places]
        if field == "subscription":
            number = self.company.subscriptions.number(value)
            contract = None if number is None else self.story.contracts(number)
            last = self.story.calendar.slots
            periods = range(0 if contract is None else (last - contract.number) // self._month + 1)
            return [self.number_of(contract, period) for period in periods if contract and contract.billed(period)]
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Invoices are drafted, sent, paid, not paid, given up and voided."""
        for invoice in self._in(slot):
            yield self._happening(invoice.created, "created", invoice)
            finalized, paid = invoice.course.finalized, invoice.course.paid
            if finalized is not None:
                for word in ("finalized", "updated"):
                    yield self._happening(finalized, word, invoice)
                if invoice.course.due is not None:
                    yield self._happening(finalized, "sent", invoice)
                if finalized == paid:
                    yield self._happening(finalized, "paid", invoice)
        yield from self._tried(slot)
        yield from self._ended(slot)

    def _in(self, slot: int) -> Iterator[Invoice]:
        for lane in range(self.story.layout.by_hand(slot) + 1 if slot >= 0 else 0):
            invoice = self.story.invoices(slot, lane)
            if invoice is not None:
                yield invoice

    def _tried(self, slot: int) -> Iterator[Happening]:
        charges, layout = self.story.layout.charges, self.story.layout
        for lane in range(layout.charge_of_sale(slot)):
            payment = self.story.payments(charges.number(slot, lane))
            if payment is None:
                continue
            about = layout.invoices.number(payment.intent_slot, payment.lane)
            words = ("payment_failed", "updated") if payment.failure else ("updated", "paid", "payment_succeeded")
            for word in words:
                yield Happening(payment.created, f"invoice.{word}", self.name, about)

    def _ended(self, slot: int) -> Iterator[Happening]:
        """The ends of invoices that were sent some slots ago."""
        for earlier in self.story.invoices.ending(slot):
            for invoice in self._in(earlier):
                course = invoice.course
                ends = {"voided": course.voided, "marked_uncollectible": course.uncollectible}
                if course.off_stripe:
                    ends["paid"] = course.paid
                for word, instant in ends.items():
                    if instant is not None:
                        yield self._happening(instant, "updated", invoice)
                        yield self._happening(instant, word, invoice)
        for instant, invoice in self.settling(slot):
            if instant == invoice.course.due and invoice.course.is_late():
                yield self._happening(instant, "overdue", invoice)

    def _happening(self, instant: int, word: str, invoice: Invoice) -> Happening:
        return Happening(instant, f"invoice.{word}", self.name, invoice.number)

    def _add_customer(self, record: Record, invoice: Invoice) -> None:
        """The customer's details, as they were when the invoice was drafted."""
        people, customer = self.story.people, invoice.customer
        record.update(
            customer=self.identities.customer(customer),
            customer_address=self.company.customers.address(customer, invoice.created),
            customer_email=people.email(customer),
            customer_name=people.name(customer),
            customer_phone=people.phone(customer),
            customer_shipping=self.company.customers.shipping(customer, invoice.created),
            customer_tax_exempt="reverse" if people.reverses_charge(customer) else "none",
            customer_tax_ids=self.company.tax_ids.printed(customer, invoice.created),
        )

    def _add_words(self, record: Record, invoice: Invoice) -> None:
        """What somebody who writes invoices by hand adds to them."""
        number, people = invoice.slot, self.story.people
        record["metadata"] = dict(people.metadata[number % len(people.metadata)])
        record["statement_descriptor"] = statement_descriptor(number)
        if number % 4 == 0:
            record["default_payment_method"] = self.identities.payment_method(
                self.story.methods.of_customer(invoice.customer)
            )
        if record["shipping_cost"] is not None:
            address = people.address(invoice.customer) or people.somewhere(invoice.currency, number)
            name, phone = people.name(invoice.customer) or "Reception", people.phone(invoice.customer)
            record["shipping_details"] = {
                "address": address, "carrier": "DHL", "name": name, "phone": phone, "tracking_number": f"{number:012}",
            }  # fmt: skip
        record["description"] = "As agreed; thank you!" if number % 3 else None
        record["rendering"] = {
            "amount_tax_display": "exclude_tax", "pdf": {"page_size": "a4"}, "template": None, "template_version": None,
        }  # fmt: skip
        if number % 2:
            record["custom_fields"] = [{"name": "Purchase order", "value": f"PO-{number:05}"}]

    def _add_origin(self, record: Record, invoice: Invoice, discounts: int) -> None:
        contract = invoice.contract
        if contract is None:
            record.update(billing_reason="manual", collection_method="send_invoice")
            self._add_words(record, invoice)
            return
        standing = self.story.subscriptions
        metadata = self.company.subscriptions.metadata(contract)
        subscription = {"metadata": metadata, "subscription": self.identities.subscription(contract.number)}
        record["parent"] = {"quote_details": None, "subscription_details": subscription, "type": "subscription_details"}
        record["payment_settings"].update(self.company.subscriptions.payment_settings(contract))
        record.update(self.company.subscriptions.printed(contract))
        record["billing_reason"] = "subscription_cycle" if invoice.lane else "subscription_create"
        if contract.fate is Fate.BY_INVOICE:
            record["collection_method"] = "send_invoice"
        record["period_end"] = standing.starts(contract, invoice.lane)
        record["period_start"] = standing.starts(contract, max(0, invoice.lane - contract.every))
        if contract.coupon is not None and invoice.lane < contract.discounted:
            discount = self.identities.discount(contract.number)
            record["discounts"].append(discount)
            record["total_discount_amounts"].append({"amount": discounts, "discount": discount})
            record["total_pretax_credit_amounts"].append(
                {"amount": discounts, "discount": discount, "type": "discount"}
            )

    def _add_course(self, record: Record, invoice: Invoice, instant: int) -> None:
        course = invoice.course
        automatic = record["collection_method"] == "charge_automatically"
        if course.finalized is None or course.finalized > instant:
            if course.finalized is not None and automatic:
                record.update(automatically_finalizes_at=course.finalized, next_payment_attempt=course.finalized)
            record["auto_advance"] = course.finalized is not None
            return
        ident = record["id"]
        tried = [created for created in map(self.story.layout.charges.created, course.attempts) if created <= instant]
        record.update(
            amount_paid_off_stripe=record["amount_paid"] if course.off_stripe else 0,
            attempt_count=len(tried),
            attempted=bool(tried) or course.paid == course.finalized,
            due_date=course.due,
            effective_at=course.finalized,
            ending_balance=0,
            hosted_invoice_url=f"https://invoice.stripe.com/i/{self.identities.account}/test_{ident[-8:]}",
            invoice_pdf=f"https://pay.stripe.com/invoice/{self.identities.account}/test_{ident[-8:]}/pdf",
            number=self.serial(invoice),
        )
        if not course.off_stripe:
            del record["amount_paid_off_stripe"]
            if record["status"] == "paid" and course.attempts:
                record["receipt_number"] = self.company.charges.receipt_of(invoice.customer, course.attempts[-1])
        if record["status"] == "open" and automatic:
            later = [
                created for created in map(self.story.layout.charges.created, course.attempts) if created > instant
            ]
            record["next_payment_attempt"] = later[0] if later else None
            record["auto_advance"] = bool(later)
        self._add_transitions(record, invoice, instant)

    def _add_transitions(self, record: Record, invoice: Invoice, instant: int) -> None:
        course, transitions = invoice.course, record["status_transitions"]
        reached = {
            "finalized_at": course.finalized,
            "marked_uncollectible_at": course.uncollectible,
            "paid_at": course.paid,
            "voided_at": course.voided,
        }
        transitions.update({word: at for word, at in reached.items() if at is not None and at <= instant})
        if record["status"] == "uncollectible":
            failed = invoice.contract is not None and invoice.contract.fate is Fate.FAILED
            reason = "max_payment_attempts" if failed else "user_forgiven"
            record["status_details"] = {"uncollectible": {"reason": reason}}


def statement_descriptor(slot: int) -> str | None:
    """What an invoice written by hand in a slot says on the statement, where somebody has thought of it."""
    return _DESCRIPTOR if slot % 5 == 0 else None
