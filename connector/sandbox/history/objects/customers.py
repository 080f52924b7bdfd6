"""Customers and their payment methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.cards import checks_of, wallet_of
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.people import is_one_in
from connector.sandbox.history.story.sales import Outcome
from connector.sandbox.history.story.series import METHODS

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_CUSTOMER, _PAYMENT_METHOD, _ADDRESS = template("customer"), template("payment_method"), template("address")
_DETAILS = {kind: template(f"payment_method.{kind}") for kind in ("card", "sepa_debit", "us_bank_account", "link")}
_LABELLED = 9  # one payment method in so many has a label
_PREFIX_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_MOVED_DAYS = 100
_HAS_CONTRACT, _AGREED = 5, "Payable as agreed in our contract of services."
_MOVES, _HAS_CREDIT = (7, 3), (9, 4)  # one in so many customers, from which on


class Customers(Kind):
    """People and businesses; a few live on a test clock, some move house."""

    name = "customer"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.customer
        self.numbering = self.story.layout.customers
        self._moves_after = self.story.calendar.days(_MOVED_DAYS)

    def at(self, number: int, instant: int) -> Record | None:
        """The customer as they were at an instant."""
        people = self.story.people
        if not people.comes(number):
            return None
        created = self.story.calendar.comes(number)
        if created > instant:
            return None
        odd, name, draw = people.awkward(number), people.name(number), people.draw(number)
        customer = _CUSTOMER()
        customer.update(
            id=self.ids(number),
            address=self.address(number, instant),
            balance=self.balance(number),
            created=created,
            currency=people.market(number).currency if self._has_currency(number, instant) else None,
            delinquent=self._is_delinquent(number, instant),
            description=odd.get("description"),
            email=people.email(number),
            invoice_prefix=self.invoice_prefix(number),
            metadata=dict(odd.get("metadata", ())) or dict(people.metadata[(draw >> 20) % len(people.metadata)]),
            name=name,
            next_invoice_sequence=self.invoices_issued(number, instant) + 1,
            phone=people.phone(number),
            tax_exempt="reverse" if people.reverses_charge(number) else "none",
            test_clock=self.test_clock(number),
        )
        customer["invoice_settings"].update(self.agreed(number))
        if self.story.methods.is_default(number):
            customer["invoice_settings"]["default_payment_method"] = self._method(number)
        if draw >> 51 & 1:
            customer["preferred_locales"].append(people.market(number).locale)
        customer["shipping"] = self.shipping(number, instant)
        if people.is_business(number):
            customer["business_name"] = f"{people.some_name(draw >> 30)} & Co. KG"
        elif draw >> 54 & 1 and name:
            customer["individual_name"] = name
        return customer

    def address(self, number: int, instant: int) -> dict[str, str | None] | None:
        """Where the customer lived at an instant."""
        moved = is_one_in(_MOVES, number) and instant >= self._moved(number + self._moves_after)
        return self.story.people.address(number, moved=moved)

    def agreed(self, number: int) -> Record:
        """What is printed on all of the customer's bills, where that has been agreed."""
        if number % 12 != _HAS_CONTRACT:
            return {}
        return {"custom_fields": [{"name": "Contract", "value": f"C-{number:05}"}], "footer": _AGREED}

    def shipping(self, number: int, instant: int) -> Record | None:
        """Where parcels to the customer go, if they have said so."""
        people = self.story.people
        if (people.draw(number) >> 52) % 5:
            return None
        address = self.address(number, instant) or people.address(number + 1) or {}
        return {"address": address, "name": people.name(number) or "Reception", "phone": people.phone(number)}

    def test_clock(self, number: int) -> str | None:
        """The id of the test clock that the customer lives on, mostly none."""
        return self.identities.test_clock(number) if self.story.people.on_clock(number) else None

    def of_test_clock(self, text: str) -> int | None:
        """The customer who lives on a test clock."""
        return self.read(self.identities.test_clock, text)

    def invoice_prefix(self, number: int) -> str:
        """What the numbers of the customer's invoices begin with."""
        draw = self.story.people.draw(number) >> 4
        return "".join(_PREFIX_LETTERS[draw >> 5 * place & 31] for place in range(8))

    def balance(self, number: int) -> int:
        """What the customer has to their credit, below zero: some who have never been billed."""
        if not is_one_in(_HAS_CREDIT, number) or not self.story.people.comes(number):
            return 0
        slots = list(self.story.people.slots(number))
        billed = any(self.story.contracts(slot) or self.story.bills.is_by_hand(slot) for slot in slots)
        return 0 if billed else -1250

    def invoices_issued(self, number: int, instant: int) -> int:
        """How many invoices of the customer had been finalized, and so numbered, by an instant."""
        return sum(self.story.invoices.issued(slot, instant) for slot in self.story.people.slots(number))

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By email, which holds the number, or by test clock."""
        if field == "email":
            return self.story.people.with_email(value)
        if field == "test_clock":
            found = self.of_test_clock(value)
            return () if found is None else (found,)
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:
        """The coming of a customer, the moving of another, and payments that make some delinquent."""
        if self.story.people.comes(slot):
            yield Happening(self.story.calendar.comes(slot), "customer.created", self.name, slot)
        mover = slot - self._moves_after
        if mover >= 0:
            yield Happening(self._moved(slot), "customer.updated", self.name, mover)
        charges = self.story.layout.charges
        for number in charges.numbers(slot):
            payment = self.story.payments(number)
            if payment is not None and payment.sale is None and payment.customer is not None:
                yield Happening(payment.created, "customer.updated", self.name, payment.customer)
        for instant, invoice in self.company.invoices.settling(slot):
            yield Happening(instant, "customer.updated", self.name, invoice.customer)

    def _moved(self, slot: int) -> int:
        return self.story.calendar.instant(slot) + 10

    def _slot(self, instant: int) -> int:
        return self.story.calendar.slot_at(instant)

    def _method(self, number: int) -> str:
        return self.identities.payment_method(self.story.methods.of_customer(number))

    def _has_currency(self, number: int, instant: int) -> bool:
        """Whether the customer has one yet: bills and credit settle it."""
        if self.balance(number):
            return True
        for slot in self.story.people.slots(number):
            if self.story.calendar.comes(slot) <= instant:
                return self.story.contracts(slot) is not None or self.story.bills.is_by_hand(slot)
        return False

    def _is_delinquent(self, number: int, instant: int) -> bool:
        """Whether the last that was heard of the customer's bills is that one was not paid."""
        heard = (
            turn
            for slot, lane in self.company.invoices.newest_of_customer(number, self._slot(instant))
            for turn in self.company.invoices.turns(slot, lane)
            if turn[0] <= instant
        )
        return max(heard, default=(0, False))[1]


