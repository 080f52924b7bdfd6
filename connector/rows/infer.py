"""Rows whose columns are found by looking at all of them: for answers that no definition describes.

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
from connector.rows.flatten import ARROW_TYPES, arrow_field

MOST_COLUMNS = 10_000
SPOOL_BYTES = 16 * 2**20
_READ_BYTES = 4 * 2**20
_BATCH_ROWS = 10_000
_GROUP_RECORDS = 500

# What came at a place: bits, so that a column remembers all of it in one number.
_BOOLEAN, _INTEGER, _FRACTION, _TEXT, _ARRAY, _EMPTY, _OBJECT = (1 << bit for bit in range(7))
_NO_FLOAT = 1 << 7  # an integer or a fraction that a float would round
_NO_INT64 = 1 << 8
_NO_DECIMAL = 1 << 9  # more digits than decimal columns hold
_NUMERIC = _INTEGER | _FRACTION | _NO_FLOAT | _NO_INT64 | _NO_DECIMAL
_SIMPLE: dict[type, int] = {type(None): 0, bool: _BOOLEAN, str: _TEXT}
_WORDS = {
    _BOOLEAN: "booleans",
    _INTEGER: "integers",
    _FRACTION: "fractions",
    _TEXT: "text",
    _ARRAY: "arrays",
    _EMPTY | _OBJECT: "objects",
}
_FLOAT_INTEGERS = 2**53
_DECIMAL_SCALE = ARROW_TYPES["decimal"].scale
_DECIMAL_WHOLE_DIGITS = ARROW_TYPES["decimal"].precision - _DECIMAL_SCALE

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
class _Seen:
    """What came at one place of the records; `explode` is what is left of the path to explode, () at its end."""

    explode: tuple[str, ...] | None = None
    kinds: int = 0
    fields: dict[str, _Seen] = field(default_factory=dict)


@dataclass(slots=True)
class _Part:
    """One column, or an object that lives in its fields' columns."""

    key: str
    kind: str
    mixed: bool = False  # a text column of which some values are not text in the records
    exploded: bool = False
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
        self._root = _Seen(self._path)
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
                for record in plain:
                    self._see(self._root, record)
            except (TypeError, ValueError, RecursionError) as error:
                raise DataError(f"A record cannot be kept as JSON: {error}.") from None
            self._rows += len(plain)
            self._keep(lines)

    def finish(self) -> InferredRows:
        """Decide the columns and return the rows that were added so far."""
        columns = _Columns(met_array=self._met_array)
        root = _Part("", "spread", fields=columns.parts(self._root, ()))
        schema = pa.schema([arrow_field(name, kind) for name, kind in columns.fields])
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

    def _see(self, node: _Seen, fields: dict[str, Any]) -> None:
        known = node.fields
        for key, value in fields.items():
            child = known.get(key)
            if child is None:
                child = self._first(node, key)
            kinds = _SIMPLE.get(type(value))
            child.kinds |= self._kinds(child, value) if kinds is None else kinds

    def _first(self, node: _Seen, key: str) -> _Seen:
        """Return a new place below a node; its first field takes the place of the node's own column."""
        self._columns += bool(node.fields)
        if self._columns > MOST_COLUMNS:
            path, most = _widest(self._root, "")
            raise DataError(
                f"There are more than {MOST_COLUMNS:,} columns: {path or 'a record'} has {most:,} different fields. "
                "A --filter picks smaller objects."
            )
        child = node.fields[key] = _Seen(node.explode[1:] if node.explode and node.explode[0] == key else None)
        return child

    def _kinds(self, node: _Seen, value: Any) -> int:
        kind = type(value)
        if kind is int:
            return _integer_kinds(value)
        if kind is dict:
            self._see(node, value)
            return _OBJECT if value else _EMPTY
        if kind is list:
            return self._items(node, value) if node.explode == () else _ARRAY
        if kind is float or kind is Decimal:
            return _fraction_kinds(value)
        if kind in _SIMPLE:
            return _SIMPLE[kind]
        return self._kinds(node, _DECODER.decode(_ENCODER.encode(value)))

    def _items(self, node: _Seen, items: list[Any]) -> int:
        self._met_array = True
        self._rows += max(len(items) - 1, 0)
        kinds = 0
        for item in items:
            kinds |= _ARRAY if type(item) is list else self._kinds(node, item)
        return kinds

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


def _integer_kinds(value: int) -> int:
    if -_FLOAT_INTEGERS <= value <= _FLOAT_INTEGERS:
        return _INTEGER
    kinds = _INTEGER | _NO_FLOAT
    if not -(2**63) <= value < 2**63:
        kinds |= _NO_INT64
    return kinds if abs(value) < 10**_DECIMAL_WHOLE_DIGITS else kinds | _NO_DECIMAL


