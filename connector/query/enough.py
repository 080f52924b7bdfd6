"""When a LIMIT has enough rows: of one table, in its list's order, so that no row still to come could be among them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from connector.databases.merge import quoted
from connector.query.contributions import Place
from connector.query.statement import Statement
from connector.query.workspace import Session

_MORE_THAN_FILTERS = ("distinct", "group", "having", "qualify", "sample", "joins", "with_", "windows", "laterals")


@dataclass(frozen=True)
class Enough:
    """What to ask DuckDB after each page: whether so many rows that count have come."""

    sql: str = ""
    rows: int = 0

    @classmethod
    def of(cls, statement: Statement, places: list[Place]) -> Enough | None:
        """Return when a statement has enough; None where it needs all rows."""
        select = statement.tree
        if not isinstance(select, exp.Select) or len(places) != 1 or not _only_filters(select):
            return None
        rows = _number(select, "limit") + _number(select, "offset")
        endpoint, alias = places[0].endpoint, places[0].alias
        if rows <= 0 or endpoint.parents or endpoint.each or endpoint.rows or endpoint.rows_at:
            return None
        where = select.args.get("where")
        tests = [f"({where.this.sql(dialect='duckdb')})"] if where else []
        table = quoted(endpoint.name)
        if select.args.get("order"):
            if not _is_newest_first(select, endpoint.order):
                return None
            # Rows of the last second may still be coming.
            order = quoted(endpoint.order or "")
            tests.append(f"{quoted(alias)}.{order} > (SELECT min({order}) FROM {table})")
        return cls(f"SELECT count(*) FROM {table} AS {quoted(alias)} WHERE {' AND '.join(tests) or 'true'}", rows)

    def reached(self, session: Session) -> bool:
        """Say whether no further page is needed."""
        (count,) = session.one(self.sql)
        return bool(count >= self.rows)


def _only_filters(select: exp.Select) -> bool:
    """Whether a SELECT takes rows of one table as they are."""
    if any(select.args.get(key) for key in _MORE_THAN_FILTERS):
        return False
    source = select.args["from_"].this if select.args.get("from_") else None
    if not isinstance(source, exp.Table) or source.args.get("joins"):
        return False
    return not any(part.find(exp.AggFunc, exp.Window, exp.Unnest, exp.Explode) for part in select.expressions)


def _number(select: exp.Select, key: str) -> int:
    """Return a LIMIT or an OFFSET; 0 where there is none, and less where it is anything but a whole number."""
    clause = select.args.get(key)
    if clause is None:
        return 0
    value = None if clause.args.get("limit_options") else clause.args.get("expression")
    return int(value.name) if isinstance(value, exp.Literal) and value.is_int else -(10**12)


def _is_newest_first(select: exp.Select, order: str | None) -> bool:
    keys = select.args["order"].expressions
    first = keys[0]
    named = isinstance(first.this, exp.Column) and first.this.name.lower() == order
    shadowed = any(part.alias.lower() == order for part in select.expressions if isinstance(part, exp.Alias))
    return bool(named and first.args.get("desc") and not shadowed)
