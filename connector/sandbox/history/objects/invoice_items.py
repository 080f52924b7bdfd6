"""Invoice items: what is added to the next bill, or waits for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.bills import Host
from connector.sandbox.history.story.series import ITEMS

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_ITEM = template("invoiceitem")


class InvoiceItems(Kind):
    """Items of invoices written by hand, extras of subscriptions, and loose ones."""

    name = "invoiceitem"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.invoice_item
        self.numbering = self.story.layout.invoice_items

    def at(self, number: int, instant: int) -> Record | None:
        """The invoice item as it was at an instant."""
        slot, lane = self.story.layout.invoice_items.place(number)
        host = self.story.bills.host(slot)
        if host is None or lane >= host.items or self.numbering.created(number) > instant:
            return None
        line = self.story.bills.item(slot, lane)
        item = _ITEM()
        item.update(
            id=self.ids(number),
            amount=line.amount,
            currency=self._currency(host),
            customer=self.identities.customer(host.customer),
            date=line.start,
            description=line.description,
            invoice=self._invoice(host, instant),
            metadata=self.metadata(number),
            period={"end": line.end, "start": line.start},
            pricing=self.company.lines.pricing(line),
            quantity=line.quantity,
            quantity_decimal=str(line.quantity),
            test_clock=self.company.customers.test_clock(host.customer),
        )
        if host.contract is not None:
            subscription = {
                "subscription": self.identities.subscription(host.contract.number),
                "subscription_item": None,
            }
            item["parent"] = {"subscription_details": subscription, "type": "subscription_details"}
        return item

    def metadata(self, number: int) -> dict[str, str]:
        """What somebody has noted on the item, as the line that it becomes says too."""
        return dict(self.story.people.metadata[number % len(self.story.people.metadata)])

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By invoice, which has the items of one slot; by customer, whose bills are few."""
        if field == "invoice":
            invoice = self.company.invoices.number(value)
            return () if invoice is None else self._of_invoice(*self.story.layout.invoices.place(invoice))
        if field == "customer":
            customer = self.company.customers.number(value)
            return () if customer is None else self._of_customer(customer)
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Items are created; what changes them later, Stripe does not tell."""
        host = self.story.bills.host(slot)
        for lane in range(host.items if host else 0):
            number = self.story.layout.invoice_items.number(slot, lane)
            yield Happening(self.numbering.created(number), "invoiceitem.created", self.name, number)

    def _currency(self, host: Host) -> str:
        return self.story.people.market(host.customer).currency

    def _invoice(self, host: Host, instant: int) -> str | None:
        """The invoice that had pulled the item in."""
        if host.slot is None:
            return None
        number = self.story.layout.invoices.number(host.slot, host.lane)
        return self.identities.invoice(number) if self.story.layout.invoices.created(number) <= instant else None

    def _of_invoice(self, slot: int, lane: int) -> Iterator[int]:
        by_hand = lane == self.story.layout.by_hand(slot)
        source = slot if by_hand else slot - self.story.subscriptions.half_month
        host = self.story.bills.host(source)
        if host is not None and (host.slot, host.lane) == (slot, lane):
            yield from (self.story.layout.invoice_items.number(source, place) for place in range(host.items))

    def _of_customer(self, customer: int) -> Iterator[int]:
        found = set()
        for slot, lane in self.company.invoices.places_of_customer(customer):
            found |= set(self._of_invoice(slot, lane))
        for slot in self.story.people.slots(customer):
            found |= {self.story.layout.invoice_items.number(slot, lane) for lane in range(ITEMS)}
        # the period after the last one that has an invoice may have items already
        for slot in self.story.people.slots(customer):
            contract = self.story.contracts(slot)
            month = self.story.calendar.slots_per_month
            if contract is not None:
                period = (self.story.calendar.slots - slot) // month + 1
                found |= set(self._of_invoice(slot + period * month, period))
        yield from found
