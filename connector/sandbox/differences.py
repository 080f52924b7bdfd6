"""The page that says what the sandbox serves, on what basis, and where it differs from Stripe.

    python -m connector.sandbox.differences > docs/sandbox-differences.md

Its tables are those that the sandbox works by. Nothing else imports this.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from connector.sandbox.document.event_versions import LEFT_OUT, VERSION
from connector.sandbox.document.forms import CLEARED
from connector.sandbox.document.refusals import RULES
from connector.sandbox.document.rules import DEFAULTS, FILTERS
from connector.sandbox.world.expansion import INSIDE_ON_REQUEST, ON_REQUEST
from connector.sandbox.world.statuses import STATUSES
from connector.sandbox.writes.served import HANDLERS

NEVER_FILLED = (
    "allowed_payment_method_types", "application", "application_fee_amount", "customer_account", "hooks",
    "on_behalf_of", "payment_method_configuration_details", "payment_record", "presentment_details", "processing",
    "review", "source", "transfer_data",
)  # fmt: skip
"""Fields of payment intents that only what the sandbox does not do would fill."""

DIFFERENCES = (
    "Money moves at once: no authentication by the customer, no bank that takes days, but for the test cards and "
    "test methods that stand for such a case.",
    "A payer consents by confirming the intent once more. A bank debit takes a day, its refund three; bills paid by "
    "bank debit are paid at once.",
    "A payment has its balance transaction at once, also with `capture_method` automatic_async.",
    "Automatic payouts are made at midnight (UTC) of the days that the account's schedule names (1, 8, 15, 22; with "
    "`--size 1m` every day), and arrive two days later. They take along "
    "whatever has become available, transactions of payouts by hand included; below zero, the bank is debited. Money "
    "of objects on a test clock is paid out by the sandbox's own time.",
    "The transactions of an automatic payout (`payout=`) include the payout's own, so that their net is zero [third].",
    "What only a bank can do, and the test values that Stripe has do not bring about, is asked for by a path of the "
    "sandbox's own: `POST /_bank/{id}` with an `outcome`.",
    "A dispute that nobody answers is lost when its time is over; an inquiry is closed after 120 days. Both are "
    "known, not confirmed. There are no early fraud warnings.",
    "A refund with `instructions_email` requires action by the payer, whatever was paid with.",
    "A refund that waits for the payer fails after 45 days [known].",
    "In the seeded business a refund waits for money in the balance; it fails after 30 days, and nothing has moved.",
    "Any payout that is paid can be reversed, not only those of connected accounts.",
    "Nobody completes a Checkout Session: it is expired, or expires.",
    "Of a payment intent's fields those stay empty that platforms, accounts of v2, reviews, amounts in the payer's "
    f"currency and settings of payment methods fill: {', '.join(f'`{name}`' for name in NEVER_FILLED)}.",
    "A parameter that the sandbox takes and that changes nothing it holds is accepted and has no effect; where that "
    "would mislead, it is refused with 501.",
    "What it does not hold stays an id where it is expanded: applications, tax codes, transfers.",
    "Of what it holds no history of there are three samples each, which never change: no events, no writes. Of three "
    "parents one has many sampled children, one has one, one has none. Products that an account has to switch on "
    "(issuing, treasury, identity and the like) are there as samples too, where Stripe would refuse.",
    "An empty string clears where the document marks it and where the table below says so, and is refused elsewhere.",
    "A customer's balance is held in one currency. No customer has a discount of its own.",
    "`DELETE /v1/subscriptions/{id}/discount` takes all discounts off and answers with the first.",
    "An enum parameter is checked against the values in the document, also where the document allows for more to come.",
    "A list filtered by an object that never existed is refused (`No such customer`) for every such filter; Stripe "
    "does so for most.",
    "A refusal's `param` is the name in Stripe's paths (`invoice`, `intent`), `id` for customers and subscriptions.",
    "An update that changes nothing makes no event.",
    "Events tell of what has happened: none announces a bill (`invoice.upcoming`, `invoice.will_be_due`).",
    "Of the renewals charged by themselves to cards of the seeded business one in sixteen is declined at first, "
    "and one in four when it is tried again.",
    "As time passes customers sign up, 5 to 17 a month, and one renewal in 150 is disputed, six days later.",
    "A coupon after its `redeem_by`, a promotion code or a link after its `expires_at` end without an event [known].",
    "What falls due by itself happens within a minute; with `--size 1m` only when the clock is moved by hand.",
    "An event of an object on a test clock has the time of that clock.",
    "Permission names of restricted keys, and which calls share one, follow what is generally known.",
    "Search takes what people use: the usual fields and metadata, `:`, `~`, `<`, `>`, `<=`, `>=`, `-`, `AND`, `OR`.",
    "`Stripe-Version` is checked for its form and echoed; objects are always shown in the version of the document, and "
    "the header `Sandbox-Shape` names that where another was asked for. Parameters and expansions that only a former "
    "version had are taken from it and have no effect, but those that are only called otherwise today.",
    "Creating a recurring price tells of the price only, not of the plan that it also is.",
    "A deleted customer's payment methods stay attached; they are no longer listed anywhere but by their id.",
    "Webhook endpoints are told of the own account's events in test mode; a failed delivery is tried again after "
    "seconds, not hours, and given up after six attempts. Signing secrets follow from the endpoint's id.",
    "Live mode begins with the objects of test mode, under the same ids, and goes its own way from there. The "
    "connected accounts are three, controlled by the own one and paid out to bank accounts of their own.",
    "Usage cannot be sent to meters; a summary is left out where nothing was used.",
    "Every file can be read back, whatever its purpose; links to files lead nowhere.",
    "There are two report types, both of version 3, and their runs take a second.",
    "`/v2/core/events` lists the events of v1 in the form of v2, forwards only and without its filters. A wrong "
    "parameter is refused as v2 does it, with the code `invalid_fields` and no type; other refusals look as in v1.",
    "Search sees every change at once; only new objects can be made to wait (`search_lag_seconds`).",
    f"All events have the version of the document; on request (`older_events`) a share of them has {VERSION} and "
    f"snapshots of that shape, which lack {', '.join(f'`{name}`' for name in LEFT_OUT)}.",
    "Key order in objects is always the same.",
)
"""Where the sandbox knowingly departs from Stripe."""

_HEAD = """# Where the sandbox differs from Stripe

