"""CSV: every value as the text that it is, an empty field as null, a quoted empty one as empty text.

Arrow reads the fields, which is quick and forgiving. What it forgives is looked for beforehand: an unclosed quote and
text behind a closing one; where the quotes stand tells that for a whole file at once. Python's own reader, slow and
exact, says afterwards in which line a row stands or what is wrong there.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from connector.errors import DataError, UsageError
from connector.files.formats import ReadOptions, Sink, WriteOptions
from connector.files.text import RowLines, TextFile, write_lines
from connector.rows.batches import check_header
from connector.rows.notation import Conversion, by_column, conversions, converted
from connector.rows.render import TEXT, as_text, glue, is_text

_BLOCK_BYTES = 4 * 2**20
_SCAN_BYTES = 16 * 2**20
_MOST_BYTES = 2**31 - 1
_LARGEST_FIELD = min(sys.maxsize, 2**31 - 1)  # a C long, which has 32 bits on Windows
_NEEDS_QUOTES = '[",\r\n]|^$'
# Spreadsheets take the full-width signs too, and pass over what cannot be seen before them.
_FORMULA = r"^[\p{Z}\p{C}]*[=+\-@＝＋－＠]|^[\t\r\n]"
_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def open_reader(path: Path, label: str, options: ReadOptions) -> DelimitedReader | _Converted:
    """Open a CSV file."""
    delimiter = _NAMED.get(options.delimiter or "", options.delimiter)
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise UsageError("A delimiter is one character, as ; or | (or tab), and no quote or letter beyond ASCII.")
    notation = conversions(options.decimal, options.date_format)
    reader = DelimitedReader(
        TextFile(path, label, options.encoding), delimiter or ("\t" if path.suffix.lower() == ".tsv" else None)
    )
    return _Converted(reader, notation) if notation else reader


@dataclass(frozen=True)
class _Record:
    """A row of fields, the physical line where it begins, and where it ends in bytes."""

    fields: list[str]
    line: int
    length_bytes: int
    end_bytes: int


class DelimitedReader:
    """The rows of a CSV file."""

    is_text = True

    def __init__(self, file: TextFile, delimiter: str | None) -> None:
        self.label = file.label
        self._file = file
        self._delimiter = delimiter or self._detected()
        header = next(self._records(), None)
        if header is None:
            raise DataError(f"{self.label} is empty: it has no header.")
        check_header(header.fields, f"{self.label}, line {header.line}")
        self.schema = pa.schema([pa.field(name, pa.string()) for name in header.fields])
        self._start = file.start + header.end_bytes
        self._row_lines = RowLines()
        longest = _longest_record(file.path, self._start, self._delimiter)
        self._block_bytes = min(_MOST_BYTES, max(_BLOCK_BYTES, 2 * (self._examine() if longest is None else longest)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        if self._file.path.stat().st_size <= self._start:
            return
        names = self.schema.names
        try:
            with _Blocks(self._file.path) as stream:
                stream.seek(self._start)
                yield from pa.csv.open_csv(
                    stream,
                    pa.csv.ReadOptions(column_names=names, block_size=self._block_bytes),
                    pa.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                    pa.csv.ConvertOptions(
                        column_types=self.schema,
                        null_values=[""],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                )
        except pa.ArrowInvalid:
            self._file.check_encoding()
            self._examine()
            raise DataError(f"{self.label} cannot be read as CSV.") from None

    def row_label(self, place: int) -> str:
        """Return the physical line where a row begins; line breaks in quotes count."""
        return self._row_lines.label(place, self._lines_of_rows())

    def _lines_of_rows(self) -> Iterator[int]:
        return (record.line for record in itertools.islice(self._records(), 1, None))

    def _detected(self) -> str:
        """Return the delimiter that the header shows."""
        first = next((line for line in self._file.lines() if line.strip("\r\n")), "")
        unquoted = re.sub('"[^"]*"', "", first)
        return next((sign for sign in ",;\t" if sign in unquoted), ",")

    def _records(self) -> Iterator[_Record]:
        """Yield the header and all rows, read exactly; empty lines are no rows."""
        taken = [0, 0]  # bytes before and after the record

        def lines() -> Iterator[str]:
            for line in self._file.lines():
                taken[1] += len(line.encode())
                yield line

        line, before = 1, csv.field_size_limit(_LARGEST_FIELD)
        reader = csv.reader(lines(), delimiter=self._delimiter, strict=True)
        try:
            for fields in reader:
                if fields:
                    yield _Record(fields, line, taken[1] - taken[0], taken[1])
                line, taken[0] = reader.line_num + 1, taken[1]
        except csv.Error as error:
            is_open = "end of data" in str(error)
            what = "a quote is opened and never closed" if is_open else "text follows a closing quote"
            raise DataError(f'{self.label}, line {line}: {what}. A quote within quotes is written twice: "".') from None
        finally:
            csv.field_size_limit(before)

    def _examine(self) -> int:
        """Return the length in bytes of the longest row, or raise a DataError that names the line of a wrong one."""
        longest, wanted = 0, len(self.schema)
        for record in self._records():
            if len(record.fields) != wanted:
                count = "1 field" if len(record.fields) == 1 else f"{len(record.fields)} fields"
                raise DataError(
                    f"{self.label}, line {record.line}: {count}, where the header has {wanted}. "
                    "Text with a delimiter or a line break in it has to be quoted; the file may also be cut off."
                )
            longest = max(longest, record.length_bytes)
        return longest


class _Converted:
    """The rows of a CSV file whose numbers and dates are written in another notation."""

    is_text = True

    def __init__(self, reader: DelimitedReader, notation: Sequence[Conversion]) -> None:
        self.label, self.schema, self.row_label = reader.label, reader.schema, reader.row_label
        self._reader = reader
        self._wanted = by_column(reader.batches(), notation, len(reader.schema))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        for batch in self._reader.batches():
            yield converted(batch, self._wanted)


class _Blocks(io.FileIO):
    """A file whose blocks never end between CR and LF: Arrow would take that LF for a part of a line's end."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        block = super().read(size) or b""
        if len(block) > 1 and block.endswith(b"\r"):
            self.seek(-1, io.SEEK_CUR)
            return block[:-1]
        return block


