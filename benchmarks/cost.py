"""What reading costs in CPU beside fetching the same pages bare and throwing them away.

    uv run python -m benchmarks.cost [ROWS] [REPEATS]

Each way is a process of its own, start-up included, in turn against one server; medians. First, a `sync` into DuckDB
at most 6 times the bare fetch and an `extract` to Parquet at most 4 times; the official library's auto_paging_iter with
json_normalize into DuckDB, 12 times a sync.
"""

from __future__ import annotations

import sys
import tempfile

from benchmarks.processes import Spent, list_server, medians, spent

ROWS, REPEATS = 30_000, 3

BARE = """
import sys, re, httpx
with httpx.Client(base_url=sys.argv[1]) as client:
    cursor = ""
    while True:
        body = client.get("/v1/charges?limit=100" + cursor).content
        if b'"has_more": false' in body[:120]:
            break
        cursor = "&starting_after=" + re.findall(rb'\\n  "id": "(ch_[^"]+)"', body)[-1].decode()
"""
OURS = """
import sys
from connector import Stripe
with Stripe(key="sk_test_x", api_base=sys.argv[1], max_rps=100_000, max_rps_per_endpoint=100_000) as stripe:
    if sys.argv[3] == "sync":
        assert not stripe.sync(["charges"], to=f"duckdb:///{sys.argv[2]}/sync.duckdb").failed
    else:
        stripe.extract("charges").to_parquet(f"{sys.argv[2]}/charges.parquet")
"""
OFFICIAL = """
import sys, duckdb, pandas, stripe
client = stripe.StripeClient("sk_test_x", base_addresses={"api": sys.argv[1]})
rows = [charge.to_dict() for charge in client.v1.charges.list({"limit": 100}).auto_paging_iter()]
frame = pandas.json_normalize(rows, sep="_")
with duckdb.connect(sys.argv[2] + "/official.duckdb") as file:
    file.execute("CREATE TABLE charges AS SELECT * FROM frame")
"""
WAYS = {
    "bare httpx, pages thrown away": (BARE, "", None),
    "extract to Parquet": (OURS, "extract", 4.0),
    "first sync into DuckDB": (OURS, "sync", 6.0),
    "official library, json_normalize, DuckDB": (OFFICIAL, "", None),
}


def in_folder(program: str, url: str, how: str) -> Spent:
    """Run a program that may write into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        return spent(program, url, folder, how)


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    runs: dict[str, list[Spent]] = {way: [] for way in WAYS}
    with list_server(rows) as url:
        for repeat in range(repeats + 1):
            for way, (program, how, _) in WAYS.items():
                run = in_folder(program, url, how)
                runs[way] += [run] if repeat else []  # the first compiles
    bare = medians(next(iter(runs.values()))).cpu
    print(f"{rows:,} varied charges, medians of {repeats}\n{'':<44}{'CPU s':>8}{'µs/row':>8}{'ratio':>8}{'s':>8}")
    for way, (_, _, most) in WAYS.items():
        took = medians(runs[way])
        missed = f"   MISSED: at most {most:g}" if most and took.cpu / bare > most else ""
        print(
            f"{way:<44}{took.cpu:>8.1f}{took.cpu / rows * 1e6:>8.0f}{took.cpu / bare:>8.1f}{took.seconds:>8.1f}{missed}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
