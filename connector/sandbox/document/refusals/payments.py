"""How payments, refunds, payouts, disputes and checkout sessions are refused."""

from __future__ import annotations

from connector.sandbox.document.refusals.rule import NO_RETRY, Rule

RULES: dict[str, Rule] = {
    # payments
    "card_declined": Rule(402, "{message}", "card_declined", "card_error", basis="docs"),
    "expired_card": Rule(402, "{message}", "expired_card", "card_error", basis="docs"),
    "incorrect_cvc": Rule(402, "{message}", "incorrect_cvc", "card_error", basis="docs"),
    "processing_error": Rule(402, "{message}", "processing_error", "card_error", basis="docs"),
    "authentication_required": Rule(402, "{message}", "authentication_required", "card_error", basis="docs"),
    "not_taken": Rule(
        501,
        "The sandbox does not take {param} in this call yet.",
        type="api_error",
        headers=NO_RETRY,
        basis="own",
    ),
    "amount_step": Rule(400, "Amounts in {currency} must be a multiple of {step}.", basis="docs"),
    "amount_too_small": Rule(400, "Amount must be at least 0.50 {currency}.", "amount_too_small", basis="spec"),
    "amount_too_large": Rule(400, "Amount must be no more than {bound}.", "amount_too_large", basis="spec"),
    "intent_state": Rule(
        400,
        "You cannot {verb} this PaymentIntent because it has a status of {status}.",
        "payment_intent_unexpected_state",
        basis="spec",
    ),
    "intent_needs_method": Rule(
        400,
        "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent with "
        "a payment method, or send one when you confirm it.",
        "payment_intent_unexpected_state",
    ),
    "setup_state": Rule(
        400,
        "You cannot {verb} this SetupIntent because it has a status of {status}.",
        "setup_intent_unexpected_state",
        basis="spec",
    ),
    "setup_needs_method": Rule(
        400,
        "You cannot confirm this SetupIntent because it's missing a payment method.",
        "setup_intent_unexpected_state",
    ),
    "capture_too_large": Rule(
        400, "The amount to capture ({amount}) is more than what is held ({held}).", basis="spec"
    ),
    "only_confirming": Rule(400, "You can only send {param} with confirm set to true.", basis="spec"),
    "method_of_another": Rule(400, "The payment method belongs to another customer.", basis="spec"),
    "method_needs_customer": Rule(
        400, "The payment method belongs to a customer; send the customer along with it.", basis="spec"
    ),
    "charge_needs_source": Rule(400, "Must provide source or customer.", "parameter_missing", basis="docs"),
    "charge_state": Rule(400, "Charge {id} cannot be {verb}: it is {status}.", basis="spec"),
    "charge_captured": Rule(400, "Charge {id} has already been captured.", "charge_already_captured", basis="spec"),
    "customer_set": Rule(400, "Charge {id} has a customer already.", basis="spec"),
    "refund_of_nothing": Rule(
        400,
        "One of these parameters should be sent: payment_intent or charge.",
        "parameter_missing",
        basis="docs",
    ),
    "charge_refunded": Rule(400, "Charge {id} has already been refunded.", "charge_already_refunded", basis="spec"),
    "refund_too_large": Rule(
        400, "The amount to refund ({amount}) is more than what is left on the charge ({left}).", basis="spec"
    ),
    "charge_disputed": Rule(400, "Charge {id} has been charged back; it cannot be refunded.", "charge_disputed"),
    "refund_state": Rule(400, "Refund {id} cannot be {verb}: it has a status of {status}.", basis="spec"),
    "payout_state": Rule(400, "Payout {id} cannot be {verb}: it has a status of {status}.", basis="spec"),
    "payout_automatic": Rule(400, "Automatic payouts cannot be canceled.", basis="spec"),
    "payout_reversed": Rule(400, "Payout {id} has been reversed, or reverses another."),
    "insufficient_funds": Rule(
        400, "Insufficient funds: {available} {currency} is available.", "balance_insufficient", basis="spec"
    ),
    "dispute_state": Rule(400, "This dispute takes no evidence and cannot be closed: it is {status}."),
    "dispute_undecided": Rule(400, "This dispute cannot become {verdict}: it is {status}.", basis="own"),
    "session_state": Rule(400, "Only open Checkout Sessions can be {verb}; this one is {status}.", basis="spec"),
    "session_expiry": Rule(
        400, "expires_at must be between 30 minutes and 24 hours after the session is created.", basis="spec"
    ),
    "intent_of_invoice": Rule(400, "The PaymentIntent belongs to an invoice and cannot be {verb}.", basis="spec"),
    "intent_of_session": Rule(
        400, "The PaymentIntent belongs to a Checkout Session; expire that instead.", basis="spec"
    ),
    "one_currency": Rule(400, "All prices must have the currency {currency}.", basis="spec"),
    "price_of_mode": Rule(400, "A session in {mode} mode cannot sell the price {price}."),
    "inactive_price": Rule(400, "The price {price} is not active."),
}
