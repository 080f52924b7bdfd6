"""SQL Server's types: spelled from its catalogue, made from Arrow's, and which of them holds the values of another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

COLLATION = "Latin1_General_100_BIN2"  # compares code points, so that case and accents count
_SAME_COLLATIONS = (COLLATION.casefold(), "bbf_unicode_bin2")  # as Babelfish calls it
COLUMN_LIMIT = 1_024
ROW_BYTES = 8_060
KEY_TEXT = 255  # characters: Stripe's ids are no longer, and three such columns fit into an index

_MOST_DIGITS = 38
_SPELLED = re.compile(r"(?P<name>[A-Z0-9_]+)(?:\((?P<size>MAX|\d+)(?:,(?P<scale>\d+))?\))?(?P<rest>.*)")
_WIDE_TEXT = {"NVARCHAR", "NCHAR", "NTEXT"}
_NARROW_TEXT = {"VARCHAR", "CHAR", "TEXT"}
_INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 19}  # with how many digits they have at most
_FIXED_BYTES = {"TINYINT": 1, "SMALLINT": 2, "INT": 4, "BIGINT": 8, "REAL": 4, "FLOAT": 8, "BIT": 1, "DATE": 3,
                "DATETIME": 8, "SMALLDATETIME": 4, "DATETIME2": 8, "DATETIMEOFFSET": 10, "TIME": 5, "MONEY": 8,
                "SMALLMONEY": 4, "UNIQUEIDENTIFIER": 16, "ROWVERSION": 8, "TIMESTAMP": 8}  # fmt: skip
_ARROW = {
    "TINYINT": pa.uint8(),
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "REAL": pa.float32(),
    "FLOAT": pa.float64(),
    "BIT": pa.bool_(),
    "DATE": pa.date32(),
    "MONEY": pa.decimal128(19, 4),
    "SMALLMONEY": pa.decimal128(10, 4),
    "BINARY": pa.binary(),
    "VARBINARY": pa.binary(),
    "IMAGE": pa.binary(),
    **dict.fromkeys(("DATETIME2", "DATETIME", "SMALLDATETIME", "DATETIMEOFFSET"), pa.timestamp("us", "UTC")),
    **dict.fromkeys(_WIDE_TEXT | _NARROW_TEXT, pa.string()),
}


@dataclass(frozen=True)
class Column:
    """A column as SQL Server's catalogue describes it; sizes are in bytes there, and -1 is MAX."""

    name: str
    kind: str
    bytes: int
    precision: int
    scale: int
    collation: str | None
    is_identity: bool
    is_computed: bool

    def spelled(self) -> str:
        """Return the type with its sizes, our collation, and what makes a column one that cannot be written."""
        kind = "ROWVERSION" if self.kind == "timestamp" else self.kind.upper()
        if kind in {"NVARCHAR", "NCHAR"}:
            kind += f"({'MAX' if self.bytes < 0 else self.bytes // 2})"
        elif kind in {"VARCHAR", "CHAR", "VARBINARY", "BINARY"}:
            kind += f"({'MAX' if self.bytes < 0 else self.bytes})"
        elif kind in {"DECIMAL", "NUMERIC"}:
            kind = f"DECIMAL({self.precision},{self.scale})"
        elif kind in {"DATETIME2", "DATETIMEOFFSET", "TIME"}:
            kind += f"({self.scale})"
        if (self.collation or "").casefold() in _SAME_COLLATIONS:
            kind += f" COLLATE {COLLATION}"
        return kind + " COMPUTED" * self.is_computed + " IDENTITY" * self.is_identity


@dataclass(frozen=True)
class _Kind:
    name: str
    size: int | None = None  # None where there is none, or where it is MAX
    scale: int = 0

    @property
    def is_text(self) -> bool:
        return self.name in _WIDE_TEXT | _NARROW_TEXT


def _parse(spelled: str) -> _Kind:
    found = _SPELLED.match(spelled)
    if found is None:
        return _Kind(spelled)
    size = found["size"]
    return _Kind(found["name"], int(size) if size and size != "MAX" else None, int(found["scale"] or 0))


def type_of(field: pa.Field, *, is_key: bool = False) -> str:
    """Return the type of a column made for an Arrow field; text that is a key is short enough for an index."""
    kind = field.type
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return f"DECIMAL({kind.precision},{kind.scale})"
    for is_such, name in (
        (pa.types.is_uint64, "DECIMAL(20,0)"),
        (pa.types.is_integer, "BIGINT"),
        (pa.types.is_floating, "FLOAT"),
        (pa.types.is_boolean, "BIT"),
        (pa.types.is_timestamp, "DATETIME2(6)"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_time, "TIME(6)"),
        (pa.types.is_binary, "VARBINARY(MAX)"),
        (pa.types.is_large_binary, "VARBINARY(MAX)"),
    ):
        if is_such(kind):
            return name
    return f"NVARCHAR({KEY_TEXT if is_key else 'MAX'}) COLLATE {COLLATION}"


