"""What falls due for invoices and subscriptions: renewed, finalized, collected, past due, ended."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import subscription_status as standing
from connector.sandbox.writes.actions.bills import drop_discounts
from connector.sandbox.writes.actions.invoice_states import attempt, finalized, given_up, method_of, voided
from connector.sandbox.writes.actions.invoices import advance
from connector.sandbox.writes.actions.periods import bill, next_boundary, period_of, recurring, set_period
from connector.sandbox.writes.actions.subscriptions import paused
from connector.sandbox.writes.engine.schedule import DAY, Due, due
from connector.sandbox.writes.engine.write import Write

_RUNS = ("active", "trialing", "past_due", "unpaid")
_INCOMPLETE_SECONDS = 23 * 3_600
_WARNS_DAYS = 3


@due("subscription")
def _subscription(record: Record) -> Iterator[Due]:
    if record["status"] == "incomplete":
        yield record["created"] + _INCOMPLETE_SECONDS, _expire
    if record["status"] not in _RUNS:
        return
    if record["cancel_at"] is not None:
        yield record["cancel_at"], _end
    if record["status"] == "trialing" and record["trial_end"]:
        yield record["trial_end"] - _WARNS_DAYS * DAY, _warn
    if (record["pause_collection"] or {}).get("resumes_at"):
        yield record["pause_collection"]["resumes_at"], _collect_again
    yield period_of(record)[1], _renew


@due("invoice", looks_back_days=120)
def _invoice(record: Record) -> Iterator[Due]:
    if record["status"] == "draft" and record["auto_advance"] and record["automatically_finalizes_at"]:
        yield record["automatically_finalizes_at"], _finalize
    if record["status"] != "open":
        return
    if record["auto_advance"] and record["next_payment_attempt"]:
        yield record["next_payment_attempt"], _collect
    if record["due_date"]:
        yield record["due_date"], _overdue


def _renew(write: Write, subscription: Record) -> None:
    """Begin the next period and draft its bill, unless the trial ends without a way to pay."""
    before = write.get("subscription", subscription["id"])
    if subscription["status"] == "trialing":
        if _ends_with_trial(write, subscription):
            return
        subscription["status"] = "active"
    end = period_of(subscription)[1]
    following = next_boundary(subscription["billing_cycle_anchor"], recurring(subscription), end)
    set_period(subscription, end, following)
    _drop_ended_discounts(write, subscription)
    invoice = bill(write, subscription, "subscription_cycle", Fraction(1))
    standing.leave(write, subscription, before)
    _set_off(write, subscription, invoice)


def _set_off(write: Write, subscription: Record, invoice: Record) -> None:
    """Let a renewal's draft go its way, as far as the subscription has its money collected."""
    before = write.get("invoice", invoice["id"])
    behavior = (subscription["pause_collection"] or {}).get("behavior")
    if behavior in ("void", "mark_uncollectible"):
        finalized(write, invoice)
        if invoice["status"] == "open":
            (voided if behavior == "void" else given_up)(write, invoice)
    elif behavior is None and subscription["status"] != "unpaid":
        invoice["auto_advance"] = True
        advance(invoice, write.now)
        write.put("invoice", invoice)
        write.emit("invoice.updated", invoice, before)


def _ends_with_trial(write: Write, subscription: Record) -> bool:
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if behavior == "create_invoice" or method_of(write, subscription) is not None:
        return False
    if behavior == "cancel":
        standing.end(write, subscription)
    else:
        paused(write, subscription, "trial_end_without_payment_method")
    return True


def _drop_ended_discounts(write: Write, subscription: Record) -> None:
    """Forget discounts whose time is over."""
    lasting = [name for name in subscription["discounts"] if _lasts(write, name)]
    drop_discounts(write, [name for name in subscription["discounts"] if name not in lasting])
    subscription["discounts"] = lasting


def _lasts(write: Write, name: str) -> bool:
    """Whether a discount is good for another period; one whose coupon was deleted is not."""
    discount = write.look("discount", name)
    coupon = discount and write.look("coupon", discount["source"]["coupon"])
    return bool(discount and coupon and not _is_over(discount, coupon, write.now))


def _is_over(discount: Record, coupon: Record, now: int) -> bool:
    if coupon["duration"] == "repeating":
        month = {"interval": "month", "interval_count": 1}
        end = discount["start"]
        for _ in range(coupon["duration_in_months"] or 0):
            end = next_boundary(discount["start"], month, end)
        return bool(now >= end)
    return bool(coupon["duration"] == "once")


def _finalize(write: Write, invoice: Record) -> None:
    """Finalize a draft whose hour is over; take its money at once, or send it."""
    finalized(write, invoice)
    if invoice["status"] != "open":
        return
    if invoice["collection_method"] == "charge_automatically":
        attempt(write, invoice, by_itself=True)
    else:
        write.emit("invoice.sent", invoice)


def _collect(write: Write, invoice: Record) -> None:
    attempt(write, invoice, by_itself=True)


def _overdue(write: Write, invoice: Record) -> None:
    write.emit("invoice.overdue", invoice)
    standing.unpaid(write, {**invoice, "auto_advance": False})


def _end(write: Write, subscription: Record) -> None:
    standing.end(write, subscription)


def _expire(write: Write, subscription: Record) -> None:
    """Give up a subscription whose first bill was not paid in time."""
    before = write.get("subscription", subscription["id"])
    subscription.update(status="incomplete_expired", ended_at=write.now)
    standing.leave(write, subscription, before)
    invoice = write.look("invoice", subscription["latest_invoice"] or "")
    if invoice is not None and invoice["status"] == "open":
        voided(write, invoice)


def _warn(write: Write, subscription: Record) -> None:
    write.emit("customer.subscription.trial_will_end", subscription)


def _collect_again(write: Write, subscription: Record) -> None:
    before = write.get("subscription", subscription["id"])
    subscription["pause_collection"] = None
    standing.leave(write, subscription, before)
