"""How long a merge takes beside the plain ways into a database: COPY, pandas, INSERT … SELECT.

    uv run python -m benchmarks.merge [ROWS] [REPEATS]

Rows have 60 columns of the types that Stripe's charges have. Medians, the ways measured in turn within one run; what
counts are the ratios. A merge tells new from changed from unchanged rows, lets no older row win and counts; the plain
ways do none of that.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psycopg
import pyarrow as pa
from pyarrow import csv
from rich import box
from rich.console import Console
from rich.table import Table as Shown

from connector.databases.base import Counts, Database, Session
from connector.databases.duckdb.database import DuckDB
from connector.databases.merge import Keys, Table
from connector.databases.postgres.database import Postgres
from connector.rows.types import arrow_field
from tests.postgres_server import _server

ROWS, REPEATS = 100_000, 5
KEYS = Keys(("_account_id", "id"), "_changed_at", ("_changed_at", "_synced_at"))
START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {
    "text": 28,
    "integer": 8,
    "boolean": 8,
    "timestamp": 5,
    "json": 4,
    "number": 1,
    "decimal": 1,
    "date": 1,
}


def made(rows: int) -> pa.Table:
    """Return rows of 60 columns, a third of the optional values null, as most of a charge's are."""
    chance = np.random.default_rng(7)
    numbers = np.arange(rows)
    makers: dict[str, Callable[[int], list[Any]]] = {
        "text": lambda at: [f"value_{at}_{number:024x}"[: 8 + 5 * (at % 5)] for number in numbers.tolist()],
        "integer": lambda _: chance.integers(0, 10**7, rows).tolist(),
        "boolean": lambda _: chance.integers(0, 2, rows).astype(bool).tolist(),
        "timestamp": lambda at: (1_700_000_000_000_000 + (numbers * 61 + at) * 1_000_000).tolist(),
        "json": lambda at: [f'{{"order": "{number}", "at": {at}, "tags": ["a", "b"]}}' for number in numbers.tolist()],
        "number": lambda _: chance.random(rows).tolist(),
        "decimal": lambda _: [Decimal(number).scaleb(-4) for number in chance.integers(0, 10**9, rows).tolist()],
        "date": lambda _: (numbers % 20_000).tolist(),
    }
    columns: dict[pa.Field, pa.Array] = {
        arrow_field("_account_id", "text"): pa.repeat("acct_1032D82eZvKYlo2C", rows),
        arrow_field("id", "text"): pa.array([f"ch_3Pabcdefghijkl{number:010d}" for number in numbers.tolist()]),
    }
    for kind, count in KINDS.items():
        for at in range(count):
            field = arrow_field(f"{kind}_{at}", kind)
            empty = chance.random(rows) < (0.33 if at % 2 else 0)
            columns[field] = pa.array(makers[kind](at), field.type, mask=empty)
    for name in ("_changed_at", "_synced_at"):
        field = arrow_field(name, "timestamp")
        columns[field] = pa.repeat(pa.scalar(START, field.type), rows)
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(list(columns)))


def changed(rows: pa.Table, share: float) -> pa.Table:
    """Return the same rows with another amount in the given share of them."""
    old = rows.column("integer_0").to_numpy()
    chosen = np.arange(rows.num_rows) % 100 < share * 100
    at = rows.schema.get_field_index("integer_0")
    return rows.set_column(at, rows.schema.field(at), pa.array(np.where(chosen, old + 1, old)))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Family:
    """One database: its merge, and the plain ways into it that the merge is measured against."""

    def __init__(self, name: str, database: Database, rows: pa.Table) -> None:
        self.name, self.database, self.rows = name, database, rows
        self.table = Table(database.default_schema, "merged")

    def prepared(self, name: str, keys: tuple[str, ...] = KEYS.columns) -> Table:
        """Make a table anew, empty."""
        table = Table(self.database.default_schema, name)
        with self.database.transaction() as session:
            session.execute(f"DROP TABLE IF EXISTS {session.full(table)}")
            session.prepare(table, self.rows.schema, keys)
        return table

    def types(self, name: str) -> dict[str, str]:
        with self.database.transaction() as session:
            return session.column_types(Table(self.database.default_schema, name))

    def merge(self, rows: pa.Table, expected: Counts) -> float:
        def work(session: Session) -> None:
            assert session.upsert(self.table, rows, KEYS) == expected

        def whole() -> None:
            with self.database.transaction() as session:
                work(session)

        return timed(whole)

    def merges(self) -> dict[str, Callable[[], float]]:
        count = self.rows.num_rows
        tenth = count // 10

        def empty() -> float:
            self.prepared("merged")
            return self.merge(self.rows, Counts(inserted=count))

        def full(rows: pa.Table, expected: Counts) -> Callable[[], float]:
            def work() -> float:
                self.prepared("merged")
                self.merge(self.rows, Counts(inserted=count))
                return self.merge(rows, expected)

            return work

        return {
            "merge, into an empty table": empty,
            "merge, all unchanged": full(self.rows, Counts(unchanged=count)),
            "merge, 10 % changed": full(changed(self.rows, 0.1), Counts(updated=tenth, unchanged=count - tenth)),
            "merge, all changed": full(changed(self.rows, 1), Counts(updated=count)),
        }


