"""What each row format gives when it is read, and what is said about files that cannot be read."""

from __future__ import annotations

import csv
import io
import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.errors import ConnectorError, DataError, MissingExtra, UsageError
from connector.files import csv as delimited
from connector.files.formats import ReadOptions, open_file
from tests.reading import opened, rows_of
from tests.row_batches import DECIMAL, JSON, NOON, TEXT, TIME, rows, written
from tests.test_files import pairs, typed


def failure(folder: Path, name: str, content: bytes, **options: Any) -> str:
    with pytest.raises(ConnectorError) as caught:
        rows_of(opened(folder, name, content, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# CSV


@pytest.mark.parametrize(
    ("content", "found", "labels"),
    [
        (b"a,b\n1,2\n3,4", [("1", "2"), ("3", "4")], ["line 2", "line 3"]),
        (b"a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")], ["line 2", "line 3"]),
        (b'a,b\r\n1,"x\ry"\r\n3,""\r\n', [("1", "x\ry"), ("3", "")], ["line 2", "line 4"]),
        (b'\xef\xbb\xbfa,b\n,\n"",""\n', [(None, None), ("", "")], ["line 2", "line 3"]),
        (b'\n\n"a","b"\n\n\n3,4\n\n', [("3", "4")], ["line 6"]),
        (b'a,b\n1,5" pipe\n3,x"y"z\n', [("1", '5" pipe'), ("3", 'x"y"z')], ["line 2", "line 3"]),
        (b"a,b\nx\0,\0\n", [("x\0", "\0")], ["line 2"]),
        (b'a,b\n"1\n"",",2\n', [('1\n",', "2")], ["line 2"]),
        (b"a;b\n1,5;2\n", [("1,5", "2")], ["line 2"]),
        (b"a\tb\n1,5\t2\n", [("1,5", "2")], ["line 2"]),
        (b"a,b\n'=1+1,2\n", [("'=1+1", "2")], ["line 2"]),
        (b"a,b\n", [], []),
        (b"a,b", [], []),
        ("a,b\nä,😀\n".encode("utf-16"), [("ä", "😀")], ["line 2"]),
    ],
)
def test_csv_is_read_as_it_stands(
    tmp_path: Path, content: bytes, found: list[tuple[str | None, ...]], labels: list[str]
) -> None:
    source = opened(tmp_path, "a.csv", content)
    assert source.is_text
    assert source.schema == pa.schema({"a": TEXT, "b": TEXT})
    assert rows_of(source) == rows_of(source) == found
    assert [source.row_label(place) for place in range(len(found))] == labels


def test_bom_in_header_is_no_part_of_the_name(tmp_path: Path) -> None:
    assert opened(tmp_path, "a.csv", b"\xef\xbb\xbfid,b\n").schema.names == ["id", "b"]


