"""Every status of the objects that have a life, and what leads there; printed by `differences`.

Whoever tests a pipeline wants to see each of them once. A test goes all these ways, and another compares the
statuses with those that Stripe's document tells of.
"""

from __future__ import annotations

from typing import NamedTuple


class Status(NamedTuple):
    """One status of a kind of object: what leads there, or why nothing does."""

    kind: str
    status: str
    how: str
    is_reached: bool = True


def _never(kind: str, status: str, why: str) -> Status:
    return Status(kind, status, why, is_reached=False)


STATUSES: tuple[Status, ...] = (
    Status("invoice", "draft", "create an invoice"),
    Status("invoice", "open", "finalize a draft"),
    Status("invoice", "paid", "pay it"),
    Status("invoice", "uncollectible", "mark an open one uncollectible"),
    Status("invoice", "void", "void an open one"),
    Status("invoice_payment", "open", "finalize an invoice"),
    Status("invoice_payment", "paid", "pay the invoice"),
    Status("invoice_payment", "canceled", "void the invoice, or pay it out of band"),
    Status("payment_intent", "requires_payment_method", "create a payment intent"),
    Status("payment_intent", "requires_confirmation", "send a `payment_method` along"),
    Status("payment_intent", "requires_action", "confirm it with `pm_card_authenticationRequired`"),
    Status("payment_intent", "processing", "confirm it with a payment method of type `sepa_debit`"),
    Status("payment_intent", "requires_capture", "`capture_method` manual, and confirm it"),
    Status("payment_intent", "canceled", "cancel it"),
    Status("payment_intent", "succeeded", "confirm it with `pm_card_visa`"),
    Status("setup_intent", "requires_payment_method", "create a setup intent"),
    Status("setup_intent", "requires_confirmation", "send a `payment_method` along"),
    Status("setup_intent", "requires_action", "confirm it with `pm_card_authenticationRequiredOnSetup`"),
    Status("setup_intent", "canceled", "cancel it"),
    Status("setup_intent", "succeeded", "confirm it with `pm_card_visa`"),
    _never("setup_intent", "processing", "no payment method takes its time to be set up"),
    Status("charge", "succeeded", "pay with `pm_card_visa`"),
    Status("charge", "pending", "pay with a payment method of type `sepa_debit`"),
    Status("charge", "failed", "pay with `pm_card_chargeDeclined`, or `POST /_bank/py_…` `failed` while it is pending"),
    Status("refund", "succeeded", "refund a payment by card"),
    Status("refund", "pending", "refund a payment with `pm_card_pendingRefund`"),
    Status("refund", "requires_action", "refund with `instructions_email`"),
    Status("refund", "canceled", "cancel one that requires action"),
    Status("refund", "failed", "refund a payment with `pm_card_refundFail`, a day later; or the test helper expire"),
    Status("dispute", "needs_response", "pay with `pm_card_createDispute`, or `POST /_bank/ch_…` `needs_response`"),
    Status("dispute", "under_review", "submit any evidence"),
    Status("dispute", "won", "submit `winning_evidence`, or `POST /_bank/du_…` `won` when it is under review"),
    Status("dispute", "lost", "submit `losing_evidence`, close it, answer too late, or `POST /_bank/du_…` `lost`"),
    Status("dispute", "warning_needs_response", "pay with `pm_card_createDisputeInquiry`"),
    Status("dispute", "warning_under_review", "submit evidence for an inquiry"),
    Status("dispute", "warning_closed", "close an inquiry, wait for 120 days, or `POST /_bank/du_…` `warning_closed`"),
    Status("dispute", "prevented", "`POST /_bank/ch_…` `prevented`"),
    _never("dispute", "appeal_needs_response", "no bank decides twice"),
    _never("dispute", "appeal_under_review", "no bank decides twice"),
    Status("payout", "pending", "create a payout"),
    Status("payout", "in_transit", "a day after it was created"),
    Status("payout", "paid", "on its `arrival_date`"),
    Status("payout", "canceled", "cancel a pending one"),
    Status("payout", "failed", "`POST /_bank/po_…` `failed`"),
    Status("subscription", "incomplete", "`payment_behavior` default_incomplete"),
    Status("subscription", "incomplete_expired", "23 hours later"),
    Status("subscription", "trialing", "`trial_period_days`"),
    Status("subscription", "active", "subscribe a customer who pays"),
    Status("subscription", "past_due", "let a renewal fail"),
    Status("subscription", "canceled", "cancel it, or let all attempts of a renewal fail"),
    Status("subscription", "paused", "pause it, or let a trial end without a payment method"),
    Status("subscription", "unpaid", "only those of the business whose payments failed; a new one is canceled then"),
    Status("credit_note", "issued", "create a credit note"),
    Status("credit_note", "void", "void it"),
    Status("balance_transaction", "pending", "pay with `pm_card_visa`"),
    Status("balance_transaction", "available", "pay with `pm_card_bypassPending`, or wait for two days"),
    Status("checkout.session", "open", "create a session"),
    Status("checkout.session", "expired", "expire it, or wait for a day"),
    Status("checkout.session", "complete", "those of the business; nobody completes a new one"),
)  # fmt: skip
"""All statuses, by kind."""
