"""How much memory a sync holds that reads four large lists at once.

    uv run python -m benchmarks.memory [ROWS] [REPEATS]

Four tables of so many varied rows each into DuckDB, beside one of them alone and the libraries alone: at 25
requests a second for each list and 100 for all, where answers take 100 ms. At most 400 MB are aimed at.
"""

from __future__ import annotations

import sys
import tempfile

from benchmarks.processes import Spent, list_server, medians, spent

ROWS, REPEATS, MOST_MB = 50_000, 3, 400
FOUR = "charges", "payment_intents", "refunds", "balance_transactions"
LATENCY_MS, LIST_RPS, ALL_RPS = 100, 25, 100

SYNC = """
import sys
from connector import Stripe
url, folder, rows, *names = sys.argv[1:]
with Stripe(key="sk_test_x", api_base=url, max_rps=100, max_rps_per_endpoint=25) as stripe:
    runs = stripe.sync(names, to=f"duckdb:///{folder}/lists.duckdb").runs
    assert [run.inserted for run in runs] == [int(rows)] * len(names), runs
"""
IMPORTS = """
import duckdb, httpx, pyarrow.compute
import connector.databases.duckdb.database, connector.sync.run
"""
WAYS = {
    "libraries alone": (IMPORTS, ()),
    "charges alone": (SYNC, FOUR[:1]),
    "four lists at once": (SYNC, FOUR),
}


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    runs: dict[str, list[Spent]] = {way: [] for way in WAYS}
    with list_server(rows, LATENCY_MS, LIST_RPS, ALL_RPS, *FOUR) as url:
        for _ in range(repeats):
            for way, (program, names) in WAYS.items():
                with tempfile.TemporaryDirectory() as folder:
                    runs[way].append(spent(program, url, folder, str(rows), *names))
    print(f"{rows:,} rows of each list, medians of {repeats}\n{'':<22}{'peak MB':>9}{'s':>8}{'CPU s':>8}")
    for way, several in runs.items():
        took = medians(several)
        missed = f"   MISSED: at most {MOST_MB}" if took.peak_mb > MOST_MB else ""
        print(f"{way:<22}{took.peak_mb:>9.0f}{took.seconds:>8.1f}{took.cpu:>8.1f}{missed}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