This page is made from the tables that the sandbox works by: `python -m connector.sandbox.differences`.
"""

_BASIS = """## Basis

The OpenAPI document does not say everything. Where the sandbox follows something else, the row has its basis: \
*spec* the document, *docs* Stripe's documentation, *sdk* what Stripe's own libraries make of answers, \
*third* Stripe quoted elsewhere, *known* general knowledge that nothing here confirms, *own* the sandbox's own.
"""

_SERVED = """## Calls that write

Every other call that writes is answered with 501 and a message that says so.
"""

_LIVED = """## Statuses

What leads to each, so that a pipeline can be shown all of them. Quotes are not held.
"""

_WORD = re.compile(r"\{(\w+)\}")

_REFUSED = """## Refusals

The message stands as Stripe words it where that is known, else in words of our own.
"""

_FILTERED = """## Filters

Those that do not simply equal the field of their name. All others do; a range takes `gt`, `gte`, `lt` and `lte`.
"""


def page() -> str:
    """Return the whole page, as Markdown."""
    parts = [_HEAD, *_differing(), _SERVED, *_writes(), _LIVED, *_statuses()]
    return "\n".join([*parts, _BASIS, *_lists(), _REFUSED, *_refusals()])


def _differing() -> Iterator[str]:
    yield from (f"- {line}" for line in DIFFERENCES)
    yield ""


def _writes() -> Iterator[str]:
    yield from _table("call", "path")
    for name in sorted(HANDLERS, key=lambda name: name.split(" ")[::-1]):
        method, path = name.split(" ")
        yield f"| {method} | `{path}` |"
    yield ""


def _statuses() -> Iterator[str]:
    yield from _table("object", "status", "is reached", "how, or why not")
    for each in STATUSES:
        yield f"| {each.kind} | `{each.status}` | {'yes' if each.is_reached else 'no'} | {each.how} |"
    yield ""


def _lists() -> Iterator[str]:
    yield "What lists leave out unless asked:\n"
    yield from _table("list", "", "unless one of these is sent", "basis")
    for default in DEFAULTS:
        asked = ", ".join(f"`{name}`" for name in default.unless)
        yield f"| `{default.path}` | {default.says} | {asked} | {default.basis} |"
    yield f"\n{_FILTERED}"
    yield from _table("object", "filter", "", "basis")
    for (kind, name), rule in FILTERS.items():
        yield f"| {kind} | `{name}` | {rule.says} | {rule.basis} |"
    yield "\nWhat an empty string clears, though its schema does not say so:\n"
    yield from _table("call", "parameter", "basis")
    for row in CLEARED:
        yield f"| {f'`{row.call}`' if row.call else 'every one'} | `{row.parameter}` | {row.basis} |"
    yield "\nFields that are absent unless expanded [docs]:\n"
    yield from _table("object", "fields")
    inside = {kind: (".".join(path),) for kind, path in INSIDE_ON_REQUEST.items()}
    for kind in sorted({*ON_REQUEST, *inside}):
        names = (*ON_REQUEST.get(kind, ()), *inside.get(kind, ()))
        yield f"| {kind} | {', '.join(f'`{name}`' for name in names)} |"
    yield ""


def _refusals() -> Iterator[str]:
    yield from _table("status", "type", "code", "message", "header", "basis")
    for rule in RULES.values():
        message = _WORD.sub(r"‹\1›", rule.message).replace("{{", "{").replace("}}", "}")
        header = ", ".join(f"`{name}: {value}`" for name, value in rule.headers)
        yield f"| {rule.status} | {rule.type} | {rule.code or ''} | {message} | {header} | {rule.basis} |"
    yield ""


def _table(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(page())
