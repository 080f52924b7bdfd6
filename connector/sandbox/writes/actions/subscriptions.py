"""Subscriptions: created, changed, paused, resumed, canceled."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import listed
from connector.sandbox.writes.actions import subscription_status as standing
from connector.sandbox.writes.actions.bills import discounts, drop_discounts, set_rates
from connector.sandbox.writes.actions.invoice_items import new_item, of_subscription, pending
from connector.sandbox.writes.actions.invoice_states import attempt, finalized, method_of
from connector.sandbox.writes.actions.invoices import advance
from connector.sandbox.writes.actions.payments import declined, not_taken
from connector.sandbox.writes.actions.periods import (
    bill,
    change_item,
    check_alike,
    items_of,
    make_item,
    next_boundary,
    period_of,
    prorate,
    recurring,
    set_period,
)
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import DAY
from connector.sandbox.writes.engine.write import Write, apply, merged

_NOT_TAKEN = (
    "customer_account", "application_fee_percent", "backdate_start_date", "billing_cycle_anchor_config",
    "billing_schedules", "billing_thresholds", "default_source", "on_behalf_of", "pending_invoice_item_interval",
    "transfer_data", "bill_for",
)  # fmt: skip
_DERIVED = frozenset(
    {
        "items",
        "discounts",
        "default_tax_rates",
        "trial_end",
        "cancel_at",
        "billing_cycle_anchor",
        "customer",
        "currency",
        "billing_mode",
    }
)
_OVER = ("canceled", "incomplete_expired")
_WHOLE = Fraction(1)
_LONGEST_TRIAL = 731 * DAY  # two years


@handles("POST /v1/subscriptions")
def create(write: Write) -> Record:
    """Subscribe a customer, billing the first period at once unless a trial comes before it."""
    not_taken(write, _NOT_TAKEN)
    for name in ("customer", "items"):
        if not write.form.get(name):
            raise write.refuse("required", name)
    customer = write.get("customer", write.form["customer"], "customer")
    write.at(customer["test_clock"])
    subscription = draw_up(write, customer)
    share = set_terms(write, subscription)
    for place, asked in enumerate(write.form.get("add_invoice_items", ())):
        _extra(write, customer, subscription, asked, f"add_invoice_items[{place}]")
    automatic = subscription["collection_method"] == "charge_automatically"
    trialing = subscription["status"] == "trialing"
    if not trialing:
        subscription["status"] = "incomplete" if automatic else "active"
    write.put("subscription", subscription)
    invoice = bill(write, subscription, "subscription_create", Fraction(0) if trialing else share)
    write.put("subscription", subscription)
    write.emit("customer.subscription.created", subscription)
    collect(write, invoice, write.form.get("payment_behavior", "allow_incomplete"))
    return write.get("subscription", subscription["id"])


@handles("POST /v1/subscriptions/{subscription_exposed_id}")
def update(write: Write) -> Record:
    """Change a subscription; other prices or quantities are settled in proportion."""
    not_taken(write, _NOT_TAKEN)
    subscription = _at_its_time(write, "subscription_exposed_id")
    if subscription["status"] in _OVER and write.form.keys() - {"metadata", "cancellation_details", "expand"}:
        raise write.refuse("subscription_canceled")
    before = write.get("subscription", subscription["id"])
    apply(subscription, {name: value for name, value in write.form.items() if name not in _DERIVED}, "subscription")
    set_rates(write, subscription, "default_tax_rates", write.form)
    if write.form.get("discounts"):
        subscription["discounts"] = _discounts(write, subscription)
    elif write.form.get("discounts") == "":
        drop_discounts(write, subscription["discounts"])
        subscription["discounts"] = []
    _set_end(write, subscription)
    change_items(write, subscription, write.form.get("items", ()))
    if subscription["status"] in _OVER:
        standing.leave(write, subscription, before)
    else:
        revise(write, subscription, before)
    return write.get("subscription", subscription["id"])


@handles("DELETE /v1/subscriptions/{subscription_exposed_id}")
def cancel(write: Write) -> Record:
    """Cancel a subscription now; it stays readable. One that is canceled is not found to cancel."""
    subscription = _at_its_time(write, "subscription_exposed_id")
    if subscription["status"] in _OVER:
        raise write.refuse("missing", "id", kind="subscription", id=subscription["id"])
    apply(subscription, {"cancellation_details": write.form.get("cancellation_details", {})}, "subscription")
    if write.form.get("prorate"):
        items = items_of(subscription)
        subscription["items"]["data"] = []
        prorate(write, subscription, items, write.now)
        subscription["items"]["data"] = items
    invoice = None
    if write.form.get("invoice_now") and pending(write, subscription["customer"], subscription["id"]):
        invoice = bill(write, subscription, "subscription_update", None)
    standing.end(write, subscription)
    if invoice is not None:
        collect(write, invoice, "allow_incomplete")
    return write.get("subscription", subscription["id"])


@handles("POST /v1/subscriptions/{subscription}/pause")
def pause(write: Write) -> Record:
    """Pause an active subscription: no period, no bill, until it is resumed."""
    not_taken(write, _NOT_TAKEN)
    subscription = _at_its_time(write, "subscription")
    if subscription["status"] not in ("active", "trialing"):
        raise write.refuse("not_pausable", status=subscription["status"])
    paused(write, subscription, "pause_requested")
    return subscription


@handles("POST /v1/subscriptions/{subscription}/resume")
def resume(write: Write) -> Record:
    """Go on with a paused subscription, billing a new period that begins now."""
    subscription = _at_its_time(write, "subscription")
    if subscription["status"] != "paused":
        raise write.refuse("not_paused", status=subscription["status"])
    if subscription["collection_method"] != "charge_automatically":
        raise write.refuse("only_automatic")
    before = write.get("subscription", subscription["id"])
    if (write.form.get("billing_cycle_anchor") or {}).get("type") == "unchanged":
        raise write.refuse("not_taken", "billing_cycle_anchor")
    restart(write, subscription)
    invoice = bill(write, subscription, "subscription_update", _WHOLE)
    standing.leave(write, subscription, before)
    collect(write, invoice, "allow_incomplete")
    return write.get("subscription", subscription["id"])


def collect(write: Write, invoice: Record, behavior: str) -> None:
    """Let a subscription's new bill be paid at once, or sent to the customer when its hour is over."""
    before = write.get("invoice", invoice["id"])
    invoice["auto_advance"] = behavior != "default_incomplete"  # which waits for its payer
    if invoice["collection_method"] == "send_invoice":
        invoice["auto_advance"] = True
        advance(invoice, write.now)
        write.put("invoice", invoice)
        write.emit("invoice.updated", invoice, before)
        return
    if invoice["amount_due"] and behavior != "default_incomplete" and method_of(write, invoice) is None:
        raise write.refuse("no_payment_method")
    finalized(write, invoice)
    if invoice["status"] == "open" and behavior != "default_incomplete":
        intent = attempt(write, invoice)
        if intent["status"] != "succeeded" and behavior == "error_if_incomplete":
            refused = declined(write, intent)
            refused.leaves = False  # the whole subscription is not made
            raise refused


