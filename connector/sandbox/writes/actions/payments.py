"""Taking money: a payment intent's attempt with a payment method, the charge that it makes, and what that moves.

`charge_bill` is for bills: it tries once, and leaves the outcome to be read from the status of the intent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.sandbox.document.forms import only_clears
from connector.sandbox.document.refusals import Refusal, refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.document.values import step_of
from connector.sandbox.history.objects.cards import codes_of
from connector.sandbox.history.objects.declines import Decline, error_of, refuse
from connector.sandbox.writes.actions import balances, cards, chargebacks, disputes
from connector.sandbox.writes.actions.balances import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.writes.engine.write import Write

LARGEST = 99_999_999
HELD_DAYS = 7
"""How long the money of a card is held for who wants to capture it later."""

_SMALLEST_CENTS = 50
_DESCRIPTOR = "SANDBOX SOEHNE"
_DETAILS = frozenset({"card", "sepa_debit", "us_bank_account", "link"})
_TAKEN_OVER = (
    "customer", "description", "metadata", "on_behalf_of", "receipt_email", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip


@dataclass(frozen=True)
class Sought:
    """What a charge is to take: how much, from where, whether at once or only to hold it, and more of its fields."""

    amount: int
    currency: str
    method: Record
    capture: bool = True
    fields: Record = field(default_factory=dict)


def charge_bill(write: Write, intent: Record, payment_method: str | None, chance: int | None = None) -> Record:
    """Try to take the money of a bill; return its intent, whose status is succeeded or requires_payment_method.

    Without `payment_method` the customer's default is used; where there is none, nothing is tried. Cards that
    need their owner's consent are declined, and bank debits succeed at once. With `chance`, the number of attempts
    so far, a card of the generated business may be declined.
    """
    text = payment_method or default_method(write.get("customer", intent["customer"], "customer"))
    if text is None:
        return intent
    method = usable_method(write, text, "payment_method", intent["customer"])
    return attempt(write, intent, method, Manner(off_session=True, debits_wait=False, chance=chance))


def cancel_intent(write: Write, intent: Record, reason: str | None) -> Record:
    """Cancel an intent that has not taken money."""
    intent.update(
        amount_capturable=0,
        canceled_at=write.now,
        cancellation_reason=reason,
        next_action=None,
    )
    return _leave(write, intent, "canceled", "canceled")


def new_intent(write: Write, **fields: Any) -> Record:
    """Leave behind a payment intent that waits for a payment method."""
    ident = write.new_id("pi_")
    secret = write.new_id("")
    intent = write.blank("payment_intent", id=ident, client_secret=f"{ident}_secret_{secret}")
    intent.update({"payment_method_types": ["card"], **fields})
    write.put("payment_intent", intent)
    return intent


def default_method(customer: Record) -> str | None:
    """Return what a customer's bills are paid with, or None."""
    settings = customer.get("invoice_settings") or {}
    return settings.get("default_payment_method") or customer.get("default_source")


def usable_method(write: Write, text: str, param: str, customer: str | None) -> Record:
    """Return the payment method of an id or a test name; refused where it belongs to somebody else."""
    method = cards.test_method(write, text) or write.get("payment_method", text, param)
    owner = method["customer"]
    if owner is not None and customer is None:
        raise write.refuse("method_needs_customer", param)
    if owner not in (None, customer):
        raise write.refuse("method_of_another", param)
    return method


def check_amount(write: Write, amount: int, currency: str) -> None:
    """Refuse what cannot be charged: too little, too much, fractions that cards do not take."""
    if amount > LARGEST:
        raise write.refuse("amount_too_large", "amount", bound=LARGEST)
    if amount < 1:
        raise write.refuse("too_small", "amount", bound=1, value=amount)
    check_step(write, amount, currency)
    if currency in ("usd", "eur") and amount < _SMALLEST_CENTS:
        raise write.refuse("amount_too_small", "amount", currency=currency)


def check_step(write: Write, amount: int, currency: str, param: str = "amount") -> None:
    """Refuse an amount that cards cannot take: with a third decimal, or with decimals where there are no coins."""
    if amount % step_of(currency):
        raise write.refuse("amount_step", param, currency=currency, step=step_of(currency))


def not_taken(write: Write, names: Iterable[str]) -> None:
    """Refuse parameters that the sandbox does not act on, rather than to leave them out silently.

    To clear what is not held changes nothing, and is taken.
    """
    for name in names:
        if name in write.form and not only_clears(write.form[name]):
            raise write.refuse("not_taken", name)