def test_one_column_keeps_its_empty_texts_and_skips_empty_lines(tmp_path: Path) -> None:
    source = opened(tmp_path, "a.csv", b'a\n""\n\n1\n')
    assert rows_of(source) == [("",), ("1",)]
    assert source.row_label(1) == "line 4"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1\n", "a.csv, line 2: 1 field, where the header has 2"),
        (b'a,b\n"x\n\ny",2\n1,2,3\n', "a.csv, line 5: 3 fields, where the header has 2"),
        (b"a,b\n1,2\n3", "line 3: 1 field"),
        (b"a,b\n1,2\n \n", "line 3: 1 field"),
        (b'a,b\n1,"open\n3,4\n', "line 2: a quote is opened and never closed"),
        (b'a,b\n1,"open', "line 2: a quote is opened"),
        (b'a,b\n1,"x"y\n', "line 2: text follows a closing quote"),
        (b'a,"b\n1,2\n', "line 1: a quote is opened"),
        (b"", "a.csv is empty: it has no header"),
        (b"\r\n\n", "it has no header"),
        (b"a,a\n1,2\n", 'line 1: two columns are called "a"'),
        (b"a,,b\n1,2,3\n", "line 1: column 2 of 3 has no name"),
        (
            b'a,b\n"1\n2",\n\xff,1\n',
            "line 4: the byte 0xff is no UTF-8 text. Say the file's encoding, as in --encoding",
        ),
        (b"a\xe4,b\n", "line 1: the byte 0xe4"),
        ("a,b\n1,2\n".encode("utf-16-le"), "NUL bytes: say the encoding, as in --encoding utf-16-le"),
        (b"PK\x03\x04", "an Excel file or an archive"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_said_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in failure(tmp_path, "a.csv", content)


def test_no_value_of_a_wrong_line_is_told(tmp_path: Path) -> None:
    assert "secret" not in failure(tmp_path, "a.csv", b"a,b\nsecret\n")


def test_other_encodings_and_delimiters(tmp_path: Path) -> None:
    assert rows_of(opened(tmp_path, "a.csv", b"a,b\n\xe4,\x80\n", encoding="cp1252")) == [("ä", "€")]
    assert rows_of(opened(tmp_path, "a.csv", "a,b\n1,ü".encode("utf-16-le"), encoding="utf-16-le")) == [("1", "ü")]
    assert rows_of(opened(tmp_path, "a.csv", b"a|b\n1|2", delimiter="|")) == [("1", "2")]
    assert rows_of(opened(tmp_path, "a.tsv", b"a\tb,c\n1\t2")) == [("1", "2")]
    assert rows_of(opened(tmp_path, "a.txt", b"a,b\n1,2")) == [("1", "2")]
    assert rows_of(opened(tmp_path, "a.csv", b'"a;x",b\n1,2')) == [("1", "2")]
    assert "line 2: the byte 0x81 is no CP1252 text" in failure(
        tmp_path, "a.csv", b"a,b\n\xe4,\x81\n", encoding="cp1252"
    )


def test_copies_of_files_in_other_encodings_go_with_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    source = opened(tmp_path, "a.csv", b"a\n\xe4\n", encoding="cp1252")
    assert rows_of(source) == [("ä",)]
    assert len(list(copies.iterdir())) == 1
    del source
    assert not list(copies.iterdir())


@pytest.mark.parametrize("quoted", [True, False])
def test_values_larger_than_a_block_are_read(tmp_path: Path, quoted: bool) -> None:
    long = "x\n" * 3_000_000 if quoted else "x" * 6_000_000
    content = f'a,b\n1,2\n{long if not quoted else chr(34) + long + chr(34)},"y"\n'
    assert rows_of(opened(tmp_path, "a.csv", content.encode()))[1] == (long, "y")


def test_quotes_and_lines_are_followed_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SCAN_BYTES", 7)
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 64)
    lines = [f'"{n}","a ""b""\n{n}"' for n in range(200)]
    source = opened(tmp_path, "a.csv", ("a,b\n" + "\n".join(lines)).encode())
    assert rows_of(source) == [(str(n), f'a "b"\n{n}') for n in range(200)]
    assert source.row_label(100) == "line 202"
    assert "line 402: a quote is opened" in failure(tmp_path, "b.csv", ("a,b\n" + "\n".join([*lines, '1,"'])).encode())


def test_a_line_break_in_quotes_survives_wherever_a_block_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 64)
    for shift in range(64):
        content = "a,b\n" + "x" * shift + ",y\n" + '"1\r\n2","\r\n"\r\n' * 10
        assert rows_of(opened(tmp_path, "a.csv", content.encode()))[1:] == [("1\r\n2", "\r\n")] * 10


fields = st.lists(st.sampled_from(["a", ",", '"', '""', "\n", "\r", "\r\n", '",', '"\n', "é", ";"])).map("".join)


@given(fields)
@settings(deadline=None)
def test_csv_is_read_as_python_reads_it_or_refused(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    content = "a,b\n" + body
    try:
        exact = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row]
        expected = [tuple(row) for row in exact[1:]] if {len(row) for row in exact} == {2} else None
    except csv.Error:
        expected = None
    try:
        source = opened(tmp_path_factory.getbasetemp(), "any.csv", content.encode())
        found = [(a or "", b or "") for a, b in rows_of(source)]
    except DataError:
        found = None
    assert found == expected


def test_a_large_csv_file_is_read_in_a_second_or_two(tmp_path: Path) -> None:
    line = ",".join(['12345,"a ""b"", c",2024-01-31T12:00:00Z,12.50,true,cus_NffrFeUfNV2Hib'] * 10)
    content = ",".join(f"c{n}" for n in range(60)) + "\n" + (line + "\n") * 20_000
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    began = time.monotonic()
    assert sum(batch.num_rows for batch in open_file(str(path), ReadOptions()).batches()) == 20_000
    assert time.monotonic() - began < 3  # 0.3 s on a machine that has nothing else to do


