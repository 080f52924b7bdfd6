"""Which column of the source meets which parameter of an action, and what a row then sends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.dates import Calendar
from connector.definitions.actions import Action, Parameter
from connector.errors import UsageError, did_you_mean
from connector.write.cells import BadValueError, is_empty, plain_text, value_of
from connector.write.writing import Writing

ID = "id"
_BRACKETS = re.compile(r"\[(?!\d*\])([^\]]+)\]")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
# What stands in the place of parameters that many know and that are gone.
REPLACED = {
    "coupon": ("discounts[0].coupon",),
    "promotion_code": ("discounts[0].promotion_code",),
    "price": ("pricing.price", "items[0].price", "line_items[0].price"),
    "plan": ("items[0].price",),
    "payment_method_types": ("excluded_payment_method_types", "payment_method_configuration"),
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """One parameter that rows fill: from a column, or with the same value in every row."""

    path: str
    parameter: Parameter
    column: str | None
    constant: object = None


@dataclass
class Sent:
    """What a row sends: the form, and the same as the row is known by; the ids that its path names."""

    form: dict[str, Any] = field(default_factory=dict)
    known_by: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)


class RowProblem(Exception):
    """A row that cannot be sent, and the column at fault, if it is one."""

    def __init__(self, column: str | None, message: str) -> None:
        super().__init__(message)
        self.column = column


class Mapper:
    """Turns rows of one source into what an action takes; a UsageError for columns and parameters that do not meet.

    `beside` is the other action of an upsert: what only that takes is left to it.
    """

    def __init__(
        self, action: Action, writing: Writing, columns: Sequence[str], calendar: Calendar, beside: Action | None = None
    ) -> None:
        self.action = action
        self._beside = beside
        self._writing = writing
        self._columns = columns
        self._calendar = calendar
        self._flat = {path.replace(".", "_"): path for path in action.parameters if "[" not in path}
        self.id_columns: dict[str, str] = {}
        self.id_constants: dict[str, str] = {}
        self.inputs = [*self._inputs()]
        self._check_conflicts()

    def sent(self, row: Row) -> Sent:
        """Return what a row sends; a RowProblem where it cannot be sent."""
        sent = Sent(ids=self._ids(row))
        for entry in self.inputs:
            cell = row[entry.column] if entry.column is not None else entry.constant
            if entry.column is not None and is_empty(cell):
                if self._writing.null == "omit":
                    continue
                _check_clearable(entry)
                cell = ""
            self._put(sent, entry, cell)
        self._check_required(sent)
        sent.form, sent.known_by = _listed(sent.form), _listed(sent.known_by)
        return sent

    def _put(self, sent: Sent, entry: Input, cell: object) -> None:
        if isinstance(cell, str) and not cell:
            value: Any = ("", "")
        else:
            try:
                read = value_of(entry.parameter, cell, self._calendar)
            except BadValueError as error:
                raise RowProblem(entry.column or entry.path, f"{entry.path}: {error}") from None
            value = (read.sent, read.known_by)
        for form, part in zip((sent.form, sent.known_by), value, strict=True):
            _set(form, entry.path, part)
        sent.paths.append(entry.path)

    def _check_required(self, sent: Sent) -> None:
        for path, parameter in self.action.parameters.items():
            if parameter.required and "." not in path and path not in sent.form:
                raise RowProblem(None, f"{path} is missing, which {self.action.full_name} needs.")

    def _ids(self, row: Row) -> dict[str, str]:
        ids = dict(self.id_constants)
        for name, column in self.id_columns.items():
            if is_empty(row[column]):
                raise RowProblem(column, f"the {name} is missing.")
            ids[name] = plain_text(row[column]).strip()
        return ids

    # Which column is which parameter

    def _inputs(self) -> Iterator[Input]:
        mapped = {normal(path): column for path, column in self._writing.mapping.items()}
        for path, column in mapped.items():
            if column not in self._columns:
                raise UsageError(
                    f'The source has no column "{column}" for {path}.{did_you_mean(column, self._columns)}'
                )
            yield from self._input(path, column)
        for path, constant in self._writing.constants.items():
            yield from self._constant(normal(path), constant)
        for column in self._own_columns({*mapped.values()}, {*map(normal, self._writing.constants), *mapped}):
            yield from self._input(normal(column), column, is_named=True)

    def _own_columns(self, mapped: set[str], filled: set[str]) -> Iterator[str]:
        """Yield the columns that meet a parameter by their own name: those chosen, else all that nothing else uses."""
        writing = self._writing
        special = {writing.row_key, writing.idempotency_key, *writing.match.values()}
        for column in writing.columns or ():
            if column not in self._columns and self._path(normal(column)) not in filled:
                raise UsageError(f'The source has no column "{column}".{did_you_mean(column, self._columns)}')
        chosen = (
            self._columns
            if writing.columns is None
            else [column for column in self._columns if column in writing.columns]
        )
        for column in chosen:
            if writing.match and column == ID and ID in self.action.ids:
                continue  # a number of the source's own: the object is found by what matches
            is_used = column in mapped or self._path(normal(column)) in filled
            if not is_used and (column not in special or self._path(normal(column)) is not None):
                yield column

    def _path(self, name: str) -> str | None:
        if name in self.action.ids or self.action.parameter(name) is not None:
            return name
        return self._flat.get(name)

    def _input(self, name: str, column: str, *, is_named: bool = False) -> Iterator[Input]:
        if name in self.action.ids:
            self.id_columns[name] = column
            return
        path = self._path(name)
        if path is None and self._is_of_the_other(name):
            return
        if path is None:
            raise self._unknown(name, is_named=is_named)
        parameter = self.action.parameter(path)
        assert parameter is not None
        yield Input(path, parameter, column)

    def _constant(self, name: str, constant: object) -> Iterator[Input]:
        if name in self.action.ids:
            self.id_constants[name] = str(constant)
            return
        for entry in self._input(name, ""):
            if isinstance(constant, str) and not constant and not entry.parameter.clearable:
                raise UsageError(f"{entry.path} cannot be cleared: Stripe takes no empty value for it.")
            if constant is not None:
                yield Input(entry.path, entry.parameter, None, constant)

    def _is_of_the_other(self, name: str) -> bool:
        """Whether the other action of an upsert takes it: what only a new object can be given, or only an old one."""
        other = self._beside
        return other is not None and (name in other.ids or other.parameter(name) is not None)

    def _unknown(self, name: str, *, is_named: bool) -> UsageError:
        action = self.action.full_name
        instead = [path for path in REPLACED.get(name, ()) if self.action.parameter(path)]
        if name in REPLACED:
            where = f"take {' or '.join(instead)}" if instead else "nothing of this action stands in its place"
            return UsageError(f"{action} has no parameter {name} any more: {where}.")
        near = did_you_mean(name, [*self.action.parameters, *self.action.ids])
        if not is_named:
            return UsageError(
                f'{action} has no parameter "{name}".{near or f" `connector endpoints {action}` lists them."}'
            )
        return UsageError(
            f'The column "{name}" is no parameter of {action}.{near} Name the columns to send by --columns A,B, or its '
            "parameter by --map PARAMETER=COLUMN."
        )

    def _check_conflicts(self) -> None:
        """Refuse two columns for one parameter, and one for a whole beside one for its part."""
        seen: dict[str, Input] = {}
        for entry in self.inputs:
            for other in seen:
                is_inside = other.startswith((f"{entry.path}.", f"{entry.path}[")) or entry.path.startswith(
                    (f"{other}.", f"{other}[")
                )
                if is_inside or other == entry.path:
                    raise UsageError(f"{other} and {entry.path} are both filled: leave one of them out.")
            seen[entry.path] = entry


def _check_clearable(entry: Input) -> None:
    if not entry.parameter.clearable:
        raise UsageError(
            f'{entry.path} cannot be cleared, and "{entry.column}" is empty in a row. Fill it, or say --null omit.'
        )


def normal(name: str) -> str:
    """Return a parameter's path as our files have it: items[0][price] is items[0].price."""
    return _BRACKETS.sub(r".\1", name.strip())


def _set(form: dict[Any, Any], path: str, value: Any) -> None:
    steps: list[Any] = [name or int(place) for name, place in _STEP.findall(path)]
    here = form
    for step in steps[:-1]:
        here = here.setdefault(step, {})
    here[steps[-1]] = value


def _listed(value: Any) -> Any:
    """Return a form with lists in the place of numbered objects; a gap, as an empty Image2, closes up."""
    if not isinstance(value, dict):
        return value
    within = {key: _listed(item) for key, item in value.items()}
    if within and all(isinstance(key, int) for key in within):
        return [within[key] for key in sorted(within)]
    return within
