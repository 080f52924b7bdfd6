"""One Excel sheet from Arrow batches, in constant memory: types kept, text as text, limits refused clearly."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError, FileSizeError
from xlsxwriter.utility import xl_range
from xlsxwriter.worksheet import Worksheet

from connector.errors import TargetError, UsageError
from connector.files.formats import WriteOptions
from connector.rows.render import as_text, is_whole, refuse_infinite, utc_clock

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

MAX_ROWS = 1_048_576  # the header among them
MAX_COLUMNS = 16_384
MAX_CHARACTERS = 32_767  # in a cell; Excel counts in UTF-16, so an emoji is two
_MAX_NAME_CHARACTERS = 31
_MAX_DIGITS = 15
# Excel counts 29 February 1900, which never was: only from March on do its days agree with the calendar.
_FIRST_DAY, _LAST_DAY = "1900-03-01", "9999-12-31"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_WIDTH, _GREATEST_WIDTH = 8, 60
_BUTTON_WIDTH = 3  # the filter's button covers the end of a header
_ROWS_FOR_WIDTH = 200

Cell = str | float | date | None  # int and bool are float to a type checker, datetime is date


def write(
    stream: SupportsWrite[bytes], schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions
) -> None:
    """Write a workbook of one sheet, its times in the zone of the options, for Excel knows none.

    A TargetError says which limit of Excel the rows pass.
    """
    zone = _zone(options.time_zone)
    if len(schema) > MAX_COLUMNS:
        raise TargetError(f"An Excel sheet holds {MAX_COLUMNS:,} columns and these rows have {len(schema):,}.")
    with tempfile.TemporaryDirectory() as folder:
        book = Workbook(stream, {"constant_memory": True, "tmpdir": folder})
        page = _Page(book, sheet_name(options.table or ""), schema, zone)
        try:
            for batch in batches:
                page.add(batch)
            page.finish()
            _close(book)
        finally:
            page.release()


def sheet_name(table: str) -> str:
    """Return the nearest name that Excel takes: 31 characters, without those of a path or pattern."""
    name = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", table)
    while not _fits(name, _MAX_NAME_CHARACTERS):
        name = name[:-1]
    name = name.strip("'")
    return f"{name}_" if name.lower() == "history" else name or "Sheet1"  # Excel keeps History for itself


class _PlainWorksheet(Worksheet):  # type: ignore[misc]  # XlsxWriter ships no types
    """XlsxWriter takes a text like <r>…</r> for markup of its own; here every text is text."""

    def _xml_rich_inline_string(self, string: str, attributes: Any) -> None:
        self._xml_inline_string(string, True, attributes)


class _Page:
    """A sheet while it fills: the header, then batches, then what depends on the number of rows."""

    def __init__(self, book: Workbook, name: str, schema: pa.Schema, zone: tzinfo) -> None:
        self._sheet = sheet = book.add_worksheet(name, _PlainWorksheet)
        self._schema = schema
        self._zone = zone
        self._patterns = [_pattern(field.type, zone) for field in schema]
        self._formats = [book.add_format({"num_format": pattern}) for pattern in self._patterns]
        self._put = {
            str: sheet.write_string,
            bool: sheet.write_boolean,
            int: sheet.write_number,
            float: sheet.write_number,
            date: sheet.write_datetime,
            datetime: sheet.write_datetime,
        }
        self._next_row = 1
        self._write_header(book.add_format({"bold": True}))

    def add(self, batch: pa.RecordBatch) -> None:
        if self._next_row + batch.num_rows > MAX_ROWS:
            raise TargetError(
                f"An Excel sheet holds {MAX_ROWS - 1:,} rows below its header, and there are more: "
                "narrow them, or write CSV or Parquet."
            )
        columns = [self._cells(column, field) for column, field in zip(batch.columns, self._schema, strict=True)]
        if self._next_row == 1:
            self._set_widths(columns)
        for row, cells in enumerate(zip(*columns, strict=True), self._next_row):
            self._write_row(row, cells)
        self._next_row += batch.num_rows

    def finish(self) -> None:
        corners = (0, 0, self._next_row - 1, len(self._schema) - 1)
        self._sheet.autofilter(*corners)
        self._sheet.ignore_errors({"number_stored_as_text": xl_range(*corners)})  # no green corner on every id

    def release(self) -> None:
        """Close XlsxWriter's own file of rows: Windows removes no folder with an open file in it."""
        with contextlib.suppress(OSError):
            self._sheet.row_data_fh.close()

    def _write_header(self, bold: Any) -> None:
        for place, name in enumerate(self._schema.names):
            self._sheet.write_string(0, place, name, bold)
        self._sheet.freeze_panes(1, 0)
        self._set_widths([[] for _ in self._schema])

    def _write_row(self, row: int, cells: tuple[Cell, ...]) -> None:
        for place, cell in enumerate(cells):
            if cell is not None:
                self._put[type(cell)](row, place, cell, self._formats[place])

    def _set_widths(self, columns: list[list[Cell]]) -> None:
        for place, (name, cells) in enumerate(zip(self._schema.names, columns, strict=True)):
            sample = cells[:_ROWS_FOR_WIDTH]
            shown = [self._patterns[place] if isinstance(cell, date) else str(cell) for cell in sample]
            width = max(_LEAST_WIDTH, len(name) + _BUTTON_WIDTH, *map(len, shown))
            self._sheet.set_column(place, place, min(width, _GREATEST_WIDTH))

    def _cells(self, column: pa.Array, field: pa.Field) -> list[Cell]:
        kind = field.type
        texts: list[str | None] = as_text(column).to_pylist()
        if pa.types.is_timestamp(kind):
            return _times(column, texts, self._zone)
        if pa.types.is_date(kind):
            return [date.fromisoformat(text) if text and _is_excel_day(text) else text for text in texts]
        if pa.types.is_floating(kind):
            refuse_infinite(column, field.name, self._next_row)
        if pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            return list(column.to_pylist())
        if is_whole(kind) or pa.types.is_decimal(kind):
            as_number = int if is_whole(kind) else float
            return [as_number(text) if text and _is_excel_number(text) else text for text in texts]
        self._check_lengths(texts, field.name)
        return list(texts)

    def _check_lengths(self, texts: list[str | None], name: str) -> None:
        for row, text in enumerate(texts, self._next_row):
            if text and not _fits(text, MAX_CHARACTERS):
                raise TargetError(
                    f'Column "{name}" in row {row:,} is longer than an Excel cell, {MAX_CHARACTERS:,} characters: '
                    "leave the column out, or write CSV or Parquet."
                )


