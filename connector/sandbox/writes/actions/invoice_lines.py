"""The lines of a draft, changed by calls on the invoice; behind each line of one's own stands an invoice item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.bills import lines_of, reckon
from connector.sandbox.writes.actions.invoice_items import change, draft, item_in, line_of, new_item
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply, merged


@handles("POST /v1/invoices/{invoice}/add_lines")
def add(write: Write) -> Record:
    """Add lines: new ones, or items that wait."""
    invoice, before = _begin(write)
    customer = write.get("customer", invoice["customer"])
    for place, asked in enumerate(write.form["lines"]):
        _check(write, asked, f"lines[{place}]")
        if "invoice_item" in asked:
            item = write.get("invoiceitem", asked["invoice_item"], f"lines[{place}][invoice_item]")
            if item["invoice"] is not None:
                raise write.refuse("item_of_invoice", f"lines[{place}][invoice_item]")
            item["invoice"] = invoice["id"]
            change(write, item, {name: value for name, value in asked.items() if name != "invoice_item"})
        else:
            item = new_item(write, customer, asked, invoice)
            write.emit("invoiceitem.created", item)
        lines_of(invoice).append(line_of(write, item))
    return _end(write, invoice, before)


@handles("POST /v1/invoices/{invoice}/update_lines")
def update(write: Write) -> Record:
    """Change several lines."""
    invoice, before = _begin(write)
    for place, asked in enumerate(write.form["lines"]):
        _check(write, asked, f"lines[{place}]")
        _change(write, _find(write, invoice, asked["id"], f"lines[{place}][id]"), asked)
    return _end(write, invoice, before)


@handles("POST /v1/invoices/{invoice}/lines/{line_item_id}")
def update_one(write: Write) -> Record:
    """Change one line."""
    invoice, before = _begin(write)
    _check(write, write.form, "")
    _change(write, _find(write, invoice, write.ids["line_item_id"], None), write.form)
    return _find(write, _end(write, invoice, before), write.ids["line_item_id"], None)


@handles("POST /v1/invoices/{invoice}/remove_lines")
def remove(write: Write) -> Record:
    """Take lines off, deleting the items behind them or letting them wait for another invoice."""
    invoice, before = _begin(write)
    for place, asked in enumerate(write.form["lines"]):
        line = _find(write, invoice, asked["id"], f"lines[{place}][id]")
        lines_of(invoice).remove(line)
        name = item_in(line)
        if name is not None and asked["behavior"] == "delete":
            item = write.get("invoiceitem", name)
            write.delete("invoiceitem", name)
            write.emit("invoiceitem.deleted", item)
        elif name is not None:
            write.put("invoiceitem", {**write.get("invoiceitem", name), "invoice": None})
    return _end(write, invoice, before)


def _begin(write: Write) -> tuple[Record, Record]:
    invoice = draft(write, write.ids["invoice"])
    write.at(invoice["test_clock"])
    return invoice, write.get("invoice", invoice["id"])


def _end(write: Write, invoice: Record, before: Record) -> Record:
    if "invoice_metadata" in write.form:
        invoice["metadata"] = merged(invoice["metadata"], write.form["invoice_metadata"])
    reckon(write, invoice)
    write.put("invoice", invoice)
    write.emit("invoice.updated", invoice, before)
    return invoice


def _find(write: Write, invoice: Record, name: str, param: str | None) -> Record:
    for line in lines_of(invoice):
        if line["id"] == name:
            return line
    if param is None:
        raise write.refuse("missing", "line_item_id", kind="line_item", id=name)
    raise write.refuse("missing_reference", param, kind="line_item", id=name)


def _check(write: Write, asked: Mapping[str, Any], param: str) -> None:
    for name in ("tax_amounts", "quantity_decimal"):
        if name in asked:
            raise write.refuse("not_taken", f"{param}[{name}]" if param else name)


def _change(write: Write, line: Record, asked: Mapping[str, Any]) -> None:
    name = item_in(line)
    if name is None:
        plain = ("amount", "description", "discountable", "metadata", "period", "quantity")
        apply(line, {field: asked[field] for field in plain if field in asked}, "line_item")
        line["subtotal"] = line["amount"]
        return
    item = write.get("invoiceitem", name)
    change(write, item, {field: value for field, value in asked.items() if field != "id"})
    line_of(write, item, line)
