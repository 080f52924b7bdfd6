"""Row formats: how Arrow batches become CSV, JSON Lines, Parquet and Excel.

A format is one line in FORMATS and one function that writes batches to a stream of bytes. The text formats
render whole columns with Arrow, then join the columns to lines.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connector.errors import MissingExtra, TargetError, UsageError, did_you_mean
from connector.rendering import TEXT, as_text, glue, is_json, is_text, is_whole, refuse_infinite

_GROUP_ROWS = 100_000
_GROUP_BYTES = 64 * 1024 * 1024
_NEEDS_QUOTES = '[",\r\n]|^$'
_FORMULA = "^[=+\\-@\t\r\n＝＋－＠]"  # spreadsheets take the full-width signs too


@dataclass(frozen=True)
class WriteOptions:
    """What a user may say about an output; every target and format takes what concerns it."""

    format: str | None = None  # told by the suffix when left out
    excel_csv: bool = False  # CSV with a byte order mark and a guard against formulas
    time_zone: str = "UTC"  # of times in Excel, which knows no zones; every other output keeps UTC
    table: str | None = None  # the table in a database, the sheet in Excel


class Sink:
    """A stream that swallows what comes after a failure.

    Zip archives and Parquet files finish themselves when Python collects them. After an error this must neither
    fail a second time, where nobody can catch it, nor make half of the rows look like a whole file.
    """

    closed = False  # and no io.IOBase, which closes itself when it is collected, maybe before its writer

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0  # counted here, since a pipe cannot tell
        self.is_spent = False

    def write(self, block: Any) -> int:
        """Pass bytes on."""
        if not self.is_spent:
            self._stream.write(block)
            self._position += len(block)
        return len(block)

    def flush(self) -> None:
        """Do nothing: the target flushes its stream when the rows are whole."""

    def tell(self) -> int:
        """Return the number of bytes so far, or where `seek` has gone."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in a file; an OSError in a pipe, which makes zip archives write without going back."""
        if not self.is_spent:
            self._position = self._stream.seek(offset, whence)
        return self._position


Write = Callable[[Sink, pa.Schema, Iterator[pa.RecordBatch], WriteOptions], None]


@dataclass(frozen=True)
class Format:
    """One row format: its name, the suffixes that mean it, and the function that writes it."""

    name: str
    suffixes: tuple[str, ...]
    write: Write
    is_text: bool = True  # fit for a terminal
    has_lists: bool = False  # takes lists and structs as they are
    needs: str | None = None  # a module of the extra [excel]


def choose_format(name: str, options: WriteOptions) -> Format:
    """Return the format that a file name and the options ask for; a UsageError where they do not agree."""
    short = PurePath(name).name
    by_suffix = _format_by_suffix(name)
    chosen = _format_by_name(options.format) if options.format else by_suffix
    if chosen is None:
        known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        raise UsageError(f'"{short}" does not say which format to write: end it in {known}, or name one by --format.')
    if by_suffix not in (None, chosen):
        raise UsageError(f'"{short}" is no name for {chosen.name}: change it, or leave --format {chosen.name} out.')
    if options.excel_csv and chosen.name != "csv":
        raise UsageError(f"--csv-excel is for CSV, and this output is {chosen.name}: leave it out.")
    if chosen.needs and importlib.util.find_spec(chosen.needs) is None:
        raise MissingExtra("Writing Excel", "excel")
    return chosen


def write_rows(
    chosen: Format, stream: BinaryIO, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions
) -> None:
    """Write all rows to `stream`; after an exception nothing more goes there."""
    nested = [field for field in schema if pa.types.is_nested(field.type)]
    if nested and not chosen.has_lists:
        raise TargetError(f'Column "{nested[0].name}" is a {nested[0].type}, which {chosen.name} cannot hold.')
    refuse_repeated(schema.names)
    sink = Sink(stream)
    try:
        chosen.write(sink, schema, (batch for batch in batches if batch.num_rows), options)
    except BaseException:
        sink.is_spent = True
        raise


def refuse_repeated(names: list[str]) -> None:
    """Raise a TargetError that names a column that is there twice: readers would keep one of them."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise TargetError(f'Two columns are called "{repeated[0]}": give one of them another name.')


def regroup(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the same rows in tables of 100,000 rows or 64 MB, however small or large the batches are."""
    held: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, _GROUP_ROWS - rows)
            held.append(piece)
            start, rows, size_bytes = start + piece.num_rows, rows + piece.num_rows, size_bytes + piece.nbytes
            if rows == _GROUP_ROWS or size_bytes >= _GROUP_BYTES:
                yield pa.Table.from_batches(held, schema)
                held, rows, size_bytes = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)


