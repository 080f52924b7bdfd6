"""Any source → a table of a database, by key and in one transaction: all of it, or nothing.

    source ─► columns named and typed as the table has them ─► stage ─► the one merge (databases/base.py)

A table that is not there is made from the source's columns. A value that its column cannot hold ends the load with the
column, the row and the type, and the table is as it was; where that loses nothing, the column may be widened instead.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from connector.databases.base import Counts, Database, DoubledKeys, MergeOptions, RefusedValue, Session, Staged
from connector.databases.merge import Keys, Table
from connector.definitions.names import LIMIT_BYTES, shorten
from connector.errors import DataError, TargetError, UsageError, did_you_mean
from connector.load.guard import refuse_existing, refuse_synced
from connector.load.loading import Loading, LoadReport, LoadWatch
from connector.rows.batches import refuse_repeated, regroup
from connector.rows.cast import Misfit, cast, guess_types, plain_schema
from connector.rows.notation import notation_hints
from connector.rows.render import is_text
from connector.rows.streams import Source
from connector.words import count_of

_WIDEST = pa.decimal128(38, 12)
_EMPTYING = {"replace", "mirror"}
_FILLING = {"upsert", "insert", "append", "replace", "mirror", "create"}


def load_table(source: Source, database: Database, table: Table, loading: Loading, progress: LoadWatch) -> LoadReport:
    """Bring a source's rows into a table, in one transaction; after an error the table is as it was."""
    began = time.monotonic()

    def work(session: Session) -> LoadReport:
        place = _fitting(table, session)
        report = LoadReport(f"{place} in {database.label}")
        session.lock(place, loading.lock_wait_seconds)
        _Load(session, source, place, loading, report, progress).run()
        return report

    report = database.repeated(work)
    report.seconds = time.monotonic() - began
    return report


def check_table(database: Database, table: Table, loading: Loading, columns: Collection[str]) -> None:
    """Refuse a table that these columns may not go to, before an hour's reading is spent on them."""
    with database:
        if database.exists():
            with database.transaction() as session:
                place = _fitting(table, session)
                _guard(session, place, session.column_types(place), loading, columns)


def _guard(
    session: Session, table: Table, existing: Mapping[str, str], loading: Loading, columns: Collection[str]
) -> None:
    filled = {*columns, *loading.mapping} if loading.columns is None else {*loading.columns, *loading.key}
    refuse_synced(session, table, existing, loading.mode, filled)
    if loading.mode == "create":
        refuse_existing(session, table, existing)


def _fitting(table: Table, session: Session) -> Table:
    """Return the table under names that the database takes; one that is there under longer ones stays what it is."""
    limit = session.dialect.name_limit_bytes
    fitting = Table(shorten(table.schema, limit), shorten(table.name, limit))
    return fitting if fitting == table or not session.column_types(table) else table


