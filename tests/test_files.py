"""What each row format puts into a file, byte for byte where readers depend on it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import click
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.cli.app import commands
from connector.errors import TargetError, UsageError
from connector.files.formats import FORMATS, WriteOptions, choose_format
from connector.rows import batches
from connector.rows.batches import regroup
from tests.row_batches import DECIMAL, JSON, NOON, TEXT, TIME, rows, written

hostile = st.lists(st.sampled_from([*"\",\r\n \t\\\0=+-@'😀\u2028é{}", "", "null", "\\N"])).map("".join)
texts = st.none() | hostile | st.text()
pairs = st.lists(st.tuples(texts, texts), max_size=6)
numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
decimals = st.none() | st.decimals(-(10**25), 10**25, places=12)
floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)
times = st.none() | st.datetimes(timezones=st.just(UTC))
typed = st.lists(st.tuples(texts, numbers, decimals, floats, st.none() | st.booleans(), times), max_size=6)
TYPED = (TEXT, pa.int64(), DECIMAL, pa.float64(), pa.bool_(), TIME)


def columns_of(
    kinds: tuple[pa.DataType, ...], values: list[tuple[Any, ...]]
) -> dict[str, tuple[pa.DataType, list[Any]]]:
    return {f"c{place}": (kind, [row[place] for row in values]) for place, kind in enumerate(kinds)}


# CSV


def test_csv_is_rfc_4180() -> None:
    batch = rows(
        id=(TEXT, ["in_1", 'say "hi"', "a,b", "two\r\nlines"]),
        n=(pa.int64(), [1, None, -(2**63), 2**63 - 1]),
    )
    assert written("csv", batch) == (
        b'id,n\r\nin_1,1\r\n"say ""hi""",\r\n"a,b",-9223372036854775808\r\n"two\r\nlines",9223372036854775807\r\n'
    )


def test_csv_keeps_null_and_empty_text_apart() -> None:
    assert written("csv", rows(a=(TEXT, [None, ""]), b=(TEXT, ["", None]))) == b'a,b\r\n,""\r\n"",\r\n'


def test_csv_null_in_a_single_column_is_still_a_row() -> None:
    text = written("csv", rows(a=(pa.int64(), [1, None, 2]))).decode()
    assert text == 'a\r\n1\r\n""\r\n2\r\n'
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 4


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (DECIMAL, Decimal(0), "0"),
        (DECIMAL, Decimal("1E-12"), "0.000000000001"),
        (DECIMAL, Decimal("-0.0000005"), "-0.0000005"),
        (DECIMAL, Decimal(100), "100"),
        (DECIMAL, Decimal("12345678901234567890123456.000000000001"), "12345678901234567890123456.000000000001"),
        (pa.decimal128(38, 0), Decimal(10**37), "1" + "0" * 37),
        (pa.float64(), 0.1, "0.1"),
        (pa.float64(), 0.1 + 0.2, "0.30000000000000004"),
        (pa.float64(), 25.0, "25"),
        (pa.bool_(), True, "true"),
        (pa.bool_(), False, "false"),
        (TIME, NOON, "2024-01-31T12:00:00Z"),
        (TIME, NOON.replace(microsecond=5), "2024-01-31T12:00:00.000005Z"),
        (TIME, datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (pa.timestamp("us"), datetime(2024, 1, 31, 12), "2024-01-31T12:00:00"),  # noqa: DTZ001
        (pa.timestamp("s", "Europe/Berlin"), NOON, "2024-01-31T12:00:00Z"),
        (pa.date32(), date(2024, 2, 29), "2024-02-29"),
    ],
)
def test_values_as_text(kind: pa.DataType, value: object, text: str) -> None:
    assert written("csv", rows(a=(kind, [value]), b=(TEXT, ["x"]))).decode() == f"a,b\r\n{text},x\r\n"


def test_csv_times_with_and_without_a_fraction_in_one_batch() -> None:
    batch = rows(t=(TIME, [NOON, NOON.replace(microsecond=250_000)]), b=(TEXT, ["", ""]))
    assert written("csv", batch) == b't,b\r\n2024-01-31T12:00:00Z,""\r\n2024-01-31T12:00:00.250000Z,""\r\n'


@given(pairs)
@example([("\0", "\r"), (None, ""), ("", None), (" ", '"')])
def test_csv_read_by_python_is_the_same_text(values: list[tuple[str | None, str | None]]) -> None:
    content = written("csv", rows(**columns_of((TEXT, TEXT), values))).decode()
    found = list(csv.reader(io.StringIO(content, newline="")))[1:]
    assert found == [[a or "", b or ""] for a, b in values]


@pytest.fixture(scope="module")
def read_with_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], list[tuple[Any, ...]]]:
    path, connection = tmp_path_factory.mktemp("csv") / "rows.csv", duckdb.connect()

    def read(content: bytes) -> list[tuple[Any, ...]]:
        path.write_bytes(content)
        dialect = "header=true, auto_detect=false, delim=',', quote='\"', escape='\"', allow_quoted_nulls=false"
        columns = "{'c0': 'VARCHAR', 'c1': 'VARCHAR'}"
        return connection.sql(f"FROM read_csv('{path.as_posix()}', {dialect}, columns={columns})").fetchall()

    return read


