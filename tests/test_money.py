"""Amounts in major and minor units, exact in Python and the same in SQL."""

from __future__ import annotations

from decimal import Decimal, localcontext

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import UsageError
from connector.rows.currencies import EXPONENTS
from connector.rows.money import divisor_sql, exponent, factor_sql, major, minor

TEXT = pa.string()
currencies = st.one_of(st.sampled_from(list(EXPONENTS)), st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=3))
amounts = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("codes", "decimals"),
    [
        ("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF", 0),
        ("BHD JOD KWD OMR TND", 3),
        ("ISK UGX", 2),  # without cents in daily life, sent in hundredths
        ("USD EUR GBP HUF TWD XYZ", 2),
    ],
)
def test_each_currency_has_the_decimals_that_stripe_sends(codes: str, decimals: int) -> None:
    for code in codes.split():
        assert (exponent(code), exponent(code.lower())) == (decimals, decimals)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1234, "usd", "12.34"),
        (1234, "USD", "12.34"),
        (100, "eur", "1.00"),
        (-5, "eur", "-0.05"),
        (0, "usd", "0.00"),
        (1234, "jpy", "1234"),
        (1230, "kwd", "1.230"),
        (50000, "isk", "500.00"),
        (2**63 - 1, "usd", "92233720368547758.07"),
    ],
)
def test_major_units_are_exact_and_keep_the_currencys_decimals(amount: int, currency: str, expected: str) -> None:
    assert str(major(amount, currency)) == expected
    assert minor(expected, currency) == amount


def test_what_is_missing_stays_missing() -> None:
    assert major(None, "usd") is None
    assert major(5, None) is None


@given(amounts, currencies)
def test_there_and_back_is_the_same_amount_whatever_the_decimal_context(amount: int, currency: str) -> None:
    with localcontext(prec=3):
        there = major(amount, currency)
        assert there is not None
        assert minor(there, currency) == amount
        assert minor(str(there), currency) == amount


@pytest.mark.parametrize(
    ("amount", "currency", "decimals"), [("0.5", "jpy", 0), ("12.345", "usd", 2), (Decimal("1.2345"), "kwd", 3)]
)
def test_a_fraction_of_a_minor_unit_is_refused_without_showing_the_amount(
    amount: Decimal | str, currency: str, decimals: int
) -> None:
    with pytest.raises(UsageError, match=f"{currency} has at most {decimals} decimals") as caught:
        minor(amount, currency)
    assert str(amount) not in str(caught.value)


@pytest.mark.parametrize(
    ("amount", "expected"), [("12.300", 1230), (" 12 ", 1200), (12, 1200), ("-0.01", -1), ("1e2", 10_000)]
)
def test_amounts_as_people_write_them(amount: str | int, expected: int) -> None:
    assert minor(amount, "usd") == expected


@pytest.mark.parametrize(
    "amount", ["", "twelve", "1,234.50", "$5", "nan", "snan", "inf", "-Infinity", "1e99", "1e999999", "1e-999999", 1.5]
)
def test_what_is_no_exact_amount_is_refused(amount: str) -> None:
    with pytest.raises(UsageError):
        minor(amount, "usd")


@pytest.mark.parametrize("currency", ["", "us", "usdt", "u$d", "us ", "usd\n", "ußd", "123"])
def test_what_is_no_currency_code_is_refused(currency: str) -> None:
    for convert in (exponent, lambda code: major(1, code), lambda code: minor(1, code)):
        with pytest.raises(UsageError, match="three letters"):
            convert(currency)


def test_the_table_can_be_overridden() -> None:
    own = {**EXPONENTS, "ugx": 0, "xyz": 4}
    assert (exponent("UGX", own), exponent("xyz", own), exponent("jpy", own)) == (0, 4, 0)
    assert str(major(12_345, "xyz", own)) == "1.2345"
    assert minor("500", "ugx", own) == 500
    assert exponent("ugx") == 2


def one_value(sql: str) -> object:
    return duckdb.connect().execute(sql).fetchall()[0][0]


def test_sql_divides_by_the_same_table() -> None:
    for table in (EXPONENTS, {**EXPONENTS, "ugx": 0, "xyz": 4}):
        for code in [*table, "usd", "EUR", "Jpy"]:
            divided = one_value(
                f"select 123456789 / {divisor_sql('currency', table)} from (select '{code}' as currency)"
            )
            assert divided == float(major(123_456_789, code, table) or 0), code


def test_sql_keeps_an_amount_without_currency_missing() -> None:
    divisor = divisor_sql('c."currency"')
    assert one_value(f"select 100 / {divisor} from (select cast(null as varchar) as currency) as c") is None


def test_sql_divisors_have_a_point_so_that_no_database_cuts_cents() -> None:
    assert divisor_sql("currency", {"jpy": 0, "kwd": 3}) == (
        "CASE WHEN currency IS NULL THEN NULL WHEN lower(currency) IN ('jpy') THEN 1.0"
        " WHEN lower(currency) IN ('kwd') THEN 1000.0 ELSE 100.0 END"
    )


AMOUNTS, CURRENCIES = [1999, None, 5, -1234, 2**63 - 1], ["usd", "usd", None, "JPY", "kwd"]
MAJOR = [Decimal("19.99"), None, None, Decimal(-1234), Decimal(2**63 - 1).scaleb(-3)]


@given(st.lists(st.tuples(st.none() | amounts, st.none() | currencies)))
def test_a_column_of_amounts_is_what_its_amounts_are(pairs: list[tuple[int | None, str | None]]) -> None:
    minor_units, codes = (
        pa.array([amount for amount, _ in pairs], pa.int64()),
        pa.array([code for _, code in pairs], TEXT),
    )
    assert major(minor_units, codes).to_pylist() == [major(amount, code) for amount, code in pairs]


def test_columns_of_arrow_pandas_and_polars_come_back_as_such() -> None:
    table = pa.table({"amount": pa.array(AMOUNTS, pa.int64()), "currency": pa.array(CURRENCIES)})
    assert major(table["amount"], table["currency"]).to_pylist() == MAJOR
    frame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get).set_index(pd.Index(list("abcde")))
    series = major(frame["amount"], frame["currency"])
    assert (list(series), series.name, list(series.index)) == (MAJOR, "amount", list("abcde"))
    columns = pl.DataFrame(table)
    assert major(columns["amount"], columns["currency"]).to_list() == MAJOR


def test_a_column_in_one_currency_needs_no_second_column() -> None:
    assert list(major(pd.Series([1999.0, None]), "usd")) == [Decimal("19.99"), None]


def test_columns_that_are_no_amounts_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="are whole numbers, and these have fractions"):
        major(pd.Series([19.99]), "usd")
    with pytest.raises(UsageError, match="There are 1 amounts and 2 currencies"):
        major(pa.array([1]), pa.array(["usd", "eur"]))


def test_decimals_of_minor_units_are_kept() -> None:
    amounts = pa.array([Decimal("0.123456789012")], pa.decimal128(38, 12))
    assert major(amounts, "usd").to_pylist() == [Decimal("0.00123456789012")]


@given(amounts, st.sampled_from([*EXPONENTS, "usd", "EUR"]))
@settings(max_examples=30, deadline=None)
def test_a_factor_in_sql_is_exact(amount: int, currency: str) -> None:
    product = f"cast({amount} as decimal(19,0)) * {factor_sql('c')}"
    with duckdb.connect() as connection:
        ((found,),) = connection.execute(f"select {product} from (select '{currency}' as c)").fetchall()
    assert found == major(amount, currency)