@given(pairs)
@example([("\0", "\r"), (None, ""), ("", None), (" ", '"'), ("😀", "\r\n\n"), ("'=1", "﻿")])
@settings(deadline=None)
def test_csv_that_we_write_comes_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str | None, str | None]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    batch = rows(a=(TEXT, [a for a, _ in values]), b=(TEXT, [b for _, b in values]))
    assert rows_of(opened(folder, "written.csv", written("csv", batch))) == values


# JSON Lines


def test_json_lines_have_the_columns_of_all_their_lines(tmp_path: Path) -> None:
    content = b'{"b":1,"a":"x"}\n\n{"c":1.10,"b":2.5,"d":{"x": 1.10, "y": [1]}}\r\n{"d":null,"e":true}'
    source = opened(tmp_path, "a.jsonl", content)
    assert source.schema.equals(
        pa.schema({"b": pa.float64(), "a": TEXT, "c": pa.float64(), "d": TEXT, "e": pa.bool_()}), check_metadata=False
    )
    assert source.schema.field("d").metadata == {b"type": b"json"}
    assert rows_of(source)[1:] == [
        (2.5, None, 1.1, '{"x":1.10,"y":[1]}', None),
        (None, None, None, None, True),
    ]
    assert [source.row_label(place) for place in range(3)] == ["line 1", "line 3", "line 4"]


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        (["1", "-5", "null"], pa.int64(), [1, -5, None]),
        (["1", "1.5"], pa.float64(), [1.0, 1.5]),
        (["1e300", "7", "1.5"], pa.float64(), [1e300, 7.0, 1.5]),
        (["0.1234567890123456789"], pa.decimal128(38, 19), [Decimal("0.1234567890123456789")]),
        (["1e400"], TEXT, ["1" + "0" * 400]),
        (["9223372036854775808", "1"], DECIMAL, [Decimal(2**63), Decimal(1)]),
        (["1", '"x"', "true", '{"b": 1.50}', "[1]"], TEXT, ["1", '"x"', "true", '{"b":1.50}', "[1]"]),
        (["1", '"x"', "true"], TEXT, ["1", "x", "true"]),
        (["null", "null"], TEXT, [None, None]),
        (['"007"', '"2024-01-31"'], TEXT, ["007", "2024-01-31"]),
        (['"10115"', '"80331"'], TEXT, ["10115", "80331"]),
        (['"0.1"', '"-5.0"'], DECIMAL, [Decimal("0.1"), Decimal(-5)]),
        (['"0.1"', '"0.10"'], TEXT, ["0.1", "0.10"]),
        (['"-0.0"'], TEXT, ["-0.0"]),
        (['"2024-01-31"', "null", '"2024-02-29"'], pa.date32(), [date(2024, 1, 31), None, date(2024, 2, 29)]),
        (['"2024-02-30"'], TEXT, ["2024-02-30"]),
        (['"2024-01-31T12:00:00Z"', '"2024-01-31T12:00:00.000001Z"'], TIME, [NOON, NOON.replace(microsecond=1)]),
        (['"2024-01-31T12:00:00"'], pa.timestamp("us"), [NOON.replace(tzinfo=None)]),
        (['"2024-01-31T12:00Z"'], TEXT, ["2024-01-31T12:00Z"]),
        (['"2024-01-31T12:00:00.000000Z"'], TEXT, ["2024-01-31T12:00:00.000000Z"]),
        (['"2024-01-31"', '""'], TEXT, ["2024-01-31", ""]),
        ([r'"\u0032024-01-31"', '"2024-01-31"'], TEXT, ["2024-01-31", "2024-01-31"]),
    ],
)
def test_json_types_are_those_of_all_lines(tmp_path: Path, values: list[str], kind: Any, found: list[Any]) -> None:
    source = opened(tmp_path, "a.jsonl", "".join(f'{{"a":{value}}}\n' for value in values).encode())
    assert source.schema == pa.schema({"a": kind})
    assert [value for (value,) in rows_of(source)] == found


