"""Bounds of a time whose day, month or the like is compared: no zone and no clock change loses a row."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot

from connector.query.comparisons import comparisons

# Where midnight is skipped or comes twice, where a whole day was skipped, where the clock moves as usual.
ZONES = ["America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia"]
PERIODS = ["t::date", *(f"date_trunc('{unit}', t)" for unit in ("week", "month"))]
TESTS = [
    "= {}",
    "< {}",
    "<= {}",
    "> {}",
    ">= {}",
    "between {} and {} + interval 9 day",
    "in ({}, {} + interval 40 day)",
]


def bounds(condition: str) -> str:
    """Return SQL of what is taken from a condition in the place of it."""
    found = comparisons(sqlglot.parse_one(condition, dialect="duckdb"))
    assert found
    return " and ".join(f"t {each.operator} ({each.constants[0].sql(dialect='duckdb')})" for each in found)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("period", PERIODS)
def test_every_time_that_meets_a_condition_on_its_period_is_within_the_bounds(period: str, zone: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.execute(
            "create table times as select range as t from range(timestamptz '2011-11-20 00:00:00+00', "
            "timestamptz '2012-11-20 00:00:00+00', interval 1 hour)"
        )
        connection.execute("create table constants as select t as c from times using sample 6 rows (reservoir, 7)")
        connection.execute(
            "insert into constants select distinct date_trunc('day', t) from times using sample 6 rows (reservoir, 7)"
        )
        for kind in ("TIMESTAMPTZ", "DATE"):
            constant = f"CAST('2026-01-01' AS {kind})"
            for test in TESTS:
                condition = f"{period} {test.format(constant, constant)}"
                lost = f"select c, t from constants, times where {condition} and not ({bounds(condition)})"
                found = connection.execute(f"select count(*) from ({lost.replace(constant, f'CAST(c AS {kind})')})")
                assert found.fetchall() == [(0,)], condition


@pytest.mark.parametrize(
    "condition",
    ["t::date <> date '2026-01-01'", "t::timestamp = date '2026-01-01'", "date_trunc('hour', t) = now()",
     "date_trunc('month', t::timestamp) = date '2026-01-01'", "t::date = other", "date_trunc('decade', t) = now()"],
)  # fmt: skip
def test_nothing_is_taken_from_what_is_no_such_comparison(condition: str) -> None:
    assert comparisons(sqlglot.parse_one(condition, dialect="duckdb")) == []
