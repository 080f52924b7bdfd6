"""How long a page of records takes to become a typed table: the quick way, the slow way, pandas.json_normalize.

    uv run python -m benchmarks.flatten

Ratios are against json_normalize over the same bytes, run side by side. json_normalize does less: no types, no
expandable ids, no record of what is new.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial

import pandas as pd

from benchmarks.samples import sample_of
from connector.definitions.endpoint import Endpoints
from connector.rows.flatten import Flattener

ROWS = 100
REPEATS = 30


def microseconds_per_row(work: Callable[[], object]) -> float:
    work()
    best = min(_timed(work) for _ in range(REPEATS))
    return best / ROWS * 1e6


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _normalize(page: bytes) -> object:
    return pd.json_normalize(json.loads(page), sep="_")


def main() -> None:
    print(f"{'table':<22}{'columns':>8}{'µs/row':>9}{'with a new field':>18}{'json_normalize':>16}{'ratio':>8}")
    for name in ("charges", "invoices", "subscriptions", "payment_methods", "customers", "balance_transactions"):
        endpoint = Endpoints()[name]
        sample = sample_of(endpoint)
        page = json.dumps([sample] * ROWS, indent=2).encode()
        drifted = json.dumps([{**sample, "new_field": {"a": 1}}] * ROWS, indent=2).encode()
        quick, drifting = Flattener(endpoint), Flattener(endpoint)
        ours = microseconds_per_row(partial(quick.batch, page))
        drift = microseconds_per_row(partial(drifting.batch, drifted))
        theirs = microseconds_per_row(partial(_normalize, page))
        assert quick.drift.slow_pages == 0, name
        print(f"{name:<22}{len(endpoint.columns):>8}{ours:>9.1f}{drift:>18.1f}{theirs:>16.1f}{theirs / ours:>7.1f}×")


if __name__ == "__main__":
    main()
