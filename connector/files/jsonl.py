"""JSON Lines: one object a line; columns in the order in which the file first names them, typed by all their values.

A number with a fraction is a number where a float says the same, else a decimal. What is nested stays as it is written,
as JSON. Times, dates and decimals are written as text; a column of text whose values are all exactly of that form is
read as what it was. So that a text never is, one of that form is written with its first character as an escape, which
every reader of JSON undoes, and this one takes for the sign of a text.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connector.errors import DataError
from connector.files.formats import ReadOptions, Sink, WriteOptions
from connector.files.text import RowLines, TextFile, write_lines
from connector.rows.batches import check_header
from connector.rows.parse import parsed
from connector.rows.render import TEXT, as_text, glue, is_json, is_text, is_whole, refuse_infinite
from connector.rows.types import WRITTEN, ColumnProfile, TextProfile, json_number
from connector.rows.values import to_array

_GROUP_ROWS = 5_000
_LOOKS_WRITTEN = "^(?:" + "|".join(form.pattern for form in WRITTEN) + ")$"
_ESCAPED = re.compile(rb'"\\u00(?:3[0-9]|2[dD])')  # a digit or a minus, which need no escape

_NULL = msgspec.Raw(b"null")
_Line = tuple[int, bytes]


def open_reader(path: Path, label: str, options: ReadOptions) -> JsonLinesReader:
    """Open a JSON Lines file."""
    return JsonLinesReader(TextFile(path, label, options.encoding))


class _Column:
    """What is known of one column: its values, and whether they are texts that stand for something else."""

    def __init__(self) -> None:
        self.profile = ColumnProfile(is_json=True)
        self.is_text = False  # one of its values says that it is a text and nothing else
        self._forms = TextProfile(WRITTEN, empty_says_nothing=False)

    def add(self, values: list[Any]) -> None:
        self.profile.add(values)
        if self.profile.kinds == {"text"} and not self.is_text:
            self._forms.add(pa.array(values, pa.string()))

    def field(self, name: str) -> pa.Field:
        if self.profile.kinds == {"text"} and not self.is_text:
            return pa.field(name, self._forms.type)
        return self.profile.field(name)

    @property
    def is_nested(self) -> bool:
        return not self.profile.kinds.isdisjoint({"object", "array"})


class JsonLinesReader:
    """The rows of a JSON Lines file; one without rows has no columns, either."""

    is_text = False

    def __init__(self, file: TextFile) -> None:
        self.label = file.label
        self._file = file
        self._row_lines = RowLines()
        columns = self._columns()
        check_header([*columns], self.label)
        self.schema = pa.schema([column.field(name) for name, column in columns.items()])
        self._nested = {name for name, column in columns.items() if column.is_nested}
        names = {f"c{place}": name for place, name in enumerate(columns)}
        fields = [
            (key, *((msgspec.Raw, _NULL) if name in self._nested else (Any, None))) for key, name in names.items()
        ]
        self._row = msgspec.defstruct("Row", fields, rename=names)

    def _columns(self) -> dict[str, _Column]:
        """Return what all rows say about each column."""
        columns: dict[str, _Column] = {}
        decoder = msgspec.json.Decoder(dict[str, Any], float_hook=json_number)
        for lines in self._groups():
            rows = [self._decode(decoder, number, line) for number, line in lines]
            for name in dict.fromkeys(itertools.chain.from_iterable(rows)):
                columns.setdefault(name, _Column()).add([row.get(name) for row in rows])
            for _, line in lines:
                if _ESCAPED.search(line):
                    for name, raw in msgspec.json.decode(line, type=dict[str, msgspec.Raw]).items():
                        columns[name].is_text |= _ESCAPED.match(bytes(raw)) is not None
        return columns

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        decoder = msgspec.json.Decoder(self._row, float_hook=json_number)
        for lines in self._groups():
            rows = [self._decode(decoder, number, line) for number, line in lines]
            yield pa.RecordBatch.from_arrays(
                [self._column(rows, f"c{place}", field) for place, field in enumerate(self.schema)], schema=self.schema
            )

    def row_label(self, place: int) -> str:
        """Return the line where a row stands; empty lines count."""
        return self._row_lines.label(place, (number for number, _ in self._lines()))

    def _column(self, rows: list[Any], key: str, field: pa.Field) -> pa.Array:
        values = [getattr(row, key) for row in rows]
        if field.name in self._nested:
            values = [_raw_text(value) for value in values]
        elif not is_text(field.type) and any(type(value) is str for value in values):
            return parsed(pa.array(values, pa.string()), field.type)
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


def _raw_text(raw: msgspec.Raw) -> str | None:
    """Return JSON compact and else as written."""
    text = bytes(msgspec.json.format(raw, indent=-1)).decode()
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
        return _with_fraction(text)
    if is_whole(field.type) or pa.types.is_boolean(field.type):
        return text
    return glue('"', _with_fraction(text) if pa.types.is_decimal(field.type) else text, '"')


def _with_fraction(text: pa.Array) -> pa.Array:
    """Return numbers with a point, so that whole ones are not taken for integers."""
    return pc.if_else(pc.match_substring_regex(text, "[.e]"), text, glue(text, ".0"))


def _json_string(text: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(text, '["\\\\\x00-\x1f]')
    escaped = [json.dumps(value, ensure_ascii=False) for value in text.filter(special).to_pylist()]
    quoted = pc.replace_with_mask(glue('"', text, '"'), special, pa.array(escaped, TEXT))
    looks_written = pc.match_substring_regex(text, _LOOKS_WRITTEN)
    if not pc.any(looks_written, min_count=0).as_py():
        return quoted
    as_text_only = pc.replace_substring_regex(quoted, '^"([0-9])', r'"\\u003\1')  # the code of a digit ends with it
    return pc.if_else(looks_written, pc.replace_substring_regex(as_text_only, '^"-', r'"\\u002d'), quoted)
