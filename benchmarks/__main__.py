"""All benchmarks, one after the other, a table each.

    uv run python -m benchmarks [NAME…]

Each is a process of its own. It takes some hours, and counts only where nothing else runs; names, as `cost` or `pace`,
run some of them.
"""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.processes import ROOT

QUESTIONS = {
    "flatten": "What does a page of records cost to become a typed table?",
    "cost": "What does reading cost in CPU, beside a bare fetch of the same pages?",
    "again": "What does a sync cost in which nothing has changed?",
    "pace": "What share of a limit does reading reach?",
    "merge": "How long does a merge take, beside the plain ways into a database?",
    "copies": "How many rows a second go where, beside the plain copy of the same Arrow?",
    "memory": "How much memory do four large lists need that are read at once?",
    "query": "How many calls does a question in SQL need?",
    "other_extractor": "What does another extractor need for the same list?",
    "growth": "Does a row cost as much among many rows as among few?",
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in QUESTIONS]
    if unknown:
        print(f"There is no benchmark {unknown[0]}: {', '.join(QUESTIONS)}.", file=sys.stderr)
        return 2
    failed = 0
    for name in names or QUESTIONS:
        print(f"\n{QUESTIONS[name]} (benchmarks.{name})\n", flush=True)
        began = time.perf_counter()
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode != 0
        print(f"\n{time.perf_counter() - began:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
