"""JSON records → typed Arrow batches, by the columns of a definition.

Two ways lead to the same batch. The quick one decodes a whole page into Structs made from the definition. A page
that does not fit them (a field that no file declares, a value of another type) is either decoded again with the
new fields known, or read the slow way, field by field. What has no column of its own goes to `_extra`, under its
dotted path; nothing is dropped.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pyarrow as pa
from msgspec import Raw
from msgspec.json import Decoder, decode, encode
from msgspec.json import format as reformat
from msgspec.structs import astuple

from connector.definitions.endpoint import Endpoint
from connector.definitions.parts import Column
from connector.errors import DataError
from connector.rows.types import ARROW_TYPES, arrow_field

EXTRA = "_extra"
_DECODED_AS: dict[str, Any] = {
    "text": str | None,
    "integer": int | None,
    "number": float | None,
    "decimal": Decimal | None,
    "boolean": bool | None,
    "timestamp": int | None,
    "date": datetime.date | None,
}
_NULL = Raw(b"null")
_MICROSECONDS = 1_000_000  # in a second
_LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z; beyond it neither Python nor SQL Server has a date
_MOST_EXTRA_FIELDS = 200  # more than that is a map that nobody declared: cheaper to read the slow way
_UNLEARNABLE = re.compile(r'["\\\x00-\x1f]')  # what msgspec takes in no field's name
_UNFIT = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError)


@dataclass
class Drift:
    """How records departed from their definition: counts by dotted path, and pages read the slow way."""

    undeclared: Counter[str] = field(default_factory=Counter)
    misfits: Counter[str] = field(default_factory=Counter)
    slow_pages: int = 0


@dataclass
class _Node:
    """One field of a record.

    `spread` is an object that lives in its fields' columns alone; `raw` is kept or skipped as JSON text, with the
    leaves that stand beside it among its fields; `typed` is a single value.
    """

    path: tuple[str, ...] = ()
    kind: Literal["spread", "raw", "typed"] = "spread"
    column: Column | None = None
    extra: bool = False
    fields: dict[str, _Node] = field(default_factory=dict)

    def at(self, path: Sequence[str]) -> _Node:
        node = self
        for key in path:
            node = node.fields.setdefault(key, _Node((*node.path, key)))
        return node

    def within_raw(self, path: Sequence[str]) -> bool:
        return any(self.at(path[:length]).kind == "raw" for length in range(1, len(path)))


class Flattener:
    """Turns pages of records of one endpoint into batches of one schema, and counts what departed from it."""

    def __init__(self, endpoint: Endpoint, columns: Collection[str] | None = None) -> None:
        self.endpoint = endpoint
        self.drift = Drift()
        self._columns = [column for column in endpoint.columns if columns is None or column.name in columns]
        self._with_extra = columns is None or EXTRA in columns
        self.schema = schema_of(self._columns, with_extra=self._with_extra)
        self._root = _tree(endpoint, {column.name for column in self._columns})
        self._quick = _Quick(self._root, endpoint.object)

    def batch(self, records: bytes, fills: Mapping[str, Sequence[str]] | None = None) -> pa.RecordBatch:
        """Flatten a JSON array of records; `fills` gives the values of columns that are not in the records."""
        compact = reformat(records, indent=-1)
        try:
            batch = self._assemble(self._quick.read(compact), fills or {})
            self.drift.undeclared.update(self._quick.extra_counts)
        except (msgspec.MsgspecError, *_UNFIT):
            batch = self._assemble(self._read_slowly(compact), fills or {})
        return batch

    def _assemble(self, values: Mapping[str, Sequence[Any]], fills: Mapping[str, Sequence[str]]) -> pa.RecordBatch:
        rows = len(values[EXTRA])
        arrays = [
            _nulls(rows, column.type) if given is None else to_column(column.type, given)
            for column in self._columns
            for given in [fills.get(column.name) or values.get(column.name)]
        ]
        if self._with_extra:
            arrays.append(to_column("json", values[EXTRA]))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _read_slowly(self, records: bytes) -> dict[str, list[Any]]:
        slow = _Slow(self._root, self._columns, self.endpoint)
        values = slow.read(records)
        self.drift.slow_pages += 1
        self.drift.undeclared.update(slow.undeclared)
        self.drift.misfits.update(slow.misfits)
        self._learn(slow.unknown)
        return values

    def _learn(self, unknown: Collection[tuple[str, ...]]) -> None:
        """Make the quick way know the fields just met, so that only their first page is slow."""
        new = [path for path in unknown if not any(_UNLEARNABLE.search(key) for key in path)]
        if not new or len(self.drift.undeclared) > _MOST_EXTRA_FIELDS:
            return
        for path in new:
            node = self._root.at(path)
            node.kind, node.extra = "raw", True
        self._quick = _Quick(self._root, self.endpoint.object)


def schema_of(columns: Iterable[Column], *, with_extra: bool = True) -> pa.Schema:
    """Return the Arrow schema of columns; JSON columns are text that says so in its field's metadata."""
    fields = [arrow_field(column.name, column.type) for column in columns]
    return pa.schema([*fields, arrow_field(EXTRA, "json")] if with_extra else fields)


