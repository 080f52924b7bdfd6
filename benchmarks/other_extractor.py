"""What dlt's rest_api costs beside a sync of ours: the same list into DuckDB, merged by key.

    uv run python -m benchmarks.other_extractor [ROWS] [REPEATS]

dlt is installed from its package into a scratch environment, and runs in two ways: as its documentation has it; and
tuned, with nested values kept as JSON instead of in tables of their own, larger buffers, Parquet to load from, and the
list divided by time into 16 parts that are read side by side. First CPU, where answers come at once and nothing is
limited; then seconds, at 100 requests a second where answers take 100 ms. Aimed at, of the tuned one: a quarter of its
CPU and 3 times its speed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import Spent, list_server, medians, spent
from benchmarks.samples import NEWEST, SECONDS

ROWS, REPEATS = 30_000, 3
PACKAGE = "dlt[duckdb,parquet]==1.31.0"
LATENCY_MS, RPS = 100, 100
LEAST_CPU, LEAST_SPEED = 4, 3

OURS = """
import sys
from connector import Stripe
url, folder, rows, rps = sys.argv[1:]
with Stripe(key="sk_test_x", api_base=url, max_rps=float(rps), max_rps_per_endpoint=float(rps)) as stripe:
    (run,) = stripe.sync(["charges"], to=f"duckdb:///{folder}/ours.duckdb").runs
    assert run.inserted == int(rows), run
"""
DLT = """
import os, sys
url, folder, rows, *_ = sys.argv[1:]
os.environ |= {"DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
import dlt
from dlt.sources.rest_api import rest_api_source
pages = {"type": "cursor", "cursor_path": "data[-1].id", "cursor_param": "starting_after", "has_more_path": "has_more"}
client = {"base_url": url + "/v1/", "auth": {"type": "bearer", "token": "sk_test_x"}, "paginator": pages}
def resource(name, params, **hints):
    endpoint = {"path": "charges", "params": {"limit": 100, **params}, "data_selector": "data"}
    return {"name": name, "table_name": "charges", "primary_key": "id", "endpoint": endpoint, **hints}
def run(resources):
    to = dlt.destinations.duckdb(folder + "/dlt.duckdb")
    pipeline = dlt.pipeline("charges", destination=to, dataset_name="stripe")
    pipeline.run(rest_api_source({"client": client, "resources": resources}))
    assert pipeline.last_trace.last_normalize_info.row_counts["charges"] == int(rows)
"""
DOCUMENTED = f"""
{DLT}
run([resource("charges", {{}}, write_disposition="merge")])
"""
TUNED = f"""
import os
os.environ |= {{
    "EXTRACT__WORKERS": "16", "EXTRACT__MAX_PARALLEL_ITEMS": "32",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000", "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__LOADER_FILE_FORMAT": "parquet",
}}
{DLT}
merge = {{"disposition": "merge", "strategy": "upsert"}}
edges = [{NEWEST + 1} - {SECONDS} * part // 16 for part in range(17)]
run([
    resource(f"part_{{number}}", {{"created[gte]": edges[number + 1], "created[lt]": edges[number]}},
             write_disposition=merge, max_table_nesting=0, parallelized=True)
    for number in range(16)
])
"""


def scratch(folder: Path) -> str:
    """Install dlt into an environment of its own; return its Python."""
    python = folder / "bin" / "python"
    subprocess.run(["uv", "venv", "-q", folder], check=True)
    subprocess.run(["uv", "pip", "install", "-q", "--python", python, PACKAGE], check=True)
    return str(python)


def measured(ways: dict[str, tuple[str, str]], limits: tuple[int, ...], rows: int, repeats: int) -> dict[str, Spent]:
    """Run all ways in turn; return the medians of each."""
    runs: dict[str, list[Spent]] = {way: [] for way in ways}
    with list_server(rows, *limits) as url:
        for repeat in range(repeats + 1):
            for way, (program, python) in ways.items():
                with tempfile.TemporaryDirectory() as folder:
                    run = spent(program, url, folder, str(rows), str(limits[-1] or 100_000), python=python)
                runs[way] += [run] if repeat else []  # the first compiles
    return {way: medians(several) for way, several in runs.items()}


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        python = scratch(Path(folder))
        ways = {
            "first sync into DuckDB": (OURS, sys.executable),
            "dlt, as documented": (DOCUMENTED, python),
            "dlt, tuned": (TUNED, python),
        }
        print(f"{rows:,} varied charges, medians of {repeats}\n{'':<42}{'CPU s':>8}{'s':>8}{'peak MB':>9}{'times':>8}")
        for limits in (0, 0, 0), (LATENCY_MS, RPS, RPS):
            took = measured(ways, limits, rows, repeats)
            ours = took["first sync into DuckDB"]
            for way, its in took.items():
                title = f"{way}, {limits[-1]} requests/s" if limits[-1] else way
                times = its.seconds / ours.seconds if limits[-1] else its.cpu / ours.cpu
                least = LEAST_SPEED if limits[-1] else LEAST_CPU
                missed = f"   MISSED: {least} times ours" if way == "dlt, tuned" and times < least else ""
                print(
                    f"{title:<42}{its.cpu:>8.1f}{its.seconds:>8.1f}{its.peak_mb:>9.0f}{times:>8.1f}{missed}", flush=True
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