@dataclass(frozen=True)
class Manner:
    """How an attempt is made: without the payer, with their consent given, and whether debits take their days.

    `chance` is how many attempts there were before, where it is left to chance whether this one succeeds.
    """

    off_session: bool = False
    authenticated: bool = False
    debits_wait: bool = True
    chance: int | None = None


def attempt(write: Write, intent: Record, method: Record, manner: Manner) -> Record:
    """Try to take an intent's money; return the intent as it is then, which has been put and told of."""
    intent["payment_method"] = method["id"]
    reason = cards.decline_of(method)
    is_renewal = manner.chance is not None and _is_of_the_business(write, method)
    if reason is None and manner.chance is not None and is_renewal:
        reason = cards.mishap(intent["id"], manner.chance)
    if reason is None and cards.last4(method) in cards.NEEDS_AUTHENTICATION and not manner.authenticated:
        if not manner.off_session:
            return _ask_payer(write, intent)
        reason = cards.UNAUTHENTICATED
    sought = Sought(
        intent["amount"], intent["currency"], method, intent["capture_method"] != "manual", _of_intent(intent)
    )
    waits = manner.debits_wait and method["type"] in cards.DEBITS
    charge = take(write, sought, reason, waits=waits)
    intent.update(latest_charge=charge["id"], next_action=None, last_payment_error=None)
    if reason is not None:
        return _fail(write, intent, method, reason)
    if waits:
        return _leave(write, intent, "processing", "processing")
    if not sought.capture:
        intent["amount_capturable"] = intent["amount"]
        return _leave(write, intent, "requires_capture", "amount_capturable_updated")
    if is_renewal:
        chargebacks.foresee(write, charge)
    return succeed(write, intent, charge)


def _is_of_the_business(write: Write, method: Record) -> bool:
    return method["type"] == "card" and write.store.business.number("payment_method", method["id"]) is not None


def succeed(write: Write, intent: Record, charge: Record) -> Record:
    """Let an intent end well, its money taken; a test card's dispute follows at once."""
    intent.update(amount_capturable=0, amount_received=charge["amount_captured"], processing=None)
    _leave(write, intent, "succeeded", "succeeded")
    _dispute(write, charge)
    return intent


def declined(write: Write, intent: Record) -> Refusal:
    """Return what a failed intent's call is answered with; what it has left behind stays."""
    return refused_card(intent["last_payment_error"], payment_intent=write.look("payment_intent", intent["id"]))


def refused_card(error: Record, **about: Record | None) -> Refusal:
    """Return the refusal that tells of a card's error, with the objects that it is about."""
    shown = {name: error[name] for name in ("advice_code", "charge", "decline_code", "payment_method")} | about
    known = {name: value for name, value in shown.items() if value is not None}
    return refusal(error["code"], message=error["message"]).leaving(**known)


def take(write: Write, sought: Sought, reason: Decline | None, *, waits: bool = False) -> Record:
    """Leave behind a charge, which fails for a reason, or else succeeds, waits for the bank or holds the money."""
    charge = _charge(write, sought)
    if reason is not None:
        refuse(charge, reason)
    else:
        _approve(write, charge, sought)
    if reason is None and waits:
        charge.update(captured=True, amount_captured=sought.amount, status="pending", paid=False)
    elif reason is None and sought.capture:
        _collect(write, charge, sought.amount)
    write.put("charge", charge)
    write.emit(f"charge.{charge['status']}", charge)
    return charge


def _approve(write: Write, charge: Record, sought: Sought) -> None:
    """Note what banks and networks say of a payment that they let through."""
    number, details = int.from_bytes(charge["id"][-6:].encode()), charge["payment_method_details"]
    if details["type"] == "card":
        details["card"].update(codes_of(number))
        charge["authorization_code"] = details["card"]["authorization_code"]
        if not sought.capture:
            details["card"]["capture_before"] = write.now + HELD_DAYS * DAY
    elif details["type"] in cards.DEBITS:
        day = datetime.fromtimestamp(write.now + DAY, UTC).date()
        details[details["type"]]["expected_debit_date"] = day.isoformat()


def take_alone(write: Write, sought: Sought) -> Record:
    """Leave behind a charge without an intent; a payment that fails is refused, its charge stays."""
    method = sought.method
    reason = cards.decline_of(method)
    if reason is None and cards.last4(method) in cards.NEEDS_AUTHENTICATION:
        reason = cards.UNAUTHENTICATED
    charge = take(write, sought, reason)
    if reason is not None:
        raise refused_card(error_of(reason, charge["id"], None))
    if charge["captured"]:
        _dispute(write, charge)
    return charge


