"""The items of a subscription, each changed by its own calls."""

from __future__ import annotations

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.periods import change_item, check_alike, items_of, make_item, period_of
from connector.sandbox.writes.actions.subscriptions import revise
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write

_NOT_TAKEN = ("billing_thresholds", "current_trial", "clear_usage")


@handles("POST /v1/subscription_items")
def create(write: Write) -> Record:
    """Add an item to a subscription."""
    not_taken(write, _NOT_TAKEN)
    subscription = write.get("subscription", write.form["subscription"], "subscription")
    _check_open(write, subscription)
    before = write.get("subscription", subscription["id"])
    item = make_item(write, subscription, write.form, "")
    start, end = period_of(subscription)
    item.update(current_period_start=start, current_period_end=end)
    items_of(subscription).append(item)
    return _revised(write, subscription, before, item)


@handles("POST /v1/subscription_items/{item}")
def update(write: Write) -> Record:
    """Change the price or the quantity of an item."""
    not_taken(write, _NOT_TAKEN)
    subscription, item = _found(write)
    before = write.get("subscription", subscription["id"])
    change_item(write, item, write.form, "")
    return _revised(write, subscription, before, item)


@handles("DELETE /v1/subscription_items/{item}")
def delete(write: Write) -> Record:
    """Take an item out of a subscription, which keeps at least one."""
    not_taken(write, _NOT_TAKEN)
    subscription, item = _found(write)
    before = write.get("subscription", subscription["id"])
    items_of(subscription).remove(item)
    if not items_of(subscription):
        raise write.refuse("last_item")
    revise(write, subscription, before)
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def _revised(write: Write, subscription: Record, before: Record, item: Record) -> Record:
    check_alike(write, subscription)
    revise(write, subscription, before)
    left = items_of(write.get("subscription", subscription["id"]))
    return next(found for found in left if found["id"] == item["id"])


def _found(write: Write) -> tuple[Record, Record]:
    """Return the subscription with an item, and the item in it; nothing tells which, so all are looked at."""
    name = write.ids["item"]
    for subscription in write.find("subscription", "items.data.id", name):
        _check_open(write, subscription)
        return subscription, next(item for item in items_of(subscription) if item["id"] == name)
    raise write.refuse("missing", "item", kind="subscription_item", id=name)


def _check_open(write: Write, subscription: Record) -> None:
    write.at(subscription["test_clock"])
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise write.refuse("subscription_canceled")