@given(values=pairs)
@example(values=[("\0", "\r"), (None, ""), ("", None), (" ", '"')])
@settings(max_examples=60, deadline=None)
def test_csv_read_by_duckdb_is_the_same_text_and_null(
    read_with_duckdb: Callable[[bytes], list[tuple[Any, ...]]], values: list[tuple[str | None, str | None]]
) -> None:
    found = read_with_duckdb(written("csv", rows(**columns_of((TEXT, TEXT), values))))
    assert found == values


@given(typed)
def test_csv_numbers_and_times_come_back_exact(values: list[tuple[Any, ...]]) -> None:
    content = written("csv", rows(**columns_of(TYPED, values))).decode()
    kinds: list[Callable[[str], Any]] = [
        str,
        int,
        Decimal,
        float,
        {"true": True, "false": False}.get,
        datetime.fromisoformat,
    ]
    for row, found in zip(values, list(csv.reader(io.StringIO(content, newline="")))[1:], strict=True):
        for value, text, kind in zip(row[1:], found[1:], kinds[1:], strict=True):
            assert (kind(text) if text else None) == value
            assert kind is float or "E" not in text.upper().replace("TRUE", "").replace("FALSE", "")


def test_csv_for_excel_defuses_text_and_leaves_numbers_alone() -> None:
    batch = rows(
        t=(TEXT, ["=1+1", "+49 30", "-5", "@x", "\tx", "\rx", "\nx", "＝1", "a=b", "", None]),
        n=(pa.int64(), [-5] * 11),
    )
    lines = written("csv", batch, excel_csv=True).decode("utf-8")
    assert lines.startswith("\ufefft,n\r\n")
    found = list(csv.reader(io.StringIO(lines[1:], newline="")))[1:]
    assert [row[0] for row in found] == [
        "'=1+1",
        "'+49 30",
        "'-5",
        "'@x",
        "'\tx",
        "'\rx",
        "'\nx",
        "'＝1",
        "a=b",
        "",
        "",
    ]
    assert {row[1] for row in found} == {"-5"}


def test_csv_for_excel_defuses_column_names() -> None:
    assert written("csv", rows(**{"=1+1": (pa.int64(), [1])}), excel_csv=True) == b"\xef\xbb\xbf'=1+1\r\n1\r\n"


def test_plain_csv_has_no_byte_order_mark_and_no_apostrophes() -> None:
    assert written("csv", rows(a=(TEXT, ["=1"]))) == b"a\r\n=1\r\n"


# JSON Lines


def test_json_lines_keep_json_nested_and_decimals_exact() -> None:
    batch = rows(
        id=(TEXT, ['a"b\n', None]),
        metadata=(JSON, ['{"big":12345678901234567890,"x":[1.10,"é"]}', None]),
        n=(pa.int64(), [2**63 - 1, None]),
        d=(DECIMAL, [Decimal("0.10"), None]),
        sum=(pa.decimal128(38, 0), [Decimal(2**70), None]),
        ok=(pa.bool_(), [True, None]),
        t=(TIME, [NOON, None]),
        day=(pa.date32(), [date(2024, 1, 31), None]),
    )
    first, second = written("jsonl", batch).decode().splitlines()
    assert first == (
        '{"id":"a\\"b\\n","metadata":{"big":12345678901234567890,"x":[1.10,"é"]},"n":9223372036854775807,"d":"0.1",'
        '"sum":1180591620717411303424,"ok":true,"t":"2024-01-31T12:00:00Z","day":"2024-01-31"}'
    )
    assert set(json.loads(second).values()) == {None}


def test_json_lines_stay_lines_when_the_json_was_pretty_printed() -> None:
    content = written("jsonl", rows(j=(JSON, ['{\r\n  "a": "x\\ny"\n}']))).decode()
    assert content.count("\n") == 1
    assert json.loads(content) == {"j": {"a": "x\ny"}}


@given(typed)
@example([('\0\x1f\x7f\u2028\\"/', 0, Decimal(0), -0.0, None, None)])
def test_json_lines_come_back_the_same(values: list[tuple[Any, ...]]) -> None:
    content = written("jsonl", rows(**columns_of(TYPED, values))).decode()
    kinds: list[Callable[[Any], Any]] = [str, int, Decimal, float, bool, datetime.fromisoformat]
    lines = content.split("\n")
    assert lines.pop() == ""
    for row, line in zip(values, lines, strict=True):
        found = json.loads(line).values()
        assert [None if cell is None else kind(cell) for cell, kind in zip(found, kinds, strict=True)] == list(row)


@given(st.lists(st.none() | st.recursive(st.booleans() | st.text() | st.integers(), st.lists), max_size=5))
def test_json_lines_take_any_json_value_verbatim(values: list[Any]) -> None:
    stored = [None if value is None else json.dumps(value, separators=(",", ":")) for value in values]
    content = written("jsonl", rows(j=(JSON, stored))).decode()
    assert content == "".join(f'{{"j":{text or "null"}}}\n' for text in stored)