def turned_down(write: Write, charge: Record, reason: Decline) -> Record:
    """Let a charge fail that waited for the bank, and its intent with it."""
    if charge["status"] != "pending":
        raise write.refuse("charge_state", id=charge["id"], verb="turned down", status=charge["status"])
    refuse(charge, reason)
    charge.update(amount_captured=0, captured=False)
    write.put("charge", charge)
    write.emit("charge.failed", charge)
    intent = write.get("payment_intent", charge["payment_intent"])
    intent["processing"] = None
    _fail(write, intent, write.get("payment_method", charge["payment_method"]), reason)
    return charge


def capture(write: Write, charge: Record, amount: int) -> Record:
    """Take what a charge has held, or a part of it; the rest is released."""
    before = write.get("charge", charge["id"])
    _collect(write, charge, amount)
    write.put("charge", charge)
    write.emit("charge.captured", charge, before)
    return charge


def settle(write: Write, charge: Record) -> Record:
    """Let a charge succeed that waited for the bank."""
    charge.update(status="succeeded", paid=True)
    _collect(write, charge, charge["amount"])
    write.put("charge", charge)
    write.emit("charge.succeeded", charge)
    return charge


def _collect(write: Write, charge: Record, amount: int) -> None:
    debit = charge["payment_method_details"]["type"] in cards.DEBITS
    word = "payment" if debit else "charge"
    digits = (charge["payment_method_details"].get("card") or {}).get("last4")
    moved = balances.Movement(
        amount=amount,
        currency=charge["currency"],
        type=word,
        category="charge",
        source=charge["id"],
        description=charge["description"],
        fee=balances.charge_fee(amount, charge["currency"], write.now, debit=debit),
        is_pending=digits != cards.AVAILABLE_AT_ONCE,
    )
    transaction = balances.move(write, moved)
    charge.update(amount_captured=amount, captured=True, balance_transaction=transaction["id"])


def _charge(write: Write, sought: Sought) -> Record:
    method = sought.method
    charge = write.blank(
        "charge",
        id=write.new_id("py_" if method["type"] in cards.DEBITS else "ch_"),
        amount=sought.amount,
        billing_details=method["billing_details"] or write.blank("billing_details"),
        calculated_statement_descriptor=_DESCRIPTOR,
        currency=sought.currency,
        outcome=write.blank("charge.outcome"),
        payment_method=method["id"],
        payment_method_details={"type": method["type"], method["type"]: _details(write, sought)},
    )
    charge["outcome"]["risk_score"] = 20
    charge["receipt_url"] = f"https://pay.stripe.com/receipts/payment/{charge['id']}"
    charge.update(sought.fields)
    return charge


def _details(write: Write, sought: Sought) -> Record:
    """Return what a charge says about its payment method."""
    kind = sought.method["type"]
    if kind not in _DETAILS:
        return {}
    details = write.blank(f"charge.{kind}")
    details.update({name: value for name, value in (sought.method[kind] or {}).items() if name in details})
    if kind == "card":
        details["network"] = (sought.method["card"].get("networks") or {}).get("available", ["visa"])[0]
        details["amount_authorized"] = details["overcapture"]["maximum_amount_capturable"] = sought.amount
    return details


def _fail(write: Write, intent: Record, method: Record, reason: Decline) -> Record:
    intent["last_payment_error"] = error_of(reason, intent["latest_charge"], method)
    intent["payment_method"] = None
    return _leave(write, intent, "requires_payment_method", "payment_failed")


def _ask_payer(write: Write, intent: Record) -> Record:
    intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    return _leave(write, intent, "requires_action", "requires_action")


def _leave(write: Write, intent: Record, status: str, word: str) -> Record:
    intent["status"] = status
    write.put("payment_intent", intent)
    write.emit(f"payment_intent.{word}", intent)
    return intent


def _of_intent(intent: Record) -> Record:
    """Return the fields that a charge takes over from its intent."""
    return {"payment_intent": intent["id"], **{name: intent[name] for name in _TAKEN_OVER}}


def _dispute(write: Write, charge: Record) -> None:
    method = write.look("payment_method", charge["payment_method"]) if charge["payment_method"] else None
    cause = cards.dispute_of(method) if method else None
    if cause is not None:
        disputes.open_dispute(write, charge, cause)