def _fraction_kinds(value: float | Decimal) -> int:
    exact = Decimal(repr(value)) if type(value) is float else Decimal(value)
    if not exact.is_finite():
        raise ValueError("it has a number that is not finite")
    kinds = _FRACTION
    if type(value) is not float and Decimal(repr(float(value))) != exact:
        kinds |= _NO_FLOAT
    digits_after = -int(exact.as_tuple().exponent)
    fits = digits_after <= _DECIMAL_SCALE and exact.adjusted() < _DECIMAL_WHOLE_DIGITS
    return kinds if fits else kinds | _NO_DECIMAL


def _widest(node: _Seen, path: str) -> tuple[str, int]:
    """Return the object with the most fields, and their number."""
    below = [_widest(child, f"{path}.{key}" if path else key) for key, child in node.fields.items()]
    return max([(path, len(node.fields)), *below], key=lambda each: each[1])


class _Columns:
    """Decides what becomes of each place: its column's name and type, and what to say about it."""

    def __init__(self, *, met_array: bool) -> None:
        self._met_array = met_array
        self._names: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def parts(self, node: _Seen, path: tuple[str, ...]) -> list[_Part]:
        """Return the parts of an object, and take note of their columns in order."""
        return [self._part(child, (*path, key)) for key, child in node.fields.items()]

    def _part(self, node: _Seen, path: tuple[str, ...]) -> _Part:
        kind, reason = _column_kind(node.kinds)
        part = _Part(path[-1], kind, kind == "text" and node.kinds != _TEXT, node.explode == ())
        if node.explode and kind != "spread" and self._met_array:
            raise DataError(f"{'.'.join(path)} is not an object in every record, so no array in it can be exploded.")
        if kind == "spread":
            part.fields = self.parts(node, path)
            return part
        if reason:
            self.notes.append(f"{'.'.join(path)}: {reason}, so the column is {'JSON' if kind == 'json' else kind}")
        self.fields.append((self._name(".".join(path)), kind))
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


def _column_kind(kinds: int) -> tuple[str, str | None]:
    """Return the type of a column, or "spread" for an object's own columns, and what is worth telling about it."""
    came = [word for bits, word in _WORDS.items() if kinds & bits]
    clash = f"{', '.join(came[:-1])} and {came[-1]} came" if len(came) > 1 else None
    if kinds & (_ARRAY | _EMPTY | _OBJECT):
        return ("spread", None) if kinds & _OBJECT and not clash else ("json", clash)
    if not kinds & ~_BOOLEAN:
        return ("boolean" if kinds else "text"), None
    if kinds & ~_NUMERIC:
        return "text", clash
    return _numeric_kind(kinds)


def _numeric_kind(kinds: int) -> tuple[str, str | None]:
    """Return the narrowest type that loses no digit."""
    if not kinds & (_FRACTION | _NO_INT64):
        return "integer", None
    if kinds & _FRACTION and not kinds & _NO_FLOAT:
        return "number", None
    if not kinds & _NO_DECIMAL:
        return "decimal", "numbers with more digits than a number or integer column holds came"
    return "text", "numbers with more digits than a decimal column holds came"


def _arrays(part: _Part, objects: list[dict[str, Any]], items: list[Any]) -> Iterator[tuple[pa.Array, bool]]:
    """Return the columns of objects, each with whether it has a value per item of the exploded array."""
    for child in part.fields:
        key = child.key
        values = items if child.exploded and items else [each.get(key) for each in objects]
        per_item = child.exploded and bool(items)
        if child.kind == "spread":
            inner = [each if type(each) is dict else _NOTHING for each in values]
            for array, deeper in _arrays(child, inner, items):
                yield array, per_item or deeper
        else:
            yield _array(child, values), per_item


def _array(part: _Part, values: list[Any]) -> pa.Array:
    if part.kind == "json":
        values = [None if each is None else _ENCODER.encode(each).decode() for each in values]
    elif part.mixed:
        values = [each if each is None or type(each) is str else _ENCODER.encode(each).decode() for each in values]
    elif part.kind == "number":
        values = [None if each is None else float(each) for each in values]
    elif part.kind == "decimal":
        values = [None if each is None else Decimal(each) for each in values]
    return pa.array(values, ARROW_TYPES[part.kind])


def _exploded(
    schema: pa.Schema, root: _Part, path: tuple[str, ...], records: list[dict[str, Any]]
) -> Iterator[pa.RecordBatch]:
    """Return a row for each item of the array at `path`."""
    found = [_items_at(record, path) for record in records]
    items = list(itertools.chain.from_iterable(found))
    record_of_row = pa.array([number for number, each in enumerate(found) for _ in each], pa.int64())
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
