"""Every way in which the sandbox says no, in Stripe's shape: one table, each row with its basis.

A basis is "spec" (the OpenAPI document), "docs" (Stripe's documentation), "third" (Stripe quoted elsewhere,
for example in an error report), "known" (general knowledge, not confirmed) or "own" (a sandbox matter that
Stripe does not have).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One row: the answer's status, message with {words} to fill in, code, type, headers, and its basis."""

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()
    basis: str = "known"


class Refusal(Exception):
    """An answer that refuses; `rule` is its row, `param` the parameter at fault in bracket form."""

    def __init__(self, rule: Rule, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.param = param

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON; fields that do not apply are left out, as Stripe does."""
        code = self.rule.code
        page = f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}" if code else None
        error = {"code": code, "doc_url": page, "message": self.message, "param": self.param, "type": self.rule.type}
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
    "unknown_parameter": Rule(400, "Received unknown parameter: {param}", "parameter_unknown", basis="third"),
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
    "too_many": Rule(400, "Array {param} exceeds the maximum of {bound} values.", basis="spec"),
    "manual_payout": Rule(
        400, "Balance transaction history can only be filtered on automatic transfers, not manual.", basis="spec"
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
}