@pytest.mark.parametrize("form", ["jsonl", "xlsx"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_the_format_does_not_know_are_refused_by_column_and_row(form: str, value: float) -> None:
    first, second = rows(rate=(pa.float64(), [1.0, 2.0])), rows(rate=(pa.float64(), [3.0, value]))
    with pytest.raises(TargetError, match=r'"rate".*row 4'):
        written(form, first, second)


# Parquet


def parquet(content: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(io.BytesIO(content))


def test_parquet_keeps_types_and_the_mark_of_json() -> None:
    batch = rows(
        j=(JSON, ['{"a":1}']), t=(TIME, [NOON]), d=(DECIMAL, [Decimal("0.1")]), day=(pa.date32(), [NOON.date()])
    )
    table = parquet(written("parquet", batch)).read()
    assert table.schema.equals(batch.schema, check_metadata=True)
    assert table.to_batches() == [batch]


def test_parquet_row_groups_do_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "GROUP_ROWS", 1_000)
    batch = rows(n=(pa.int64(), list(range(2_500))))
    one, small = written("parquet", batch), written("parquet", *[batch.slice(at, 70) for at in range(0, 2_500, 70)])
    assert one == small
    metadata = parquet(one).metadata
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [1_000, 1_000, 500]
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_long_texts_end_a_group_before_its_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_GROUP_BYTES", 50_000)
    batch = rows(a=(TEXT, ["x" * 1_000] * 10))
    sizes = [table.num_rows for table in regroup(iter([batch] * 12), batch.schema)]
    assert sizes == [50, 50, 20]


@given(st.lists(st.integers(0, 25), max_size=20))
def test_regrouping_loses_and_reorders_nothing(sizes: list[int]) -> None:
    batch = rows(n=(pa.int64(), list(range(sum(sizes)))))
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    pieces = [batch.slice(start, size) for start, size in zip(starts, sizes, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "GROUP_ROWS", 10)
        tables = list(regroup(iter(pieces), batch.schema))
    assert [value for table in tables for value in table["n"].to_pylist()] == list(range(sum(sizes)))
    assert all(table.num_rows == 10 for table in tables[:-1])


# All formats


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_lists_are_refused_by_name_where_the_format_has_none(form: str) -> None:
    with pytest.raises(TargetError, match='"items" is a list'):
        written(form, rows(items=(pa.list_(pa.int64()), [[1]])))


def test_columns_of_the_same_name_are_refused() -> None:
    batch = pa.record_batch([pa.array(["1"]), pa.array(["2"])], names=["id", "id"])
    with pytest.raises(TargetError, match='Two columns are called "id"'):
        written("jsonl", batch)


def test_empty_batches_leave_no_trace() -> None:
    batch = rows(a=(TEXT, ["x"]), b=(TEXT, ["y"]))
    for form in ("csv", "jsonl", "parquet"):
        assert written(form, batch.slice(0, 0), batch, batch.slice(0, 0)) == written(form, batch)


@pytest.mark.parametrize(
    ("name", "form", "chosen"),
    [
        ("a.csv", None, "csv"),
        ("A.CSV", None, "csv"),
        ("a.ndjson", None, "jsonl"),
        ("a.xlsx", "xlsx", "xlsx"),
        ("a.txt", "csv", "csv"),
        ("a", "parquet", "parquet"),
        ("v1.2 of may.jsonl", None, "jsonl"),
    ],
)
def test_format_is_told_by_suffix_or_option(name: str, form: str | None, chosen: str) -> None:
    assert choose_format(name, WriteOptions(form)).name == chosen


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.txt", WriteOptions(), ".csv, .jsonl, .ndjson, .parquet, .xlsx"),
        ("invoices", WriteOptions(), '"invoices" does not say'),
        ("a.csv", WriteOptions("parquet"), "is no name for parquet"),
        ("a", WriteOptions("parkuet"), "Did you mean parquet"),
        ("a.parquet", WriteOptions(excel_csv=True), "--csv-excel is for CSV"),
    ],
)
def test_formats_that_cannot_be_told_are_usage_errors(name: str, options: WriteOptions, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        choose_format(name, options)


@pytest.mark.parametrize(("command", "others"), [("extract", ["table"]), ("request", ["table"]), ("load", [])])
def test_a_command_offers_every_format_that_there_is(command: str, others: list[str]) -> None:
    option = next(each for each in commands.commands[command].params if "--format" in each.opts)
    assert list(cast("click.Choice[str]", option.type).choices) == [*others, *FORMATS]


@pytest.mark.parametrize(
    "text", [" =1+1", "\u00a0=1+1", "\ufeff=1+1", "\u200b@x", "  \t +1", "\u2028=1", "\x00=1", "\u202e-1"]
)
def test_csv_for_excel_defuses_what_stands_behind_blanks_and_marks(text: str) -> None:
    lines = written("csv", rows(a=(TEXT, [text])), excel_csv=True).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(lines, newline="")))[1] == ["'" + text]
