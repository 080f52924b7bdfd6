"""Setup intents: a payment method is made ready for later payments, and attached to its customer."""

from __future__ import annotations

from connector.sandbox.document.rules import Record
from connector.sandbox.history.objects.declines import error_of
from connector.sandbox.writes.actions import cards
from connector.sandbox.writes.actions.payments import not_taken, refused_card, usable_method
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.write import Write, apply

_NOT_TAKEN = ("confirmation_token", "payment_method_data", "payment_method_options", "single_use")
_OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})

holds("setup_intent", "setup_attempt")

_OF_CARD = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")


@handles("POST /v1/setup_intents")
def create(write: Write) -> Record:
    """Create a setup intent, and confirm it where asked to."""
    not_taken(write, _NOT_TAKEN)
    intent = write.blank("setup_intent", id=write.new_id("seti_"), status="requires_payment_method")
    intent.update(client_secret=f"{intent['id']}_secret_{write.new_id('')}", usage="off_session")
    intent.update(
        automatic_payment_methods={"allow_redirects": "always", "enabled": True},
        payment_method_types=write.form.get("allowed_payment_method_types") or ["card"],
    )
    _change(write, intent)
    write.put("setup_intent", intent)
    write.emit("setup_intent.created", intent)
    return _confirmed(write, intent) if write.form.get("confirm") else intent


@handles("POST /v1/setup_intents/{intent}")
def update(write: Write) -> Record:
    """Change a setup intent; Stripe tells nobody of it."""
    not_taken(write, _NOT_TAKEN)
    intent = _open(write, "update")
    _change(write, intent)
    write.put("setup_intent", intent)
    return intent


@handles("POST /v1/setup_intents/{intent}/confirm")
def confirm(write: Write) -> Record:
    """Make the payment method ready; one that needs its owner's consent is confirmed twice."""
    not_taken(write, _NOT_TAKEN)
    intent = _open(write, "confirm")
    consents = intent["status"] == "requires_action" and "payment_method" not in write.form
    _change(write, intent)
    return _confirmed(write, intent, consents=consents)


@handles("POST /v1/setup_intents/{intent}/cancel")
def cancel(write: Write) -> Record:
    """Give a setup intent up."""
    intent = _open(write, "cancel")
    intent.update(cancellation_reason=write.form.get("cancellation_reason"), next_action=None)
    return _leave(write, intent, "canceled", "canceled")


def _open(write: Write, verb: str) -> Record:
    intent = write.get("setup_intent", write.ids["intent"])
    if intent["status"] not in _OPEN:
        raise write.refuse("setup_state", verb=verb, status=intent["status"])
    return intent


def _change(write: Write, intent: Record) -> None:
    form = dict(write.form)
    if form.get("customer"):
        write.get("customer", form["customer"], "customer")
    text = form.pop("payment_method", None)
    apply(intent, form, "setup_intent")
    if text == "":
        intent.update(payment_method=None, next_action=None, status="requires_payment_method")
    elif text is not None:
        method = usable_method(write, text, "payment_method", intent["customer"])
        intent.update(payment_method=method["id"], next_action=None, status="requires_confirmation")


def _confirmed(write: Write, intent: Record, *, consents: bool = False) -> Record:
    if intent["payment_method"] is None:
        raise write.refuse("setup_needs_method")
    method = write.get("payment_method", intent["payment_method"], "payment_method")
    reason = cards.decline_of(method)
    if reason is not None and cards.last4(method) != cards.FAILS_LATER:
        error = error_of(reason, None, method)
        _note_attempt(write, intent, method, "failed", error)
        intent.update(payment_method=None, last_setup_error=error)
        _leave(write, intent, "requires_payment_method", "setup_failed")
        raise refused_card(intent["last_setup_error"], setup_intent=intent)
    if cards.last4(method) in cards.NEEDS_AUTHENTICATION and not consents:
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        _note_attempt(write, intent, method, "requires_action", None)
        return _leave(write, intent, "requires_action", "requires_action")
    if intent["customer"] and method["customer"] is None:
        method["customer"] = intent["customer"]
        write.put("payment_method", method)
        write.emit("payment_method.attached", method)
    intent.update(next_action=None, last_setup_error=None)
    _note_attempt(write, intent, method, "succeeded", None)
    return _leave(write, intent, "succeeded", "succeeded")


def _note_attempt(write: Write, intent: Record, method: Record, status: str, error: Record | None) -> None:
    """Leave behind what was tried, as the latest attempt of the intent."""
    attempt = write.blank("setup_attempt", id=write.new_id("setatt_"), setup_intent=intent["id"], status=status)
    attempt.update(
        customer=intent["customer"],
        payment_method=method["id"],
        payment_method_details={"type": method["type"], method["type"]: _details(method)},
        setup_error=error,
        usage=intent["usage"],
    )
    write.put("setup_attempt", attempt)
    intent["latest_attempt"] = attempt["id"]


def _details(method: Record) -> Record:
    """Return what an attempt says of a card; of other methods it says nothing."""
    card = method.get("card") if method["type"] == "card" else None
    if card is None:
        return {}
    network = (card.get("networks") or {}).get("available", ["visa"])[0]
    return {**{name: card.get(name) for name in _OF_CARD}, "network": network, "three_d_secure": None}


def _leave(write: Write, intent: Record, status: str, word: str) -> Record:
    intent["status"] = status
    write.put("setup_intent", intent)
    write.emit(f"setup_intent.{word}", intent)
    return intent
