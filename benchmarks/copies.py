"""Rows a second into DuckDB, Postgres, Parquet and CSV, beside the plain copy of the same Arrow.

    uv run python -m benchmarks.copies [ROWS] [REPEATS]

Rows have the 60 columns of `benchmarks.merge`. Each target is written plainly, then by `load`, in turn, into a table or
a file that is not there yet; medians. A plain copy looks at no key and at no value, and counts nothing.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from benchmarks.merge import KEYS, Family, duckdb_plain, made, postgres_plain, timed
from connector import Stripe
from connector.databases.duckdb.database import DuckDB
from connector.databases.postgres.database import Postgres
from tests.postgres_server import _server

ROWS, REPEATS = 100_000, 5
Ways = dict[str, Callable[[], float]]


def by_load(rows: pa.Table, to: str, family: Family) -> Ways:
    """Return the two ways in which rows that are all new come into a database."""

    def load(mode: str, *keys: str) -> float:
        with family.database.transaction() as session:
            session.execute("DROP TABLE IF EXISTS loaded")
        return timed(lambda: Stripe.load(rows, to, "loaded", mode=mode, key=keys))

    return {"load, appended": lambda: load("append"), "load, merged by key": lambda: load("upsert", *KEYS.columns)}


def files(rows: pa.Table, folder: Path) -> dict[str, Ways]:
    """Return the ways into files, each in a format's own settings, which are ours."""
    parquet, text = folder / "plain.parquet", folder / "plain.csv"
    loaded = {format_: str(folder / f"loaded.{format_}") for format_ in ("parquet", "csv")}
    return {
        "Parquet": {
            "plain write_table, zstd": lambda: timed(lambda: pq.write_table(rows, parquet, compression="zstd")),
            "load": lambda: timed(lambda: Stripe.load(rows, loaded["parquet"], mode="replace")),
        },
        "CSV": {
            "plain write_csv": lambda: timed(lambda: csv.write_csv(rows, text)),
            "load": lambda: timed(lambda: Stripe.load(rows, loaded["csv"], mode="replace")),
        },
    }


def show(name: str, ways: Ways, rows: int, repeats: int) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for repeat in range(repeats + 1):
        for way, work in ways.items():
            took = work()
            seconds[way] += [took] if repeat else []  # the first imports
    medians = {way: statistics.median(each) for way, each in seconds.items()}
    plain = next(iter(medians.values()))
    for way, middle in medians.items():
        print(f"{f'{name}: {way}':<52}{middle:>9.2f}{rows / middle:>12,.0f}{middle / plain:>8.2f}", flush=True)


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    table, url = made(rows), _server()
    print(f"{f'{rows:,} rows of 60 columns, medians of {repeats}':<52}{'s':>9}{'rows/s':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder, Postgres(url) as postgres:
        path = Path(folder, "copies.duckdb")
        family = Family("DuckDB", DuckDB(str(path)), table)
        show("DuckDB", duckdb_plain(family, path) | by_load(table, f"duckdb:///{path}", family), rows, repeats)
        family = Family("Postgres", postgres, table)
        plain = postgres_plain(family, url)
        plain.pop("pandas.to_sql, INSERT … ON CONFLICT")
        show("Postgres", plain | by_load(table, url, family), rows, repeats)
        for name, ways in files(table, Path(folder)).items():
            show(name, ways, rows, repeats)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