def _longest_record(path: Path, start: int, delimiter: str) -> int | None:
    """Return the length in bytes of the longest row, or None where a quote stands where none should."""
    size = path.stat().st_size
    if size <= start:
        return 0
    content = np.memmap(path, np.uint8, mode="r")
    ends = np.array([ord(delimiter), _LINE_FEED, _RETURN, _QUOTE], np.uint8)
    quotes_before, row_start, longest = 0, start, 0
    for begin in range(start, size, _SCAN_BYTES):
        block = content[begin : begin + _SCAN_BYTES]
        quotes = np.flatnonzero(block == _QUOTE)
        is_closing = (np.arange(len(quotes)) + quotes_before) % 2 == 1
        opening, closing = quotes[~is_closing] + begin, quotes[is_closing] + begin
        opening, closing = opening[opening > start], closing[closing < size - 1]
        if not (np.isin(content[opening - 1], ends).all() and np.isin(content[closing + 1], ends).all()):
            return None
        breaks = np.flatnonzero((block == _LINE_FEED) | (block == _RETURN))
        row_ends = breaks[(np.searchsorted(quotes, breaks) + quotes_before) % 2 == 0] + begin
        if len(row_ends):
            longest = max(longest, int(np.diff(row_ends, prepend=row_start).max()))
            row_start = int(row_ends[-1])
        quotes_before += len(quotes)
    return None if quotes_before % 2 else max(longest, size - row_start)


def write(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions) -> None:
    """Write rows as CSV: UTF-8, quotes where they are needed."""

    def write_columns(columns: list[pa.Array]) -> None:
        fields = [_csv_field(column, defused=options.excel_csv) for column in columns]
        if len(fields) == 1:
            fields = [pc.fill_null(fields[0], '""')]  # most readers skip an empty line: the row would be lost
        write_lines(sink, fields, separator=",", null="", end=options.csv_line_end)

    if options.excel_csv:
        sink.write(b"\xef\xbb\xbf")
    write_columns([pa.array([name], TEXT) for name in schema.names])
    for batch in batches:
        write_columns(batch.columns)


def _csv_field(column: pa.Array, *, defused: bool) -> pa.Array:
    text = as_text(column)
    if not is_text(column.type):
        return text  # numbers, times and booleans have nothing to quote or to defuse
    if defused:
        text = pc.if_else(pc.match_substring_regex(text, _FORMULA), glue("'", text), text)
    quoted = glue('"', pc.replace_substring(text, '"', '""'), '"')
    return pc.if_else(pc.match_substring_regex(text, _NEEDS_QUOTES), quoted, text)
