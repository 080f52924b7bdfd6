"""What stands in an Excel file, read back by another library."""

from __future__ import annotations

import importlib.util
import io
import re
import tempfile
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from connector.errors import MissingExtra, TargetError, UsageError
from connector.files.excel import writer as excel
from connector.files.formats import WriteOptions, choose_format, write_rows
from tests.row_batches import DECIMAL, NOON, TEXT, TIME, rows, written


def cells(*batches: pa.RecordBatch, **options: Any) -> list[list[Any]]:
    """The rows of an Excel file, without its header, as another library reads them."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(written("xlsx", *batches, **options)))
    return [list(row) for row in book.get_sheet_by_index(0).to_python()[1:]]


def part(content: bytes, name: str) -> str:
    """One of the XML files that an Excel file is made of."""
    return zipfile.ZipFile(io.BytesIO(content)).read(name).decode()


def test_keeps_types() -> None:
    batch = rows(
        n=(pa.int64(), [999_999_999_999_999]),
        d=(DECIMAL, [Decimal("0.05")]),
        f=(pa.float64(), [25.5]),
        ok=(pa.bool_(), [False]),
        t=(TIME, [NOON]),
        day=(pa.date32(), [date(2024, 2, 29)]),
    )
    assert cells(batch) == [[999_999_999_999_999, 0.05, 25.5, False, NOON.replace(tzinfo=None), date(2024, 2, 29)]]


def test_writes_numbers_that_it_would_round_as_text() -> None:
    batch = rows(
        n=(pa.int64(), [10**15, -(2**63)]),
        d=(DECIMAL, [Decimal("1234567890.123456"), Decimal("1234567890.12345")]),
        sum=(pa.decimal128(38, 0), [Decimal(10**20), Decimal(12)]),
    )
    assert cells(batch) == [
        ["1000000000000000", "1234567890.123456", "100000000000000000000"],
        ["-9223372036854775808", 1234567890.12345, 12],
    ]


TEXT_THAT_LOOKS_LIKE_MORE = [
    "=1+1",
    "https://example.com",
    "007",
    "1e5",
    "<r>x</r>",
    "<r>\x07_x0041_</r>",
    "_x0041_",
    "\x00\x1f",
    " a ",
    "a\r\nb",
]


def test_leaves_text_as_text() -> None:
    assert [row[0] for row in cells(rows(a=(TEXT, TEXT_THAT_LOOKS_LIKE_MORE)))] == TEXT_THAT_LOOKS_LIKE_MORE


@given(st.lists(st.text().filter(lambda text: not set("\ufffe\uffff") & set(text)), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_text_read_by_calamine_is_the_same(values: list[str]) -> None:
    found = cells(rows(a=(TEXT, values), end=(TEXT, ["."] * len(values))))
    assert found == [[value, "."] for value in values]


def test_shows_times_in_the_stated_zone_on_both_sides_of_summer() -> None:
    winter, summer = datetime(2024, 1, 31, 23, 30, tzinfo=UTC), datetime(2024, 7, 31, 22, 30, 0, 500_000, tzinfo=UTC)
    content = written("xlsx", rows(t=(TIME, [winter, summer])), time_zone="Europe/Berlin")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    assert sheet.to_python()[1:] == [[datetime(2024, 2, 1, 0, 30)], [datetime(2024, 8, 1, 0, 30, 0, 500_000)]]  # noqa: DTZ001
    assert "yyyy-mm-dd hh:mm:ss &quot;Europe/Berlin&quot;" in part(content, "xl/styles.xml")


def test_has_no_days_before_march_1900_and_shows_them_as_text() -> None:
    batch = rows(
        day=(pa.date32(), [date(1899, 12, 31), date(1900, 3, 1)]),
        t=(TIME, [datetime(1, 1, 1, tzinfo=UTC), datetime(1900, 3, 1, 12, tzinfo=UTC)]),
    )
    assert cells(batch, time_zone="America/New_York")[0] == ["1899-12-31", "0001-01-01T00:00:00Z"]
    assert cells(batch)[1] == [date(1900, 3, 1), datetime(1900, 3, 1, 12)]  # noqa: DTZ001


def test_times_without_a_zone_are_shown_as_they_are() -> None:
    clock = datetime(2024, 7, 31, 12)  # noqa: DTZ001
    content = written("xlsx", rows(t=(pa.timestamp("us"), [clock])), time_zone="Europe/Berlin")
    assert "Europe/Berlin" not in part(content, "xl/styles.xml")
    assert cells(rows(t=(pa.timestamp("us"), [clock])), time_zone="Europe/Berlin") == [[clock]]


def test_header_is_bold_frozen_and_filtered_and_columns_are_wide_enough() -> None:
    content = written("xlsx", rows(a=(TEXT, ["x" * 30, "y" * 500]), a_rather_long_name=(TIME, [NOON, None])))
    sheet = part(content, "xl/worksheets/sheet1.xml")
    assert 'ySplit="1"' in sheet
    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:B3"/>' in sheet
    assert "<b/>" in part(content, "xl/styles.xml")
    widths = [float(width) for width in re.findall(r'<col [^>]*width="([\d.]+)"', sheet)]
    assert widths[0] == pytest.approx(60, abs=1)  # the longest is not shown whole
    assert widths[1] > len("2024-01-31 12:00:00 UTC")


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("invoices", "invoices"),
        ("a" * 40, "a" * 31),
        ("😀" * 20, "😀" * 15),
        ("[a]:b*c?d/e\\f", "_a__b_c_d_e_f"),
        ("'a'", "a"),
        ("History", "History_"),
        ("", "Sheet1"),
        (None, "Sheet1"),
    ],
)
def test_sheet_has_the_nearest_name_that_is_allowed(table: str | None, name: str) -> None:
    book = CalamineWorkbook.from_filelike(io.BytesIO(written("xlsx", rows(a=(TEXT, ["x"])), table=table)))
    assert book.sheet_names == [name]


def test_row_limit_is_an_error_when_it_is_passed_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "MAX_ROWS", 11)
    batch = rows(n=(pa.int64(), list(range(5))))
    assert len(cells(batch, batch)) == 10
    with pytest.raises(TargetError, match="holds 10 rows"):
        written("xlsx", batch, batch, rows(n=(pa.int64(), [1])))


def test_column_limit_is_an_error_before_the_first_row_is_read() -> None:
    schema = pa.schema([pa.field(f"c{place}", pa.int64()) for place in range(16_385)])
    unread = iter([pa.RecordBatch.from_pylist([], schema)])
    with pytest.raises(TargetError, match=r"16,384 columns.*16,385"):
        write_rows(choose_format("a.xlsx", WriteOptions()), io.BytesIO(), schema, unread, WriteOptions())
    assert len(list(unread)) == 1


@pytest.mark.parametrize("text", ["x" * 32_768, "😀" * 16_384])
def test_text_too_long_is_an_error_that_names_column_and_row_but_not_the_value(text: str) -> None:
    with pytest.raises(TargetError, match=r'"note" in row 3') as error:
        written("xlsx", rows(note=(TEXT, ["x" * 32_767, "😀" * 16_383])), rows(note=(TEXT, [text])))
    assert text[0] * 3 not in str(error.value)


def test_rows_that_stop_half_way_leave_nothing_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TargetError):
        written("xlsx", rows(a=(TEXT, ["x"])), rows(a=(TEXT, ["x" * 40_000])))
    assert list(tmp_path.iterdir()) == []


def test_unknown_time_zone_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match='no time zone "Mars/Base"'):
        written("xlsx", rows(a=(TEXT, ["x"])), time_zone="Mars/Base")


def test_without_its_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(
        MissingExtra, match=r"Writing Excel needs a library that is not installed: .*pip install .*xlsxwriter"
    ):
        choose_format("invoices.xlsx", WriteOptions())
