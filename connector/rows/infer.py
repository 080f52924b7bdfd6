"""Rows whose columns are found by looking at all of them: for responses that no definition describes.

Nested objects become columns named by their path, as in `tables`; arrays stay JSON. Records are looked at as they
come and kept as JSON lines, beyond 16 MB in a temporary file; the columns are decided when all have come, and the
rows are made then. Types are what JSON says: no instant is guessed from an integer, no date from a text. Columns come
in the order in which their fields first appeared, the fields of an object together, where the object first appeared.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import IO, Any, Self

import msgspec
import pyarrow as pa

from connector.definitions.names import column_name, shorten
from connector.errors import DataError, TargetError, UsageError
from connector.rows.cast import type_word
from connector.rows.render import is_json, is_text
from connector.rows.types import ColumnProfile, json_number
from connector.rows.values import to_array

MOST_COLUMNS = 10_000
SPOOL_BYTES = 16 * 2**20
_READ_BYTES = 4 * 2**20
_BATCH_ROWS = 10_000
_GROUP_RECORDS = 500

# What came, as notes say it.
_WORDS = (
    ("boolean", "booleans"), ("integer", "integers"), ("number", "fractions"), ("decimal", "fractions"),
    ("text", "text"), ("array", "arrays"), ("object", "objects"),
)  # fmt: skip

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class InferredRows:
    """All rows, under the columns that fit them; readable as often as wanted until their `Inferred` is closed."""

    schema: pa.Schema
    notes: list[str]
    rows: int
    _read: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        return self._read()


@dataclass(slots=True)
class _Node:
    """What came at one place of the records; `explode` is what is left of the path to explode, () at its end."""

    explode: tuple[str, ...] | None = None
    profile: ColumnProfile = field(default_factory=lambda: ColumnProfile(is_json=True))
    fields: dict[str, _Node] = field(default_factory=dict)


@dataclass(slots=True)
class _Part:
    """One column, or an object that lives in its fields' columns.

    `is_mixed` tells a text column of which some values are not text in the records.
    """

    key: str
    column: pa.Field
    is_mixed: bool = False
    is_exploded: bool = False
    fields: list[_Part] = field(default_factory=list)


class Inferred:
    """Takes records as they come and gives back typed rows once all have come.

    With `explode`, the path of an array in each record ("lines.data"), each item of it is a row: the item's fields
    are columns below that path, the record's other columns are repeated. A record without items keeps one row; a
    value that is no array counts as the only item.
    """

    def __init__(self, explode: str | None = None) -> None:
        self._path = tuple(explode.split(".")) if explode is not None else None
        if self._path and not all(self._path):
            raise UsageError(f'"{explode}" is not the path of an array; write it like lines.data or tags.')
        self._root = _Node(self._path)
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  # closed by close()
        self._rows = self._end = 0
        self._columns = 1
        self._met_array = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary file; the rows cannot be read any more."""
        self._spool.close()

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take records; DataError for one that JSON cannot hold, or for more columns than are sane."""
        left = iter(records)
        while group := list(itertools.islice(left, _GROUP_RECORDS)):
            plain = [record if type(record) is dict else dict(record) for record in group]
            try:
                lines = _ENCODER.encode_lines(plain)
                self._see(self._root, plain)
            except (TypeError, ValueError, RecursionError) as error:
                raise DataError(f"A record cannot be kept as JSON: {error}.") from None
            self._rows += len(plain)
            self._keep(lines)

    def finish(self) -> InferredRows:
        """Decide the columns and return the rows that were added so far."""
        columns = _Columns(met_array=self._met_array)
        root = _Part("", pa.field("", pa.null()), fields=columns.parts(self._root, ()))
        schema = pa.schema(columns.fields)
        notes = list(columns.notes)
        if self._path and not self._met_array and self._rows:
            notes.append(f"{'.'.join(self._path)}: no record has an array there, so each record is one row")
        end = self._end
        path = self._path if self._met_array else None
        return InferredRows(schema, notes, self._rows, lambda: self._batches(schema, root, path, end))

    def _keep(self, lines: bytes) -> None:
        try:
            self._spool.seek(0, 2)
            self._spool.write(lines)
        except OSError as error:
            folder = tempfile.gettempdir()
            raise TargetError(f"Rows cannot be kept in {folder}: {error.strerror}; TMPDIR can name another.") from None
        self._end += len(lines)

    def _see(self, node: _Node, objects: Iterable[dict[str, Any]]) -> None:
        """Take note of the values of each field of objects at one place."""
        columns: dict[str, list[Any]] = {}
        for fields in objects:
            for key, value in fields.items():
                if key in columns:
                    columns[key].append(value)
                else:
                    columns[key] = [value]
                    if key not in node.fields:
                        self._first(node, key)
        for key, values in columns.items():
            self._add(node.fields[key], values)

    def _add(self, node: _Node, values: list[Any]) -> None:
        if node.explode == ():
            values = self._items(values)
        if not _PLAIN.issuperset(map(type, values)):
            values = [_plain(value) for value in values]
        node.profile.add(values)
        if "object" in node.profile.kinds:
            self._see(node, (value for value in values if type(value) is dict))

    def _first(self, node: _Node, key: str) -> None:
        """Make a new place below a node; its first field takes the place of the node's own column."""
        self._columns += bool(node.fields)
        if self._columns > MOST_COLUMNS:
            path, most = _widest(self._root, "")
            raise DataError(
                f"There are more than {MOST_COLUMNS:,} columns: {path or 'a record'} has {most:,} different fields. "
                "A --filter picks smaller objects."
            )
        node.fields[key] = _Node(node.explode[1:] if node.explode and node.explode[0] == key else None)

    def _items(self, values: list[Any]) -> list[Any]:
        """Return the items of arrays in their place; what is no array is its only item."""
        items: list[Any] = []
        for value in values:
            if type(value) is list:
                self._met_array = True
                self._rows += max(len(value) - 1, 0)
                items += value
            else:
                items.append(value)
        return items

    def _batches(
        self, schema: pa.Schema, root: _Part, path: tuple[str, ...] | None, end: int
    ) -> Iterator[pa.RecordBatch]:
        for records in self._kept(end):
            if not schema:
                yield pa.RecordBatch.from_struct_array(pa.array([_NOTHING] * len(records), pa.struct([])))
            elif path is None:
                yield pa.RecordBatch.from_arrays([array for array, _ in _arrays(root, records, [])], schema=schema)
            else:
                yield from _exploded(schema, root, path, records)

    def _kept(self, end: int) -> Iterator[list[dict[str, Any]]]:
        """Return what was added, in lists of a size to work on; several readers do not disturb each other."""
        place = 0
        while place < end:
            self._spool.seek(place)
            lines = self._spool.readlines(min(_READ_BYTES, end - place))
            place = self._spool.tell()
            for start in range(0, len(lines), _BATCH_ROWS):
                yield _DECODER.decode_lines(b"".join(lines[start : start + _BATCH_ROWS]))


