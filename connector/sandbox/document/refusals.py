"""Every way in which the sandbox says no, in Stripe's shape: one table, each row with its basis.

A basis is "spec" (the OpenAPI document), "docs" (Stripe's documentation), "sdk" (what Stripe's own libraries
make of answers), "third" (Stripe quoted elsewhere, for example in an error report), "known" (general knowledge,
not confirmed) or "own" (a sandbox matter that Stripe does not have).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One row: the answer's status, message with {words} to fill in, code, type, headers, and its basis.

    `type` is "" for calls of v2 that are refused for a parameter: they have a code in its place.
    """

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()
    basis: str = "known"


class Refusal(Exception):
    """An answer that refuses; `rule` is its row, `param` the parameter at fault in bracket form.

    `more` are further fields of the error. `leaves` says that what was done stays done, as after a declined
    payment; else a refused call leaves nothing behind.
    """

    def __init__(self, rule: Rule, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.param = param
        self.more: dict[str, Any] = {}
        self.leaves = False

    def leaving(self, **more: Any) -> Refusal:
        """Return this refusal as one that undoes nothing, with the fields `more` in the error."""
        self.leaves = True
        self.more.update(more)
        return self

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON; fields that do not apply are left out, as Stripe does."""
        code = self.rule.code
        kind = self.rule.type or None
        page = f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}" if code and kind else None
        error = {"code": code, "doc_url": page, "message": self.message, "param": self.param, "type": kind}
        error.update(self.more)
        return {"error": {name: value for name, value in error.items() if value is not None}}


def refusal(name: str, /, param: str | None = None, **words: object) -> Refusal:
    """Return the refusal in the row called `name`, its message filled in with `words`."""
    rule = RULES[name]
    return Refusal(rule, rule.message.format(**words, param=param), param)


_NO_RETRY = (("Stripe-Should-Retry", "false"),)


def _limited(reason: str, basis: str = "third") -> Rule:
    return Rule(
        429,
        "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.",
        "rate_limit",
        headers=(("Stripe-Rate-Limited-Reason", reason),),
        basis=basis,
    )


RULES: dict[str, Rule] = {
    # who asks
    "no_key": Rule(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization header, "
        "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    ),
    "wrong_key": Rule(401, "Invalid API Key provided: {key}"),
    "no_permission": Rule(
        403,
        "The provided key '{key}' does not have the required permissions for this endpoint on account "
        "'{account}'. Having the '{permission}' permission would allow this request to continue.",
        basis="third",
    ),
    "other_account": Rule(
        403,
        "The provided key '{key}' does not have access to account '{account}' (or that account does not exist). "
        "Application access may have been revoked.",
        "account_invalid",
    ),
    "bad_version": Rule(400, "Invalid Stripe API version: {version}"),
    # what comes in
    "foreign_host": Rule(403, "The sandbox answers to 127.0.0.1 and localhost only, not to {host}.", basis="own"),
    "foreign_origin": Rule(403, "The sandbox does not answer to pages of other hosts ({origin}).", basis="own"),
    "too_long_body": Rule(413, "The body of a request can have up to {bound} bytes."),
    "broken_body": Rule(400, "The body does not have the length that the request says.", basis="own"),
    "too_nested": Rule(400, "Parameters can be nested up to {bound} levels deep.", basis="own"),
    # what is asked
    "unknown_path": Rule(404, "Unrecognized request URL ({method}: {path})."),
    "not_served": Rule(
        501,
        "The sandbox does not serve {call} yet.",
        type="api_error",
        headers=_NO_RETRY,
        basis="own",
    ),
    "not_held": Rule(
        501,
        "The sandbox holds no {what} yet.",
        type="api_error",
        headers=_NO_RETRY,
        basis="own",
    ),
    "missing": Rule(404, "No such {kind}: '{id}'", "resource_missing", basis="docs"),
    "missing_reference": Rule(400, "No such {kind}: '{id}'", "resource_missing"),
    # parameters
    "not_form": Rule(400, "Invalid request (check that your POST content type is application/x-www-form-urlencoded)."),
    "unknown_parameter": Rule(400, "Received unknown parameter: {param}", "parameter_unknown", basis="third"),
    "method_types_gone": Rule(
        400,
        "{param} is no longer supported; send allowed_payment_method_types or excluded_payment_method_types.",
        "payment_method_types_no_longer_supported",
        basis="spec",
    ),
    "required": Rule(400, "Missing required param: {param}.", "parameter_missing", basis="docs"),
    "exclusive": Rule(
        400, "Received both {first} and {second} parameters. Please pass in only one.", "parameters_exclusive"
    ),
    "empty": Rule(400, "You passed an empty string for '{param}'.", "parameter_invalid_empty", basis="docs"),
    "not_integer": Rule(400, "Invalid integer: {value}", "parameter_invalid_integer", basis="docs"),
    "not_boolean": Rule(400, "Invalid boolean: {value}"),
    "not_number": Rule(400, "Invalid decimal: {value}"),
    "not_object": Rule(400, "Invalid object"),
    "not_array": Rule(400, "Invalid array"),
    "not_string": Rule(400, "Invalid string: {value}"),
    "not_choice": Rule(400, "Invalid {param}: must be one of {choices}"),
    "too_large": Rule(
        400, "This value must be less than or equal to {bound} (it currently is '{value}').", basis="docs"
    ),
    "too_small": Rule(
        400, "This value must be greater than or equal to {bound} (it currently is '{value}').", basis="docs"
    ),
    "metadata_key": Rule(400, "Metadata keys can have up to {bound} characters; one has {length}.", basis="docs"),
    "metadata_keys": Rule(400, "Metadata can have up to {bound} keys.", basis="docs"),
    "metadata_value": Rule(400, "Metadata values can have up to {bound} characters; one has {length}.", basis="docs"),
    "too_long": Rule(400, "Invalid string: it has {length} characters; must be at most {bound}.", basis="spec"),
    "too_many": Rule(400, "Array {param} exceeds the maximum of {bound} values.", basis="spec"),
    "manual_payout": Rule(
        400, "Balance transaction history can only be filtered on automatic transfers, not manual.", basis="spec"
    ),
    # the sandbox's own paths
    "bad_clock": Rule(400, 'Send {{"advance_seconds": N}} as JSON, N from 0 to {furthest}.', basis="own"),
    "bad_bank": Rule(400, 'Send {{"outcome": "failed"}} or the like as JSON.', basis="own"),
    "bank_outcome": Rule(400, "No bank makes {outcome} of {id}; possible: {possible}.", basis="own"),
    # reports and v2
    "report_interval": Rule(400, "{param} lies outside of what the report type has data for.", basis="docs"),
    "report_column": Rule(400, "The report has no column {column}."),
    "v2_limit": Rule(400, "limit must be between 1 and {bound}.", "invalid_fields", type="", basis="sdk"),
    "v2_page": Rule(400, "Invalid page: {value}", "invalid_fields", type="", basis="sdk"),
    # meters
    "not_aligned": Rule(400, "{param} must be aligned with {window} boundaries.", basis="spec"),
    # customers, what is sold, payment methods
    "bad_email": Rule(400, "Invalid email address: {email}", "email_invalid", basis="docs"),
    "exists": Rule(400, "{kind} already exists.", "resource_already_exists", basis="docs"),
    "product_has_prices": Rule(
        400, "This product cannot be deleted because it has one or more user-created prices.", basis="spec"
    ),
    "price_of_another": Rule(400, "The price '{id}' belongs to another product."),
    "tax_behavior_fixed": Rule(
        400, "The tax behavior of a price cannot be changed once it is inclusive or exclusive.", basis="spec"
    ),
    "lookup_key_taken": Rule(400, "A price (`{id}`) already uses that lookup key."),
    "code_taken": Rule(400, "An active promotion code with `code: {code}` already exists."),
    "method_attached": Rule(400, "The payment method you provided has already been attached to a customer."),
    "method_not_detachable": Rule(
        400, "The payment method you provided is not attached to a customer so detachment is impossible."
    ),
    "method_not_attached": Rule(400, "The payment method '{id}' must be attached to the customer first."),
    "method_unsaved": Rule(400, "You must save this PaymentMethod to a customer before you can update it."),
    # webhook endpoints
    "bad_url": Rule(400, "Not a valid URL; it begins with http:// or https://.", "url_invalid", basis="spec"),
    # idempotency keys
    "long_idempotency_key": Rule(400, "Idempotency keys can have up to {bound} characters.", basis="docs"),
    "idempotency_other": Rule(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        "Try using a key other than '{key}' if you meant to execute a different request.",
        type="idempotency_error",
        basis="docs",
    ),
    "idempotency_in_use": Rule(
        409,
        "There is currently another in-progress request using this Idempotent Key (that probably means you "
        "submitted twice, and the other request is still going through): {key}. Please try again later.",
        "idempotency_key_in_use",
        type="idempotency_error",
        basis="third",
    ),
    # expansion and search
    "not_expandable": Rule(400, "This property cannot be expanded ({name}).{hint}", basis="third"),
    "too_deep": Rule(400, "You cannot expand more than 4 levels of a property.", basis="third"),
    "bad_query": Rule(400, "The search query cannot be understood: {why}", basis="docs"),
    "bad_search_field": Rule(400, "Field `{name}` is an unsupported search field for resource `{kind}s`."),
    "bad_page": Rule(400, "Invalid page: {value}"),
    # load and trouble
    "rate_account": _limited("global-rate"),
    "rate_endpoint": _limited("endpoint-rate"),
    "concurrency_account": _limited("global-concurrency"),
    "concurrency_endpoint": _limited("endpoint-concurrency"),
    "rate_resource": _limited("resource-specific"),
    "lock_timeout": Rule(
        429,
        "This object cannot be accessed right now: another request is using it. Try again.",
        "lock_timeout",
        basis="docs",
    ),
    "unknown_error": Rule(
        500, "An unknown error occurred. If this persists, report the request id.", type="api_error", basis="docs"
    ),
    "unavailable": Rule(503, "Stripe is temporarily unavailable.", type="api_error", basis="docs"),
    "sandbox_error": Rule(
        500,
        "The sandbox itself failed: {why}. This is a bug of the sandbox.",
        type="api_error",
        headers=_NO_RETRY,
        basis="own",
    ),
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
        headers=_NO_RETRY,
        basis="own",
    ),
    "bad_currency": Rule(400, "Invalid currency: {currency}"),
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
    # invoices, subscriptions and what belongs to them
    "not_editable": Rule(
        400, "This invoice is no longer a draft; its {what} can't be changed.", "invoice_not_editable", basis="spec"
    ),
    "invoice_state": Rule(400, "You can't {verb} this invoice: it has a status of {status}.", basis="spec"),
    "invoice_of_subscription": Rule(400, "Invoices of subscriptions can't be deleted; void them.", basis="spec"),
    "nothing_to_invoice": Rule(
        400,
        "Nothing to invoice for subscription {subscription}.",
        "invoice_no_subscription_line_items",
        basis="spec",
    ),
    "only_sent_invoices": Rule(400, "{param} can only be set when collection_method is send_invoice.", basis="spec"),
    "sent_by_hand": Rule(400, "Only invoices whose collection_method is send_invoice can be sent."),
    "when_due": Rule(400, "If collection_method is send_invoice, days_until_due or due_date must be sent."),
    "no_payment_method": Rule(
        400,
        "This customer has no attached payment source or default payment method. Please consider adding a default "
        "payment method.",
    ),
    "item_of_invoice": Rule(400, "The invoice item is on an invoice that is no longer a draft.", basis="spec"),
    "invoice_of_another": Rule(400, "The invoice belongs to another customer."),
    "line_currency": Rule(400, "The invoice is in {currency}; what is added must be too."),
    "note_of_draft": Rule(400, "You can only create credit notes for open or paid invoices."),
    "note_nothing": Rule(400, "One of amount, lines or shipping_cost must be sent.", basis="spec"),
    "note_too_large": Rule(400, "{amount} is more than what can still be credited ({left}).", basis="spec"),
    "note_split": Rule(
        400,
        "The sum of refunds, credit to the balance and credit outside Stripe ({sum}) must equal what was paid and is "
        "credited ({paid}).",
        basis="spec",
    ),
    "note_state": Rule(400, "You can't void this credit note: {why}."),
    "not_recurring": Rule(
        400,
        "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
    ),
    "not_one_time": Rule(
        400,
        "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`.",
    ),
    "mixed_intervals": Rule(
        400,
        "All prices on a subscription must have the same `recurring.interval` and `recurring.interval_count`.",
    ),
    "mixed_currencies": Rule(400, "All prices on a subscription must have the same currency."),
    "last_item": Rule(
        400, "A subscription must have at least one item. To cancel it, use the cancel endpoint instead."
    ),
    "subscription_canceled": Rule(
        400, "A canceled subscription can only update its cancellation_details and metadata.", basis="spec"
    ),
    "not_paused": Rule(400, "Only paused subscriptions can be resumed; this one is {status}.", basis="spec"),
    "only_automatic": Rule(400, "Only subscriptions that charge automatically can be resumed.", basis="spec"),
    "not_pausable": Rule(400, "Only active subscriptions can be paused; this one is {status}."),
    "in_the_past": Rule(400, "{param} must be in the future."),
    "trial_too_long": Rule(400, "A trial can last two years at most.", basis="spec"),
    "anchor_too_late": Rule(
        400, "billing_cycle_anchor cannot be later than the next natural billing date ({natural})."
    ),
    "clock_backwards": Rule(400, "A test clock can only be advanced to a later time.", basis="spec"),
    "clock_too_far": Rule(
        400,
        "A test clock can't be advanced by more than two intervals of its shortest subscription, or two years "
        "without one.",
        basis="spec",
    ),
    "preview_of_nothing": Rule(
        400, "Send a subscription, a schedule, details of one, or invoice items.", "invoice_upcoming_none", basis="spec"
    ),
    "bad_discount": Rule(400, "Each discount needs one of coupon, discount or promotion_code.", basis="spec"),
    "needs_amount_off": Rule(400, "{param} can only be sent together with amount_off.", basis="spec"),
    "no_discount": Rule(404, "No active discount for {kind}: {id}", "resource_missing"),
    "coupon_unusable": Rule(400, "Coupon {coupon} is used up or expired.", "coupon_expired", basis="spec"),
}
