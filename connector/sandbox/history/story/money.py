"""Amounts: what a currency can express, what it settles to, and what Stripe keeps of it."""

from __future__ import annotations

_STEPS = {"kwd": 10, "isk": 100, "ugx": 100}
_SETTLED = ("usd", "eur")  # the currencies of the business's bank accounts; others are exchanged to dollars
_MILLIONTHS_OF_A_CENT = {  # dollar cents for one minor unit, times a million
    "gbp": 1_270_000, "jpy": 670_000, "kwd": 325_500, "isk": 7_200, "huf": 2_750, "ugx": 270,
}  # fmt: skip
_PER_MILLE_AND_FIXED = {"usd": (29, 30), "eur": (15, 25)}


def rounded(numerator: int, denominator: int, currency: str) -> int:
    """The quotient, halves away from zero, in the smallest step that cards take in that currency.

    Three-decimal currencies end in 0 on card flows; isk and ugx are sent with two decimals that are 00.
    """
    step = _STEPS.get(currency, 1)
    denominator *= step
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator)) * step


def spread(amount: int, weights: list[int]) -> list[int]:
    """An amount spread in proportion to weights, to the last unit."""
    shares, total, given, weight = [], sum(weights), 0, 0
    for part in weights:
        weight += part
        upto = amount * weight // total if total else 0
        shares.append(upto - given)
        given = upto
    return shares


def settled_in(currency: str) -> str:
    """The currency in which a payment reaches the balance."""
    return currency if currency in _SETTLED else "usd"


def rate(currency: str, month: int) -> int | None:
    """Millionths of a dollar cent for one minor unit in that month; None where nothing is exchanged."""
    if currency in _SETTLED:
        return None
    return _MILLIONTHS_OF_A_CENT[currency] * (990 + month * 7 % 31) // 1000


def settled(amount: int, currency: str, month: int) -> int:
    """What an amount comes to in the currency that it settles in."""
    millionths = rate(currency, month)
    return amount if millionths is None else rounded(amount * millionths, 1_000_000, "usd")


def fee(settled_amount: int, currency: str, *, exchanged: bool, debit: bool) -> int:
    """Stripe's fee for taking a payment: less for a bank debit, more when money is exchanged."""
    if debit:
        return min(500, settled_amount * 8 // 1000)
    per_mille, fixed = _PER_MILLE_AND_FIXED[currency]
    return min(settled_amount, settled_amount * (per_mille + 10 * exchanged) // 1000 + fixed)
