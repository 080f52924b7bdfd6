"""What reading costs in CPU beside fetching the same pages bare and throwing them away, and how long it takes.

    uv run python -m benchmarks.cost [ROWS] [REPEATS]

Each way is a process of its own, start-up included, in turn against one server; medians. First, a `sync` into DuckDB
at most 6 times the bare fetch and an `extract` to Parquet at most 4 times; the official library's auto_paging_iter with
json_normalize into DuckDB, 12 times a sync. Then, where answers take 100 ms, a sync 4 times as fast as that library at
25 requests a second, and 12 times at a granted 100.
"""

from __future__ import annotations

import sys
import tempfile

from benchmarks.processes import Spent, list_server, medians, spent

ROWS, REPEATS = 100_000, 3
LEAST_CPU = 12.0  # the official library's, in syncs
LATENCY_MS, TIMED_ROWS = 100, 40_000
SPEEDS = {25: 4.0, 100: 12.0}  # requests a second → how many times as fast as the official library

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
rps = float(sys.argv[4])
with Stripe(key="sk_test_x", api_base=sys.argv[1], max_rps=rps, max_rps_per_endpoint=rps) as stripe:
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


SYNC, LIBRARY = "first sync into DuckDB", "official library, json_normalize, DuckDB"


def in_folder(program: str, url: str, how: str, rps: int = 100_000) -> Spent:
    """Run a program that may write into an empty folder, and keeps to so many requests a second if it is ours."""
    with tempfile.TemporaryDirectory() as folder:
        return spent(program, url, folder, how, str(rps))


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    runs: dict[str, list[Spent]] = {way: [] for way in WAYS}
    with list_server(rows) as url:
        for repeat in range(repeats + 1):
            for way, (program, how, _) in WAYS.items():
                run = in_folder(program, url, how)
                runs[way] += [run] if repeat else []  # the first compiles
    took_each = {way: medians(several) for way, several in runs.items()}
    bare = next(iter(took_each.values())).cpu
    print(f"{rows:,} varied charges, medians of {repeats}\n{'':<44}{'CPU s':>8}{'µs/row':>8}{'ratio':>8}{'s':>8}")
    for way, (_, _, most) in WAYS.items():
        took = took_each[way]
        missed = f"   MISSED: at most {most:g}" if most and took.cpu / bare > most else ""
        print(
            f"{way:<44}{took.cpu:>8.1f}{took.cpu / rows * 1e6:>8.0f}{took.cpu / bare:>8.1f}{took.seconds:>8.1f}{missed}"
        )

    times = took_each[LIBRARY].cpu / took_each[SYNC].cpu
    missed = f"   MISSED: at least {LEAST_CPU:g}" if times < LEAST_CPU else ""
    print(f"the official library takes {times:.1f} times the CPU of a sync{missed}")
    for rps, least in SPEEDS.items():
        compare_speeds(rps, least)


def compare_speeds(rps: int, least: float) -> None:
    """Print how much sooner a sync is done than the official library, where answers take their time."""
    with list_server(TIMED_ROWS, LATENCY_MS, rps, rps) as url:
        ours, library = (in_folder(WAYS[way][0], url, WAYS[way][1], rps).seconds for way in (SYNC, LIBRARY))
    missed = f"   MISSED: at least {least:g}" if library / ours < least else ""
    print(
        f"{TIMED_ROWS:,} charges, answers take {LATENCY_MS} ms, {rps} requests a second: a sync {ours:.1f} s, "
        f"the official library {library:.1f} s, {library / ours:.1f} times as long{missed}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