def restart(write: Write, subscription: Record) -> None:
    """Let a new cycle begin now."""
    subscription["billing_cycle_anchor"] = write.now
    set_period(subscription, write.now, next_boundary(write.now, recurring(subscription), write.now))


def paused(write: Write, subscription: Record, reason: str) -> None:
    """Pause a subscription for a reason."""
    before = write.get("subscription", subscription["id"])
    why = {"subscription": {"type": reason}, "transitioned_at": write.now, "type": "subscription"}
    subscription.update(status="paused", status_details={"paused": why})
    standing.leave(write, subscription, before)
    write.emit("customer.subscription.paused", subscription)


def revise(write: Write, subscription: Record, before: Record) -> None:
    """Leave a changed subscription behind, its items settled in proportion, a new cycle billed if one begins."""
    ends_trial = write.form.get("trial_end") == "now" and subscription["status"] == "trialing"
    resets = (write.form.get("billing_cycle_anchor") or {}).get("type") == "now"
    anew = ends_trial or resets or recurring(subscription) != recurring(before)
    behavior = write.form.get("proration_behavior", "create_prorations")
    if behavior != "none" and subscription["status"] not in ("trialing", "incomplete"):
        part = {**subscription, "items": {"data": []}} if anew else subscription
        prorate(write, part, items_of(before), write.form.get("proration_date", write.now))
    if ends_trial:
        subscription.update(status="active", trial_end=write.now)
    elif isinstance(write.form.get("trial_end"), int):
        _set_trial(write, subscription, write.form["trial_end"])
    if anew and subscription["status"] != "trialing":
        restart(write, subscription)
    bills = (anew and subscription["status"] != "trialing") or behavior == "always_invoice"
    customer = subscription["customer"]
    invoice = None
    if bills and (anew or pending(write, customer, subscription["id"])):
        invoice = bill(write, subscription, "subscription_update", _WHOLE if anew else None)
    standing.leave(write, subscription, before)
    if invoice is not None:
        collect(write, invoice, write.form.get("payment_behavior", "allow_incomplete"))


def draw_up(write: Write, customer: Record) -> Record:
    """Return a new subscription as a form asks for it, its period yet to be set."""
    ident = write.new_id("sub_")
    subscription = write.blank("subscription", id=ident, customer=customer["id"], start_date=write.now)
    subscription["items"] = listed(f"/v1/subscription_items?subscription={ident}", [])
    subscription["test_clock"] = customer["test_clock"]
    apply(subscription, {name: value for name, value in write.form.items() if name not in _DERIVED}, "subscription")
    apply(subscription, {"billing_mode": write.form.get("billing_mode", {})}, "subscription")
    items = [
        make_item(write, subscription, asked, f"items[{place}]") for place, asked in enumerate(write.form["items"])
    ]
    subscription["items"]["data"] = items
    subscription["currency"] = write.form.get("currency", items[0]["price"]["currency"])
    set_rates(write, subscription, "default_tax_rates", write.form)
    check_alike(write, subscription)
    subscription["discounts"] = _discounts(write, subscription)
    if subscription["collection_method"] == "send_invoice" and "days_until_due" not in write.form:
        raise write.refuse("when_due")
    if "default_payment_method" in write.form:
        write.get("payment_method", write.form["default_payment_method"], "default_payment_method")
    return subscription


