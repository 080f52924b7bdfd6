"""Stripe's test cards: by which names they come, what is printed on them, and how they behave.

What a card does follows from its last four digits, however the payment method came to be; cards that are not
listed here pay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.sandbox.document.rules import Record
from connector.sandbox.history.objects.declines import Decline

if TYPE_CHECKING:
    from connector.sandbox.writes.engine.write import Write

DEBITS = frozenset({"sepa_debit", "us_bank_account"})
"""Payment methods that take days to succeed; Stripe calls their charges payments."""

AVAILABLE_AT_ONCE = "0077"
FAILS_LATER = "0341"
"""The card that can be attached to a customer, whose payments fail all the same."""
REFUNDS_FAIL, REFUNDS_WAIT = "5126", "7726"
NEEDS_AUTHENTICATION = frozenset({"3184", "3220", "3155", "3178"})

_BRANDS = {  # name → brand, last four digits, funding
    "visa": ("visa", "4242", "credit"),
    "visa_debit": ("visa", "5556", "debit"),
    "mastercard": ("mastercard", "4444", "credit"),
    "mastercard_debit": ("mastercard", "8210", "debit"),
    "mastercard_prepaid": ("mastercard", "5100", "prepaid"),
    "amex": ("amex", "8431", "credit"),
    "discover": ("discover", "1117", "credit"),
    "diners": ("diners", "0004", "credit"),
    "jcb": ("jcb", "0505", "credit"),
    "unionpay": ("unionpay", "0005", "credit"),
}
_SPECIAL = {  # name → last four digits of a visa card
    "chargeDeclined": "0002",
    "chargeDeclinedInsufficientFunds": "9995",
    "chargeDeclinedLostCard": "9987",
    "chargeDeclinedStolenCard": "9979",
    "chargeDeclinedExpiredCard": "0069",
    "chargeDeclinedIncorrectCvc": "0127",
    "chargeDeclinedProcessingError": "0119",
    "chargeDeclinedVelocityLimitExceeded": "6975",
    "chargeDeclinedFraudulent": "0019",
    "chargeCustomerFail": "0341",
    "radarBlock": "0019",
    "createDispute": "0259",
    "createDisputeProductNotReceived": "2685",
    "createDisputeInquiry": "1976",
    "refundFail": REFUNDS_FAIL,
    "pendingRefund": REFUNDS_WAIT,
    "bypassPending": AVAILABLE_AT_ONCE,
    "authenticationRequired": "3184",
    "threeDSecure2Required": "3220",
    "authenticationRequiredOnSetup": "3155",
}


@dataclass(frozen=True)
class Disputed:
    """How a payment is disputed: for which reason, whether the bank only asks, and whether it came to nothing."""

    reason: str
    is_inquiry: bool = False
    is_prevented: bool = False


_DISPUTES = {
    "0259": Disputed("fraudulent"),
    "2685": Disputed("product_not_received"),
    "1976": Disputed("fraudulent", is_inquiry=True),
}


def _declined(word: str, message: str, network: str, advice: str = "try_again_later") -> Decline:
    return Decline("card_declined", word, message, "issuer_declined", "declined_by_network", network, advice, 40)


def _broken(code: str, message: str, network: str | None, advice: str | None) -> Decline:
    return Decline(code, code, message, "issuer_declined", "declined_by_network", network, advice, 20)


_PLAINLY = "Your card was declined."
_DECLINES = {
    "0002": _declined("generic_decline", _PLAINLY, "05"),
    "9995": _declined("insufficient_funds", "Your card has insufficient funds.", "51"),
    "9987": _declined("lost_card", _PLAINLY, "41", "do_not_try_again"),
    "9979": _declined("stolen_card", _PLAINLY, "43", "do_not_try_again"),
    "6975": _declined("card_velocity_exceeded", _PLAINLY, "65"),
    "0341": _declined("generic_decline", _PLAINLY, "05"),
    "0069": _broken("expired_card", "Your card has expired.", "54", "do_not_try_again"),
    "0127": _broken("incorrect_cvc", "Your card's security code is incorrect.", "N7", "confirm_card_data"),
    "0119": _broken(
        "processing_error", "An error occurred while processing your card. Try again in a little bit.", None, None
    ),
    "0019": Decline("card_declined", "fraudulent", _PLAINLY, "blocked", "not_sent_to_network", None, None, 92),
}
UNAUTHENTICATED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "issuer_declined",
    "declined_by_network",
    None,
    "try_again_later",
    20,
)


def last4(method: Record) -> str:
    """Return the last four digits of a payment method's card, or "" where it is no card."""
    return str((method.get("card") or {}).get("last4") or "")


def decline_of(method: Record) -> Decline | None:
    """Return why a payment method does not pay; None where it does."""
    return _DECLINES.get(last4(method))


def mishap(intent: str, attempts: int) -> Decline | None:
    """Return why a card is declined that usually pays, or None: one renewal in sixteen, and fewer again."""
    draw = hashlib.blake2b(f"{intent} {attempts}".encode(), digest_size=2).digest()
    return _DECLINES["9995" if draw[1] & 1 else "0002"] if draw[0] < (64 if attempts else 16) else None


def dispute_of(method: Record) -> Disputed | None:
    """Return how payments by this method come to be disputed, or None."""
    return _DISPUTES.get(last4(method))


def test_method(write: Write, name: str) -> Record | None:
    """Leave behind a new payment method for a test name like "pm_card_visa" or "tok_visa"; None for another name."""
    word = name.removeprefix("pm_card_") if name.startswith("pm_card_") else name.removeprefix("tok_")
    if word == name:
        return None
    printed = _BRANDS.get(word)
    if printed is None and word.removeprefix("visa_") in _SPECIAL:
        printed = ("visa", _SPECIAL[word.removeprefix("visa_")], "credit")
    return None if printed is None else _card(write, *printed)


def _card(write: Write, brand: str, digits: str, funding: str) -> Record:
    card = write.blank("payment_method.card")
    card.update(brand=brand, display_brand=brand, funding=funding, last4=digits)
    card["networks"]["available"] = [brand]
    card["fingerprint"] = f"Xt5E{brand}{digits}"
    method = write.blank("payment_method", id=write.new_id("pm_"), type="card", card=card)
    method["billing_details"] = write.blank("billing_details")
    write.put("payment_method", method)
    return method
