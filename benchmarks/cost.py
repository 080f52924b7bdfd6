"""What reading costs in CPU beside fetching the same pages bare and throwing them away, and how long it takes.

    uv run python -m benchmarks.cost [ROWS] [REPEATS]

Each way is a process of its own, start-up included, in turn against one server; medians. First charges, then a fifth as
many invoices with one to five lines each, which a sync makes a table of, too. A `sync` into DuckDB may take 6 times the
CPU of the bare fetch and an `extract` to Parquet 4 times; the official library's auto_paging_iter with json_normalize
into DuckDB takes 12 times a sync. Then, where answers take 100 ms, a sync is to be done 4 times as soon as that library
at 25 requests a second, and 12 times at a granted 100.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence

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
        body = client.get(f"/v1/{sys.argv[4]}?limit=100" + cursor).content
        if b'"has_more": false' in body[:120]:
            break
        cursor = "&starting_after=" + re.findall(rb'\\n  "id": "([^"]+)"', body)[-1].decode()
"""
OURS = """
import sys
from connector import Stripe
rps, names = float(sys.argv[5]), sys.argv[4:5] + sys.argv[6:]
with Stripe(key="sk_test_x", api_base=sys.argv[1], max_rps=rps, max_rps_per_endpoint=rps) as stripe:
    if sys.argv[3] == "sync":
        assert not stripe.sync(names, to=f"duckdb:///{sys.argv[2]}/sync.duckdb").failed
    else:
        stripe.extract(names[0]).to_parquet(f"{sys.argv[2]}/rows.parquet")
"""
OFFICIAL = """
import sys, duckdb, pandas, stripe
client = stripe.StripeClient("sk_test_x", base_addresses={"api": sys.argv[1]})
rows = [row.to_dict() for row in getattr(client.v1, sys.argv[4]).list({"limit": 100}).auto_paging_iter()]
frame = pandas.json_normalize(rows, sep="_")
with duckdb.connect(sys.argv[2] + "/official.duckdb") as file:
    file.execute("CREATE TABLE rows_ AS SELECT * FROM frame")
"""
WAYS = {
    "bare httpx, pages thrown away": (BARE, "", None),
    "extract to Parquet": (OURS, "extract", 4.0),
    "first sync into DuckDB": (OURS, "sync", 6.0),
    "official library, json_normalize, DuckDB": (OFFICIAL, "", None),
}
SYNC, LIBRARY = "first sync into DuckDB", "official library, json_normalize, DuckDB"
CHARGES, INVOICES = ("charges",), ("invoices", "invoice_lines")


def in_folder(program: str, url: str, how: str, tables: Sequence[str], rps: int = 100_000) -> Spent:
    """Run a program that may write into an empty folder, and keeps to so many requests a second if it is ours."""
    with tempfile.TemporaryDirectory() as folder:
        return spent(program, url, folder, how, tables[0], str(rps), *tables[1:])


def compare_cpu(rows: int, repeats: int, tables: Sequence[str]) -> None:
    """Print what each way takes to read a list, and a sync what stands inside its objects, too."""
    runs: dict[str, list[Spent]] = {way: [] for way in WAYS}
    with list_server(rows, 0, 0, 0, tables[0]) as url:
        for repeat in range(repeats + 1):
            for way, (program, how, _) in WAYS.items():
                run = in_folder(program, url, how, tables)
                runs[way] += [run] if repeat else []  # the first compiles
    took_each = {way: medians(several) for way, several in runs.items()}
    bare = next(iter(took_each.values())).cpu
    print(f"{rows:,} varied {tables[0]}, medians of {repeats}\n{'':<44}{'CPU s':>8}{'µs/row':>8}{'ratio':>8}{'s':>8}")
    for way, (_, _, most) in WAYS.items():
        took = took_each[way]
        missed = f"   MISSED: at most {most:g}" if most and took.cpu / bare > most else ""
        print(
            f"{way:<44}{took.cpu:>8.1f}{took.cpu / rows * 1e6:>8.0f}{took.cpu / bare:>8.1f}{took.seconds:>8.1f}{missed}"
        )
    times = took_each[LIBRARY].cpu / took_each[SYNC].cpu
    missed = f"   MISSED: at least {LEAST_CPU:g}" if times < LEAST_CPU else ""
    print(f"the official library takes {times:.1f} times the CPU of a sync{missed}", flush=True)


def compare_speeds(rps: int, least: float) -> None:
    """Print how much sooner a sync is done than the official library, where answers take their time."""
    with list_server(TIMED_ROWS, LATENCY_MS, rps, rps) as url:
        ways = [(WAYS[way][0], WAYS[way][1]) for way in (SYNC, LIBRARY)]
        ours, library = (in_folder(program, url, how, CHARGES, rps).seconds for program, how in ways)
    missed = f"   MISSED: at least {least:g}" if library / ours < least else ""
    print(
        f"{TIMED_ROWS:,} charges, answers take {LATENCY_MS} ms, {rps} requests a second: a sync {ours:.1f} s, "
        f"the official library {library:.1f} s, {library / ours:.1f} times as long{missed}"
    )


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    compare_cpu(rows, repeats, CHARGES)
    compare_cpu(rows // 5, repeats, INVOICES)
    for rps, least in SPEEDS.items():
        compare_speeds(rps, least)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
