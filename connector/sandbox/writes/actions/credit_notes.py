"""Credit notes: an invoice made smaller after it was finalized."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import listed
from connector.sandbox.writes.actions import invoice_payments, refunds
from connector.sandbox.writes.actions.bills import lines_of
from connector.sandbox.writes.actions.invoice_states import move_balance, paid
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.pricing import exact
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply, merged


@handles("POST /v1/credit_notes")
def create(write: Write) -> Record:
    """Credit part of an invoice: first what is still to be paid of it, then what was paid."""
    not_taken(write, ("shipping_cost", "email_type"))
    invoice = write.get("invoice", write.form["invoice"], "invoice")
    write.at(invoice["test_clock"])
    if invoice["status"] not in ("open", "paid"):
        raise write.refuse("note_of_draft", "invoice")
    note = _new(write, invoice)
    left = _creditable(invoice)
    if note["amount"] > left:
        raise write.refuse("note_too_large", "amount", amount=note["amount"], left=left)
    note["pre_payment_amount"] = min(note["amount"], invoice["amount_remaining"])
    note["post_payment_amount"] = note["amount"] - note["pre_payment_amount"]
    _give_back(write, note)
    kinds = [kind for kind in ("pre_payment", "post_payment") if note[f"{kind}_amount"]]
    note["type"] = kinds[0] if len(kinds) == 1 else "mixed"
    write.put("credit_note", note)
    write.emit("credit_note.created", note)
    _count(write, note, 1)
    return note


@handles("POST /v1/credit_notes/{id}")
def update(write: Write) -> Record:
    """Change the memo and the metadata of a credit note."""
    note = write.get("credit_note", write.ids["id"])
    before = write.get("credit_note", note["id"])
    apply(note, write.form, "credit_note")
    write.put("credit_note", note)
    write.emit("credit_note.updated", note, before)
    return note


@handles("POST /v1/credit_notes/{id}/void")
def void(write: Write) -> Record:
    """Take a credit note back, as long as its invoice is open."""
    note = write.get("credit_note", write.ids["id"])
    invoice = write.get("invoice", note["invoice"])
    if note["status"] == "void":
        raise write.refuse("note_state", why="it is void already")
    if invoice["status"] != "open":
        raise write.refuse("note_state", why=f"its invoice is {invoice['status']}")
    note.update(status="void", voided_at=write.now)
    write.put("credit_note", note)
    write.emit("credit_note.voided", note)
    _count(write, note, -1)
    return note


def _creditable(invoice: Record) -> int:
    if invoice["status"] == "open":
        return int(invoice["amount_remaining"])
    credited = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    return int(invoice["total"] - credited)


def _new(write: Write, invoice: Record) -> Record:
    ident = write.new_id("cn_")
    note = write.blank("credit_note", id=ident, invoice=invoice["id"], effective_at=write.now)
    notes = sum(1 for _ in write.find("credit_note", "invoice", invoice["id"]))
    lines = _lines(write, invoice)
    taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
    subtotal = sum(line["amount"] for line in lines)
    discount = sum(line["discount_amount"] for line in lines)
    total = subtotal - discount + taxes
    apply(
        note,
        {name: write.form[name] for name in ("memo", "reason", "effective_at") if name in write.form},
        "credit_note",
    )
    note.update(
        amount=total,
        currency=invoice["currency"],
        customer=invoice["customer"],
        discount_amount=discount,
        discount_amounts=[part for line in lines for part in line["discount_amounts"]],
        lines=listed(f"/v1/credit_notes/{ident}/lines", lines),
        metadata=merged({}, write.form.get("metadata", {})),
        number=f"{invoice['number']}-CN-{notes + 1:02}",
        pdf=f"https://pay.stripe.com/credit_notes/{write.store.business.account()['id']}/test_{ident[-8:]}/pdf",
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=total,
        total_excluding_tax=total - taxes,
        total_taxes=[tax for line in lines for tax in line["taxes"]],
    )
    return note


def _lines(write: Write, invoice: Record) -> list[Record]:
    if "lines" in write.form:
        return [_line(write, invoice, asked, place) for place, asked in enumerate(write.form["lines"])]
    if "amount" not in write.form:
        raise write.refuse("note_nothing")
    return [_custom(write, write.form["amount"], {"description": "Credit"})]


def _line(write: Write, invoice: Record, asked: Mapping[str, Any], place: int) -> Record:
    if asked["type"] == "custom_line_item":
        unit = Fraction(asked.get("unit_amount_decimal") or asked.get("unit_amount") or 0)
        return _custom(write, exact(unit * asked.get("quantity", 1), invoice["currency"]), asked)
    name = asked.get("invoice_line_item", "")
    of = next((line for line in lines_of(invoice) if line["id"] == name), None)
    if of is None:
        raise write.refuse("missing_reference", f"lines[{place}][invoice_line_item]", kind="line_item", id=name)
    share = Fraction(asked["quantity"], of["quantity"] or 1) if "quantity" in asked else Fraction(1)
    if "amount" in asked:
        share = Fraction(asked["amount"], of["amount"] or 1)
    return _part(write, of, asked, share)


def _part(write: Write, of: Record, asked: Mapping[str, Any], share: Fraction) -> Record:
    """Return what credits a share of a line, of its discounts and of its taxes."""
    currency = of["currency"]
    given = [{**part, "amount": exact(part["amount"] * share, currency)} for part in of["discount_amounts"]]
    taxes = [
        {**tax, "amount": exact(tax["amount"] * share, currency),
         "taxable_amount": exact((tax["taxable_amount"] or 0) * share, currency)}
        for tax in of["taxes"] if tax["tax_behavior"] == "exclusive"
    ]  # fmt: skip
    line = write.blank("credit_note_line_item", id=write.new_id("cnli_"), invoice_line_item=of["id"])
    line.update(
        amount=exact(of["amount"] * share, currency),
        description=asked.get("description", of["description"]),
        discount_amount=sum(part["amount"] for part in given),
        discount_amounts=given,
        quantity=asked.get("quantity", of["quantity"]),
        taxes=taxes,
    )
    return line


def _custom(write: Write, amount: int, asked: Mapping[str, Any]) -> Record:
    line = write.blank("credit_note_line_item", id=write.new_id("cnli_"), type="custom_line_item")
    quantity = asked.get("quantity", 1)
    unit = asked.get("unit_amount", amount)
    line.update(amount=amount, description=asked.get("description"), quantity=quantity, unit_amount=unit)
    line["unit_amount_decimal"] = asked.get("unit_amount_decimal", str(unit))
    line.pop("invoice_line_item", None)
    return line


def _give_back(write: Write, note: Record) -> None:
    """Give back what was paid and is credited: by refunds, to the customer's balance, or outside of Stripe."""
    form = write.form
    linked = form.get("refunds", [])
    amounts = [form.get(name, 0) for name in ("refund_amount", "credit_amount", "out_of_band_amount")]
    amounts += [part.get("amount_refunded", 0) for part in linked]
    if sum(amounts) != note["post_payment_amount"]:
        raise write.refuse("note_split", sum=sum(amounts), paid=note["post_payment_amount"])
    for part in linked:
        refund = write.get("refund", part.get("refund", ""), "refunds")
        note["refunds"].append(_refunded(refund["id"], part.get("amount_refunded", 0)))
    if form.get("refund_amount"):
        note["refunds"].append(_refunded(_refund(write, note)["id"], form["refund_amount"]))
    if form.get("credit_amount"):
        fields = {"type": "credit_note", "credit_note": note["id"], "invoice": note["invoice"]}
        moved = move_balance(write, note["customer"], -form["credit_amount"], **fields)
        note["customer_balance_transaction"] = moved["id"]
    note["out_of_band_amount"] = form.get("out_of_band_amount")


