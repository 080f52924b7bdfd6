"""The items of a subscription and its periods: when they begin and end, and what they are billed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from dateutil.relativedelta import relativedelta

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import template
from connector.sandbox.writes.actions.bills import discounts, lines_of, set_rates
from connector.sandbox.writes.actions.invoice_items import new_item, of_subscription, pending, pull_in
from connector.sandbox.writes.actions.invoices import for_subscription, leave_new, new_invoice
from connector.sandbox.writes.actions.pricing import amount_of, exact, plan_of, price_asked, pricing_of, product_name
from connector.sandbox.writes.engine.write import Write, merged

MOST_ITEMS = 20
"""So many items a subscription may have [spec]."""

_LINE, _PARENT = template("line_item"), template("line_item_parent.subscription_item")


def items_of(subscription: Record) -> list[Record]:
    """Return the items of a subscription, to be changed in place."""
    items: list[Record] = subscription["items"]["data"]
    return items


def recurring(subscription: Record) -> Record:
    """Return how often a subscription is billed: all its items are alike in this."""
    how: Record = items_of(subscription)[0]["price"]["recurring"]
    return how


def step(anchor: int, how: Mapping[str, Any], times: int) -> int:
    """Return the instant so many intervals after `anchor`; months keep the anchor's day where they have it."""
    units = {f"{how['interval']}s": how["interval_count"] * times}
    return int((datetime.fromtimestamp(anchor, UTC) + relativedelta(**units)).timestamp())


def next_boundary(anchor: int, how: Mapping[str, Any], after: int) -> int:
    """Return the first boundary of the cycle through `anchor` that is later than `after`."""
    days = {"day": 1, "week": 7, "month": 31, "year": 366}[how["interval"]] * how["interval_count"]
    times = (after - anchor) // (days * 86_400)
    while step(anchor, how, times) <= after:
        times += 1
    return step(anchor, how, times)


def period_of(subscription: Record) -> tuple[int, int]:
    """Return the start and the end of the present period."""
    first = items_of(subscription)[0]
    return first["current_period_start"], first["current_period_end"]


def set_period(subscription: Record, start: int, end: int) -> None:
    """Let the present period of all items be this one."""
    for item in items_of(subscription):
        item.update(current_period_start=start, current_period_end=end)


def make_item(write: Write, subscription: Record, asked: Mapping[str, Any], param: str) -> Record:
    """Return a new item as a form asks for it, in a period yet to be set."""
    item = write.blank("subscription_item", id=write.new_id("si_"), subscription=subscription["id"])
    if price_asked(write, asked, param) is None:
        raise write.refuse("required", f"{param}[price]" if param else "price")
    change_item(write, item, asked, param)
    return item


def change_item(write: Write, item: Record, asked: Mapping[str, Any], param: str) -> None:
    """Change an item in place as a form asks; another price sets its quantity to 1 unless one is sent."""
    if "metadata" in asked:
        item["metadata"] = merged(item["metadata"], asked["metadata"])
    set_rates(write, item, "tax_rates", asked)
    if "discounts" in asked:
        item["discounts"] = discounts(write, asked["discounts"], subscription_item=item["id"])
    price = price_asked(write, asked, param)
    if price is not None:
        if price["type"] != "recurring":
            raise write.refuse("not_recurring", f"{param}[price]" if param else "price")
        item.update(price=price, plan=plan_of(price), quantity=1)
    if item["price"]["recurring"]["usage_type"] == "metered":
        item.pop("quantity", None)
    elif "quantity" in asked:
        item["quantity"] = asked["quantity"]


def check_alike(write: Write, subscription: Record) -> None:
    """Refuse items that are not billed together: other intervals or currencies, too many, one price twice."""
    prices = [item["price"] for item in items_of(subscription)]
    if len(prices) > MOST_ITEMS:
        raise write.refuse("too_many", "items", bound=MOST_ITEMS)
    for price, times in Counter(price["id"] for price in prices).items():
        if times > 1:
            raise write.refuse("same_price", "items", price=price)
    cycles = {(price["recurring"]["interval"], price["recurring"]["interval_count"]) for price in prices}
    if len(cycles) > 1:
        raise write.refuse("mixed_intervals")
    if {price["currency"] for price in prices} != {subscription["currency"]}:
        raise write.refuse("mixed_currencies")


def bill(write: Write, subscription: Record, reason: str, share: Fraction | None) -> Record:
    """Leave behind a draft for the present period with what waits for it; `share` None leaves the period out."""
    customer = write.get("customer", subscription["customer"])
    invoice = new_invoice(write, customer, subscription["currency"])
    for_subscription(invoice, subscription)
    invoice["billing_reason"] = reason
    if share is not None:
        lines_of(invoice).extend(_line(write, invoice, subscription, item, share) for item in items_of(subscription))
    pull_in(write, invoice, pending(write, customer["id"], subscription["id"]))
    leave_new(write, invoice)
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _line(write: Write, invoice: Record, subscription: Record, item: Record, share: Fraction) -> Record:
    price, quantity = item["price"], item.get("quantity", 0)
    start, end = item["current_period_start"], item["current_period_end"]
    name = product_name(write, price) or price["id"]
    line = _LINE()
    line.update(
        id=write.new_id("il_"),
        amount=exact(amount_of(price, quantity) * share, price["currency"]),
        currency=price["currency"],
        description=f"Trial period for {name}" if subscription["status"] == "trialing" else f"{quantity} × {name}",
        discounts=list(item["discounts"]),
        invoice=invoice["id"],
        livemode=invoice["livemode"],
        metadata=dict(subscription["metadata"]),
        parent=_PARENT(),
        period={"end": end, "start": start},
        pricing=pricing_of(price),
        quantity=quantity,
        quantity_decimal=None if quantity is None else str(quantity),
        subscription=subscription["id"],
    )
    line["subtotal"] = line["amount"]
    line["parent"]["subscription_item_details"].update(subscription=subscription["id"], subscription_item=item["id"])
    return line


def prorate(write: Write, subscription: Record, before: list[Record], at: int) -> None:
    """Leave behind items for what changed: credit for unused time as it was, a charge for what remains as it is."""
    old = {item["id"]: item for item in before}
    new = {item["id"]: item for item in items_of(subscription)}
    for name in [*old, *(name for name in new if name not in old)]:
        was, is_now = old.get(name), new.get(name)
        if _worth(was) == _worth(is_now):
            continue
        for item, sign, words in ((was, -1, "Unused time on"), (is_now, 1, "Remaining time on")):
            if item is not None:
                _proration(write, subscription, item, (at, sign, words))


def _worth(item: Record | None) -> Any:
    return item and (item["price"]["id"], item.get("quantity"))


def _proration(write: Write, subscription: Record, item: Record, part: tuple[int, int, str]) -> None:
    at, sign, words = part
    start, end = item["current_period_start"], item["current_period_end"]
    share = Fraction(max(0, end - at), max(1, end - start))
    quantity, price = item.get("quantity", 0), item["price"]
    amount = exact(amount_of(price, quantity) * share * sign, price["currency"])
    if not amount:
        return
    asked = {
        "amount": amount,
        "currency": price["currency"],
        "description": f"{words} {quantity} × {product_name(write, price) or price['id']}",
        "discountable": False,
        "period": {"end": end, "start": at},
    }
    made = new_item(write, write.get("customer", subscription["customer"]), asked, None)
    made.update(proration=True, quantity=quantity, quantity_decimal=str(quantity), pricing=pricing_of(price))
    made["parent"] = of_subscription(subscription["id"], item["id"])
    write.put("invoiceitem", made)
    write.emit("invoiceitem.created", made)