def postgres_plain(family: Family, url: str) -> dict[str, Callable[[], float]]:
    names = ", ".join(f'"{name}"' for name in family.rows.schema.names)

    def copy() -> float:
        family.prepared("copied")
        with psycopg.connect(url, options="-c timezone=UTC") as connection:
            return timed(lambda: copied(connection))

    def copied(connection: psycopg.Connection[Any]) -> None:
        with connection.cursor().copy(f"COPY copied ({names}) FROM STDIN (FORMAT csv)".encode()) as stream:
            for batch in family.rows.to_batches(max_chunksize=1_000):
                sink = pa.BufferOutputStream()
                csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
                stream.write(sink.getvalue())
        connection.commit()

    def by_pandas() -> float:
        from sqlalchemy import create_engine, text

        family.prepared("by_pandas")
        frame = family.rows.to_pandas()
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        values = ", ".join(f'"{name}" = excluded."{name}"' for name in family.rows.schema.names)
        casts = ", ".join(f'CAST("{name}" AS {kind})' for name, kind in family.types("by_pandas").items())

        def work() -> None:
            with engine.begin() as connection:
                frame.to_sql("pandas_stage", connection, if_exists="replace", index=False)
                connection.execute(
                    text(
                        f"INSERT INTO by_pandas ({names}) SELECT {casts} FROM pandas_stage "
                        f"ON CONFLICT (_account_id, id) DO UPDATE SET {values}"
                    )
                )

        seconds = timed(work)
        engine.dispose()
        return seconds

    return {"plain COPY into a keyed table": copy, "pandas.to_sql, INSERT … ON CONFLICT": by_pandas}


def duckdb_plain(family: Family, path: Path) -> dict[str, Callable[[], float]]:
    def insert() -> float:
        family.prepared("inserted")
        with duckdb.connect(path) as connection:
            connection.register("rows", family.rows)
            return timed(lambda: connection.execute("INSERT INTO inserted SELECT * FROM rows"))

    return {"plain INSERT … SELECT from Arrow": insert}


def measure(name: str, ways: dict[str, Callable[[], float]], repeats: int) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, work in ways.items():
            seconds[way].append(work())
    plain = statistics.median(next(iter(seconds.values())))
    shown = Shown(title=name, box=box.SIMPLE)
    shown.add_column("way")
    for column in ("median s", "fastest s", "slowest s", "ratio"):
        shown.add_column(column, justify="right")
    for way, each in seconds.items():
        middle = statistics.median(each)
        shown.add_row(way, *(f"{value:.2f}" for value in (middle, min(each), max(each))), f"{middle / plain:.2f}")
    Console(width=100).print(shown)


def main(rows: int = ROWS, repeats: int = REPEATS) -> None:
    table, url = made(rows), _server()
    assert len(table.schema) == 60
    title = f"{rows:,} rows of {len(table.schema)} columns, medians of {repeats}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "merge.duckdb")
        with Postgres(url) as postgres:
            family = Family("Postgres", postgres, table)
            measure(f"Postgres: {title}", postgres_plain(family, url) | family.merges(), repeats)
        family = Family("DuckDB", DuckDB(str(path)), table)
        measure(f"DuckDB: {title}", duckdb_plain(family, path) | family.merges(), repeats)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