def _tree(endpoint: Endpoint, wanted: Collection[str]) -> _Node:
    """Return the fields that a record may have; what is known but not wanted is skipped as raw JSON."""
    root = _Node()
    for path in endpoint.ignored:
        root.at(path).kind = "raw"
    for column in sorted(endpoint.columns, key=lambda column: column.type != "json"):
        if not column.path or (column.name not in wanted and root.within_raw(column.path)):
            continue
        node = root.at(column.path)
        node.column = column if column.name in wanted else None
        node.kind = "typed" if node.column and column.type != "json" else "raw"
    if endpoint.object and "object" not in root.fields:
        root.at(("object",)).kind = "raw"
    return root


def to_column(kind: str, values: Sequence[Any]) -> pa.Array:
    """Return values as JSON has them as a column of a type; an error of Arrow's where one does not fit it."""
    if len(values) and values[0] is None and values.count(None) == len(values):
        return _nulls(len(values), kind)
    if kind != "timestamp":
        return pa.array(values, ARROW_TYPES[kind])
    seconds = [v for v in values if v is not None]
    if seconds and not -_LAST_SECOND < min(seconds) <= max(seconds) <= _LAST_SECOND:
        raise OverflowError("a timestamp outside the years that calendars have")
    # Not cast by Arrow, which would let go of Python's lock for it, and readers might hold it for some milliseconds.
    return pa.array([None if v is None else v * _MICROSECONDS for v in values], ARROW_TYPES[kind])


@functools.lru_cache(maxsize=256)
def _nulls(rows: int, kind: str) -> pa.Array:
    """Return a column without a value, as most of most pages are."""
    return pa.nulls(rows, ARROW_TYPES[kind])


