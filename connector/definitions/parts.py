"""The parts of a definition: columns, filters, parents, time windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TYPES = ("text", "integer", "number", "decimal", "boolean", "timestamp", "date", "json")
AMOUNT = "amount"  # an integer, in minor units of the currency that stands nearest
KNOWN_NOT_COLUMNS = ("child", "omit")
FILTER_KINDS = ("range", "equals")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its `name` in the table, its `path` in the record, and one of TYPES.

    `currency` is the column that has the currency of an amount, which is in minor units; None: it is no amount.
    """

    name: str
    path: tuple[str, ...]
    type: str
    currency: str | None = None

    @property
    def type_word(self) -> str:
        """The type as people read it: amounts are told from other numbers."""
        if self.currency is None:
            return self.type
        return AMOUNT if self.type == "integer" else f"{self.type} {AMOUNT}"


@dataclass(frozen=True, slots=True)
class Filter:
    """What Stripe can narrow a list by.

    `name` is what people write, `parameter` what is sent, `many` the parameter that takes several values at once,
    `column` the column that the filter bounds (None: the record does not show it, so only Stripe can decide),
    `values` the only ones that Stripe takes (empty: any), `wildcard` whether * in a value stands for anything. `parent`
    is the parent whose list takes it, where this one does not.
    """

    name: str
    kind: str
    parameter: str
    column: str | None
    values: tuple[str, ...] = ()
    many: str | None = None
    required: bool = False
    wildcard: bool = False
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """A table whose rows each have a list of this one: `fills` is the parameter that takes the parent's id.

    `where` says which rows are asked: those that have one of these values in each of these columns.
    """

    table: str
    fills: str
    column: str
    where: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """A time window that the list needs: the parameters that take its first second and the first one after it."""

    column: str
    start: str
    end: str
