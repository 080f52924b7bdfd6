"""How requests are refused: for their key, their parameters, their idempotency key, or under load."""

from __future__ import annotations

from connector.sandbox.document.refusals.rule import NO_RETRY, Rule


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
    "broken_head": Rule(400, "The request cannot be read: {why}.", basis="own"),
    "broken_body": Rule(400, "The body does not have the length that the request says.", basis="own"),
    "too_nested": Rule(400, "Parameters can be nested up to {bound} levels deep.", basis="own"),
    # what is asked
    "unknown_path": Rule(404, "Unrecognized request URL ({method}: {path})."),
    "not_served": Rule(
        501,
        "The sandbox does not serve {call} yet.",
        type="api_error",
        headers=NO_RETRY,
        basis="own",
    ),
    "not_held": Rule(
        501,
        "The sandbox holds no {what} yet.",
        type="api_error",
        headers=NO_RETRY,
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
    "bad_currency": Rule(400, "Invalid currency: {currency}"),
    "bad_country": Rule(
        400,
        "Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', "
        "'EG', or 'GB'.",
        "country_code_invalid",
    ),
    "descriptor_signs": Rule(
        400, "The statement descriptor may not include any of <, >, \\, ', \" and *.", basis="docs"
    ),
    "descriptor_letters": Rule(400, "The statement descriptor must contain at least one letter.", basis="spec"),
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
    "bad_tax_id": Rule(400, "Invalid value for {type}.", "tax_id_invalid"),
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
    "short_substring": Rule(400, "A substring to search for (~) must have at least 3 characters.", basis="docs"),
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
        headers=NO_RETRY,
        basis="own",
    ),
}