class _Quick:
    """Decodes whole pages into Structs; raises msgspec.MsgspecError for a page that does not fit them."""

    def __init__(self, root: _Node, objects: Sequence[str]) -> None:
        self._root = root
        self._objects: Any = (Literal[tuple(objects)] | None) if objects else (str | None)
        self._empty: dict[tuple[str, ...], msgspec.Struct] = {}
        self._leaves: dict[tuple[str, ...], Decoder[list[Any]]] = {}
        self._decoder = Decoder(list[self._struct(root, strict=True)])  # type: ignore[misc]
        self.extra_counts: dict[str, int] = {}

    def read(self, records: bytes) -> dict[str, list[Any]]:
        """Return the values of columns by name, and `_extra`; a column that no row has a value of may be left out."""
        rows = self._decoder.decode(records)
        values: dict[str, list[Any]] = {}
        extras: dict[str, list[bytes | None]] = {}
        self._collect(self._root, rows, values, extras)
        values[EXTRA] = _extra_texts(extras, len(rows))
        counts = {path: sum(text is not None for text in texts) for path, texts in extras.items()}
        self.extra_counts = {path: count for path, count in counts.items() if count}
        return values

    def _struct(self, node: _Node, *, strict: bool) -> type[msgspec.Struct]:
        """Make the Struct of a node's fields, named f0, f1 … since Stripe's own names may not be Python's."""
        made = msgspec.defstruct(
            "Record",
            [(f"f{n}", *self._type(child, strict=strict)) for n, child in enumerate(node.fields.values())],
            rename={f"f{n}": key for n, key in enumerate(node.fields)},
            forbid_unknown_fields=strict,
            gc=False,
        )
        self._empty[node.path] = made()
        return made

    def _type(self, node: _Node, *, strict: bool) -> tuple[Any, Any]:
        """Return what a field is decoded as, and what it is when absent."""
        if node.path == ("object",):
            return self._objects, None
        if node.kind == "spread":
            return self._struct(node, strict=strict) | None, None
        if node.column and node.kind == "typed":
            return _DECODED_AS[node.column.type], None
        if node.fields:
            self._leaves[node.path] = Decoder(list[self._struct(node, strict=False) | None])  # type: ignore[misc]
        return Raw, _NULL

    def _collect(
        self, node: _Node, rows: list[Any], values: dict[str, list[Any]], extras: dict[str, list[bytes | None]]
    ) -> None:
        columns = zip(*map(astuple, rows), strict=True) if rows else ((),) * len(node.fields)
        for child, here in zip(node.fields.values(), columns, strict=True):
            is_empty = here.count(_NULL if child.kind == "raw" else None) == len(here)
            if is_empty or not (child.column or child.fields or child.extra):
                continue
            if child.kind == "spread":
                self._collect(child, self._filled(child, here), values, extras)
                continue
            texts: list[Any] = _texts(here) if child.kind == "raw" and child.path != ("object",) else list(here)
            if child.extra:
                extras[".".join(child.path)] = texts
            if child.column:
                values[child.column.name] = texts
            if child.fields:
                self._collect(child, self._leaf_objects(child, texts), values, extras)

    def _filled(self, node: _Node, objects: Sequence[Any]) -> list[Any]:
        empty = self._empty[node.path]
        return [empty if each is None else each for each in objects]

    def _leaf_objects(self, node: _Node, texts: list[bytes | None]) -> list[Any]:
        joined = b"[" + b",".join(text or b"null" for text in texts) + b"]"
        return self._filled(node, self._leaves[node.path].decode(joined))


def _texts(raws: Sequence[Raw]) -> list[bytes | None]:
    """Return JSON values as text, null and absent as None."""
    return [None if (text := bytes(raw)) == b"null" else text for raw in raws]


def _extra_texts(extras: Mapping[str, Sequence[bytes | None]], rows: int) -> list[str | None]:
    """Return the text of `_extra` of each row: an object by dotted path, in a stable order, or None."""
    if not extras:
        return [None] * rows
    keys = [(encode(path), texts) for path, texts in sorted(extras.items())]
    return [_object_text((key, texts[row]) for key, texts in keys) for row in range(rows)]


def _object_text(pairs: Iterable[tuple[bytes, bytes | None]]) -> str | None:
    parts = [key + b":" + text for key, text in pairs if text is not None]
    return (b"{" + b",".join(parts) + b"}").decode() if parts else None


