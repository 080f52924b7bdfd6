"""How many decimals the amounts of a currency have: the one table that Python, Arrow and SQL read."""

from __future__ import annotations

from collections.abc import Mapping

USUAL = 2  # decimals of a currency that is not named below

# Decimals of the amounts that Stripe sends; a currency that is not here has two.
_CURRENCIES = {
    0: "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf",
    3: "bhd jod kwd omr tnd",
    # Neither has a coin below one króna or shilling, yet Stripe sends their amounts in hundredths.
    2: "isk ugx",
}
EXPONENTS: Mapping[str, int] = {code: decimals for decimals, codes in _CURRENCIES.items() for code in codes.split()}
