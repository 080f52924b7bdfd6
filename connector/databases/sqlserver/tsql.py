"""The merge in T-SQL, for SQL Server 2016 and later and for Azure SQL; MERGE, whose races are known, is not used.

Two texts are the same to SQL Server when only the spaces at their ends differ, whatever the collation, and often when
only case or accents do. So changed values are compared by code point and by length, and the key columns of tables
that are made here are, too: vip, VIP and "vip " stay three rows, as in Stripe. A unique index would still refuse the
third, so that the index made on a key only finds rows; that none is doubled is held by the lock that each load takes.
A table that is there already keeps its own idea of what is equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from connector.databases.merge import Dialect, Table, looked_up
from connector.databases.sqlserver.types import COLLATION, indexable_bytes, is_exact, is_text

ROWS_PER_STATEMENT = 1_000
# SQL Server takes 2,100, but reads a statement with so many for longer than it saves in trips.
PARAMETERS_PER_STATEMENT = 1_000
_CLUSTERED_BYTES = 900
_INDEX_BYTES = 1_700
_INDEX_COLUMNS = 32
_SHORT_TEXT = 4_000  # UTF-16 units; longer text is NVARCHAR(MAX), with which no index is searched
# A quoted name, a text, a bracketed name, or the ? outside of them.
_QUOTED_OR_MARK = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|\?", re.DOTALL)
_INCOMPARABLE = ("XML", "JSON", "NTEXT", "IMAGE", "GEOGRAPHY", "GEOMETRY", "VECTOR")


class TSQL(Dialect):
    """T-SQL: names in double quotes, joins in UPDATE and DELETE, exact comparison of texts."""

    name_limit_bytes = 128
    now = "SYSUTCDATETIME()"

    def same(self, column: str, kind: str) -> str:
        """Return the condition that a key column of the target equals the stage's, as the target has it."""
        old, new = (self._told(f"{side}.{self.quote(column)}", kind) for side in "ts")
        return " AND ".join(f"{before} = {after}" for before, after in zip(old, new, strict=True))

    def grouped(self, column: str, kind: str) -> Sequence[str]:
        """Return what rows are grouped by to find those with the same key."""
        return self._told(self.quote(column), kind)

    def _told(self, expression: str, kind: str) -> Sequence[str]:
        return (expression, f"DATALENGTH({expression})") if is_exact(kind) else (expression,)

    def compared(self, expression: str, kind: str) -> Sequence[str]:
        """Return what is compared to tell whether a value has changed: of texts, all code points and the length."""
        if is_text(kind):
            # By way of Unicode: another collation's code page might turn two letters into the same question mark.
            return (f"CAST({expression} AS NVARCHAR(MAX)) COLLATE {COLLATION}", f"DATALENGTH({expression})")
        if kind.startswith(_INCOMPARABLE):
            as_bytes = f"CAST({expression} AS VARBINARY(MAX))"
            return (as_bytes, f"DATALENGTH({as_bytes})")  # 0x61 and 0x6100 are equal
        return (expression, f"DATALENGTH({expression})") if "BINARY" in kind else (expression,)

    def differs(self, columns: Mapping[str, str]) -> str:
        """Return the condition that one of these columns has changed; EXCEPT takes null as a value."""
        sides = {
            side: ", ".join(
                part for name, kind in columns.items() for part in self.compared(f"{side}.{self.quote(name)}", kind)
            )
            for side in "st"
        }
        return f"EXISTS (SELECT {sides['s']} EXCEPT SELECT {sides['t']})" if columns else "1 = 0"

    def update(self, target: str, stage: str, names: Sequence[str], matched: str, condition: str) -> str:
        """Return the statement that gives these columns the stage's values where rows match and meet a condition."""
        values = ", ".join(f"{self.quote(name)} = s.{self.quote(name)}" for name in names)
        return (
            f"UPDATE t SET {values} FROM {self.locked(target)} INNER JOIN {stage} AS s ON {matched} WHERE {condition}"
        )

    def delete(self, target: str, condition: str) -> str:
        """Return the statement that deletes the target's rows that meet a condition."""
        return f"DELETE t FROM {target} AS t WHERE {condition}"

    def locked(self, target: str) -> str:
        """Return the target, called t, with the keys that are looked for kept as they are until the end."""
        return f"{target} AS t WITH (UPDLOCK, HOLDLOCK)"

    def create_schema(self, name: str) -> str:
        """Return the statement that creates a schema where there is none; CREATE SCHEMA must be alone in its batch."""
        return f"IF SCHEMA_ID({literal(name)}) IS NULL EXEC({literal(f'CREATE SCHEMA {self.quote(name)}')})"

    def create_table(self, table: Table, columns: Mapping[str, str], keys: Sequence[str]) -> Sequence[str]:
        """Return the statements that create a table, and an index on as much of its key as an index takes."""
        described = ", ".join(f"{self.quote(name)} {kind} NULL" for name, kind in columns.items())
        create = f"CREATE TABLE {self.full(table)} ({described})"
        indexed, size = self._indexed(columns, keys)
        if not indexed:
            return (create,)
        kind = "CLUSTERED" if size <= _CLUSTERED_BYTES else "NONCLUSTERED"
        index = f"CREATE {kind} INDEX {self.quote('_key')} ON {self.full(table)} ({indexed})"
        by_itself, _ = self._indexed(columns, looked_up(keys))
        if not by_itself:
            return (create, index)
        return (create, index, f"CREATE NONCLUSTERED INDEX {self.quote('_id')} ON {self.full(table)} ({by_itself})")

    def _indexed(self, columns: Mapping[str, str], keys: Sequence[str]) -> tuple[str, int]:
        """Return as much of a key as an index takes, and how many bytes that has."""
        indexed, total = [], 0
        for name in keys[:_INDEX_COLUMNS]:
            size = indexable_bytes(columns[name])
            if size is not None and total + size <= _INDEX_BYTES:
                indexed.append(self.quote(name))
                total += size
        return ", ".join(indexed), total

    def add_column(self, table: Table, name: str, kind: str) -> str:
        """Return the statement that adds a column."""
        return f"ALTER TABLE {self.full(table)} ADD {self.quote(name)} {kind} NULL"

    def widen(self, table: Table, name: str, kind: str) -> str:
        """Return the statement that gives a column another type; it says itself what becomes of NOT NULL."""
        change = f"ALTER TABLE {self.full(table)} ALTER COLUMN {self.quote(name)} {kind}"
        place = f"object_id = OBJECT_ID({literal(self.full(table))}) AND name = {literal(name)}"
        required = f"EXISTS (SELECT 1 FROM sys.columns WHERE {place} AND is_nullable = 0)"
        return f"IF {required} EXEC({literal(f'{change} NOT NULL')}) ELSE EXEC({literal(change)})"

    def swap(self, fresh: Table, table: Table) -> Sequence[str]:
        """Return the statements that put a fresh table in the place of another."""
        return (
            f"DROP TABLE {self.full(table)}",
            f"EXEC sp_rename {literal(self.full(fresh))}, {literal(table.name)}, N'OBJECT'",
        )

    def replace_view(self, view: Table, select: str) -> Sequence[str]:
        """Return the statement that makes a view, in the place of an older one of that name."""
        return (f"CREATE OR ALTER VIEW {self.full(view)} AS {select}",)

    def create_stage(self, name: str, target: str, columns: Sequence[str], place: str) -> str:
        """Return the statement that makes an empty stage with the target's own types and collations.

        What comes by an outer join may be null and is no identity, which a plain SELECT INTO would copy.
        """
        taken = ", ".join(f"t.{self.quote(column)}" for column in columns)
        return (
            f"SELECT TOP 0 {taken}, CAST(NULL AS {self.place_type}) AS {self.quote(place)} INTO {name} "
            f"FROM (SELECT 1 AS one) AS o LEFT JOIN {target} AS t ON 1 = 0"
        )


