"""How a subscription stands: what its invoices being paid or not makes of it, and how it ends."""

from __future__ import annotations

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.engine.write import Write

LIVE = ("active", "past_due", "trialing", "unpaid", "incomplete", "paused")


def paid(write: Write, invoice: Record) -> None:
    """Let the subscription of a paid invoice be active again, and its customer pay as they should."""
    _set_delinquent(write, invoice, delinquent=False)
    subscription = _of(write, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    resumed = subscription["status"] == "paused" and invoice["billing_reason"] == "subscription_update"
    if subscription["status"] in ("incomplete", "past_due", "unpaid") or resumed:
        before = write.get("subscription", subscription["id"])
        subscription["status"] = "active"
        if resumed:
            subscription.pop("status_details", None)
        leave(write, subscription, before)
        if resumed:
            write.emit("customer.subscription.resumed", subscription)


def forgiven(write: Write, invoice: Record) -> None:
    """Let a customer no longer owe what somebody has written off."""
    _set_delinquent(write, invoice, delinquent=False)


def unpaid(write: Write, invoice: Record) -> bool:
    """Let the subscription of an invoice that could not be paid be past due, or end after the last attempt.

    Return whether it has ended.
    """
    _set_delinquent(write, invoice, delinquent=True)
    subscription = _of(write, invoice)
    if subscription is None or subscription["status"] not in ("active", "trialing", "past_due"):
        return False
    if subscription["status"] == "past_due" and invoice["auto_advance"] and invoice["next_payment_attempt"] is None:
        end(write, subscription, "payment_failed")
        return True
    if subscription["status"] != "past_due":
        before = write.get("subscription", subscription["id"])
        subscription["status"] = "past_due"
        leave(write, subscription, before)
    return False


def end(write: Write, subscription: Record, reason: str = "cancellation_requested") -> None:
    """Cancel a subscription now; the money of its open invoices is no longer sought."""
    subscription.update(canceled_at=subscription["canceled_at"] or write.now, ended_at=write.now, pause_collection=None)
    subscription["status"] = "canceled"
    subscription["cancellation_details"]["reason"] = reason
    subscription.pop("status_details", None)
    write.put("subscription", subscription)
    write.emit("customer.subscription.deleted", subscription)
    for invoice in list(write.find("invoice", "subscription", subscription["id"])):
        if invoice["status"] in ("draft", "open") and invoice["auto_advance"]:
            before = dict(invoice)
            invoice.update(auto_advance=False, automatically_finalizes_at=None, next_payment_attempt=None)
            write.put("invoice", invoice)
            write.emit("invoice.updated", invoice, before)


def leave(write: Write, subscription: Record, before: Record) -> None:
    """Leave a changed subscription behind and tell of it."""
    write.put("subscription", subscription)
    write.emit("customer.subscription.updated", subscription, before)


def _of(write: Write, invoice: Record) -> Record | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    return write.look("subscription", details["subscription"]) if details else None


def _set_delinquent(write: Write, invoice: Record, *, delinquent: bool) -> None:
    customer = write.look("customer", invoice["customer"])
    if customer is not None and customer["delinquent"] != delinquent:
        before = dict(customer)
        customer["delinquent"] = delinquent
        write.put("customer", customer)
        write.emit("customer.updated", customer, before)
