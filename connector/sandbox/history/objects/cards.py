"""What cards and the charges on them say alike: what the bank has checked, and which wallet a card is in."""

from __future__ import annotations

from uuid import UUID

from connector.sandbox.document.templates import Record

_WALLETS = {5: "apple_pay", 11: "google_pay"}  # of sixteen


def checks_of(billing: Record) -> Record:
    """What a bank found when it was told so much: it has all that was said."""
    address = billing["address"]
    return {
        "address_line1_check": "pass" if address["line1"] else None,
        "address_postal_code_check": "pass" if address["postal_code"] else None,
        "cvc_check": "pass",
    }


def wallet_of(method: int) -> Record | None:
    """The wallet that a card is in; most are in none."""
    kind = _WALLETS.get(method % 16)
    return None if kind is None else {"dynamic_last4": f"{method * 37 % 10_000:04}", "type": kind, kind: {}}


def codes_of(number: int) -> Record:
    """What a bank and a card network call a payment that they have approved."""
    return {
        "authorization_code": f"{number * 7919 % 1_000_000:06}",
        "network_transaction_id": f"{number * 104_729 % 10**15:015}",
    }


def authenticated(number: int, network: str) -> Record:
    """What came of asking the payer's bank who is paying, where it was asked and has said yes."""
    return {
        "authentication_flow": "frictionless" if number % 3 else "challenge",
        "electronic_commerce_indicator": indicator_of(network),
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": str(UUID(int=number * 2_654_435_761 % 2**64 << 64 | number)),
        "version": "2.2.0",
    }


def indicator_of(network: str) -> str:
    """How networks write that a payer was authenticated."""
    return "02" if network == "mastercard" else "05"
