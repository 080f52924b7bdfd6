"""Minor and major units: Stripe's amounts are whole numbers of a currency's smallest unit, people read 12.34.

One table says how many decimals a currency has; Python and SQL both read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeVar, overload

from connector.errors import UsageError
from connector.rows.currencies import EXPONENTS, USUAL

Column = TypeVar("Column")  # of pandas, polars or Arrow
# Forty digits are more than any amount; what they cannot hold exactly is refused, never rounded.
_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation])
_NOT_A_NUMBER = Decimal("nan")


def exponent(currency: str, exponents: Mapping[str, int] = EXPONENTS) -> int:
    """Return the decimals of a currency's amounts, by its three-letter code in either case.

    A code that is not in the table has two. To differ from the table, pass `{**EXPONENTS, "ugx": 0}`.
    """
    if not re.fullmatch("[A-Za-z]{3}", currency):
        raise UsageError(f'"{currency}" is not a currency: a code has three letters, as in usd or jpy.')
    return exponents.get(currency.lower(), USUAL)


@overload
def major(amount: int | None, currency: str | None, exponents: Mapping[str, int] = ...) -> Decimal | None: ...


@overload
def major(amount: Column, currency: Column | str, exponents: Mapping[str, int] = ...) -> Column: ...


def major(amount: Any, currency: Any, exponents: Mapping[str, int] = EXPONENTS) -> Any:
    """Return an amount in major units, exact: 1234 usd is 12.34, 1234 jpy is 1234; None where either is None.

    Columns of pandas, polars and Arrow become such columns: `major(frame["amount"], frame["currency"])`.
    """
    if amount is None or currency is None:
        return None
    if hasattr(amount, "__len__"):
        from connector.rows.amounts import major_of

        return major_of(amount, currency, exponents)
    return Decimal(f"{amount}e-{exponent(currency, exponents)}")


def minor(amount: Decimal | str | int, currency: str, exponents: Mapping[str, int] = EXPONENTS) -> int:
    """Return an amount of major units in minor units, exact; one that has a fraction of them is a UsageError.

    Errors do not repeat the amount: amounts are row values, which stay out of logs.
    """
    if isinstance(amount, float):
        raise UsageError("an amount must be exact: give a whole number, a Decimal or a text, not a float.")
    decimals = exponent(currency, exponents)
    try:
        scaled = _EXACT.scaleb(_EXACT.quantize(Decimal(amount), Decimal(f"1e-{decimals}")), decimals)
    except Inexact:
        raise UsageError(f"an amount in {currency} has at most {decimals} decimals; this one has more.") from None
    except InvalidOperation:
        scaled = _NOT_A_NUMBER
    if not scaled.is_finite():
        raise UsageError(f"this is not an amount in {currency}; amounts are written as digits and a point.")
    return int(scaled)


def divisor_sql(currency_column: str, exponents: Mapping[str, int] = EXPONENTS) -> str:
    """Return the SQL expression that an amount is divided by to be in major units, from the same table.

    It is understood by DuckDB, Postgres and SQL Server. `currency_column` is SQL, quoted where it needs quotes.
    """
    return _by_currency(currency_column, exponents, _power)


def factor_sql(currency_column: str, exponents: Mapping[str, int] = EXPONENTS) -> str:
    """Return the SQL expression that a decimal is multiplied by to be in major units, exact in every database."""
    return _by_currency(currency_column, exponents, _fraction)


def _by_currency(column: str, exponents: Mapping[str, int], number: Callable[[int], str]) -> str:
    cases = [
        f"WHEN lower({column}) IN ({_codes(decimals, exponents)}) THEN {number(decimals)}"
        for decimals in sorted(set(exponents.values()) - {USUAL})
    ]
    return f"CASE WHEN {column} IS NULL THEN NULL {' '.join(cases)} ELSE {number(USUAL)} END"


def _codes(decimals: int, exponents: Mapping[str, int]) -> str:
    return ", ".join(f"'{currency}'" for currency, known in exponents.items() if known == decimals)


def _fraction(decimals: int) -> str:
    return f"{10 ** (3 - decimals) / 1000:.3f}"


def _power(decimals: int) -> str:
    return f"{10**decimals}.0"  # with a point, as Postgres and SQL Server cut the division of whole numbers