def _refund(write: Write, note: Record) -> Record:
    """Refund what the invoice was paid with."""
    found = write.find("invoice_payment", "invoice", note["invoice"])
    payments = [payment for payment in found if payment["status"] == "paid"]
    if not payments:
        raise write.refuse("not_held", "refund_amount", what="payment of this invoice")
    form = write.form
    write.form = {"payment_intent": payments[0]["payment"]["payment_intent"], "amount": form["refund_amount"]}
    try:
        return refunds.create(write)
    finally:
        write.form = form


def _refunded(refund: str, amount: int) -> Record:
    return {"amount_refunded": amount, "payment_record_refund": None, "refund": refund, "type": "refund"}


def _count(write: Write, note: Record, sign: int) -> None:
    """Count a credit note in its invoice, or no longer; one of which nothing is left to pay is paid."""
    invoice = write.get("invoice", note["invoice"])
    before = write.get("invoice", note["invoice"])
    for kind in ("pre_payment", "post_payment"):
        invoice[f"{kind}_credit_notes_amount"] += sign * note[f"{kind}_amount"]
    for name in ("amount_due", "amount_remaining"):
        invoice[name] -= sign * note["pre_payment_amount"]
    write.put("invoice", invoice)
    write.emit("invoice.updated", invoice, before)
    invoice_payments.keep_up(write, invoice)
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        paid(write, invoice)