def _pattern(kind: pa.DataType, zone: tzinfo) -> str:
    if pa.types.is_timestamp(kind):
        return f'yyyy-mm-dd hh:mm:ss "{zone}"' if kind.tz else "yyyy-mm-dd hh:mm:ss"
    if pa.types.is_date(kind):
        return "yyyy-mm-dd"
    return "0" if is_whole(kind) else "General"  # General turns to 1.2E+11 from twelve digits on


def _times(column: pa.Array, texts: list[str | None], zone: tzinfo) -> list[Cell]:
    shown_in = zone if column.type.tz else UTC  # a clock time without a zone stays what it is
    micros = utc_clock(column).cast(pa.int64()).to_pylist()
    return [
        _local_time(micro, shown_in) if text and _is_excel_day(text) else text
        for micro, text in zip(micros, texts, strict=True)
    ]


def _local_time(micros: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone).replace(tzinfo=None)


def _is_excel_day(iso_text: str) -> bool:
    return _FIRST_DAY <= iso_text < _LAST_DAY


def _is_excel_number(text: str) -> bool:
    return len(text.lstrip("-0.").replace(".", "")) <= _MAX_DIGITS


def _fits(text: str, characters: int) -> bool:
    return len(text) * 2 <= characters or len(text.encode("utf-16-le")) <= characters * 2


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f'There is no time zone "{name}": names look like Europe/Berlin.') from None


def _close(book: Workbook) -> None:
    try:
        book.close()
    except FileCreateError as error:
        raise error.args[0] from None  # the OSError that it wraps
    except FileSizeError:
        raise TargetError("These rows make a sheet of more than 4 GB: narrow them, or write CSV or Parquet.") from None
