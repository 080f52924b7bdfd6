"""The contract of every target, its cases named after the trouble, and the troubles of files, pipes and DuckDB."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from connector.errors import UsageError
from connector.files.formats import WriteOptions
from connector.result import check_place
from connector.rows import batches as batch_sizes
from tests.row_batches import DECIMAL, JSON, NOON, TEXT, TIME, rows, write_rows

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Kind:
    """A kind of target: where it writes, how its rows are read back, and what becomes of a value on the way."""

    name: str
    read: Callable[[Path], tuple[list[str], Rows]]
    expected: Callable[[Any], Any]
    suffix: str
    options: WriteOptions = WriteOptions()  # noqa: RUF009
    knows_null: bool = True

    def place(self, folder: Path) -> Path:
        return folder / f"rows{self.suffix}"

    def write(self, folder: Path, *batches: pa.RecordBatch) -> int:
        return self.stream(folder, batches[0].schema, iter(batches))

    def stream(self, folder: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        return write_rows(self.place(folder), schema, batches, self.options, mode="replace")

    def found(self, folder: Path) -> Rows:
        return self.read(self.place(folder))[1]


def read_csv(path: Path) -> tuple[list[str], Rows]:
    """Read by DuckDB, which can tell an empty text from a null."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = next(csv.reader(stream))
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(header)))
    dialect = "header=true, auto_detect=false, delim=',', quote='\"', escape='\"', allow_quoted_nulls=false"
    with duckdb.connect() as connection:
        query = f"FROM read_csv('{path.as_posix()}', {dialect}, columns={{{columns}}})"
        return header, connection.sql(query).fetchall()


def read_json_lines(path: Path) -> tuple[list[str], Rows]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return list(lines[0]) if lines else [], [tuple(line.values()) for line in lines]


def read_parquet(path: Path) -> tuple[list[str], Rows]:
    return as_rows(pq.read_table(path))


def read_excel(path: Path) -> tuple[list[str], Rows]:
    header, *found = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    return [str(name) for name in header], [tuple(row) for row in found]


def read_duckdb(path: Path) -> tuple[list[str], Rows]:
    with duckdb.connect(path) as connection:
        return as_rows(connection.sql('FROM "order"').to_arrow_table())