def field_of(name: str, spelled: str) -> pa.Field | None:
    """Return the Arrow field whose values a column of this type takes; None: it takes the text of anything."""
    kind = _parse(spelled)
    if kind.name == "DECIMAL":
        return pa.field(name, pa.decimal128(kind.size or 18, kind.scale))
    return pa.field(name, _ARROW[kind.name]) if kind.name in _ARROW else None


def can_widen(old: str, new: str) -> bool:
    """Say whether a column of one type can be made one of the other, and all its values stay as they are.

    Not so from FLOAT to text, which would keep six digits, nor from BIT to text, which would make 1 of true.
    """
    before, after = _parse(old), _parse(new)
    if after.is_text:
        return _fits_text(before, after)
    if before.name in _INTEGERS:
        digits = after.size or 0
        return _INTEGERS.get(after.name, 0) >= _INTEGERS[before.name] or (
            after.name == "DECIMAL" and digits - after.scale >= _INTEGERS[before.name]
        )
    if before.name == after.name == "DECIMAL":
        more, scale = (after.size or 0) - after.scale, after.scale
        return scale >= before.scale and more >= (before.size or 0) - before.scale
    wider = {"REAL": ("FLOAT",), "SMALLMONEY": ("MONEY",), "SMALLDATETIME": ("DATETIME2", "DATETIME"),
             "DATE": ("DATETIME2",), "BINARY": ("VARBINARY",), "VARBINARY": ("VARBINARY",)}  # fmt: skip
    if after.name in wider.get(before.name, ()):
        return before.name not in {"BINARY", "VARBINARY"} or after.size is None or after.size >= (before.size or 8_001)
    return before.name == after.name == "DATETIME2" and (after.size or 0) >= (before.size or 0)


def _fits_text(before: _Kind, after: _Kind) -> bool:
    if before.name in _WIDE_TEXT and after.name not in _WIDE_TEXT:
        return False
    if before.is_text:
        return after.size is None or (before.size is not None and before.size <= after.size)
    longest = {"DATE": 10, "DATETIME2": 27, "DECIMAL": 41, "UNIQUEIDENTIFIER": 36}.get(before.name)
    longest = 20 if before.name in _INTEGERS else longest
    return longest is not None and (after.size is None or after.size >= longest)


def is_text(spelled: str) -> bool:
    """Say whether a type is one of text."""
    return _parse(spelled).is_text


def is_narrow_text(spelled: str) -> bool:
    """Say whether a type is one of text in a code page, which cannot hold every letter."""
    return _parse(spelled).name in _NARROW_TEXT


def text_limit(spelled: str) -> int | None:
    """Return how much text fits, in UTF-16 units (in bytes of the code page for VARCHAR); None where all does."""
    kind = _parse(spelled)
    return kind.size if kind.is_text else None


def is_exact(spelled: str) -> bool:
    """Say whether keys in such a column are told apart by code point and length: in those that are made here."""
    return f"COLLATE {COLLATION}" in spelled and is_text(spelled)


def is_made_key(spelled: str) -> bool:
    """Say whether such a column was made here for text of a key."""
    return is_exact(spelled) and text_limit(spelled) == KEY_TEXT


def unwritable(spelled: str) -> str | None:
    """Return why a column cannot be written; None where it can."""
    if spelled.startswith("ROWVERSION"):
        return "a rowversion"
    return "computed" if " COMPUTED" in spelled else "an identity" if " IDENTITY" in spelled else None


def indexable_bytes(spelled: str) -> int | None:
    """Return how many bytes a column takes in an index at most; None where it cannot stand in one."""
    kind = _parse(spelled)
    if kind.name in {"NVARCHAR", "NCHAR"}:
        return None if kind.size is None else 2 * kind.size
    if kind.name in {"VARCHAR", "CHAR", "VARBINARY", "BINARY"}:
        return kind.size
    return _fixed_bytes(kind)


def least_row_bytes(kinds: Iterable[str]) -> int:
    """Return how many bytes a row takes at least, which must all lie on one page: the columns of a fixed size."""
    parsed = [_parse(kind) for kind in kinds]
    bits = sum(kind.name == "BIT" for kind in parsed)
    fixed = sum(_fixed_bytes(kind) or 0 for kind in parsed if kind.name != "BIT")
    return 4 + fixed + (bits + 7) // 8 + 2 + (len(parsed) + 7) // 8


def _fixed_bytes(kind: _Kind) -> int | None:
    if kind.name == "DECIMAL":
        return next(size for digits, size in ((9, 5), (19, 9), (28, 13), (38, 17)) if (kind.size or 18) <= digits)
    if kind.name in {"CHAR", "BINARY"}:
        return kind.size
    return 2 * (kind.size or 0) if kind.name == "NCHAR" else _FIXED_BYTES.get(kind.name)