class PaymentMethods(Kind):
    """Cards and bank accounts of customers, and those of guests, which belong to nobody."""

    name = "payment_method"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.payment_method
        self.numbering = self.story.layout.payment_methods
        self._known = lru_cache(maxsize=4096)(self._find_billing)

    def at(self, number: int, instant: int) -> Record | None:
        """The payment method as it was at an instant."""
        slot, lane = self.story.layout.payment_methods.place(number)
        created = self.numbering.created(number)
        if created > instant:
            return None
        if lane >= METHODS:
            return self._of_guest(number, slot, lane - METHODS, created)
        people, methods = self.story.people, self.story.methods
        if not people.comes(slot) or (lane and not methods.has_second(slot)):
            return None
        detached = methods.detached(slot) if lane else None
        kind = "card" if lane else methods.kind_of_customer(slot, people.market(slot))
        method = self._method(number, kind, created)
        method["customer"] = self.identities.customer(slot) if detached is None or instant < detached else None
        method["billing_details"] = self.billing(number)
        return method

    def billing(self, number: int) -> Record:
        """Whose it is: the customer, or the guest who paid with it."""
        known = self._known(number)
        return {**known, "address": known["address"].copy()}

    def _find_billing(self, number: int) -> Record:
        people = self.story.people
        slot, lane = self.story.layout.payment_methods.place(number)
        if lane >= METHODS:
            draw = self.story.sales(slot, lane - METHODS).draw
            email, name = f"guest.{draw % 100_000:05}@example.net", people.some_name(draw >> 12)
            return {"address": _ADDRESS(), "email": email, "name": name, "phone": None, "tax_id": None}
        return {
            "address": people.address(slot) or _ADDRESS(),
            "email": people.email(slot),
            "name": people.name(slot),
            "phone": people.phone(slot),
            "tax_id": None,
        }

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer: the two lanes of their slot."""
        if field != "customer":
            return None
        customer = self.company.customers.number(value)
        series = self.story.layout.payment_methods
        return () if customer is None else (series.number(customer, lane) for lane in (1, 0))

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Methods are attached, and some detached; those of guests are neither."""
        series = self.story.layout.payment_methods
        if self.story.people.comes(slot):
            lanes = (0, 1) if self.story.methods.has_second(slot) else (0,)
            for lane in lanes:
                yield Happening(
                    series.instant(slot, lane), "payment_method.attached", self.name, series.number(slot, lane)
                )
        leaving = self.story.methods.detaching(slot)
        if self.story.people.comes(leaving) and self.story.methods.has_second(leaving):
            detached = self.story.methods.detached(leaving)
            if detached is not None:
                yield Happening(detached, "payment_method.detached", self.name, series.number(leaving, 1))

    def _of_guest(self, number: int, slot: int, lane: int, created: int) -> Record | None:
        sale = self.story.sales(slot, lane)
        if sale.method != number or sale.outcome in (Outcome.ABANDONED, Outcome.CANCELED):
            return None
        method = self._method(number, sale.kind, created)
        method["billing_details"] = self.billing(number)
        return method

    def _method(self, number: int, kind: str, created: int) -> Record:
        method = _PAYMENT_METHOD()
        method.update(id=self.ids(number), created=created, type=kind)
        if number % _LABELLED == 0:
            method["metadata"] = {"label": f"{kind} no. {number % 9 + 1}"}
        method[kind] = self._details(number, kind)
        return method

    def _details(self, number: int, kind: str) -> dict[str, Any]:
        details = _DETAILS[kind]()
        if kind == "link":
            details["email"] = self.billing(number)["email"]
        else:
            details["fingerprint"] = self.identities.fingerprint(self.ids(number))
        if kind == "card":
            card = self.story.methods.card(number)
            details.update(
                brand=card.brand,
                country=card.country,
                display_brand=card.brand,
                exp_month=card.exp_month,
                exp_year=card.exp_year,
                funding=card.funding,
                last4=card.last4,
            )
            details["networks"]["available"] = [card.network]
            details["checks"] = checks_of(self.billing(number))
            details["wallet"] = wallet_of(number)
        return details
