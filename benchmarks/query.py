"""Calls and seconds of the ten questions of docs/query.md, beside reading the tables that they name whole.

uv run python benchmarks/query.py            # the small business
uv run python benchmarks/query.py 1m         # a million objects, more than 100,000 charges among them
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from functools import cache
from pathlib import Path

from connector import ConnectorError, ConnectorWarning, Stripe
from connector.sandbox import Sandbox

PAGE = (Path(__file__).parents[1] / "docs" / "query.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^([^\n]+\?) \(\d+ calls[^)]*\)\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
MOST_CALLS = 20_000


def main(size: str) -> None:
    with Sandbox(seed=7, rps=0, size=size) as sandbox, account(sandbox) as stripe:

        @cache
        def whole(table: str) -> tuple[int, float]:
            return measured(stripe, f"select count(*), max(id) from {table}")

        measured(stripe, "select max(id) from coupons")  # what is imported once is not measured
        print(f"{'':62}{'calls':>8}{'seconds':>9}{'whole: calls':>14}{'seconds':>9}")
        for question, sql in QUESTIONS:
            tables = {table for table in stripe.endpoints if re.search(rf"\b(?:from|join) {table}\b", sql)}
            calls, seconds = measured(stripe, sql)
            all_of_them = [whole(table) for table in tables]
            more = f"{sum(each[0] for each in all_of_them):14,}{sum(each[1] for each in all_of_them):9.2f}"
            print(f"{question[:60]:62}{calls:8,}{seconds:9.2f}{more}")


def account(sandbox: Sandbox) -> Stripe:
    return Stripe(key=sandbox.key, api_base=sandbox.url, max_rps=1e6, max_rps_per_endpoint=1e6)


def measured(stripe: Stripe, sql: str) -> tuple[int, float]:
    began = time.perf_counter()
    result = stripe.query(sql, max_calls=MOST_CALLS)
    try:
        result.to_arrow()
    except ConnectorError as error:
        print(error)
    return result.report.requests, time.perf_counter() - began


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConnectorWarning)
    main(sys.argv[1] if len(sys.argv) > 1 else "small")
