"""What a sync costs in which nothing has changed: three endpoints of the sandbox, again and again, into DuckDB.

    uv run python -m benchmarks.again [REPEATS]

CPU of a whole process, start-up included, beside that of a process that only imports what a sync does; medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile

from benchmarks.processes import spent
from connector.sandbox import Sandbox

REPEATS = 5

SYNC = """
import sys
from connector import Stripe
with Stripe(key="sk_test_sandbox", api_base=sys.argv[1], max_rps=100_000, max_rps_per_endpoint=100_000) as stripe:
    report = stripe.sync(["customers", "products", "charges"], to=f"duckdb:///{sys.argv[2]}/sync.duckdb")
    assert not report.failed
"""
IMPORTS = """
import duckdb, httpx, pyarrow.compute
import connector.databases.duckdb.database, connector.sync.run
"""


def main(repeats: int = REPEATS) -> None:
    with Sandbox(rps=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        for _ in range(2):  # the first load, and the one after it, which compiles what only later runs import
            spent(SYNC, sandbox.url, folder)
        spent(IMPORTS)
        runs = [(spent(SYNC, sandbox.url, folder).cpu, spent(IMPORTS).cpu) for _ in range(repeats)]
    again, imports = (statistics.median(figures) for figures in zip(*runs, strict=True))
    print(f"nothing has changed, medians of {repeats}: {again:.2f} CPU s, of which imports {imports:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
