"""Which columns of a table a sync writes: what its config says, and what an earlier one said for good."""

from __future__ import annotations

from dataclasses import dataclass

from connector.definitions.endpoint import Endpoint

EVERY_COLUMN = "all"
_SHOWN = 5


@dataclass(frozen=True)
class ColumnChoice:
    """The columns that are written: those of `columns`, all where that is None, without those of `exclude`."""

    columns: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()

    def left_out(self, endpoint: Endpoint) -> list[str]:
        """Return the columns that are not written; those that tell rows apart or order them always are."""
        names = [column.name for column in endpoint.columns if column.name not in needed(endpoint)]
        return [
            name for name in names if name in self.exclude or (self.columns is not None and name not in self.columns)
        ]


@dataclass(frozen=True)
class ColumnWish:
    """What a config says of columns: `columns` None where nothing, EVERY_COLUMN, or a list of names."""

    columns: tuple[str, ...] | str | None = None
    exclude: tuple[str, ...] = ()

    def after(self, earlier: ColumnChoice) -> ColumnChoice:
        """Return what is written from now on: what was left out stays so, unless `columns` says otherwise."""
        if self.columns is None:
            exclude = tuple(dict.fromkeys([*earlier.exclude, *self.exclude]))
            return ColumnChoice(earlier.columns, exclude)
        return ColumnChoice(None if isinstance(self.columns, str) else self.columns, self.exclude)


def needed(endpoint: Endpoint) -> list[str]:
    """Return the columns that every row needs: its key, what orders it, and its parents' ids."""
    return [*endpoint.primary_key, endpoint.order or "", *(parent.column for parent in endpoint.parents)]


def choice_notes(name: str, endpoint: Endpoint, earlier: ColumnChoice, wish: ColumnWish) -> list[str]:
    """Return, in sentences, where a table's columns are not what the config alone would have, or was before."""
    before, now = earlier.left_out(endpoint), wish.after(earlier).left_out(endpoint)
    asked = wish.after(ColumnChoice()).left_out(endpoint)
    stay, back = [each for each in now if each not in asked], [each for each in before if each not in now]
    notes = []
    if stay:
        notes.append(
            f"{name}: {_listed(stay)} stays left out, as an earlier config said; `columns` of [sync.{name}] can say "
            "otherwise"
        )
    if back:
        notes.append(f"{name}: {_listed(back)} is written again, since `columns` says so; it was left out before")
    return notes


def _listed(names: list[str]) -> str:
    shown, more = ", ".join(names[:_SHOWN]), len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
