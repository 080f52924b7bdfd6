"""Why cards are declined: what charges, payment intents and their errors say about it."""

from __future__ import annotations

from typing import NamedTuple

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.story.payments import Failure

_ERROR = template("payment_error")
_ADVICE = {"confirm_card_data": "01", "try_again_later": "02", "do_not_try_again": "03"}


class Decline(NamedTuple):
    """One reason, in the words of each field."""

    code: str
    decline_code: str | None
    message: str
    type: str
    network_status: str
    network_decline_code: str | None
    advice_code: str | None
    risk_score: int

    @property
    def network_advice_code(self) -> str | None:
        """What a card network says for that advice."""
        return None if self.network_decline_code is None else _ADVICE.get(self.advice_code or "")


_FOR_NOW = (
    Decline(
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
        "issuer_declined",
        "declined_by_network",
        "51",
        "try_again_later",
        22,
    ),
    Decline(
        "card_declined",
        "generic_decline",
        "Your card was declined.",
        "issuer_declined",
        "declined_by_network",
        "05",
        "try_again_later",
        41,
    ),
    Decline(
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
        "issuer_declined",
        "declined_by_network",
        None,
        None,
        12,
    ),
    Decline(
        "card_declined",
        "do_not_honor",
        "Your card was declined.",
        "issuer_declined",
        "declined_by_network",
        "05",
        "confirm_card_data",
        35,
    ),
)
_FOR_GOOD = (
    Decline(
        "expired_card",
        "expired_card",
        "Your card has expired.",
        "issuer_declined",
        "declined_by_network",
        "54",
        "do_not_try_again",
        18,
    ),
    Decline(
        "card_declined",
        "stolen_card",
        "Your card was declined.",
        "issuer_declined",
        "declined_by_network",
        "43",
        "do_not_try_again",
        64,
    ),
    Decline("card_declined", "fraudulent", "Your card was declined.", "blocked", "not_sent_to_network", None, None, 92),
    Decline(
        "incorrect_cvc",
        "incorrect_cvc",
        "Your card's security code is incorrect.",
        "issuer_declined",
        "declined_by_network",
        "N7",
        "confirm_card_data",
        30,
    ),
)


_SHARES_FOR_NOW = [reason for reason, share in zip(_FOR_NOW, (9, 7, 1, 3), strict=True) for _ in range(share)]
_SHARES_FOR_GOOD = [
    reason
    for reason, share in zip((*_FOR_GOOD, _FOR_NOW[1], _FOR_NOW[0]), (4, 1, 1, 3, 8, 3), strict=True)
    for _ in range(share)
]
"""Reasons as often as they come: mostly a bank says no without saying why, or there is no money."""


def decline(failure: Failure, number: int) -> Decline:
    """The reason for which the charge with that number failed."""
    shares = _SHARES_FOR_NOW if failure is Failure.FOR_NOW else _SHARES_FOR_GOOD
    return shares[(number * 2_654_435_761 >> 8) % len(shares)]


def error_of(reason: Decline, charge: str | None, method: Record | None) -> Record:
    """What an intent notes of a payment method that failed."""
    error = _ERROR()
    error.update(
        advice_code=reason.advice_code,
        charge=charge,
        code=reason.code,
        decline_code=reason.decline_code,
        doc_url=f"https://docs.stripe.com/error-codes/{reason.code.replace('_', '-')}",
        message=reason.message,
        network_advice_code=reason.network_advice_code,
        network_decline_code=reason.network_decline_code,
        payment_method=method,
    )
    return error


def refuse(charge: Record, reason: Decline) -> None:
    """Let a charge be one that was declined, with all that it says about that."""
    charge.update(
        calculated_statement_descriptor=None,
        failure_code=reason.code,
        failure_message=reason.message,
        paid=False,
        receipt_url=None,
        status="failed",
    )
    charge["outcome"].update(
        advice_code=reason.advice_code,
        network_advice_code=reason.network_advice_code,
        network_decline_code=reason.network_decline_code,
        network_status=reason.network_status,
        reason="highest_risk_level" if reason.type == "blocked" else reason.decline_code or reason.code,
        risk_level="highest" if reason.type == "blocked" else "normal",
        risk_score=reason.risk_score,
        seller_message="The bank did not return any further details with this decline.",
        type=reason.type,
    )
