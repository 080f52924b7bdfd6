"""A merge into a DuckDB table that looks for the stage's keys once, and knows the target's rows by their numbers then.

A statement that joins by key reads all of the table in each column that it compares; one that joins by the numbers of
rows reads only the groups in which these stand.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.databases.base import Session
from connector.databases.merge import Merge, Table, free_name

_NUMBER = "rowid"  # of a row in its table, as DuckDB calls it unless a column has that name
_PAIRS, _STAGE = "temp._pairs", "temp._located"


@dataclass(frozen=True)
class Located(Merge):
    """A merge whose stage has a column more, `number`: that of the target's row which has the key; null for none."""

    number: str

    def matched(self) -> str:
        """Return the query for how many rows of the stage have their key in the target."""
        return f"SELECT count(DISTINCT {self.dialect.quote(self.place)}) FROM {_PAIRS}"

    @property
    def _is_new(self) -> str:
        return f"s.{self.number} IS NULL"  # an UPDATE may have written the target's row anew, under another number

    @property
    def _same_row(self) -> str:
        return f"t.{_NUMBER} = s.{self.number}"


def locate(session: Session, table: Table, merge: Merge) -> Merge:
    """Look for the stage's keys in the table; a table that has a column of its own for the number is left alone."""
    if any(name.lower() == _NUMBER for name in session.column_types(table)):
        return merge
    place, number = session.dialect.quote(merge.place), session.dialect.quote(free_name("_number", merge.columns))
    session.execute(
        f"CREATE OR REPLACE TEMPORARY TABLE {_PAIRS} AS SELECT s.{place}, t.{_NUMBER} AS {number} "
        f"FROM {merge.stage} AS s INNER JOIN {merge.target} AS t ON {merge.same_key}"
    )
    session.execute(f"DROP VIEW IF EXISTS {_STAGE}")
    session.execute(
        f"CREATE TEMPORARY VIEW _located AS SELECT s.*, p.{number} "
        f"FROM {merge.stage} AS s LEFT JOIN {_PAIRS} AS p ON p.{place} = s.{place}"
    )
    return Located(merge.dialect, merge.target, _STAGE, merge.columns, merge.keys, number)