_PLAIN = {type(None), bool, int, str, dict, list}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; a ValueError or TypeError where JSON cannot hold it."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is not float and kind is not Decimal:
        return _plain(_DECODER.decode(_ENCODER.encode(value)))
    if not Decimal(value).is_finite():
        raise ValueError("it has a number that is not finite")
    return json_number(str(value))


def _widest(node: _Node, path: str) -> tuple[str, int]:
    """Return the object with the most fields, and their number."""
    below = [_widest(child, f"{path}.{key}" if path else key) for key, child in node.fields.items()]
    return max([(path, len(node.fields)), *below], key=lambda each: each[1])


class _Columns:
    """Decides what becomes of each place: its column's name and type, and what to say about it."""

    def __init__(self, *, met_array: bool) -> None:
        self._met_array = met_array
        self._names: dict[str, str] = {}
        self.fields: list[pa.Field] = []
        self.notes: list[str] = []

    def parts(self, node: _Node, path: tuple[str, ...]) -> list[_Part]:
        """Return the parts of an object, and take note of their columns in order."""
        return [self._part(child, (*path, key)) for key, child in node.fields.items()]

    def _part(self, node: _Node, path: tuple[str, ...]) -> _Part:
        kinds, column = node.profile.kinds, node.profile.field("")
        is_spread = kinds == {"object"} and bool(node.fields)
        if node.explode and not is_spread and self._met_array:
            raise DataError(f"{'.'.join(path)} is not an object in every record, so no array in it can be exploded.")
        part = _Part(path[-1], column, is_mixed=kinds != {"text"}, is_exploded=node.explode == ())
        if is_spread:
            part.fields = self.parts(node, path)
            return part
        if reason := _reason(kinds, column):
            self.notes.append(f"{'.'.join(path)}: {reason}, so the column is {_word(column)}")
        self.fields.append(column.with_name(self._name(".".join(path))))
        return part

    def _name(self, path: str) -> str:
        """Return a name that no other column has, not even in another case."""
        whole = column_name(path) or "_"
        name, number = shorten(whole), 1
        other = self._names.get(name.casefold())
        while name.casefold() in self._names:
            number += 1
            name = shorten(f"{whole}_{number}")
        self._names[name.casefold()] = path
        if other is not None:
            self.notes.append(f'{path}: "{other}" has that name already, so the column is called {name}')
        return name