@dataclass
class _Load:
    """One load while its transaction is open; `taken` are the target's columns with the source's for each.

    `is_made` says that the table that is filled was made by this load.
    """

    session: Session
    source: Source
    table: Table
    loading: Loading
    report: LoadReport
    progress: LoadWatch
    taken: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    is_made: bool = False

    def run(self) -> None:
        existing = self.session.column_types(self.table)
        _guard(self.session, self.table, existing, self.loading, self.source.schema.names)
        if not existing and (not self.loading.create or self.loading.mode not in _FILLING):
            raise TargetError(f"There is no table {self._name}, and {self._why_not_created()}.")
        if not self.source.schema.names:
            self._leave(existing)
            return
        self._match(existing)
        if not existing:
            self._create(self.table)
            self.report.notes.append(f"The table {self._name} was not there and has been made.")
        target = self._fresh() if self.loading.swap and existing else self.table
        is_merged = self._merge(target, self._staged(target))
        if target is not self.table:
            self._settle_fresh(target, is_wanted=is_merged)

    @property
    def _name(self) -> str:
        return f"{self.table}"

    def _why_not_created(self) -> str:
        return "none is to be made" if not self.loading.create else f"{self.loading.mode} makes none"

    def _leave(self, existing: Mapping[str, str]) -> None:
        """Do nothing, as for JSON Lines without a line; a TargetError where that is not what was asked for."""
        if not existing:
            raise TargetError(
                f"{self.source.label} has no rows and names no columns: {self._name} cannot be made of it."
            )
        if self.loading.allow_empty and self.loading.mode in _EMPTYING:
            raise TargetError(
                f"{self.source.label} names no columns, so {self._name} was not emptied: give it a header."
            )
        self.report.notes.append(f"{self.source.label} has no rows and names no columns: nothing was changed.")

    # Which columns

    def _match(self, existing: Mapping[str, str]) -> None:
        """Find the target's column for each of the source's, and the key among them."""
        loading, given = self.loading, self.source.schema.names
        refuse_repeated(given)
        for target, origin in loading.mapping.items():
            if origin not in given:
                raise UsageError(
                    f'{self.source.label} has no column "{origin}" for {target}.{did_you_mean(origin, given)}'
                )
        mapped = set(loading.mapping.values())
        wanted = {name: name for name in given if name not in mapped} | dict(loading.mapping)
        spelled = _Spelling(existing or wanted, self.session.dialect.name_limit_bytes)
        self.taken = {}
        for name, origin in self._chosen(wanted).items():
            if other := self.taken.get(spelled(name)):
                raise UsageError(f'"{other}" and "{origin}" would both go to the column {spelled(name)}.')
            self.taken[spelled(name)] = origin
        self.key = tuple(dict.fromkeys(spelled(name) for name in loading.key))
        for name in self.key:
            if name not in self.taken:
                raise UsageError(
                    f'The key column "{name}" does not come from {self.source.label}.{did_you_mean(name, self.taken)}'
                )
            if existing and name not in existing:
                raise TargetError(f'{self._name} has no key column "{name}".{did_you_mean(name, existing)}')
        self._settle_new(existing)

    def _chosen(self, wanted: Mapping[str, str]) -> dict[str, str]:
        spelled = _Spelling(wanted)
        key = dict.fromkeys(map(spelled, self.loading.key))
        if self.loading.mode == "delete":
            return {name: wanted[name] for name in key if name in wanted}
        if self.loading.columns is None:
            return dict(wanted)
        for name in self.loading.columns:
            if spelled(name) not in wanted:
                raise UsageError(f'{self.source.label} has no column "{name}".{did_you_mean(name, wanted)}')
        chosen = dict.fromkeys([*key, *map(spelled, self.loading.columns)])
        return {name: wanted[name] for name in chosen if name in wanted}

    def _settle_new(self, existing: Mapping[str, str]) -> None:
        """Add, leave out or refuse the columns that the table does not have."""
        new = [name for name in self.taken if name not in existing] if existing and not self.loading.swap else []
        if not new:
            return
        if self.loading.on_new_column == "fail":
            raise TargetError(
                f'{self._name} has no column "{new[0]}".{did_you_mean(new[0], existing)} Choose columns by --columns, '
                "name them by --map, or say what becomes of new ones: --on-new-column add, or ignore."
            )
        if self.loading.on_new_column == "ignore":
            self.report.notes.append(f"Left out, since {self._name} lacks them: {', '.join(new)}.")
            self.taken = {name: origin for name, origin in self.taken.items() if name in existing}
            return
        fields = {each.name: each for each in self._typed()}
        self.report.notes += self.session.prepare(self.table, pa.schema([fields[name] for name in new]))

    # Types

    def _typed(self) -> pa.Schema:
        """Return the source's columns under the target's names, with the types that a new column for them has."""
        schema = plain_schema(guess_types(self.source))
        return pa.schema([schema.field(origin).with_name(name) for name, origin in self.taken.items()])

    def _create(self, table: Table) -> None:
        limit = self.session.dialect.name_limit_bytes
        self.taken = {shorten(name, limit): origin for name, origin in self.taken.items()}
        self.key = tuple(shorten(name, limit) for name in self.key)
        fields = self._typed()
        types = {each.name: self.session.type_of(each, is_key=each.name in self.key) for each in fields}
        self.session.create(table, types, self.key)
        texts = [self.taken[each.name] for each in fields if is_text(each.type)]
        self.report.notes += notation_hints(self.source, texts)
        self.is_made = True

    def _fresh(self) -> Table:
        """Create the empty table that will stand in the place of the one that is there."""
        limit = self.session.dialect.name_limit_bytes
        fresh = Table(self.table.schema, shorten(f"{self.table.name} (new)", limit))
        self._create(fresh)
        return fresh

    def _settle_fresh(self, fresh: Table, *, is_wanted: bool) -> None:
        """Put the fresh table in the place of the one that is there, or drop it where that one is to stay."""
        session = self.session
        if not is_wanted:
            session.execute(f"DROP TABLE {session.full(fresh)}")
            return
        ((gone,),) = session.rows(f"SELECT count(*) FROM {session.full(self.table)}")  # noqa: S608
        self.report.counts = replace(self.report.counts, deleted=int(str(gone)))
        for statement in session.dialect.swap(fresh, self.table):
            session.execute(statement)

    def _fields(self, table: Table) -> pa.Schema:
        """Return what the rows are cast to before they go to the table's columns."""
        types = self.session.column_types(table)
        if changed := next((name for name in self.taken if name not in types), None):
            raise TargetError(
                f'{self._name}: the database does not keep the name of the column "{changed}" as it is. '
                "Give it another one by --map."
            )
        given = ((name, self.session.field_of(name, types[name])) for name in self.taken)
        return pa.schema([each or pa.field(name, pa.string()) for name, each in given])

    # Rows

    def _staged(self, table: Table) -> Staged:
        """Fill the stage; where a value does not fit, widen its column if that is wanted, and begin again."""
        while True:
            try:
                return self.session.stage(table, self._rows(self._fields(table)), list(self.taken))
            except Misfit as misfit:
                wider = self._wider(table, misfit.column)
                if not wider or not (self.is_made or self.loading.on_wider_type == "widen"):
                    hint = f" --on-wider-type widen makes the column {wider}." if wider else ""
                    raise DataError(f"{self.source.label}, {misfit} Nothing was loaded.{hint}") from misfit
                self._widen(table, misfit.column, wider)
            except RefusedValue as refused:
                where = f'{self.source.row_label(refused.place)}, column "{refused.column}"'
                raise TargetError(f"{self.source.label}, {where}: {refused.reason}. Nothing was loaded.") from refused

    def _wider(self, table: Table, name: str) -> str | None:
        """Return the type that a column would need for the source's; text never makes one of numbers one of text."""
        if name in self.key or name not in self.taken:  # else it is the source itself that cannot read a value
            return None
        old, field = self.session.column_types(table)[name], self._typed().field(name)
        if pa.types.is_string(field.type):
            return None
        wanted = [field, field.with_type(_WIDEST)] if pa.types.is_decimal(field.type) else [field]
        kinds = (kind for kind in map(self.session.type_of, wanted) if old != kind)
        return next((kind for kind in kinds if self.session.can_widen(old, kind)), None)

    def _widen(self, table: Table, name: str, kind: str) -> None:
        old = self.session.column_types(table)[name]
        self.session.widen(table, name, kind)
        self.report.notes.append(f"{table.name}: the column {name} was widened from {old} to {kind}")

    def _rows(self, fields: pa.Schema) -> Iterator[pa.Table]:
        """Yield the rows under the target's names, in these types."""
        self.report.rows_read = 0
        yield from regroup(self._cast(fields), fields)

    def _cast(self, fields: pa.Schema) -> Iterator[pa.RecordBatch]:
        origins = list(self.taken.values())
        for batch in self.source.batches():
            named = batch.select(origins).rename_columns(list(self.taken))
            yield cast(named, fields, self.report.rows_read, self.source.row_label)
            self.report.rows_read += batch.num_rows
            self.progress(self.report.rows_read)

    def _merge(self, table: Table, staged: Staged) -> bool:
        """Merge what is staged, but for rows without a whole key, and count; False where nothing was to be done."""
        keys = Keys(self.key)
        rejected = self._reject(table, staged, keys) if self.key else 0
        if staged.rows == rejected and self.loading.mode in _EMPTYING and not self.loading.allow_empty:
            self.report.counts = Counts(rejected=rejected)
            self.report.notes.append(
                f"{self.source.label} has no rows{' with a key' if rejected else ''}, so nothing was deleted; "
                "--allow-empty empties the table."
            )
            return False
        how = MergeOptions(self.loading.mode, self.loading.duplicates, self._scope(table))
        try:
            counts = self.session.merge(table, replace(staged, rows=staged.rows - rejected), keys, how)
        except DoubledKeys as doubled:
            places = ", ".join(map(self.source.row_label, doubled.places))
            raise TargetError(
                f"{self.source.label}: {count_of(doubled.count, 'row')} with a key that a later row has, too: {places}"
                f"{' …' if doubled.count > len(doubled.places) else ''}. Nothing was loaded."
            ) from None
        self.report.counts = replace(counts, rejected=rejected)
        if self.loading.mode == "replace" and counts.deleted:
            self.report.notes.append(f"{count_of(counts.deleted, 'row')} that stood there replaced.")
        return True

    def _reject(self, table: Table, staged: Staged, keys: Keys) -> int:
        rejected, places = self.session.reject_without_key(table, staged, keys)
        if rejected:
            where = ", ".join(map(self.source.row_label, places))
            self.report.notes.append(
                f"{count_of(rejected, 'row')} rejected, since {' or '.join(self.key)} is empty: {where}"
                f"{' …' if rejected > len(places) else ''}."
            )
        return rejected

    def _scope(self, table: Table) -> dict[str, object]:
        """Return the scope with the table's own columns, its values in their types."""
        types = self.session.column_types(table)
        spelled = _Spelling(types)
        scope: dict[str, object] = {}
        for name, text in self.loading.scope.items():
            column = spelled(name)
            if column not in types:
                raise UsageError(f'{self._name} has no column "{name}" for the scope.{did_you_mean(name, types)}')
            scope[column] = self._value(column, types[column], text)
        return scope

    def _value(self, column: str, kind: str, text: str) -> object:
        """Return a text as a value of a column's type."""
        given = pa.RecordBatch.from_pydict({column: pa.array([text], pa.string())})
        wanted = self.session.field_of(column, kind) or pa.field(column, pa.string())
        value = cast(given, pa.schema([wanted]), 0, lambda _: "the scope").column(0)[0].as_py()
        if value is None:
            raise UsageError(f"The scope says no value for {column}, which is {kind}: write it as {column}=VALUE.")
        return value


class _Spelling:
    """The target's own spelling of a column: its very name, else the one name that differs in case only.

    A name that is too long is also known by the shorter one that it has in tables that are made.
    """

    def __init__(self, existing: Mapping[str, str], limit_bytes: int = LIMIT_BYTES) -> None:
        self._existing = existing
        self._limit_bytes = limit_bytes
        self._folded: dict[str, list[str]] = {}
        for name in existing:
            self._folded.setdefault(name.casefold(), []).append(name)

    def __call__(self, name: str) -> str:
        short = shorten(name, self._limit_bytes)
        for each in (name, short):
            alike = self._folded.get(each.casefold(), [])
            if each in self._existing or len(alike) == 1:
                return each if each in self._existing else alike[0]
        return short
