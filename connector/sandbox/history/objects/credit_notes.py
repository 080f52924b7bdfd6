"""Credit notes: after a refund, or against an invoice that is still open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, listed, template
from connector.sandbox.history.objects.identities import LINES
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.bills import Bill, Line
from connector.sandbox.history.story.catalogue import Entry
from connector.sandbox.history.story.invoices import Invoice
from connector.sandbox.history.story.money import rounded
from connector.sandbox.history.story.reversals import CreditNote

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_CREDIT_NOTE, _LINE = template("credit_note"), template("credit_note_line_item")
_REASONS = (None, "product_unsatisfactory", "order_change", "duplicate", "fraudulent")
_MEMOS = (None, "As agreed on the phone", None, "Gutschrift – Überzahlung", "second\nline")


class CreditNotes(Kind):
    """One lane per slot; a full refund credits every line of its invoice."""

    name = "credit_note"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.credit_note
        self.numbering = self.story.layout.credit_notes

    def at(self, number: int, instant: int) -> Record | None:
        """The credit note as it was at an instant."""
        note = self.story.reversals.credit_note(number)
        if note is None or note.created > instant:
            return None
        invoice = self.story.invoices(note.invoice_slot, note.lane)
        assert invoice is not None
        ident = self.ids(number)
        bill = self.story.invoices.bill(invoice)
        whole = note.amount == bill.total
        lines = self._copied(note, invoice, bill) if whole else [self._custom(note, invoice, bill)]
        taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
        subtotal = sum(line["amount"] for line in lines)
        discount = sum(line["discount_amount"] for line in lines)
        voided = note.voided is not None and note.voided <= instant
        record = _CREDIT_NOTE()
        record.update(
            id=ident,
            amount=note.amount,
            created=note.created,
            currency=invoice.currency,
            customer=self.identities.customer(invoice.customer),
            discount_amount=discount,
            effective_at=note.created,
            invoice=self.identities.invoice(invoice.number),
            lines=listed(f"/v1/credit_notes/{ident}/lines", lines),
            memo=_MEMOS[number % len(_MEMOS)],
            metadata={"approved_by": "support"} if number % 4 == 1 else {},
            number=f"{self.company.invoices.serial(invoice)}-CN-01",
            pdf=f"https://pay.stripe.com/credit_notes/{self.identities.account}/test_{ident[-8:]}/pdf",
            reason=_REASONS[number % len(_REASONS)],
            status="void" if voided else "issued",
            subtotal=subtotal,
            subtotal_excluding_tax=subtotal,
            total=note.amount,
            total_excluding_tax=note.amount - taxes,
            voided_at=note.voided if voided else None,
        )
        if discount and invoice.contract is not None:
            given = {"amount": discount, "discount": self.identities.discount(invoice.contract.number)}
            record["discount_amounts"].append(given)
            record["pretax_credit_amounts"].append({**given, "type": "discount"})
        if taxes:
            record["total_taxes"].append(self.company.tax(invoice.customer, taxes, subtotal - discount))
        self._add_money(record, note, bill.rate if whole else None)
        return record

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By invoice or by customer, through their invoices."""
        if field == "invoice":
            invoice = self.company.invoices.number(value)
            places = [] if invoice is None else [self.story.layout.invoices.place(invoice)]
        elif field == "customer":
            customer = self.company.customers.number(value)
            places = [] if customer is None else list(self.company.invoices.places_of_customer(customer))
        else:
            return None
        return [note.slot for slot, lane in places for note in self.story.reversals.credit_notes_of(slot, lane)]

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Credit notes are issued and voided, and change their invoices."""
        issued, voided = self.story.reversals.credit_note(slot), self.story.reversals.voiding(slot)
        if issued is not None:
            yield from self._told(issued, issued.created, "created")
        if voided is not None and voided.voided is not None:
            yield from self._told(voided, voided.voided, "voided")

    def _told(self, note: CreditNote, instant: int, word: str) -> Iterator[Happening]:
        yield Happening(instant, f"credit_note.{word}", self.name, note.slot)
        invoice = self.story.layout.invoices.number(note.invoice_slot, note.lane)
        yield Happening(instant, "invoice.updated", "invoice", invoice)

    def _add_money(self, record: Record, note: CreditNote, rate: Entry | None) -> None:
        record["shipping_cost"] = cost = self.company.shipping_rates.cost(rate)
        record["amount_shipping"] = cost["amount_total"] if cost else 0
        if note.refund is None:
            record.update(type="pre_payment", pre_payment_amount=note.amount)
            return
        refund = {
            "amount_refunded": note.amount,
            "payment_record_refund": None,
            "refund": self.company.refunds.id_of(note.refund),
            "type": "refund",
        }
        record.update(post_payment_amount=note.amount, refunds=[refund])

    def _copied(self, note: CreditNote, invoice: Invoice, bill: Bill) -> list[Record]:
        shares = zip(bill.lines, bill.discounts, bill.taxes, strict=True)
        return [self._line(note, invoice, place, share) for place, share in enumerate(shares)]

    def _custom(self, note: CreditNote, invoice: Invoice, bill: Bill) -> Record:
        """One line over a part of the invoice, its share of the tax taken out."""
        taxes = sum(bill.taxes)
        tax = rounded(note.amount * taxes, bill.total, bill.currency)
        line = Line(note.amount - tax, 1, 'Teilgutschrift, "partial"', note.created, note.created)
        record = self._line(note, invoice, 0, (line, 0, tax))
        record.update(type="custom_line_item", unit_amount=line.amount, unit_amount_decimal=str(line.amount))
        del record["invoice_line_item"]
        return record

    def _line(self, note: CreditNote, invoice: Invoice, place: int, share: tuple[Line, int, int]) -> Record:
        line, discount, tax = share
        record = _LINE()
        record.update(
            id=self.identities.credit_note_line(note.slot * LINES + place),
            amount=line.amount,
            description=line.description,
            discount_amount=discount,
            invoice_line_item=self.company.lines.id_of(invoice.number, place),
            quantity=line.quantity,
        )
        if discount and invoice.contract is not None:
            given = {"amount": discount, "discount": self.identities.discount(invoice.contract.number)}
            record["discount_amounts"].append(given)
            record["pretax_credit_amounts"].append({**given, "type": "discount"})
        if tax:
            record["taxes"].append(self.company.tax(invoice.customer, tax, line.amount - discount))
        return record
