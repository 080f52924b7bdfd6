"""The types of columns: our words for them, Arrow's, and which one holds all values of a column.

A definition says its types. Where nothing does, they follow from what has been seen, by the same rules for every verb:

    values of text, as in CSV      0.1 is a decimal, 2024-01-31 a date, true a boolean
    values of JSON                 0.1 is a number, "0.1" is text; what our JSON Lines write as text is read back
    values of Python, of drivers   a Decimal is a decimal, a float a number

    integer + number → number      integer + decimal → decimal      date + time without zone → time      else → text

but for JSON, where a column with an object or array in it is JSON.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connector.rows.parse import DATE, TIME, looks, parsed

DECIMAL = pa.decimal128(38, 12)
ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": DECIMAL,
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "json": pa.string(),
}
_MOST_DIGITS = 38
_FLOAT_INTEGER = 2**53
_FLOAT_DIGITS = 15  # a decimal with no more digits is a float that says the same
_NUMBERS = {"integer", "number", "decimal"}
_NESTED = {"object", "array"}
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("boolean", (bool,)),
    ("integer", (int,)),
    ("number", (float,)),
    ("decimal", (Decimal,)),
    ("text", (str,)),
    ("timestamp", (datetime.datetime,)),
    ("date", (datetime.date,)),
    ("object", (Mapping,)),
    ("array", (list, tuple, set, frozenset)),
    ("binary", (bytes, bytearray, memoryview)),
)


def arrow_field(name: str, kind: str) -> pa.Field:
    """Return the Arrow field of a column of one of the definition's types."""
    return pa.field(name, ARROW_TYPES[kind], metadata={"type": "json"} if kind == "json" else None)


def kind_of(kind: type) -> str:
    """Return the word for a Python type; what has none is text."""
    return next((word for word, known in _KINDS if issubclass(kind, known)), "text")


def json_number(literal: str) -> float | Decimal:
    """Return a number of JSON that is no integer: a float where one says exactly the same, else a Decimal."""
    number = float(literal)
    exact = Decimal(literal)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else exact


class ColumnProfile:
    """What is known of one column of Python values: their kinds, and how many digits its numbers have.

    `is_json` says that they come from JSON, which can hold values of different kinds in one column.
    """

    def __init__(self, *, is_json: bool = False) -> None:
        self._is_json = is_json
        self.kinds: set[str] = set()
        self._kind_of: dict[type, str | None] = {type(None): None}
        self._numbers = _Numbers()
        self._zones: set[bool] = set()

    def add(self, values: Sequence[Any]) -> None:
        """Take note of values."""
        for python_type in set(map(type, values)):
            if python_type not in self._kind_of:
                self._kind_of[python_type] = kind_of(python_type)
            kind = self._kind_of[python_type]
            if kind is None:
                continue
            self.kinds.add(kind)
            if kind in _NUMBERS or kind == "timestamp":
                self._examine(kind, [value for value in values if type(value) is python_type])

    def _examine(self, kind: str, values: list[Any]) -> None:
        if kind == "integer":
            self._numbers.add_integers(values)
        elif kind == "number":
            self._numbers.add_floats(values)
        elif kind == "timestamp":
            self._zones |= {value.utcoffset() is not None for value in values}
        else:
            finite = [value for value in values if value.is_finite()]
            self._numbers.add_decimals(finite)
            self.kinds |= {"text"} if len(finite) < len(values) else set()

    def field(self, name: str) -> pa.Field:
        """Return the field that holds all values."""
        if not self.kinds.isdisjoint(_NESTED) and (self._is_json or self.kinds <= _NESTED):
            return arrow_field(name, "json")
        return pa.field(name, self._type() or pa.string())

    def _type(self) -> pa.DataType | None:
        kinds = self.kinds
        if kinds and kinds <= _NUMBERS:
            return self._numbers.type(is_float="number" in kinds, is_whole=kinds == {"integer"})
        if kinds in ({"boolean"}, {"date"}):
            return ARROW_TYPES[next(iter(kinds))]
        if "timestamp" in kinds and kinds <= {"timestamp", "date"} and len(self._zones) == 1:
            has_zone = True in self._zones
            return None if has_zone and "date" in kinds else pa.timestamp("us", "UTC" if has_zone else None)
        return None


