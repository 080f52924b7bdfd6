"""Invoice items: what waits for a customer's next invoice, or stands on one already."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import template
from connector.sandbox.writes.actions.bills import discounts, lines_of, reckon, set_rates
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.pricing import amount_of, exact, price_asked, pricing_of, product_name
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply

_LINE, _PARENT = template("line_item"), template("line_item_parent.invoice_item")
_NOT_TAKEN = ("customer_account", "quantity_decimal", "invoicing_rules")
_DERIVED = ("amount", "pricing", "quantity", "discounts", "tax_rates", "invoice", "currency", "customer")
_WORTH = ("amount", "pricing", "price", "price_data", "unit_amount_decimal", "quantity")


@handles("POST /v1/invoiceitems")
def create(write: Write) -> Record:
    """Create an invoice item, pending or on a draft."""
    not_taken(write, _NOT_TAKEN)
    if "customer" not in write.form:
        raise write.refuse("required", "customer")
    customer = write.get("customer", write.form["customer"], "customer")
    write.at(customer["test_clock"])
    invoice = None
    if "invoice" in write.form:
        invoice = draft(write, write.form["invoice"], "invoice")
        if invoice["customer"] != customer["id"]:
            raise write.refuse("invoice_of_another", "invoice")
    item = new_item(write, customer, write.form, invoice)
    if "subscription" in write.form:
        subscription = write.get("subscription", write.form["subscription"], "subscription")
        item["parent"] = of_subscription(subscription["id"], None)
        write.put("invoiceitem", item)
    write.emit("invoiceitem.created", item)
    if invoice is not None:
        _changed(write, invoice, [*lines_of(invoice), line_of(write, item)])
    return item


@handles("POST /v1/invoiceitems/{invoiceitem}")
def update(write: Write) -> Record:
    """Change an invoice item, and its line where it stands on a draft."""
    not_taken(write, _NOT_TAKEN)
    item = write.get("invoiceitem", write.ids["invoiceitem"])
    invoice = _host(write, item)
    change(write, item, write.form)
    if invoice is not None:
        lines = [line_of(write, item, line) if item_in(line) == item["id"] else line for line in lines_of(invoice)]
        _changed(write, invoice, lines)
    return item


@handles("DELETE /v1/invoiceitems/{invoiceitem}")
def delete(write: Write) -> Record:
    """Delete an invoice item, and its line where it stands on a draft."""
    item = write.get("invoiceitem", write.ids["invoiceitem"])
    invoice = _host(write, item)
    gone = write.delete("invoiceitem", item["id"])
    write.emit("invoiceitem.deleted", item)
    if invoice is not None:
        _changed(write, invoice, [line for line in lines_of(invoice) if item_in(line) != item["id"]])
    return gone


def new_item(write: Write, customer: Record, asked: Mapping[str, Any], invoice: Record | None) -> Record:
    """Leave behind an invoice item as a form asks for it; the caller tells of it and adds it to the invoice."""
    item = write.blank("invoiceitem", id=write.new_id("ii_"), customer=customer["id"])
    item.update(
        currency=_currency(customer, asked, invoice),
        invoice=invoice and invoice["id"],
        period={"end": write.now, "start": write.now},
        test_clock=customer["test_clock"],
    )
    if not any(name in asked for name in _WORTH):
        raise write.refuse("required", "amount")
    change(write, item, asked)
    if invoice is not None and item["currency"] != invoice["currency"]:
        raise write.refuse("line_currency", "currency", currency=invoice["currency"])
    return item


def change(write: Write, item: Record, asked: Mapping[str, Any]) -> None:
    """Change an invoice item as a form asks, and leave it behind."""
    plain = {name: value for name, value in asked.items() if name not in _DERIVED}
    apply(item, plain, "invoiceitem")
    set_rates(write, item, "tax_rates", asked)
    if any(name in asked for name in _WORTH):
        _set_worth(write, item, asked)
    if "discountable" not in asked and item["amount"] < 0:
        item["discountable"] = False
    if "discounts" in asked:
        item["discounts"] = discounts(write, asked["discounts"], customer=item["customer"], invoice_item=item["id"])
    write.put("invoiceitem", item)


def line_of(write: Write, item: Record, before: Record | None = None) -> Record:
    """Return the line of an invoice item, which stands on an invoice; `before` is the line as it was."""
    line = before or _LINE()
    line["id"] = line["id"] or write.new_id("il_")
    shared = (
        "amount",
        "currency",
        "description",
        "discountable",
        "invoice",
        "livemode",
        "quantity",
        "quantity_decimal",
    )
    line.update({name: item[name] for name in shared})
    line.update({name: item[name].copy() for name in ("discounts", "metadata", "period")})
    line.update(pricing=item["pricing"], subtotal=item["amount"], parent=_PARENT())
    origin = (item["parent"] or {}).get("subscription_details") or {}
    line["subscription"] = origin.get("subscription")
    line["parent"]["invoice_item_details"].update(
        invoice_item=item["id"], proration=item["proration"], subscription=origin.get("subscription")
    )
    return line


def item_in(line: Record) -> str | None:
    """Return the id of the invoice item behind a line, or None."""
    details = (line["parent"] or {}).get("invoice_item_details")
    return details["invoice_item"] if details else None


def of_subscription(subscription: str, item: str | None) -> Record:
    """Return what says that an invoice item belongs to a subscription."""
    details = {"subscription": subscription, "subscription_item": item}
    return {"subscription_details": details, "type": "subscription_details"}


def pending(write: Write, customer: str, subscription: str | None = None) -> list[Record]:
    """Return a customer's items that no invoice has, oldest first: those of a subscription and of none."""
    waiting = [item for item in write.find("invoiceitem", "customer", customer) if item["invoice"] is None]
    owners = {None, subscription}
    return [item for item in reversed(waiting) if owner(item) in owners]


