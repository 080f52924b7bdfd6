"""Checkout sessions: of sales, through a link or not, and of subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, listed, template
from connector.sandbox.history.objects.catalogue import Cost, costs_of
from connector.sandbox.history.objects.identities import LINES
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.objects.shipping import destination
from connector.sandbox.history.story.bills import Bill
from connector.sandbox.history.story.contracts import Contract, Fate
from connector.sandbox.history.story.sales import Outcome, Sale
from connector.sandbox.history.story.series import PAID_AFTER, SALES

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_SESSION, _BUYER = template("checkout.session"), template("customer_details")
_SIGN_UPS = 3  # one in so many subscriptions began on the checkout page
_TAKES = 4  # seconds from opening that page to the first payment


class CheckoutSessions(Kind):
    """Lane 0 of a slot is for its subscription, the others for its sales."""

    name = "checkout.session"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.session
        self.numbering = self.story.layout.sessions

    def at(self, number: int, instant: int) -> Record | None:
        """The session as it was at an instant."""
        slot, lane = self.story.layout.sessions.place(number)
        created = self.numbering.created(number)
        if created > instant:
            return None
        if lane:
            sale = self.story.sales(slot, lane - 1)
            return self._of_sale(number, sale, instant) if sale.has_session else None
        contract = self._signed_up(slot)
        return None if contract is None else self._of_contract(number, contract, instant)

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer, payment intent or subscription; a link has them anywhere."""
        series, layout = self.story.layout.sessions, self.story.layout
        if field == "subscription":
            slot = self.company.subscriptions.number(value)
            return () if slot is None or slot >= layout.subscriptions.end else (series.number(slot, 0),)
        if field == "payment_intent":
            intent = self.company.payment_intents.number(value)
            slot, lane = (0, 0) if intent is None else layout.payment_intents.place(intent)
            sale = lane - layout.intent_of_sale(slot)
            return (series.number(slot, 1 + sale),) if intent is not None and sale >= 0 else ()
        if field == "customer":
            customer = self.company.customers.number(value)
            return () if customer is None else self._of_customer(customer)
        return None

    def of_contract(self, slot: int) -> str | None:
        """The id of the session with which a subscription began, if it did so on a page."""
        return None if self._signed_up(slot) is None else self.ids(self.story.layout.sessions.number(slot, 0))

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Sessions are completed, expire, and are settled a day later where a bank pays."""
        contract = self._signed_up(slot) if slot >= 0 else None
        series = self.story.layout.sessions
        if contract is not None:
            done = series.instant(slot, 0) + _TAKES
            yield Happening(done, "checkout.session.completed", self.name, series.number(slot, 0))
        for earlier in {slot, *self.story.calendar.slots_before(slot, 86_400), max(0, slot - 1)}:
            for lane in range(SALES):
                sale = self.story.sales(earlier, lane)
                if sale.has_session:
                    yield from self._told(sale)

    def _told(self, sale: Sale) -> Iterator[Happening]:
        number = self.story.layout.sessions.number(sale.slot, 1 + sale.lane)
        if sale.outcome is Outcome.ABANDONED:
            yield Happening(self._expires(sale), "checkout.session.expired", self.name, number)
            return
        done = sale.begun + PAID_AFTER
        yield Happening(done, "checkout.session.completed", self.name, number)
        settled = self._settled(sale)
        if settled > done:
            yield Happening(settled, "checkout.session.async_payment_succeeded", self.name, number)

    def _of_customer(self, customer: int) -> Iterator[int]:
        series = self.story.layout.sessions
        for sale in self.story.sales.of_customer(customer):
            yield series.number(sale.slot, 1 + sale.lane)
        for slot in self.story.people.slots(customer):
            yield series.number(slot, 0)

    def _add_shares(self, line: Record, contract: Contract, instant: int) -> None:
        """What was taken off a line and added to it, and by what."""
        discount, tax = line["amount_discount"], line["amount_tax"]
        net = line["amount_subtotal"] - discount
        if discount:
            given = self.company.discounts.at(contract.number, instant + _TAKES + 2)  # it comes with the subscription
            line["discounts"] = [{"amount": discount, "discount": given}]
        if tax:
            rate = self.company.tax_rates.of_customer(contract.customer)
            reason = {"taxability_reason": "standard_rated", "taxable_amount": net}
            line["taxes"] = [{"amount": tax, "rate": rate, **reason}]

    def _signed_up(self, slot: int) -> Contract | None:
        """The subscription of a slot, if it began on the checkout page and was paid at once."""
        contract = self.story.contracts(slot)
        if contract is None or slot % _SIGN_UPS or contract.fate in (Fate.INCOMPLETE, Fate.BY_INVOICE):
            return None
        return contract

    def _expires(self, sale: Sale) -> int:
        return sale.begun + self.story.calendar.expired_after

    def _settled(self, sale: Sale) -> int:
        """When the money was there."""
        layout = self.story.layout
        charge = layout.charges.number(sale.slot, layout.charge_of_sale(sale.slot) + sale.lane)
        payment = self.story.payments(charge)
        return payment.settled if payment is not None and payment.settled is not None else 0

    def _of_sale(self, number: int, sale: Sale, instant: int) -> Record:
        record = self._record(number, sale.begun + self.story.calendar.expired_after)
        done = sale.outcome is Outcome.PAID and instant >= sale.begun + PAID_AFTER
        expired = sale.outcome is Outcome.ABANDONED and instant >= self._expires(sale)
        lines = self.company.prices.sold(sale.items, costs_of(sale.items, sale.subtotal), number * LINES, instant)
        record.update(
            self.company.pages.asked(sale.items, sale.begun),
            amount_subtotal=sale.subtotal,
            allow_promotion_codes=True if sale.draw & 8 else None,
            billing_address_collection="required" if sale.draw & 16 else None,
            customer_email=f"guest.{sale.draw % 100_000:05}@example.net" if sale.customer is None else None,
            locale="auto" if sale.draw & 32 else None,
            submit_type="pay" if sale.draw & 64 else None,
            client_reference_id=f"cart-{sale.draw % 10_000:05}" if sale.draw & 2 else None,
            currency=sale.currency,
            customer=None if sale.customer is None else self.identities.customer(sale.customer),
            customer_creation="if_required",
            line_items=listed(f"/v1/checkout/sessions/{record['id']}/line_items", lines),
            metadata=dict(self.story.people.metadata[sale.draw % len(self.story.people.metadata)]),
            payment_link=None if sale.link is None else self.identities.payment_link(sale.link),
            payment_method_types=[sale.kind] if sale.kind == "card" else [sale.kind, "card"],
            status="complete" if done else "expired" if expired else "open",
        )
        self._add_page(record, sale)
        if done:
            self._complete(record, sale, instant)
        if record["status"] == "open" and record["ui_mode"] == "hosted_page":
            record["url"] = f"https://checkout.stripe.com/c/pay/{record['id']}"
        return record

    def _add_page(self, record: Record, sale: Sale) -> None:
        pages = self.company.pages
        pages.opened(record, sale)
        pages.ship(record, sale, is_done=record["status"] == "complete")
        pages.recover(record, sale, is_expired=record["status"] == "expired")

    def _complete(self, record: Record, sale: Sale, instant: int) -> None:
        layout = self.story.layout
        intent = layout.payment_intents.number(sale.slot, layout.intent_of_sale(sale.slot) + sale.lane)
        record.update(
            customer_details=self._buyer(sale),
            payment_intent=self.identities.payment_intent(intent),
            payment_status="paid" if self._settled(sale) <= instant else "unpaid",
        )
        self.company.pages.answered(record, sale)

    def _of_contract(self, number: int, contract: Contract, instant: int) -> Record:
        people, customer = self.story.people, contract.customer
        record = self._record(number, self.numbering.created(number) + self.story.calendar.expired_after)
        buyer = _BUYER()
        buyer.update(email=people.email(customer), name=people.name(customer), phone=people.phone(customer))
        bill = self.story.bills.of_contract(contract, 0)
        lines = self.company.prices.sold(contract.items, _costs(contract, bill), number * LINES, instant)
        for line in lines:
            self._add_shares(line, contract, instant)
        done = instant >= record["created"] + _TAKES
        record.update(
            amount_subtotal=bill.subtotal,
            amount_total=bill.total,
            currency=contract.currency,
            customer=self.identities.customer(customer),
            customer_details=buyer if done else None,
            line_items=listed(f"/v1/checkout/sessions/{record['id']}/line_items", lines),
            mode="subscription",
            payment_method_collection="always",
            payment_method_types=[contract.kind],
            status="complete" if done else "open",
        )
        record["total_details"].update(amount_discount=sum(bill.discounts), amount_tax=sum(bill.taxes))
        if contract.coupon is not None:
            code = self.story.contracts.code_of(contract)
            promotion = None if code is None else self.identities.promotion_code(code.number)
            record["discounts"] = [{"coupon": contract.coupon.line["id"], "promotion_code": promotion}]
        if done:
            record["invoice"] = self.identities.invoice(self.company.invoices.number_of(contract, 0))
            record["subscription"] = self.identities.subscription(contract.number)
            record["payment_status"] = "paid" if bill.total else "no_payment_required"
        return record

    def _record(self, number: int, expires: int) -> Record:
        record = _SESSION()
        record.update(id=self.ids(number), created=self.numbering.created(number), expires_at=expires)
        return record

    def _buyer(self, sale: Sale) -> Record:
        buyer, people = _BUYER(), self.story.people
        if sale.customer is None:
            buyer.update(email=f"guest.{sale.draw % 100_000:05}@example.net", name=people.some_name(sale.draw >> 12))
        else:
            email = people.email(sale.customer)
            buyer.update(email=email, name=people.name(sale.customer), phone=people.phone(sale.customer))
        if sale.draw & 16:  # the page asked for it
            buyer["address"] = destination(sale, people)["address"]
        return buyer


def _costs(contract: Contract, bill: Bill) -> list[Cost]:
    """What each item of a subscription costs at first; what is billed by use costs nothing yet."""
    shares = zip(bill.lines, bill.discounts, bill.taxes, strict=True)
    costs = {line.item: Cost(line.amount, discount, tax) for line, discount, tax in shares}
    return [costs.get(place, Cost(0)) for place in range(len(contract.items))]