@dataclass
class _Numbers:
    """What the numbers of a column need: the least and greatest integer, digits on both sides of the point."""

    least: int = 0
    greatest: int = 0
    whole_digits: int = 0
    fraction_digits: int = 0
    is_exact_as_float: bool = True
    is_finite: bool = True

    def add_integers(self, values: Iterable[int]) -> None:
        self.least, self.greatest = min(self.least, *values), max(self.greatest, *values)

    def add_floats(self, values: Sequence[float]) -> None:
        finite = [value for value in values if math.isfinite(value)]
        self.is_finite &= len(finite) == len(values)
        self._add_digits(Decimal(repr(float(value))) for value in finite)

    def add_decimals(self, values: Sequence[Decimal]) -> None:
        self._add_digits(values)
        self.is_exact_as_float &= all(len(value.as_tuple().digits) <= _FLOAT_DIGITS for value in values)

    def _add_digits(self, values: Iterable[Decimal]) -> None:
        for value in values:
            _, digits, exponent = value.as_tuple()
            assert isinstance(exponent, int)
            self.whole_digits = max(self.whole_digits, len(digits) + exponent)
            self.fraction_digits = max(self.fraction_digits, -exponent)

    def type(self, *, is_float: bool, is_whole: bool) -> pa.DataType | None:
        """Return the narrowest type that loses no digit; None where none does."""
        if is_whole and -(2**63) <= self.least <= self.greatest < 2**63:
            return pa.int64()
        largest = max(-self.least, self.greatest)
        if is_float and self.is_exact_as_float and largest <= _FLOAT_INTEGER:
            return pa.float64()
        whole = max(self.whole_digits, len(str(largest)) if largest else 0)
        if not self.is_finite or whole + self.fraction_digits > _MOST_DIGITS:
            return None
        fits = whole <= DECIMAL.precision - DECIMAL.scale and self.fraction_digits <= DECIMAL.scale
        return DECIMAL if fits else pa.decimal128(_MOST_DIGITS, self.fraction_digits)


# Text


@dataclass(frozen=True)
class Form:
    """How all values of a column have to be written so that it is of a type."""

    name: str
    pattern: str
    type: pa.DataType
    also_fits: str | None = None  # the form that takes these values too


_INTEGER = "-?[1-9][0-9]{0,14}|-?0"
_FEWER = "|".join(rf"[1-9][0-9]{{{whole - 1}}}\.[0-9]{{1,{min(12, 15 - whole)}}}" for whole in range(1, 15))
GUESSED = (
    Form("integer", _INTEGER, pa.int64(), also_fits="decimal"),
    Form("decimal", rf"{_INTEGER}|-?0\.[0-9]{{1,12}}|-?(?:{_FEWER})", DECIMAL),
    Form("boolean", "(?i:true|false)", pa.bool_()),
    Form("date", DATE, pa.date32()),
    Form("timestamp", TIME, pa.timestamp("us", "UTC")),
)
"""What people mean by texts in a file of texts; nothing longer than 15 digits, since that may be a name."""

_MICROSECONDS = "|".join(f"[0-9]{{{5 - zeros}}}[1-9]{'0' * zeros}" for zeros in range(6))
_WRITTEN_TIME = rf"{DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.(?:{_MICROSECONDS}))?"
_WRITTEN_FRACTION = "(?:0|[0-9]{0,11}[1-9])"
_WRITTEN_DECIMAL = rf"0\.0|-?0\.[0-9]{{0,11}}[1-9]|-?[1-9][0-9]{{0,25}}\.{_WRITTEN_FRACTION}"
WRITTEN = (
    Form("timestamp", f"{_WRITTEN_TIME}Z", pa.timestamp("us", "UTC")),
    Form("time", _WRITTEN_TIME, pa.timestamp("us")),
    Form("date", DATE, pa.date32()),
    Form("decimal", _WRITTEN_DECIMAL, DECIMAL),
)
"""Exactly what we write as text in JSON for values that are none: written again they are the same texts."""


class TextProfile:
    """What the values of one column of text can be, after those that have been seen."""

    def __init__(self, forms: Sequence[Form], *, empty_says_nothing: bool) -> None:
        self._forms = forms
        self._empty_says_nothing = empty_says_nothing
        self._has_value = False

    @property
    def form(self) -> Form | None:
        """The first form that all values have, if one is left."""
        return self._forms[0] if self._forms and self._has_value else None

    @property
    def type(self) -> pa.DataType:
        """The type of that form; text where none is left."""
        return self.form.type if self.form else pa.string()

    def add(self, column: pa.Array) -> None:
        """Take note of values."""
        has_value = pc.not_equal(column, "") if self._empty_says_nothing else pc.is_valid(column)
        if not (self._has_value or pc.any(has_value, min_count=0).as_py()):
            return
        optional = "?" if self._empty_says_nothing else ""
        while self._forms:
            first, *others = self._forms
            if looks(column, f"(?:{first.pattern}){optional}") and _converts(column, first.type):
                break
            self._forms = [form for form in others if not self._has_value or form.name == first.also_fits]
        self._has_value = True


def _converts(text: pa.Array, kind: pa.DataType) -> bool:
    """Say whether values that look right are: there is no 30 February, however it is written."""
    if not pa.types.is_temporal(kind):
        return True
    try:
        parsed(text, kind)
    except ValueError:
        return False
    return True
