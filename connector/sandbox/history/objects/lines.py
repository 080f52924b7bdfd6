"""The lines of invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.identities import LINES
from connector.sandbox.history.story.bills import Bill, Line
from connector.sandbox.history.story.contracts import Contract
from connector.sandbox.history.story.invoices import Invoice

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_LINE = template("line_item")
_OF_SUBSCRIPTION = template("line_item_parent.subscription_item")
_OF_ITEM = template("line_item_parent.invoice_item")


class Lines:
    """What invoices are made of: items of a subscription, and invoice items that were pulled in."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.identities = company.identities

    def id_of(self, invoice: int, place: int) -> str:
        """The id of a line of the invoice with that number."""
        return self.identities.line(invoice * LINES + place)

    def of(self, invoice: Invoice, bill: Bill) -> list[Record]:
        """All lines, each with its share of discount and tax."""
        ident = self.identities.invoice(invoice.number)
        subscription = None if invoice.contract is None else self.identities.subscription(invoice.contract.number)
        found = []
        for place, line in enumerate(bill.lines):
            record = _LINE()
            record.update(
                id=self.id_of(invoice.number, place),
                amount=line.amount,
                currency=invoice.currency,
                description=line.description,
                discountable=not line.proration,
                invoice=ident,
                parent=self._parent(invoice, line, subscription),
                period={"end": line.end, "start": line.start},
                pricing=self.pricing(line),
                metadata=self._metadata(invoice, line),
                quantity=line.quantity,
                quantity_decimal=None if line.quantity is None else str(line.quantity),
                subscription=subscription,
                subtotal=line.amount,
            )
            self._add_shares(record, invoice, bill.discounts[place], bill.taxes[place])
            found.append(record)
        return found

    def pricing(self, line: Line) -> Record | None:
        """The price behind a line; amounts that somebody chose have none."""
        if line.price is None:
            return None
        product = self.company.story.catalogue.product[line.price.line["product"]]
        details = {"price": self.company.prices.id_of(line.price), "product": self.company.products.id_of(product)}
        return {"price_details": details, "type": "price_details", "unit_amount_decimal": line.unit}

    def _add_shares(self, record: Record, invoice: Invoice, discount: int, tax: int) -> None:
        if tax:
            record["taxes"].append(self.company.tax(invoice.customer, tax, record["amount"] - discount))
        if discount and invoice.contract is not None:
            given = {"amount": discount, "discount": self.identities.discount(invoice.contract.number)}
            record["discount_amounts"].append(given)
            record["pretax_credit_amounts"].append({**given, "type": "discount"})

    def _metadata(self, invoice: Invoice, line: Line) -> dict[str, str]:
        """What is noted on the item that was pulled in, or on the subscription."""
        if line.invoice_item is not None:
            return self.company.invoice_items.metadata(line.invoice_item)
        assert invoice.contract is not None
        return self.company.subscriptions.metadata(invoice.contract)

    def _parent(self, invoice: Invoice, line: Line, subscription: str | None) -> Record:
        if line.invoice_item is not None:
            parent = _OF_ITEM()
            parent["invoice_item_details"]["invoice_item"] = self.identities.invoice_item(line.invoice_item)
            parent["invoice_item_details"]["subscription"] = subscription
            return parent
        assert invoice.contract is not None
        parent = _OF_SUBSCRIPTION()
        details = parent["subscription_item_details"]
        details["proration"] = line.proration
        if line.proration and line.amount < 0:
            details["proration_details"]["credited_items"] = self._credited(invoice, invoice.contract)
        details["subscription"] = subscription
        details["subscription_item"] = self.company.subscriptions.item_id(invoice.contract.number, line.item or 0)
        return parent

    def _credited(self, invoice: Invoice, contract: Contract) -> Record | None:
        """The line before, part of which is given back."""
        period = invoice.lane - contract.every
        if period < 0:
            return None
        number = self.company.invoices.number_of(contract, period)
        before = self.company.story.bills.of_contract(contract, period).lines
        places = [place for place, line in enumerate(before) if line.item == 0 and not line.proration]
        return {
            "invoice": self.identities.invoice(number),
            "invoice_line_items": [self.id_of(number, place) for place in places],
        }
