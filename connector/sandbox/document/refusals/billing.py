"""How invoices, subscriptions, credit notes and discounts are refused."""

from __future__ import annotations

from connector.sandbox.document.refusals.rule import Rule

RULES: dict[str, Rule] = {
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
    "same_price": Rule(400, "Cannot add multiple subscription items with the same plan: {price}"),
    "metered_without_meter": Rule(400, "A price with usage_type metered must be backed by a meter.", basis="docs"),
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
    "nothing_upcoming": Rule(404, "No upcoming invoices for customer: {customer}", "invoice_upcoming_none"),
    "bad_discount": Rule(400, "Each discount needs one of coupon, discount or promotion_code.", basis="spec"),
    "needs_amount_off": Rule(400, "{param} can only be sent together with amount_off.", basis="spec"),
    "no_discount": Rule(404, "No active discount for {kind}: {id}", "resource_missing"),
    "code_unusable": Rule(400, "This promotion code cannot be redeemed: {code} is used up, expired or switched off."),
    "rate_inactive": Rule(400, "The shipping rate {rate} is not active."),
    "rate_currency": Rule(400, "The shipping rate {rate} has no amount in {currency}."),
    "not_in_mode": Rule(400, "You can't set {param} if {field} is {mode}.", basis="spec"),
    "field_key": Rule(400, "The key of a custom field has up to 200 letters and digits.", basis="spec"),
    "field_twice": Rule(400, "The key {key} must be unique among the custom fields.", basis="spec"),
    "coupon_unusable": Rule(400, "Coupon {coupon} is used up or expired.", "coupon_expired", basis="spec"),
}
