"""What an invoice comes to: its lines, less discounts, plus taxes, and what is left to pay of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import listed
from connector.sandbox.history.story.money import spread
from connector.sandbox.writes.actions.pricing import exact
from connector.sandbox.writes.engine import handlers as hands
from connector.sandbox.writes.engine.write import Write

hands.holds("discount", "customer_balance_transaction")


def lines_of(invoice: Record) -> list[Record]:
    """Return the lines of an invoice, to be changed in place."""
    lines: list[Record] = invoice["lines"]["data"]
    return lines


def no_lines(invoice: str) -> Record:
    """Return the empty list of lines of a new invoice."""
    return listed(f"/v1/invoices/{invoice}/lines", [])


def discounts(write: Write, asked: Any, **owner: str) -> list[str]:
    """Return the ids of the discounts that a form asks for, made of coupons and promotion codes; "" is none."""
    return [_discount(write, part, place, owner) for place, part in enumerate(asked or [])]


def set_rates(write: Write, record: Record, field: str, asked: Mapping[str, Any]) -> None:
    """Set the tax rates that a form names, which objects carry whole; "" is none."""
    if field in asked:
        record[field] = [write.get("tax_rate", name, f"{field}[{n}]") for n, name in enumerate(asked[field] or [])]


def reckon(write: Write, invoice: Record) -> None:
    """Work out everything in an invoice that follows from its lines, its discounts and its rates."""
    lines = lines_of(invoice)
    for line in lines:
        _clear_discounts(write, line)
        for name in line["discounts"]:
            _take_off(write, name, [line])
    for name in invoice["discounts"]:
        _take_off(write, name, [line for line in lines if line["discountable"]])
    exempt = invoice["customer_tax_exempt"] in ("exempt", "reverse")
    for line in lines:
        line["taxes"] = [] if exempt else list(_taxes(write, invoice, line))
    _add_up(invoice)
    _balance(write, invoice)


def settle(invoice: Record) -> None:
    """Bring in line what is left to pay of an invoice."""
    invoice["amount_remaining"] = max(0, invoice["amount_due"] - invoice["amount_paid"])


def _discount(write: Write, part: Mapping[str, Any], place: int, owner: Mapping[str, str]) -> str:
    where = f"discounts[{place}]"
    if "discount" in part:
        return str(write.get("discount", part["discount"], f"{where}[discount]")["id"])
    code = None
    if "promotion_code" in part:
        code = write.get("promotion_code", part["promotion_code"], f"{where}[promotion_code]")
        if not code["active"] or (code["expires_at"] or write.now + 1) <= write.now:
            raise write.refuse("code_unusable", f"{where}[promotion_code]", code=code["code"])
    elif "coupon" not in part:
        raise write.refuse("bad_discount", where)
    name = code["promotion"]["coupon"] if code else part["coupon"]
    coupon = write.get("coupon", name, f"{where}[coupon]")
    if not coupon["valid"]:
        raise write.refuse("coupon_unusable", f"{where}[coupon]", coupon=coupon["id"])
    discount = write.blank("discount", id=write.new_id("di_"), start=write.now, **owner)
    discount.update(source={"coupon": coupon["id"], "type": "coupon"}, promotion_code=code and code["id"])
    write.put("discount", discount)
    if discount["customer"]:
        write.emit("customer.discount.created", discount)
    _redeem(write, "coupon", coupon, "valid")
    if code is not None:
        _redeem(write, "promotion_code", code, "active")
    return str(discount["id"])


def _redeem(write: Write, kind: str, voucher: Record, usable: str) -> None:
    """Count a use of a coupon or a promotion code, which may be its last."""
    before = dict(voucher)
    voucher["times_redeemed"] += 1
    voucher[usable] = voucher["times_redeemed"] != voucher["max_redemptions"]
    write.put(kind, voucher)
    write.emit(f"{kind}.updated", voucher, before)


def drop_discounts(write: Write, names: list[str]) -> None:
    """Tell that discounts have been taken off what had them."""
    for discount in (write.look("discount", name) for name in names):
        if discount is not None and discount["customer"]:
            write.emit("customer.discount.deleted", discount)


def _clear_discounts(write: Write, line: Record) -> None:
    """Forget what is worked out anew; what came of discounts that the sandbox does not hold stays."""
    for field in ("discount_amounts", "pretax_credit_amounts"):
        line[field] = [part for part in line[field] if write.look("discount", part["discount"]) is None]


def _take_off(write: Write, name: str, lines: list[Record]) -> None:
    """Take one discount off the lines that it applies to: worked out on their sum, and spread over them."""
    discount = write.look("discount", name)
    coupon = discount and write.look("coupon", discount["source"]["coupon"])
    if not coupon:
        return
    lines = [line for line in lines if _covers(coupon, line)]
    open_amounts = [max(0, taxable(line)) for line in lines]
    off = _off(coupon, sum(open_amounts), lines[0]["currency"]) if lines else 0
    for line, share in zip(lines, spread(off, open_amounts), strict=True):
        if share:
            line["discount_amounts"].append({"amount": share, "discount": name})
            line["pretax_credit_amounts"].append({"amount": share, "discount": name, "type": "discount"})


def _covers(coupon: Record, line: Record) -> bool:
    """Whether a coupon is good for what a line is for: for everything, unless it names products."""
    if not coupon.get("applies_to"):
        return True
    sold = ((line.get("pricing") or {}).get("price_details") or {}).get("product")
    return sold in coupon["applies_to"]["products"]


def _off(coupon: Record, amount: int, currency: str) -> int:
    """Return what a coupon takes off an amount: a share of it, or so much, but never more than all."""
    if coupon["percent_off"] is not None:
        return exact(amount * Fraction(str(coupon["percent_off"])) / 100, currency)
    return min(_amount_off(coupon, currency), amount)


def _amount_off(coupon: Record, currency: str) -> int:
    """Return what a coupon takes off in a currency, 0 where it says nothing of it."""
    if coupon["currency"] == currency:
        return int(coupon["amount_off"])
    options = coupon.get("currency_options") or {}
    return int(options.get(currency, {}).get("amount_off", 0))


def taxable(line: Record) -> int:
    """Return what is left of a line after its discounts."""
    return int(line["amount"] - sum(part["amount"] for part in line["discount_amounts"]))


def _taxes(write: Write, invoice: Record, line: Record) -> Iterator[Record]:
    """Yield the taxes of a line: by the rates set for it, else those that it had, in proportion."""
    base = taxable(line)
    rates = _rates(write, invoice, line)
    for rate in rates:
        percentage = Fraction(str(rate["percentage"])) / 100
        share = percentage / (1 + percentage) if rate["inclusive"] else percentage
        yield {
            "amount": exact(base * share, line["currency"]),
            "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": rate["id"]},
            "taxability_reason": "standard_rated",
            "taxable_amount": base,
            "type": "tax_rate_details",
        }
    for tax in [] if rates else line["taxes"]:
        if tax["taxable_amount"] and write.look("tax_rate", tax["tax_rate_details"]["tax_rate"]) is None:
            amount = exact(Fraction(tax["amount"], tax["taxable_amount"]) * base, line["currency"])
            yield {**tax, "amount": amount, "taxable_amount": base}


def _rates(write: Write, invoice: Record, line: Record) -> list[Record]:
    parent = line["parent"]
    if parent and parent["type"] == "invoice_item_details":
        item = write.look("invoiceitem", parent["invoice_item_details"]["invoice_item"])
        rates = item and item["tax_rates"]
    else:
        rates = _rates_of_item(write, parent["subscription_item_details"]) if parent else None
    return list(rates or invoice["default_tax_rates"])


def _rates_of_item(write: Write, details: Record) -> list[Record] | None:
    subscription = details["subscription"] and write.look("subscription", details["subscription"])
    items = subscription["items"]["data"] if subscription else []
    return next((item["tax_rates"] for item in items if item["id"] == details["subscription_item"]), None)


def _add_up(invoice: Record) -> None:
    lines = lines_of(invoice)
    taken: Counter[str] = Counter()
    for part in (part for line in lines for part in line["discount_amounts"]):
        taken[part["discount"]] += part["amount"]
    given = [{"amount": amount, "discount": name} for name, amount in taken.items()]
    taxes = _sum_of_taxes(lines)
    on_top = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inside = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal - sum(taken.values()) + on_top + invoice["amount_shipping"]
    invoice.update(
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - inside,
        total=total,
        total_discount_amounts=given,
        total_excluding_tax=total - on_top - inside,
        total_pretax_credit_amounts=[{**part, "type": "discount"} for part in given],
        total_taxes=taxes,
    )


def _sum_of_taxes(lines: list[Record]) -> list[Record]:
    by_rate: dict[str, Record] = {}
    for tax in (tax for line in lines for tax in line["taxes"]):
        name = tax["tax_rate_details"]["tax_rate"]
        if name in by_rate:
            by_rate[name]["amount"] += tax["amount"]
            by_rate[name]["taxable_amount"] += tax["taxable_amount"] or 0
        else:
            by_rate[name] = dict(tax)
    return list(by_rate.values())


def _balance(write: Write, invoice: Record) -> None:
    """Set what is due, with the customer's balance as it is."""
    customer = write.look("customer", invoice["customer"])
    invoice["starting_balance"] = customer["balance"] if customer else 0
    invoice["amount_due"] = max(0, invoice["total"] + invoice["starting_balance"])
    settle(invoice)
