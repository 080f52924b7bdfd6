"""Pushing down never changes an answer: SELECTs written by chance, beside the same SQL over everything extracted."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from connector import ConnectorError
from connector.query.workspace import Session
from connector.sandbox import Sandbox
from tests.accounts import NOW, account, keep_the_newest
from tests.query_writer import COLUMNS, Writer

QUERIES, THOROUGH_QUERIES = 90, 5_000
KEPT = {"invoice": 110, "charge": 110, "customer": 105, "subscription": 40}
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu")


@pytest.fixture(scope="module")
def business() -> Iterator[Sandbox]:
    """A business that is small enough to be asked hundreds of times, and large enough for second pages."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield keep_the_newest(sandbox, KEPT)


def counted(rows: pa.Table) -> Counter[tuple[object, ...]]:
    """Return how often each row stands there; times as instants."""
    return Counter(
        tuple(value.astimezone(UTC) if isinstance(value, datetime) else value for value in row.values())
        for row in rows.to_pylist()
    )


@pytest.mark.timeout(3600)
def test_the_answer_is_that_of_the_same_sql_over_everything(business: Sandbox, request: pytest.FixtureRequest) -> None:
    queries = THOROUGH_QUERIES if request.config.getoption("--thorough") else QUERIES
    different, fewer, skipped = [], 0, 0
    with account(business) as stripe:
        tables = {name: stripe.query(f"select * from {name}").to_arrow() for name in COLUMNS}
    ids: dict[str, Any] = {name: rows["id"].to_pylist() for name, rows in tables.items()}
    writer = Writer(random.Random(20_261_101), ids, [each for each in tables["customers"]["email"].to_pylist() if each])
    for zone in ZONES:
        with account(business) as stripe, Session(ZoneInfo(zone)) as everything:
            stripe.connection = replace(stripe.connection, time_zone=zone)
            for name, rows in tables.items():
                everything.fill(name, rows)
            for _ in range(queries // len(ZONES)):
                sql = writer.select()
                try:
                    expected = counted(everything.connection.sql(sql).to_arrow_table())
                except duckdb.Error:  # what DuckDB does not take is no question
                    skipped += 1
                    with pytest.raises(ConnectorError):
                        stripe.query(sql)
                    continue
                result = stripe.query(sql)
                found = counted(result.to_arrow())
                fewer += result.report.rows_read < sum(tables[name].num_rows for name in COLUMNS if f" {name} " in sql)
                if found != expected:
                    different.append((zone, sql, list(expected - found)[:3], list(found - expected)[:3]))
    sys.stdout.write(
        f"{queries} SELECTs, {skipped} of them refused by DuckDB, {fewer} read fewer rows than there are\n"
    )
    assert not different, different[:5]
    assert fewer > queries // 4
    assert skipped < queries // 5