def as_rows(table: pa.Table) -> tuple[list[str], Rows]:
    return table.column_names, list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def in_csv(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return in_json(value) if value is None or isinstance(value, datetime) else str(value)


def in_csv_for_excel(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value[:1] in tuple("=+-@\t\r\n") else in_csv(value)


def in_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Decimal | date) else value


def in_excel(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, int) and abs(value) >= 10**15:
        return str(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def unchanged(value: Any) -> Any:
    return value


KINDS = [
    Kind("csv", read_csv, in_csv, ".csv"),
    Kind("csv-excel", read_csv, in_csv_for_excel, ".csv", WriteOptions(excel_csv=True)),
    Kind("jsonl", read_json_lines, in_json, ".jsonl"),
    Kind("parquet", read_parquet, unchanged, ".parquet"),
    Kind("xlsx", read_excel, in_excel, ".xlsx", knows_null=False),
    Kind("duckdb", read_duckdb, unchanged, ".duckdb", WriteOptions(table="order")),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def numbers(*values: int) -> pa.RecordBatch:
    return rows(id=(TEXT, [f"in_{value}" for value in values]), n=(pa.int64(), list(values)))


def ids(found: Rows) -> list[str]:
    return [row[0] for row in found]


# The contract of all targets


@every_kind
def test_empty_result_is_a_whole_file_with_its_columns(kind: Kind, tmp_path: Path) -> None:
    assert kind.stream(tmp_path, numbers(1).schema, iter([])) == 0
    header, found = kind.read(kind.place(tmp_path))
    assert found == []
    assert header == ([] if kind.name == "jsonl" else ["id", "n"])  # JSON Lines has no header


HOSTILE_TEXTS = [
    '"', '""', "a,b", "a\nb", "a\rb", "a\r\nb", "=1+1", "+1", "-1", "@a", "\ta", " a ", " ", "\\", "\\N", "NULL",
    "null", "😀", "é", "\u2028", "'", "''", "<r>a</r>", "&amp;", "_x0041_", "\x07", "\0", "1e5", "007", "true", "#",
    "2024-01-31", "{", "'; DROP TABLE x; --", "x" * 5_000,
]  # fmt: skip


@every_kind
def test_hostile_text_survives(kind: Kind, tmp_path: Path) -> None:
    batch = rows(a=(TEXT, HOSTILE_TEXTS), b=(TEXT, HOSTILE_TEXTS[::-1]))
    assert kind.write(tmp_path, batch) == len(HOSTILE_TEXTS)
    wanted = [kind.expected(text) for text in HOSTILE_TEXTS]
    assert kind.found(tmp_path) == list(zip(wanted, wanted[::-1], strict=True))


@every_kind
def test_nulls_are_not_empty_strings(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path, rows(a=(TEXT, [None, "", None]), b=(TEXT, ["", None, None])))
    wanted = [(None, ""), ("", None), (None, None)] if kind.knows_null else [("", "")] * 2
    assert kind.found(tmp_path)[: len(wanted)] == wanted


@every_kind
def test_big_integers_stay_exact(kind: Kind, tmp_path: Path) -> None:
    values = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 999_999_999_999_999, 0]
    kind.write(tmp_path, rows(n=(pa.int64(), values)))
    assert kind.found(tmp_path) == [(kind.expected(value),) for value in values]


@every_kind
def test_decimals_exact(kind: Kind, tmp_path: Path) -> None:
    texts = ["0.1", "0.000000000001", "12345678901234567890123456.123456789012", "-3", "100", "0"]
    kind.write(tmp_path, rows(d=(DECIMAL, [Decimal(text) for text in texts])))
    found = [Decimal(str(row[0])) for row in kind.found(tmp_path)]
    assert found == [Decimal(text) for text in texts]


@every_kind
def test_timestamps_utc(kind: Kind, tmp_path: Path) -> None:
    values = [NOON, datetime(2024, 3, 31, 1, 30, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), None]
    kind.write(tmp_path, rows(t=(TIME, values), id=(TEXT, ["x"] * len(values))))
    found = [as_datetime(row[0]) for row in kind.found(tmp_path)]
    assert found == [as_datetime(kind.expected(value)) for value in values]


def as_datetime(cell: Any) -> Any:
    """Excel's readers take a midnight for a day."""
    return datetime(cell.year, cell.month, cell.day) if type(cell) is date else cell  # noqa: DTZ001


@every_kind
def test_other_types_survive(kind: Kind, tmp_path: Path) -> None:
    batch = rows(
        id=(TEXT, ["a", "b", "c"]),
        ok=(pa.bool_(), [True, False, None]),
        day=(pa.date32(), [date(2024, 2, 29), date(9999, 12, 30), None]),
        rate=(pa.float64(), [25.5, -0.125, None]),
    )
    kind.write(tmp_path, batch)
    assert kind.found(tmp_path) == [tuple(kind.expected(value) for value in row.values()) for row in batch.to_pylist()]


@every_kind
def test_json_columns(kind: Kind, tmp_path: Path) -> None:
    values = ['{"order":"6735","tags":["a","b"],"n":1.10}', "[]", '"text"', None]
    kind.write(tmp_path, rows(id=(TEXT, ["a", "b", "c", "d"]), metadata=(JSON, values)))
    found = [row[1] for row in kind.found(tmp_path)]
    if kind.name == "jsonl":
        assert found == [json.loads(value) if value else None for value in values]
    else:
        assert found == [kind.expected(value) for value in values]


ODD_NAMES = ["order", "a b", 'quote"d', "it's", "comma,", "😀", "Größe", "select", "a.b", "new\nline", "_extra", "1"]


@every_kind
def test_reserved_words_and_odd_names(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path, rows(**{name: (JSON if name == 'quote"d' else TEXT, ["1"]) for name in ODD_NAMES}))
    assert kind.read(kind.place(tmp_path))[0] == ODD_NAMES


@every_kind
def test_column_order_stable(kind: Kind, tmp_path: Path) -> None:
    names = [f"c{place}" for place in range(60)]
    random.Random(1).shuffle(names)
    kind.write(tmp_path, rows(**{name: (TEXT, [name]) for name in names}))
    assert kind.read(kind.place(tmp_path)) == (names, [tuple(names)])


@every_kind
def test_many_small_batches(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sizes, "GROUP_ROWS", 64)
    batches = [numbers(*range(start, start + 7)) for start in range(0, 700, 7)]
    assert kind.write(tmp_path, numbers().slice(0, 0), *batches) == 700
    assert ids(kind.found(tmp_path)) == [f"in_{value}" for value in range(700)]


@every_kind
def test_second_run_replaces_all_rows_and_columns(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path, numbers(1, 2, 3))
    kind.write(tmp_path, rows(other=(TEXT, ["x"])))
    is_table = kind.name == "duckdb"  # whose columns stay, for views and grants that need them
    expected = (["id", "n", "other"], [(None, None, "x")]) if is_table else (["other"], [("x",)])
    assert kind.read(kind.place(tmp_path)) == expected


def interrupted() -> None:
    signal.raise_signal(signal.SIGINT)


def failing() -> None:
    raise ZeroDivisionError


def broken_network() -> None:
    raise ConnectionResetError("the source's own trouble")


@every_kind
@pytest.mark.parametrize("trouble", [interrupted, failing, broken_network])
@pytest.mark.parametrize("old_rows", [[1, 2, 3], []], ids=["replaces", "is_new"])
def test_replaced_when_whole_else_untouched(
    kind: Kind, trouble: Callable[[], None], old_rows: list[int], tmp_path: Path
) -> None:
    if old_rows:
        kind.write(tmp_path, numbers(*old_rows))
    before = sorted(path.name for path in tmp_path.iterdir())

    def batches() -> Iterator[pa.RecordBatch]:
        yield (
            numbers(*range(batch_sizes.GROUP_ROWS + 1)) if kind.name in {"parquet", "duckdb"} else numbers(*range(500))
        )
        trouble()

    with pytest.raises((KeyboardInterrupt, ZeroDivisionError, ConnectionResetError)) as caught:
        kind.stream(tmp_path, numbers(1).schema, batches())
    assert caught.traceback[-1].name in {trouble.__name__, "raise_signal"}
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    if old_rows:
        assert ids(kind.found(tmp_path)) == [f"in_{value}" for value in old_rows]


KILLED_CHILD = """
import sys
import pyarrow as pa
from connector.rows import batches as batch_sizes
from connector.files.formats import WriteOptions
from connector.result import Result

batch_sizes.GROUP_ROWS = 1_000
schema = pa.schema([("id", pa.string()), ("n", pa.int64())])
paths = sys.argv[2:]

def batches():
    for number in range(int(sys.argv[1])):
        yield pa.record_batch([pa.array(["new"] * 500), pa.array(range(500))], schema=schema)
    if paths:
        write(paths.pop())  # and so all targets are in the middle of their rows at once
    print("ready", flush=True)
    sys.stdin.read()

def write(path):
    Result("rows", schema, lambda _: batches()).to(path, WriteOptions(table="order"), mode="replace")

write(paths.pop())
"""


@pytest.mark.parametrize("batches_before_kill", random.Random(2).sample(range(50), 2))
def test_killed_in_the_middle_the_old_rows_are_whole_and_the_next_run_works(
    tmp_path: Path, batches_before_kill: int
) -> None:
    kinds = [kind for kind in KINDS if kind.name != "csv-excel"]
    for kind in kinds:
        kind.write(tmp_path, numbers(1, 2, 3))
    command = [
        sys.executable,
        "-c",
        KILLED_CHILD,
        str(batches_before_kill),
        *(str(kind.place(tmp_path)) for kind in kinds),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline().strip() == b"ready"
        writer.kill()
    left_over = {path.suffix for path in tmp_path.iterdir()} - {kind.suffix for kind in kinds}
    assert left_over <= {".part", ".wal"}  # never a name that a pattern such as *.csv finds
    for kind in kinds:
        assert ids(kind.found(tmp_path)) == ["in_1", "in_2", "in_3"]
        kind.write(tmp_path, numbers(4))
        assert ids(kind.found(tmp_path)) == ["in_4"]


# What open_target understands


@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        ("postgresql://me:secret@db/crm", WriteOptions(), "Name the table: --table crm.leads"),
        ("postgresql://me:secret@db/crm", WriteOptions(format="csv"), "postgresql://… is a database"),
        ("ducdb:///a.duckdb", WriteOptions(), "Did you mean duckdb?"),
        ("duckdb://a.duckdb", WriteOptions(table="t"), "duckdb:///stripe.duckdb"),
        ("duckdb:///", WriteOptions(table="t"), "duckdb:///stripe.duckdb"),
        ("duckdb:///a.duckdb?tabel=t", WriteOptions(), 'no setting "tabel". Did you mean table?'),
        ("duckdb:///a.duckdb", WriteOptions(), "Name the table: --table crm.leads"),
        ("a.duckdb", WriteOptions(table="a.b.c"), "NAME or SCHEMA.NAME"),
        ("a.duckdb", WriteOptions(table=".c"), "NAME or SCHEMA.NAME"),
        ("a.duckdb", WriteOptions(format="csv", table="t"), "a.duckdb is a database"),
        ("duckdb:///:memory:?table=t", WriteOptions(), "gone when the run ends"),
        ("a.html", WriteOptions(), ".csv, .jsonl, .ndjson, .parquet, .xlsx"),
        ("", WriteOptions(), "does not say which format"),
    ],
)
def test_names_that_cannot_be_written_to_are_usage_errors(to: str, options: WriteOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        write_rows(to, numbers().schema, [], options)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_opening_a_target_writes_nothing(tmp_path: Path) -> None:
    for kind in KINDS:
        check_place(str(kind.place(tmp_path)), kind.options, table="order", mode="replace")
    assert list(tmp_path.iterdir()) == []