class Parameter(NamedTuple):
    """A value on its way to the server: what stands in the statement for it, and how the driver is to send it."""

    expression: str
    value: str | float | bytes | None
    kind: Literal["text", "float", "binary"] = "text"


def literal(text: str) -> str:
    """Return a text as T-SQL writes it; a line break after a backslash would be dropped, so the two are parted."""
    quoted = "N'" + text.replace("'", "''") + "'"
    if "\\\n" not in text and "\\\r" not in text:
        return quoted
    return "CAST(N'' AS NVARCHAR(MAX)) + " + re.sub(r"\\(?=[\r\n])", lambda _: "\\' + N'", quoted)


def parameter(value: object) -> Parameter:
    """Return a value of Python's as a parameter of a type that is always named: never VARCHAR, never DATETIME."""
    if isinstance(value, float):
        return Parameter("CAST(? AS FLOAT)", value, "float")
    if isinstance(value, bytes):
        return Parameter("CAST(? AS VARBINARY(MAX))", value, "binary")
    kind, text = _as_text(value)
    return Parameter(f"CAST(? AS {kind})", text)


def _as_text(value: object) -> tuple[str, str | None]:
    if isinstance(value, bool):
        return "BIT", str(int(value))
    if isinstance(value, int):
        return "BIGINT", str(value)
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        scale = max(-int(exponent), 0)
        return f"DECIMAL({min(max(len(digits) + max(int(exponent), 0), scale), 38)},{scale})", format(value, "f")
    if isinstance(value, datetime):
        clock = (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None)
        return "DATETIME2(6)", clock.isoformat(sep=" ")
    if isinstance(value, date):
        return "DATE", value.isoformat()
    text = None if value is None else str(value)
    return f"NVARCHAR({'MAX' if text and utf16_units(text) > _SHORT_TEXT else _SHORT_TEXT})", text


def placed(sql: str, parameters: Sequence[Parameter]) -> str:
    """Return a statement with the expression of each parameter where a ? stood for it."""
    given = iter(parameters)
    return _QUOTED_OR_MARK.sub(lambda found: next(given).expression if found[0] == "?" else found[0], sql)


def written(sql: str, parameters: Sequence[Parameter]) -> str:
    """Return a statement with its parameters written out, for a driver that would only do the same less exactly."""
    given = iter(parameters)

    def value(found: re.Match[str]) -> str:
        return _written(next(given)) if found[0] == "?" else found[0]

    return _QUOTED_OR_MARK.sub(value, placed(sql, parameters))


def _written(given: Parameter) -> str:
    if given.value is None:
        return "NULL"
    if isinstance(given.value, bytes):
        return "0x" + given.value.hex()
    return literal(given.value) if isinstance(given.value, str) else f"{given.value:.17e}"


def utf16_units(text: str) -> int:
    """Return how much of an NVARCHAR a text takes."""
    return len(text) + sum(character > "\uffff" for character in text)


def rows_per_statement(columns: int) -> int:
    """Return how many rows of so many values one INSERT takes."""
    return max(min(ROWS_PER_STATEMENT, PARAMETERS_PER_STATEMENT // max(columns, 1)), 1)


def portions(rows: int, columns: int) -> Iterator[range]:
    """Yield the rows of each INSERT that is needed to bring so many rows in."""
    size = rows_per_statement(columns)
    for first in range(0, rows, size):
        yield range(first, min(first + size, rows))


def insert_values(into: str, names: Sequence[str], rows: int) -> str:
    """Return the INSERT of some rows, each value a ?."""
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {into} ({', '.join(names)}) VALUES {', '.join([row] * rows)}"
