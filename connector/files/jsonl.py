"""JSON Lines: one object a line; columns in the order in which the file first names them, typed by all their values.

A number with a fraction is a decimal where decimals hold it, else a float where a float says the same, else text. What
is nested stays as it is written, as JSON. Strings are text, whatever they look like.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connector.errors import DataError
from connector.files.formats import ReadOptions, Sink, WriteOptions
from connector.files.text import TextFile, write_lines
from connector.rows.batches import check_header
from connector.rows.render import TEXT, as_text, glue, is_json, is_text, is_whole, refuse_infinite
from connector.rows.values import Seen, kind_of, to_array

_GROUP_ROWS = 5_000
_WHOLE_DIGITS, _DECIMALS = 26, 12  # of decimal128(38, 12)

_NULL = msgspec.Raw(b"null")
_Line = tuple[int, bytes]


def open_reader(path: Path, label: str, options: ReadOptions) -> JsonLinesReader:
    """Open a JSON Lines file."""
    return JsonLinesReader(TextFile(path, label, options.encoding))


class JsonLinesReader:
    """The rows of a JSON Lines file; one without rows has no columns, either."""

    is_text = False

    def __init__(self, file: TextFile) -> None:
        self.label = file.label
        self._file = file
        seen: dict[str, Seen] = {}
        nested: set[str] = set()
        decoder = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
        for lines in self._groups():
            rows = [self._decode(decoder, number, line) for number, line in lines]
            for name in dict.fromkeys(itertools.chain.from_iterable(rows)):
                values = [row.get(name) for row in rows]
                seen.setdefault(name, Seen()).see(values)
                if name not in nested and any(kind_of(kind) == "nested" for kind in set(map(type, values))):
                    nested.add(name)
        check_header([*seen], self.label)
        self.schema = pa.schema([each.field(name) for name, each in seen.items()])
        names = {f"c{place}": name for place, name in enumerate(seen)}
        fields = [(key, *((msgspec.Raw, _NULL) if name in nested else (Any, None))) for key, name in names.items()]
        self._row = msgspec.defstruct("Row", fields, rename=names)
        self._nested = nested

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        decoder = msgspec.json.Decoder(self._row, float_hook=_number)
        for lines in self._groups():
            rows = [self._decode(decoder, number, line) for number, line in lines]
            yield pa.RecordBatch.from_arrays(
                [self._column(rows, f"c{place}", field) for place, field in enumerate(self.schema)], schema=self.schema
            )

    def row_label(self, place: int) -> str:
        """Return the line where a row stands; empty lines count."""
        line = next((number for row, (number, _) in enumerate(self._lines()) if row == place), None)
        return f"row {place + 1}" if line is None else f"line {line}"

    def _column(self, rows: list[Any], key: str, field: pa.Field) -> pa.Array:
        values = [getattr(row, key) for row in rows]
        if field.name in self._nested:
            values = [_raw_text(value) for value in values]
        return to_array(values, field)

    def _lines(self) -> Iterator[_Line]:
        with self._file.path.open("rb") as stream:
            stream.seek(self._file.start)
            for number, line in enumerate(stream, 1):
                if not line.isspace():
                    yield number, line

    def _groups(self) -> Iterator[list[_Line]]:
        lines = self._lines()
        while group := list(itertools.islice(lines, _GROUP_ROWS)):
            yield group

    def _decode(self, decoder: msgspec.json.Decoder[Any], number: int, line: bytes) -> Any:
        try:
            return decoder.decode(line)
        except msgspec.ValidationError:
            raise DataError(
                f"{self.label}, line {number}: this is not one JSON object, as every line has to be."
            ) from None
        except UnicodeDecodeError:
            self._file.check_encoding()
            raise DataError(f"{self.label}, line {number}: this is no UTF-8 text.") from None
        except (msgspec.DecodeError, RecursionError) as error:
            what = (
                "it nests too deeply"
                if isinstance(error, RecursionError)
                else str(error).partition(": ")[2] or "it ends too early"
            )
            raise DataError(f"{self.label}, line {number}: this is no JSON: {what}.") from None


def _number(text: str) -> Decimal | float | str:
    exact = Decimal(text)
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= _DECIMALS and exact.adjusted() < _WHOLE_DIGITS and exponent <= 0:
        return exact
    number = float(text)
    return number if Decimal(repr(number)) == exact else text


def _raw_text(raw: msgspec.Raw) -> str | None:
    """Return nested JSON compact and else as written; a string or another value in the same column as its text."""
    text = bytes(msgspec.json.format(raw, indent=-1)).decode()
    if text.startswith('"'):
        return msgspec.json.decode(text, type=str)
    return None if text == "null" else text


def write(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], _options: WriteOptions) -> None:
    """Write rows as JSON Lines: an object a line, times as ISO 8601."""
    keys = [json.dumps(name, ensure_ascii=False) + ":" for name in schema.names]
    openings = [pa.scalar(("," if place else "{") + key, TEXT) for place, key in enumerate(keys)]
    row = 1
    for batch in batches:
        values = [_json_value(column, field, row) for column, field in zip(batch.columns, schema, strict=True)]
        pairs = [part for pair in zip(openings, values, strict=True) for part in pair]
        write_lines(sink, [*pairs, pa.scalar("}", TEXT)], separator="", null="null", end="\n")
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
