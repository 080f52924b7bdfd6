"""Whether a row costs as much among many rows as among few: first loads and full reads again, DuckDB and Postgres.

    uv run python -m benchmarks.growth [FEW] [MANY] [REPEATS]

A first load, a full read in which nothing has changed, and one in which one row of a hundred has: each for few rows and
for many in turn, medians. CPU is that of the whole process, start-up included, and for Postgres that of the server's
processes (on Linux, where they can be asked for it), too. Aimed at: at most 1.2 times as much a row, at most 400 MB, at
most 1.1 × rows / 100 + 50 requests.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from benchmarks.processes import Spent, list_server, medians, spent
from tests.postgres_server import _server

FEW, MANY, REPEATS = 100_000, 1_000_000, 1
MOST_RATIO, MOST_MB = 1.2, 400

SYNC = """
import sys
from connector import Stripe
url, target, how, *expected = sys.argv[1:]
with Stripe(key="sk_test_x", api_base=url, max_rps=100_000, max_rps_per_endpoint=100_000) as stripe:
    (run,) = stripe.sync(["charges"], to=target, full=how == "full").runs
    assert run.error is None, run.error
    assert [run.inserted, run.updated, run.unchanged] == [int(count) for count in expected], run
"""


@dataclass
class Size:
    """So many rows, the server that has them, and the databases that they are synced into."""

    rows: int
    url: str
    targets: dict[str, str] = field(default_factory=dict)
    runs: dict[tuple[str, str], list[Spent]] = field(default_factory=dict)
    requests: dict[tuple[str, str], int] = field(default_factory=dict)

    def counted(self) -> int:
        return len(json.loads(asked(self.url, "/counts"))["asked"])

    def sync(self, target: str, step: str, how: str, expected: Sequence[int]) -> None:
        before, cpu_before = self.counted(), server_cpu(self.targets[target])
        run = spent(SYNC, self.url, self.targets[target], how, *map(str, expected))
        run = replace(run, cpu=run.cpu + server_cpu(self.targets[target]) - cpu_before)
        self.runs.setdefault((target, step), []).append(run)
        self.requests[target, step] = self.counted() - before

    def first(self, target: str) -> None:
        self.sync(target, "first load", "", (self.rows, 0, 0))

    def unchanged(self, target: str) -> None:
        self.sync(target, "nothing changed", "full", (0, 0, self.rows))

    def changed(self, target: str) -> None:
        asked(self.url, "/change")
        few = -(-self.rows // 100)
        self.sync(target, "1 % changed", "full", (0, few, self.rows - few))


STEPS: tuple[Callable[[Size, str], None], ...] = (Size.first, Size.unchanged, Size.changed)


def asked(url: str, path: str) -> bytes:
    with urllib.request.urlopen(url + path) as response:
        body: bytes = response.read()
        return body


def server_cpu(target: str) -> float:
    """Return the CPU seconds that all processes of a Postgres server have taken so far."""
    if not target.startswith("postgresql") or sys.platform != "linux":
        return 0.0
    with psycopg.connect(target) as connection:
        backend = connection.info.backend_pid
        there = {number: (parent, ticks) for number, parent, ticks in processes()}
    postmaster = there[backend][0]
    ticks = sum(ticks for number, (parent, ticks) in there.items() if postmaster in {number, parent})
    return ticks / os.sysconf("SC_CLK_TCK")


def processes() -> Iterator[tuple[int, int, int]]:
    """Yield each process: its number, its parent's, and the clock's ticks that it and those that it waited for took."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rpartition(") ")[2].split()
            yield int(stat.parent.name), int(fields[1]), sum(map(int, fields[11:15]))


def targets(folder: Path, rows: int, postgres: str) -> dict[str, str]:
    """Return databases that are not there yet, or empty."""
    name, file = f"growth_{rows}", folder / f"growth_{rows}.duckdb"
    file.unlink(missing_ok=True)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    return {"DuckDB": f"duckdb:///{file}", "Postgres": urlsplit(postgres)._replace(path=f"/{name}").geturl()}


def show(few: Size, many: Size) -> None:
    headings = (f"µs a row of {few.rows:,}", 22), (f"of {many.rows:,}", 14), ("ratio", 8), ("s", 8), ("peak MB", 9)
    print(f"{'':<28}{''.join(f'{word:>{width}}' for word, width in headings)}{'requests':>10}{'at most':>9}")
    for target, step in many.runs:
        small, large = medians(few.runs[target, step]), medians(many.runs[target, step])
        small_us, large_us = small.cpu / few.rows * 1e6, large.cpu / many.rows * 1e6
        requests, most_requests = many.requests[target, step], int(1.1 * many.rows / 100 + 50)
        ratio = large_us / small_us
        missed = "   MISSED" if ratio > MOST_RATIO or large.peak_mb > MOST_MB or requests > most_requests else ""
        print(
            f"{f'{target}: {step}':<28}{small_us:>22.0f}{large_us:>14.0f}{ratio:>8.2f}{large.seconds:>8.0f}"
            f"{large.peak_mb:>9.0f}{requests:>10,}{most_requests:>9,}{missed}",
            flush=True,
        )


def main(few: int = FEW, many: int = MANY, repeats: int = REPEATS) -> None:
    postgres = _server()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        sizes = [Size(rows, opened.enter_context(list_server(rows))) for rows in (few, many)]
        spent(
            SYNC, sizes[0].url, f"duckdb:///{folder}/compiled.duckdb", "", *map(str, (few, 0, 0))
        )  # the first compiles
        for _ in range(repeats):
            for size in sizes:
                size.targets = targets(folder, size.rows, postgres)
            for target in sizes[0].targets:
                for step in STEPS:
                    for size in sizes:
                        step(size, target)
        show(*sizes)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