class _Slow:
    """Reads a page field by field: what fits goes to its column, everything else to `_extra`, verbatim."""

    def __init__(self, root: _Node, columns: Iterable[Column], endpoint: Endpoint) -> None:
        self._root = root
        self._names = [column.name for column in columns]
        self._endpoint = endpoint
        self.unknown: set[tuple[str, ...]] = set()
        self.undeclared: Counter[str] = Counter()
        self.misfits: Counter[str] = Counter()

    def read(self, records: bytes) -> dict[str, list[Any]]:
        """Return the values of every column by name, and `_extra`."""
        values: dict[str, list[Any]] = {name: [] for name in [*self._names, EXTRA]}
        for raw in self._records(records):
            row: dict[str, Any] = {}
            extra: dict[str, Raw] = {}
            self._object(self._root, raw, row, extra)
            for name in self._names:
                values[name].append(row.get(name))
            values[EXTRA].append(_object_text((encode(path), bytes(raw)) for path, raw in sorted(extra.items())))
        return values

    def _records(self, records: bytes) -> list[Raw]:
        try:
            return decode(records, type=list[Raw])
        except msgspec.MsgspecError as error:
            raise DataError(f"{self._endpoint.name}: a response is not a list of records: {error}") from error

    def _object(self, node: _Node, raw: Raw, row: dict[str, Any], extra: dict[str, Raw] | None) -> None:
        """Read one object's fields; `extra` is None inside JSON columns, which hold everything already."""
        try:
            fields = decode(raw, type=dict[str, Raw])
        except msgspec.MsgspecError:
            self._misfit(node, raw, extra)
            return
        for key, value in fields.items():
            child = node.fields.get(key)
            if child is None or child.extra:
                self._undeclared((*node.path, key), value, extra)
            elif bytes(value) != b"null":
                self._field(child, value, row, extra)

    def _field(self, node: _Node, raw: Raw, row: dict[str, Any], extra: dict[str, Raw] | None) -> None:
        if node.path == ("object",):
            self._check_object(raw)
        if node.kind == "spread":
            self._object(node, raw, row, extra)
            return
        if node.column:
            try:
                row[node.column.name] = _LENIENT[node.column.type](raw)
            except (msgspec.MsgspecError, ArithmeticError, *_UNFIT):
                self._misfit(node, raw, extra)
        if node.fields:
            self._object(node, raw, row, None)

    def _check_object(self, raw: Raw) -> None:
        """Refuse a record of another object: it must never land in this table."""
        name, expected = decode(raw), self._endpoint.object
        if expected and name not in expected:
            raise DataError(f"{self._endpoint.name}: expected records of {' or '.join(expected)}, got {name}.")

    def _undeclared(self, path: tuple[str, ...], raw: Raw, extra: dict[str, Raw] | None) -> None:
        if extra is None:
            return
        self.unknown.add(path)
        if bytes(raw) != b"null":
            extra[".".join(path)] = raw
            self.undeclared[".".join(path)] += 1

    def _misfit(self, node: _Node, raw: Raw, extra: dict[str, Raw] | None) -> None:
        if extra is not None:
            path = ".".join(node.path)
            extra[path] = raw
            self.misfits[path] += 1


def _lenient_text(raw: Raw) -> str:
    """Return text, or the id of an expanded resource or deleted stub in its place."""
    try:
        return decode(raw, type=str)
    except msgspec.ValidationError:
        return decode(raw, type=_Resource).id


class _Resource(msgspec.Struct):
    id: str
    object: str


def _lenient_integer(raw: Raw) -> int:
    number = decode(raw, type=Decimal)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(pa.scalar(int(number), pa.int64()).as_py())


def _lenient_timestamp(raw: Raw) -> int:
    seconds = _lenient_integer(raw)
    to_column("timestamp", [seconds])
    return seconds


def _lenient_decimal(raw: Raw) -> Decimal:
    number = decode(raw, type=Decimal)
    to_column("decimal", [number])
    return number


_LENIENT: dict[str, Callable[[Raw], Any]] = {
    "text": _lenient_text,
    "integer": _lenient_integer,
    "number": lambda raw: decode(raw, type=float),
    "decimal": _lenient_decimal,
    "boolean": lambda raw: decode(raw, type=bool),
    "timestamp": _lenient_timestamp,
    "date": lambda raw: decode(raw, type=datetime.date),
    "json": bytes,
}