def _discounts(write: Write, subscription: Record) -> list[str]:
    owner = {"customer": subscription["customer"], "subscription": subscription["id"]}
    return discounts(write, write.form.get("discounts"), **owner)


def set_terms(write: Write, subscription: Record) -> Fraction:
    """Set trial, anchor and first period of a new subscription; return the share of it that is billed."""
    how, form, now = recurring(subscription), write.form, write.now
    trial_end = form.get("trial_end")
    if form.get("trial_period_days", 0) < 0:
        raise write.refuse("too_small", "trial_period_days", bound=0, value=form["trial_period_days"])
    if form.get("trial_period_days"):
        trial_end = now + form["trial_period_days"] * DAY
    subscription["billing_cycle_anchor"] = _anchor(write, how)
    share = _WHOLE
    if isinstance(trial_end, int):
        _set_trial(write, subscription, trial_end)
        subscription["trial_start"] = now
    else:
        end = next_boundary(subscription["billing_cycle_anchor"], how, now)
        if subscription["billing_cycle_anchor"] > now:
            whole = next_boundary(now, how, now) - now
            end = min(end, subscription["billing_cycle_anchor"])
            share = Fraction(0) if form.get("proration_behavior") == "none" else Fraction(end - now, whole)
        set_period(subscription, now, end)
    _set_end(write, subscription)
    return share


def _anchor(write: Write, how: Record) -> int:
    """Return the instant that a new subscription's periods go by: now, or the one asked for, within a period."""
    anchor: int = write.form.get("billing_cycle_anchor", write.now)
    if anchor < write.now:
        raise write.refuse("in_the_past", "billing_cycle_anchor")
    natural = next_boundary(write.now, how, write.now)
    if anchor > natural:
        raise write.refuse("anchor_too_late", "billing_cycle_anchor", natural=natural)
    return anchor


def _set_trial(write: Write, subscription: Record, trial_end: int) -> None:
    if trial_end <= write.now:
        raise write.refuse("in_the_past", "trial_end")
    if trial_end > write.now + _LONGEST_TRIAL:
        raise write.refuse("trial_too_long", "trial_period_days" if "trial_period_days" in write.form else "trial_end")
    subscription.update(status="trialing", trial_end=trial_end, billing_cycle_anchor=trial_end)
    subscription["trial_start"] = subscription["trial_start"] or write.now
    set_period(subscription, write.now, trial_end)


def _set_end(write: Write, subscription: Record) -> None:
    """Set or take back when a subscription is to end."""
    form = write.form
    if "cancel_at_period_end" not in form and "cancel_at" not in form:
        return
    at = form.get("cancel_at") or None
    if form.get("cancel_at_period_end") or at in ("min_period_end", "max_period_end", "max_billed_until"):
        at = period_of(subscription)[1]
    if at is not None and at <= write.now:
        raise write.refuse("in_the_past", "cancel_at")
    details = subscription["cancellation_details"]
    details["reason"] = "cancellation_requested" if at else None
    subscription.update(
        cancel_at=at, cancel_at_period_end=bool(form.get("cancel_at_period_end")), canceled_at=at and write.now
    )


def change_items(write: Write, subscription: Record, changes: list[Mapping[str, Any]]) -> None:
    """Change, remove and add items as a form asks; those it does not name stay."""
    start, end = period_of(subscription)
    for place, asked in enumerate(changes):
        item = next((item for item in items_of(subscription) if item["id"] == asked.get("id")), None)
        if item is None and "id" in asked:
            param = f"items[{place}][id]"
            raise write.refuse("missing_reference", param, kind="subscription_item", id=asked["id"])
        if item is None:
            item = make_item(write, subscription, asked, f"items[{place}]")
            item.update(current_period_start=start, current_period_end=end)
            items_of(subscription).append(item)
        elif asked.get("deleted"):
            items_of(subscription).remove(item)
        else:
            change_item(write, item, asked, f"items[{place}]")
    if not items_of(subscription):
        raise write.refuse("last_item")
    check_alike(write, subscription)


def _extra(write: Write, customer: Record, subscription: Record, asked: Mapping[str, Any], param: str) -> None:
    if "price" not in asked and "price_data" not in asked:
        raise write.refuse("required", f"{param}[price]")
    item = new_item(write, customer, {name: value for name, value in asked.items() if name != "period"}, None)
    item["parent"] = of_subscription(subscription["id"], None)
    item["metadata"] = merged({}, asked.get("metadata", {}))
    write.put("invoiceitem", item)
    write.emit("invoiceitem.created", item)


def _at_its_time(write: Write, name: str) -> Record:
    subscription = write.get("subscription", write.ids[name])
    write.at(subscription["test_clock"])
    return subscription
