"""What a load may be asked for, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from connector.databases.base import MODES, Counts
from connector.errors import UsageError, did_you_mean
from connector.words import count_of

NEW_COLUMN = ("add", "ignore", "fail")
WIDER_TYPE = ("widen", "fail")
DUPLICATES = ("last", "error")
_KEYED = {"upsert", "insert", "update", "delete", "mirror"}

LoadWatch = Callable[[int], None]


@dataclass(frozen=True)
class Loading:
    """What a load is to do: the mode, the key columns, which columns go where, what may be changed in the table.

    `mapping` gives the source's column for a target's; `columns` are those of the target to fill (None: all that the
    source has). `scope` are values that the target's rows must have to be deleted by mirror. `swap` makes replace put
    a new table in the place of the old one.
    """

    mode: str = "upsert"
    key: Sequence[str] = ()
    columns: Sequence[str] | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    create: bool = True
    on_new_column: str = "fail"
    on_wider_type: str = "fail"
    duplicates: str = "last"
    scope: Mapping[str, str] = field(default_factory=dict)
    swap: bool = False
    allow_empty: bool = False
    lock_wait_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("key", "columns"):
            if isinstance(one := getattr(self, name), str):  # which is a sequence, too: of letters
                object.__setattr__(self, name, (one,))

    def check(self) -> None:
        """Raise a UsageError for what cannot be done, whatever the source and the table are."""
        for value, known, what in (
            (self.mode, MODES, "mode"),
            (self.on_new_column, NEW_COLUMN, "on_new_column"),
            (self.on_wider_type, WIDER_TYPE, "on_wider_type"),
            (self.duplicates, DUPLICATES, "duplicates"),
        ):
            if value not in known:
                raise UsageError(
                    f'There is no {what} "{value}": take {", ".join(known)}.{did_you_mean(str(value), known)}'
                )
        if self.mode in _KEYED and not self.key:
            raise UsageError(f"{self.mode} needs the key columns by which rows are told apart: --key id.")
        if self.scope and self.mode != "mirror":
            raise UsageError("A scope says what mirror may delete; it is of no use to another mode.")
        if self.swap and self.mode != "replace":
            raise UsageError("Only replace can swap the table for a new one: say --mode replace, or leave --swap out.")


@dataclass(repr=False)
class LoadReport:
    """How a load went: what became of the rows, and everything worth telling."""

    name: str
    rows_read: int = 0
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report in sentences, the most important first."""
        said = ", ".join(_in_words(count, word) for word, count in self._counted())
        return [f"{self.name}: {count_of(self.rows_read, 'row')} read, {said} in {self.seconds:.1f} s", *self.notes]

    def __repr__(self) -> str:
        return f"<{self.lines()[0]}>"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _counted(self) -> list[tuple[str, int]]:
        words = ("inserted", "updated", "unchanged", "deleted", "skipped", "duplicates", "rejected")
        always = ("inserted", "updated", "unchanged", "deleted")
        counted = [(word, getattr(self.counts, word)) for word in words]
        return [(word, count) for word, count in counted if count or word in always]

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{word}</th>" for word, _ in self._counted())
        row = "".join(f"<td>{count:,}</td>" for _, count in self._counted())
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table><tr><th></th>{head}</tr><tr><td>{escape(self.name)}</td>{row}</tr></table>{notes}"


def _in_words(count: int, word: str) -> str:
    return count_of(count, "duplicate") if word == "duplicates" else f"{count:,} {word}"