def _format_by_suffix(name: str) -> Format | None:
    suffix = PurePath(name).suffix.lower()
    return next((known for known in FORMATS.values() if suffix in known.suffixes), None)


def _format_by_name(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f'There is no format "{name}": take {", ".join(FORMATS)}.{did_you_mean(name, FORMATS)}')
    return FORMATS[name]


def _write_csv(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions) -> None:
    def write_lines(columns: list[pa.Array]) -> None:
        fields = [_csv_field(column, defused=options.excel_csv) for column in columns]
        if len(fields) == 1:
            fields = [pc.fill_null(fields[0], '""')]  # most readers skip an empty line: the row would be lost
        _write_lines(sink, fields, separator=",", null="", end="\r\n")

    if options.excel_csv:
        sink.write(b"\xef\xbb\xbf")
    write_lines([pa.array([name], TEXT) for name in schema.names])
    for batch in batches:
        write_lines(batch.columns)


def _csv_field(column: pa.Array, *, defused: bool) -> pa.Array:
    text = as_text(column)
    if not is_text(column.type):
        return text  # numbers, times and booleans have nothing to quote or to defuse
    if defused:
        text = pc.if_else(pc.match_substring_regex(text, _FORMULA), glue("'", text), text)
    quoted = glue('"', pc.replace_substring(text, '"', '""'), '"')
    return pc.if_else(pc.match_substring_regex(text, _NEEDS_QUOTES), quoted, text)


def _write_json_lines(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], _options: WriteOptions) -> None:
    keys = [json.dumps(name, ensure_ascii=False) + ":" for name in schema.names]
    openings = [pa.scalar(("," if place else "{") + key, TEXT) for place, key in enumerate(keys)]
    row = 1
    for batch in batches:
        values = [_json_value(column, field, row) for column, field in zip(batch.columns, schema, strict=True)]
        pairs = [part for pair in zip(openings, values, strict=True) for part in pair]
        _write_lines(sink, [*pairs, pa.scalar("}", TEXT)], separator="", null="null", end="\n")
        row += batch.num_rows


def _json_value(column: pa.Array, field: pa.Field, row: int) -> pa.Array:
    text = as_text(column)
    if is_json(field):
        return pc.replace_substring_regex(text, "[\r\n]+", " ")  # they stand between values: strings escape them
    if is_text(field.type):
        return _json_string(text)
    if pa.types.is_floating(field.type):
        refuse_infinite(column, field.name, row)
        return text
    return text if is_whole(field.type) or pa.types.is_boolean(field.type) else glue('"', text, '"')


def _json_string(text: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(text, '["\\\\\x00-\x1f]')
    escaped = [json.dumps(value, ensure_ascii=False) for value in text.filter(special).to_pylist()]
    return pc.replace_with_mask(glue('"', text, '"'), special, pa.array(escaped, TEXT))


def _write_lines(sink: Sink, parts: list[pa.Array | pa.Scalar], *, separator: str, null: str, end: str) -> None:
    lines = pc.binary_join_element_wise(
        *parts, pa.scalar(separator, TEXT), null_handling="replace", null_replacement=null
    )
    whole = pa.LargeListArray.from_arrays(pa.array([0, len(lines)], pa.int64()), lines)
    sink.write(pc.binary_join(whole, pa.scalar(end, TEXT))[0].as_buffer())
    sink.write(end.encode())


def _write_parquet(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], _options: WriteOptions) -> None:
    writer = pq.ParquetWriter(sink, schema, compression="zstd")
    for table in regroup(batches, schema):
        writer.write_table(table, row_group_size=_GROUP_ROWS)
    writer.close()  # not by `with`, which would finish the file after an error too


def _write_excel(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions) -> None:
    from connector import excel  # XlsxWriter is optional

    excel.write(sink, schema, batches, excel.Sheet(options.table or "", options.time_zone))


FORMATS = {
    known.name: known
    for known in (
        Format("csv", (".csv",), _write_csv),
        Format("jsonl", (".jsonl", ".ndjson"), _write_json_lines),
        Format("parquet", (".parquet",), _write_parquet, is_text=False, has_lists=True),
        Format("xlsx", (".xlsx",), _write_excel, is_text=False, needs="xlsxwriter"),
    )
}