def _reason(kinds: set[str], column: pa.Field) -> str | None:
    """Return what is worth telling about how a column got its type."""
    if kinds and kinds <= {"integer", "number", "decimal"}:
        is_usual = column.type in (pa.int64(), pa.float64())
        return None if is_usual else "numbers with more digits than a number or integer column holds came"
    came = list(dict.fromkeys(word for kind, word in _WORDS if kind in kinds))
    return f"{', '.join(came[:-1])} and {came[-1]} came" if len(came) > 1 else None


def _word(column: pa.Field) -> str:
    return "JSON" if is_json(column) else type_word(column)


def _arrays(part: _Part, objects: list[dict[str, Any]], items: list[Any]) -> Iterator[tuple[pa.Array, bool]]:
    """Return the columns of objects, each with whether it has a value per item of the exploded array."""
    for child in part.fields:
        key, per_item = child.key, child.is_exploded and bool(items)
        values = items if per_item else [each.get(key) for each in objects]
        if child.fields:
            inner = [each if type(each) is dict else _NOTHING for each in values]
            for array, deeper in _arrays(child, inner, items):
                yield array, per_item or deeper
        else:
            yield _array(child, values), per_item


def _array(part: _Part, values: list[Any]) -> pa.Array:
    if is_json(part.column):
        values = [None if value is None else _ENCODER.encode(value).decode() for value in values]
    elif is_text(part.column.type) and part.is_mixed:
        values = [value if value is None or type(value) is str else _ENCODER.encode(value).decode() for value in values]
    elif pa.types.is_decimal(part.column.type):
        values = [None if value is None else Decimal(value) for value in values]
    return to_array(values, part.column)


def _exploded(
    schema: pa.Schema, root: _Part, path: tuple[str, ...], records: list[dict[str, Any]]
) -> Iterator[pa.RecordBatch]:
    """Return a row for each item of the array at `path`."""
    lists = [_items_at(record, path) for record in records]
    items = list(itertools.chain.from_iterable(lists))
    record_of_row = pa.array([number for number, each in enumerate(lists) for _ in each], pa.int64())
    columns = list(_arrays(root, records, items))
    for start in range(0, len(items), _BATCH_ROWS):
        rows = record_of_row.slice(start, _BATCH_ROWS)
        arrays = [array.slice(start, _BATCH_ROWS) if per_item else array.take(rows) for array, per_item in columns]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _items_at(record: dict[str, Any], path: tuple[str, ...]) -> list[Any]:
    value: Any = record
    for key in path:
        value = value.get(key) if type(value) is dict else None
    if type(value) is list:
        return value or [None]
    return [value]