def owner(item: Record) -> str | None:
    """Return the subscription that an invoice item belongs to, or None."""
    return item["parent"]["subscription_details"]["subscription"] if item["parent"] else None


def pull_in(write: Write, invoice: Record, items: list[Record]) -> None:
    """Put pending items on an invoice as its lines; the caller reckons and leaves the invoice behind."""
    for item in items:
        if item["currency"] == invoice["currency"]:
            item["invoice"] = invoice["id"]
            write.put("invoiceitem", item)
            lines_of(invoice).append(line_of(write, item))


def draft(write: Write, name: str, param: str | None = None) -> Record:
    """Return an invoice that is still a draft, or refuse."""
    invoice = write.get("invoice", name, param)
    if invoice["status"] != "draft":
        raise write.refuse("not_editable", param, what="lines")
    return invoice


def _set_worth(write: Write, item: Record, asked: Mapping[str, Any]) -> None:
    price = price_asked(write, asked)
    quantity = asked.get("quantity", 1 if "amount" in asked else item["quantity"])
    item.update(quantity=quantity, quantity_decimal=str(quantity))
    if price is not None:
        if price["type"] == "recurring":
            raise write.refuse("not_one_time", "price")
        item.update(pricing=pricing_of(price), currency=price["currency"], amount=amount_of(price, quantity))
        item["description"] = item["description"] or product_name(write, price)
    elif "amount" in asked:
        item.update(pricing=None, amount=asked["amount"])
    elif "unit_amount_decimal" not in asked and item["pricing"]:
        known = write.look("price", item["pricing"]["price_details"]["price"])
        unit = Fraction(item["pricing"]["unit_amount_decimal"] or 0)
        item["amount"] = amount_of(known, quantity) if known else exact(unit * quantity, item["currency"])
    elif "unit_amount_decimal" in asked:
        item["amount"] = exact(Fraction(asked["unit_amount_decimal"]) * quantity, item["currency"])
    elif item["amount"] == 0 and "quantity" in asked:
        raise write.refuse("required", "amount")


def _currency(customer: Record, asked: Mapping[str, Any], invoice: Record | None) -> str:
    return str(asked.get("currency") or (invoice or customer)["currency"] or "usd").lower()


def _host(write: Write, item: Record) -> Record | None:
    """Return the draft that an item stands on, or None; refuse where the invoice is a draft no longer."""
    if item["invoice"] is None:
        return None
    invoice = write.look("invoice", item["invoice"])
    if invoice is None or invoice["status"] != "draft":
        raise write.refuse("item_of_invoice")
    return invoice


def _changed(write: Write, invoice: Record, lines: list[Record]) -> None:
    before = write.get("invoice", invoice["id"])
    invoice["lines"]["data"] = lines
    reckon(write, invoice)
    write.put("invoice", invoice)
    write.emit("invoice.updated", invoice, before)