def test_json_lines_without_a_line_have_no_rows_and_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n")
    source = open_file(str(tmp_path / "a.jsonl"), ReadOptions())
    assert (source.schema.names, list(source.batches())) == ([], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a":1}\n\n{"a":\n', "a.jsonl, line 3: this is no JSON"),
        (b'{"a":1} {"b":1}\n', "line 1: this is no JSON"),
        (b"[1]\n", "line 1: this is not one JSON object"),
        (b'{"a":NaN}\n', "line 1: this is no JSON"),
        (b'{"a":"\xe4"}\n', "line 1: the byte 0xe4 is no UTF-8 text"),
        (b'{"":1}\n', "has no name"),
        (b'{"a":' + b"[" * 100_000, "line 1: this is no JSON"),
    ],
)
def test_what_is_wrong_with_json_lines_is_said_with_the_line(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in failure(tmp_path, "a.jsonl", content)


@given(typed)
@settings(deadline=None)
def test_json_lines_that_we_write_come_back_with_their_texts_and_integers(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    batch = rows(
        t=(TEXT, [row[0] for row in values]), n=(pa.int64(), [row[1] for row in values]), x=(TEXT, ["x"] * len(values))
    )
    if values:
        found = rows_of(opened(folder, "written.jsonl", written("jsonl", batch)))
        assert [(text, number) for text, number, _ in found] == [row[:2] for row in values]


# Parquet


def test_parquet_keeps_its_types_in_the_widths_that_we_know(tmp_path: Path) -> None:
    table = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "word": pa.array(["x", "y"]).dictionary_encode(),
            "list": [[{"a": Decimal("1.10")}], None],
            "at": pa.array([1_700_000_000_000, None], pa.timestamp("ms", "Europe/Berlin")),
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
            "raw": pa.array([b"\xff", None]),
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream)
    source = opened(tmp_path, "a.parquet", stream.getvalue())
    assert source.schema.types == [pa.int64(), TEXT, TEXT, TIME, pa.decimal128(10, 2), TEXT]
    assert source.schema.field("list").metadata == {b"type": b"json"}
    first, second = rows_of(source)
    assert first == (1, "x", '[{"a":1.10}]', datetime.fromisoformat("2023-11-14T22:13:20Z"), Decimal("1.10"), "/w==")
    assert second == (None, "y", None, None, None, None)
    assert source.row_label(0) == "row 1"


def test_parquet_that_we_write_comes_back_the_same(tmp_path: Path) -> None:
    batch = rows(j=(JSON, ['{"a":1}', None]), t=(TIME, [NOON, None]), d=(DECIMAL, [Decimal("0.1"), None]))
    source = opened(tmp_path, "a.parquet", written("parquet", batch))
    assert source.schema.equals(batch.schema, check_metadata=True)
    assert list(source.batches()) == [batch]


def test_what_is_no_parquet_file_is_told(tmp_path: Path) -> None:
    assert "a.parquet is no Parquet file" in failure(tmp_path, "a.parquet", b"PAR1nonsense")
    times = pa.table({"at": pa.array([1_000, 1_001], pa.timestamp("ns"))})
    stream = io.BytesIO()
    pq.write_table(times, stream)
    assert 'row 2, column "at": the value does not fit the type timestamp' in failure(
        tmp_path, "a.parquet", stream.getvalue()
    )


# Excel


def sheet(path: Path, cells: dict[tuple[int, int], Any], name: str = "One") -> Path:
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet(name)
        book.add_worksheet("Two")
        day, instant = (
            book.add_format({"num_format": "yyyy-mm-dd"}),
            book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
        )
        for (row, column), value in cells.items():
            if isinstance(value, datetime):
                page.write_datetime(row, column, value, instant)
            elif isinstance(value, date):
                page.write_datetime(row, column, value, day)
            elif value == "=1/0":
                page.write_formula(row, column, value, None, "#DIV/0!")
            else:
                page.write(row, column, value)
    return path


def columns(first_row: int, **values: list[Any]) -> dict[tuple[int, int], Any]:
    return {
        (first_row + row, place): value
        for place, (name, column) in enumerate(values.items())
        for row, value in enumerate([name, *column])
        if value is not None
    }


def test_excel_columns_have_the_type_of_all_their_cells(tmp_path: Path) -> None:
    noon = datetime(2024, 1, 31, 12)  # noqa: DTZ001
    cells = columns(
        2, id=["a", None, " b "], n=[5, None, -7], f=[5, None, 5.25], day=[noon.date(), None, date(1999, 1, 1)],
        at=[noon, None, date(2024, 2, 1)], ok=[True, None, False], mix=["x", None, 2], odd=[1.5, None, True],
    )  # fmt: skip
    source = open_file(str(sheet(tmp_path / "a.xlsx", cells)), ReadOptions())
    assert source.schema.types == [
        TEXT, pa.int64(), pa.float64(), pa.date32(), pa.timestamp("us"), pa.bool_(), TEXT, TEXT,
    ]  # fmt: skip
    assert rows_of(source) == [
        ("a", 5, 5.0, noon.date(), noon, True, "x", "1.5"),
        (" b ", -7, 5.25, date(1999, 1, 1), datetime(2024, 2, 1), False, "2", "true"),  # noqa: DTZ001
    ]
    assert [source.row_label(0), source.row_label(1)] == ["row 4", "row 6"]


def test_a_formula_error_is_no_empty_cell(tmp_path: Path) -> None:
    path = sheet(tmp_path / "a.xlsx", columns(0, a=[1, "=1/0"]))
    with pytest.raises(DataError, match=r"a\.xlsx, row 3: the formula in A3 has an error"):
        open_file(str(path), ReadOptions())


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ({}, {}, "has no header"),
        (columns(0, a=[1]) | {(1, 1): "x"}, {}, "row 1: column 2 of 2 has no name"),
        ({(0, 0): "a", (0, 1): "a"}, {}, 'two columns are called "a"'),
        (columns(0, a=[1]), {"sheet": "two"}, 'has no sheet "two", but One, Two. Did you mean Two?'),
        (columns(0, a=[1]), {"encoding": "utf-8"}, "--encoding says nothing about xlsx files"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_told(
    tmp_path: Path, cells: dict[tuple[int, int], Any], options: dict[str, str], message: str
) -> None:
    path = sheet(tmp_path / "a.xlsx", cells)
    with pytest.raises(ConnectorError) as caught:
        open_file(str(path), ReadOptions(**options))
    assert message in str(caught.value)


def test_what_is_no_excel_file_is_told(tmp_path: Path) -> None:
    assert "a.xlsx is no Excel file" in failure(tmp_path, "a.xlsx", b"PK\x03\x04nonsense")
    assert "a.xlsx is no Excel file" in failure(tmp_path, "a.xlsx", b"a,b\n")


def test_excel_without_its_library_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"Reading Excel needs a library .* python-calamine"):
        opened(tmp_path, "a.xlsx", b"")


# Which format


def test_a_file_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").touch()
    with pytest.raises(UsageError, match=r"There is no file .*Did you mean leads.csv\?"):
        open_file(str(tmp_path / "lead.csv"), ReadOptions())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a", {}, '"a" does not say which format it has (.csv, .tsv'),
        ("a.csv", {"format": "cvs"}, "Did you mean csv?"),
        ("a.csv", {"format": "parquet"}, "is no name for parquet"),
        ("a.csv", {"sheet": "x"}, "--sheet says nothing about csv files"),
        ("a.csv", {"table": "x"}, "--table says nothing about csv files"),
        ("a.jsonl", {"delimiter": ";"}, "--delimiter says nothing about jsonl files"),
        ("a.csv", {"delimiter": "ab"}, "A delimiter is one character"),
        ("a.csv", {"delimiter": '"'}, "A delimiter is one character"),
        ("a.csv", {"encoding": "utf-9"}, 'There is no encoding "utf-9"'),
        ("a.csv", {"encoding": "hex"}, 'There is no encoding "hex"'),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(
    tmp_path: Path, name: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, name, b"a,b\n", **options)
    assert message in str(caught.value)


def test_a_format_may_be_named_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    assert rows_of(opened(tmp_path, "a.export", b"a,b\n1,2\n", format="csv")) == [("1", "2")]
    assert rows_of(opened(tmp_path, "a.txt", b'{"a":1}\n', format="jsonl")) == [(1,)]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        open_file(str(tmp_path / "a.csv"), ReadOptions())
