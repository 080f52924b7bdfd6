"""Rows of a source → the plan of what is sent: which object each row means, and what of it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from connector.api.account import Api
from connector.api.calls import Call
from connector.api.identity import identify
from connector.api.records import path_part
from connector.apply.compare import differing, merged
from connector.apply.effects import UNCHANGED, Change, Effect, Outcome, RowError, content_identity
from connector.apply.ledger import Ledger, scope_of
from connector.apply.plan import SHOWN_CHANGES, Plan
from connector.apply.planned import Planned
from connector.definitions.actions import Action
from connector.errors import UsageError, did_you_mean
from connector.rows.streams import Source
from connector.write.cells import is_empty, plain_text
from connector.write.mapping import ID, Mapper, RowProblem, Sent
from connector.write.matching import Matches, Matching, Record, check_match
from connector.write.writing import UPSERT, Writing


@dataclass
class _Row:
    """One row on its way to what is sent; `live` is the object that it means, `value` what it is matched by."""

    place: int
    label: str
    cells: Mapping[str, Any]
    mapper: Mapper
    sent: Sent = field(default_factory=Sent)
    value: str = ""
    live: Record | None = None

    @property
    def action(self) -> Action:
        return self.mapper.action

    @property
    def above(self) -> tuple[tuple[str, str], ...]:
        """The ids of the objects that its own stands below, by their names in the path."""
        ids = self.action.ids
        return tuple((name, self.sent.ids[name]) for name in ids if name != ID and ID in ids)

    @property
    def meant(self) -> tuple[object, ...]:
        """What tells its object from others: where it stands, and the value that it is matched by."""
        return self.above, self.value


class Planning:
    """Makes the plan of one write."""

    def __init__(self, api: Api, ledger: Ledger, writing: Writing) -> None:
        self._api = api
        self._ledger = ledger
        self._writing = writing
        self._numbers: Counter[str] = Counter()
        self._row_keys: Counter[str] = Counter()
        self._projected: dict[str, Record] = {}  # objects as they are after the rows so far

    def planned(self, object_name: str, action_name: str, source: Source | None) -> Planned:
        """Return the plan of a write, to look at and to send; it only reads."""
        with self._ledger:
            return Planned(self._api, self._ledger, self._planned(object_name, action_name, source), source)

    def _planned(self, object_name: str, action_name: str, source: Source | None) -> Plan:
        self._writing.check()
        actions = self._wanted(object_name, action_name)
        mappers = self._mappers(actions, source)
        own = identify(self._api.client)
        self._refuse(actions, livemode=own.livemode)
        label, where = source.label if source else "the command line", str(self._ledger.path)
        self._plan = Plan(f"{object_name} {action_name}", label, own.account, own.livemode, ledger=where)
        self._plan.is_again = self._writing.again
        for row in self._found(self._readable(source, mappers), mappers):
            self._add(row)
        self._plan.leave_out_what_is_done(self._ledger)
        self._plan.errors.sort(key=lambda error: error.place)
        self._plan.estimate(self._api.client.connection)
        return self._plan

    # Which actions, and what they need

    def _wanted(self, object_name: str, action_name: str) -> list[Action]:
        """Return the action; of an upsert that for what is there, and that for what is not."""
        if action_name != UPSERT:
            return [self._api.actions.find(object_name, action_name)]
        known = self._api.actions[object_name]
        if "update" not in known or "create" not in known or ID not in known["update"].ids:
            raise UsageError(f"{object_name} cannot be upserted: there is no way to create or to update one.")
        if not self._writing.match:
            raise UsageError("upsert needs what tells objects apart: --match email=mail, or --match id=code.")
        return [known["update"], known["create"]]

    def _mappers(self, actions: list[Action], source: Source | None) -> list[Mapper]:
        columns = list(source.schema.names) if source else []
        match, writing = self._writing.match, self._writing
        for path, column in match.items():
            check_match(self._api, actions[0], path)
            if column not in columns and path not in writing.constants:
                raise UsageError(
                    f'The source has no column "{column}" to match {path} by.{did_you_mean(column, columns)}'
                )
        for name, key in (("--row-key", writing.row_key), ("--idempotency-key", writing.idempotency_key)):
            if key is not None and key not in columns:
                raise UsageError(f'The source has no column "{key}" for {name}.{did_you_mean(key, columns)}')
        mappers = [self._mapper(action, columns, beside) for action, beside in _pairs(actions)]
        for mapper in mappers:
            self._check_ids(mapper)
        return mappers

    def _mapper(self, action: Action, columns: list[str], beside: Action | None) -> Mapper:
        writing = self._writing
        if beside is not None:  # what is made carries the value that it is found by
            fits = {path: column for path, column in writing.match.items() if action.parameter(path) is not None}
            writing = replace(writing, mapping={**fits, **writing.mapping})
        return Mapper(action, writing, columns, self._api.calendar, beside)

    def _check_ids(self, mapper: Mapper) -> None:
        filled = {*mapper.id_columns, *mapper.id_constants}
        for name in mapper.action.ids:
            if name == ID and self._writing.match:
                continue
            if name not in filled:
                how = ", or find it by --match email=mail" if name == ID else ""
                raise UsageError(
                    f"{mapper.action.full_name} needs the {name}: a column {name}, --map {name}=COLUMN, "
                    f"--set {name}=…{how}."
                )

    def _refuse(self, actions: list[Action], *, livemode: bool) -> None:
        for action in actions:
            if action.is_test_helper and livemode:
                raise UsageError(f"{action.full_name} works in test mode alone, and this key is live.")
            if any(parameter.type == "file" for parameter in action.parameters.values()):
                how = f"connector request POST {action.path} --multipart --form file=@PATH"
                raise UsageError(f"{action.full_name} sends a file, which is done by {how}.")

    # Rows

    def _readable(self, source: Source | None, mappers: list[Mapper]) -> Iterator[_Row]:
        """Yield the rows that can be sent as they are; note those that cannot."""
        for row in _rows(source, mappers[0]):
            try:
                row.sent = mappers[0].sent(row.cells)
                row.value = self._match_value(row)
                self._check_row_key(row)
            except RowProblem as problem:
                self._error(row, problem.column, str(problem))
                continue
            yield row

    def _match_value(self, row: _Row) -> str:
        for path, column in self._writing.match.items():
            cell = row.cells.get(column, self._writing.constants.get(path))
            if is_empty(cell):
                raise RowProblem(column, f"there is nothing to match {path} by.")
            return plain_text(cell).strip()
        return row.sent.ids.get(ID, "")

    def _check_row_key(self, row: _Row) -> None:
        for name in (self._writing.row_key, self._writing.idempotency_key):
            if name is None:
                continue
            if is_empty(row.cells[name]):
                raise RowProblem(name, "the key of the row is missing.")
            key = f"{name} {plain_text(row.cells[name])}"
            self._row_keys[key] += 1
            if self._row_keys[key] > 1:
                raise RowProblem(name, "an earlier row has the same key.")

    def _found(self, readable: Iterator[_Row], mappers: list[Mapper]) -> Iterator[_Row]:
        """Yield the rows with the object that each means, where that has to be known; note those that mean none."""
        action = mappers[0].action
        if not self._writing.match and action.name != "update":
            yield from readable
            return
        if ID not in action.ids:
            yield from map(self._with_setting, readable)
            return
        rows = [*readable]
        path = next(iter(self._writing.match), ID)
        before = self._api.client.statistics.requests
        matches = self._matches_by(action, path, rows)
        self._plan.reads += self._api.client.statistics.requests - before
        repeated = Counter(row.meant for row in rows)
        for row in rows:
            live = matches[row.above].get(row.value, [])
            problem = self._problem(path, len(live), repeated[row.meant], is_upsert=len(mappers) > 1)
            if problem:
                self._error(row, self._writing.match.get(path), problem)
                continue
            row.live = live[0] if live else None
            if row.live is not None:
                row.sent.ids[ID] = str(row.live.get("id", row.value))
                yield row
            elif self._can_be_made(row, mappers[-1]):
                yield row

    def _can_be_made(self, row: _Row, mapper: Mapper) -> bool:
        """Whether an object can be made of a row of an upsert that matches none."""
        try:
            row.mapper, row.sent = mapper, mapper.sent(row.cells)
        except RowProblem as problem:
            self._error(row, problem.column, str(problem))
            return False
        return True

    def _with_setting(self, row: _Row) -> _Row:
        """Read what there is one of, such as an account's settings: its path is its id."""
        row.live = self._api.client.get(_path(row.action, row.sent.ids), endpoint=row.action.path).json()
        return row

    def _matches_by(self, action: Action, path: str, rows: list[_Row]) -> dict[tuple[tuple[str, str], ...], Matches]:
        """Return the objects of each value, by what they stand below."""
        values: dict[tuple[tuple[str, str], ...], dict[str, None]] = {}
        for row in rows:
            values.setdefault(row.above, {})[row.value] = None
        return {above: Matching(self._api, action, path, dict(above)).find([*below]) for above, below in values.items()}

    def _problem(self, path: str, matches: int, rows: int, *, is_upsert: bool) -> str:
        shown = "object with this id" if path == ID else f"object with this {path}"
        if matches > 1:
            return f"{matches:,} objects have this {path}; one row cannot mean them all."
        if self._writing.match and rows > 1:
            return f"{rows:,} rows have this {path}, and only one of them can be right."
        return f"there is no {shown}." if not matches and not is_upsert else ""

    # What a row sends

    def _add(self, row: _Row) -> None:
        form = row.sent.form
        is_update = row.live is not None and row.action.name == "update"
        if is_update:
            assert row.live is not None
            name = _path(row.action, row.sent.ids)
            row.live = self._projected.get(name, row.live)
            form = differing(form, row.live)
            if not form:
                self._plan.settled.append(Outcome(row.place, row.label, UNCHANGED, row.sent.ids.get(ID)))
                return
            self._note_changes(row, form)
            self._projected[name] = merged(row.live, form)
        effect = self._effect(row, form, is_update=is_update)
        self._plan.effects.append(effect)

    def _effect(self, row: _Row, form: dict[str, Any], *, is_update: bool) -> Effect:
        action, key = row.action, self._writing.idempotency_key
        path = _path(action, row.sent.ids)
        is_query = action.method == "DELETE"
        call = Call(
            action.method,
            path,
            params=form if is_query and form else None,
            form=None if is_query else form,
            idempotency_key=plain_text(row.cells[key]) if key else None,
            endpoint=action.path,
        )
        plan = self._plan
        sent_paths = [path for path in row.sent.paths if path.split(".")[0].split("[")[0] in form]
        return Effect(
            place=row.place,
            label=row.label,
            scope=scope_of(plan.account, livemode=plan.livemode, action=action.full_name),
            identity=f"{plan.id} {row.place}" if is_update else self._identity(row, path),
            call=call,
            action=action,
            object_id=row.sent.ids.get(ID, ""),
            order_by=path.rpartition("/")[0] if ID not in action.ids and action.ids else row.sent.ids.get(ID, ""),
            by_object=is_update,
            needs=tuple(action.needs_of(sent_paths)),
        )

    def _identity(self, row: _Row, path: str) -> str:
        if self._writing.row_key is not None:
            return f"key {plain_text(row.cells[self._writing.row_key])}"
        first = content_identity([path, row.sent.known_by], 0)
        self._numbers[first] += 1
        return content_identity([path, row.sent.known_by], self._numbers[first])

    def _note_changes(self, row: _Row, form: dict[str, Any]) -> None:
        for name, after in form.items():
            if len(self._plan.changes) >= SHOWN_CHANGES:
                return
            before = (row.live or {}).get(name)
            if name == "metadata" and isinstance(after, Mapping):
                shown = before if isinstance(before, Mapping) else {}
                before = {key: shown[key] for key in after if key in shown}
            self._plan.changes.append(Change(row.sent.ids.get(ID, ""), name, before, after))

    def _error(self, row: _Row, column: str | None, message: str) -> None:
        self._plan.errors.append(RowError(row.place, row.label, column, message))


def _rows(source: Source | None, mapper: Mapper) -> Iterator[_Row]:
    if source is None:
        yield _Row(0, "the call", {}, mapper)
        return
    place = 0
    for batch in source.batches():
        cells: pa.RecordBatch = batch
        for row in cells.to_pylist():
            yield _Row(place, source.row_label(place), row, mapper)
            place += 1


def _pairs(actions: list[Action]) -> list[tuple[Action, Action | None]]:
    """Return each action with the other one of an upsert."""
    return [(actions[0], None)] if len(actions) == 1 else [(actions[0], actions[1]), (actions[1], actions[0])]


def _path(action: Action, ids: Mapping[str, str]) -> str:
    path = action.path
    for name in action.ids:
        path = path.replace(f"{{{name}}}", path_part(ids[name]))
    return path
