"""The test clocks that a few customers live on, and the credit that others have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.kind import Happening, Kind, OfCustomer
from connector.sandbox.history.story.calendar import DAY

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_MADE_DAYS_AGO, _KEPT_DAYS = 20, 30


class TestClocks(Kind):
    """One for each customer who lives on one; all stand at the present with which the sandbox begins."""

    name = "test_helpers.test_clock"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.test_clock
        self.numbering = self
        self.end = self.story.layout.customers.end

    def created(self, number: int) -> int:
        """When it was made: some weeks ago, for a past that its customer then lived through."""
        return self.story.calendar.now - _MADE_DAYS_AGO * DAY - (self.end - number)

    def first_at(self, instant: int) -> int:
        """The first clock made at `instant` or later."""
        return max(0, min(self.end, self.end - (self.story.calendar.now - _MADE_DAYS_AGO * DAY - instant)))

    def at(self, number: int, instant: int) -> Record | None:
        """The test clock; most customers live without."""
        people, created = self.story.people, self.created(number)
        if created > instant or not people.comes(number) or not people.on_clock(number):
            return None
        return {
            "id": self.ids(number),
            "object": self.name,
            "created": created,
            "deletes_after": created + _KEPT_DAYS * DAY,
            "frozen_time": self.story.calendar.now,
            "livemode": False,
            "name": f"Renewals of {people.name(number) or 'somebody'}",
            "status": "ready",
            "status_details": {"advancing": None},
        }

    def numbers(self, field: str, value: str) -> Iterable[int] | None:  # noqa: ARG002
        """They are few: a scan is as good."""
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:
        """They were made."""
        begins, room = self.story.calendar.instant(slot), self.story.calendar.room(slot)
        for number in range(self.first_at(begins), self.first_at(begins + room)):
            yield Happening(self.created(number), f"{self.name}.created", self.name, number)


class CustomerBalanceTransactions(OfCustomer):
    """The credit that some customers were given when they came; numbered by customer."""

    name = "customer_balance_transaction"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.customer_balance_transaction
        self.numbering = self.story.layout.customers

    def at(self, number: int, instant: int) -> Record | None:
        """The transaction that made the credit of a customer."""
        created, credit = self.numbering.created(number), self.company.customers.balance(number)
        if not credit or created > instant or not self.story.people.comes(number):
            return None
        return {
            "id": self.ids(number),
            "object": self.name,
            "amount": credit,
            "checkout_session": None,
            "created": created,
            "credit_note": None,
            "currency": self.story.people.market(number).currency,
            "customer": self.identities.customer(number),
            "customer_account": None,
            "description": "A credit to begin with",
            "ending_balance": credit,
            "invoice": None,
            "livemode": False,
            "metadata": {"granted_by": "sales"} if number % 2 else {},
            "type": "adjustment",
        }

    def happenings(self, slot: int) -> Iterator[Happening]:  # noqa: ARG002
        """Stripe tells nothing about them."""
        return iter(())
