"""What a statement needs of each of our tables: the places where it stands, and the comparisons that narrow it there.

A comparison is taken where a row that fails it can change nothing: among the conjuncts of the WHERE of the very SELECT
in which the table stands, since all of them reject NULL; among those of a join's ON, on the sides whose unmatched rows
the join drops; and through a CTE or a subquery that only selects. Under ASOF and positional joins and samples nothing
is taken: a row that is missing changes who meets whom. DuckDB decides everything again on the rows that came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from connector.definitions.endpoint import Endpoint
from connector.query.comparisons import Comparison, comparisons

_BOTH = ((0, 1), (1, 0))
_PLAIN_TABLE = {"this", "db", "catalog", "alias", "joins"}
# What makes a SELECT more than a choice of rows and columns.
_MORE_THAN_SELECTS = ("distinct", "group", "having", "qualify", "limit", "offset", "sample", "windows", "laterals")


@dataclass(frozen=True)
class Link:
    """What a join says: a row is needed only where its `column` is among the values of another place's column."""

    column: str
    other: Place
    other_column: str


@dataclass(eq=False)
class Place:
    """One place where a table stands: what narrows it there, and the filters without a column that it names.

    `conditions` are all that its own columns have to meet there, whether or not they narrow.
    """

    endpoint: Endpoint
    alias: str
    comparisons: list[Comparison] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    conditions: list[exp.Expr] = field(default_factory=list)


@dataclass(frozen=True)
class _Definition:
    """A CTE, with the CTEs that it can see itself; `query` is None inside a recursive one."""

    query: exp.Expr | None
    visible: Mapping[str, _Definition]
    renames: bool = False


@dataclass(eq=False)
class _Item:
    """One thing in a FROM: a table of ours (`place`), a query by another name, or something that we do not know."""

    alias: str
    join: exp.Join | None
    renames: bool = False
    place: Place | None = None
    query: exp.Expr | None = None
    visible: Mapping[str, _Definition] = field(default_factory=dict)
    pushed: list[Comparison] = field(default_factory=list)

    def may_have(self, column: str) -> bool:
        """Whether a column without a table's name may be one of this item's."""
        if self.place is None:
            return self.query is not None
        return self.place.endpoint.column(column) is not None or column in self.place.hidden


def places(tree: exp.Expr, find: Callable[[exp.Table], Endpoint | None]) -> list[Place]:
    """Return every place where a table of ours stands; `find` gives the table of ours that a name means."""
    walk = _Walk(find)
    walk.query(tree, {}, [])
    missed = (table for table in tree.find_all(exp.Table) if id(table) not in walk.entered and not _is_described(table))
    walk.places += [Place(endpoint, endpoint.name) for table in missed if (endpoint := find(table)) is not None]
    return walk.places


def _is_described(table: exp.Table) -> bool:
    """Whether a DESCRIBE names the table, which needs its columns and no rows."""
    description = table.find_ancestor(exp.Describe)
    return description is not None and not isinstance(description, exp.Summarize)


class _Walk:
    """Goes through a statement as it is used: a CTE once for each place that names it."""

    def __init__(self, find: Callable[[exp.Table], Endpoint | None]) -> None:
        self.find = find
        self.places: list[Place] = []
        self.entered: set[int] = set()
        self._items: dict[int, list[_Item]] = {}

    def query(self, node: exp.Expr, visible: Mapping[str, _Definition], outer: Sequence[Comparison]) -> None:
        """Enter a query; `outer` are comparisons on its columns that stand outside of it."""
        visible = _with_definitions(node, visible)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            more = any(node.args.get(key) for key in (*_MORE_THAN_SELECTS, "pivots", "joins"))
            self.query(node.this, visible, [] if more else outer)
            self._rest(node, visible, {id(node.this)})
        elif isinstance(node, exp.Select):
            self._select(node, visible, outer)
        else:
            self._rest(node, visible, set())

    def _rest(self, node: exp.Expr, visible: Mapping[str, _Definition], done: set[int]) -> None:
        """Enter the queries that stand anywhere in a node, but for those that have been; nothing narrows them."""
        for query in _queries_in(node):
            if id(query) not in done:
                self.query(query, visible, [])

    def _select(self, select: exp.Select, visible: Mapping[str, _Definition], outer: Sequence[Comparison]) -> None:
        items = [self._item(source, join, visible) for source, join in _sources(select)]
        self._items[id(select)] = items
        _find_hidden(select, items)
        _note_conditions(select, items)
        if not _meets_by_position(select, items):
            for comparison in _through(select, outer):
                _give(comparison, items)
            for conjunct in _conjuncts(select.args.get("where")):
                for comparison in comparisons(conjunct):
                    _give(comparison, items)
                _link(conjunct, items, items)
            _narrow_by_joins(items)
        entered = {id(item.query) for item in items if item.query is not None}
        for item in items:
            if item.place is not None:
                self.places.append(item.place)
            if item.query is not None:
                self.query(item.query, item.visible, item.pushed)
        self._rest(select, visible, entered)
        if not _meets_by_position(select, items):
            for conjunct in _conjuncts(select.args.get("where")):
                self._link_subquery(conjunct, items)

    def _link_subquery(self, conjunct: exp.Expr, items: Sequence[_Item]) -> None:
        """Let `x IN (SELECT y …)` and `EXISTS (SELECT … WHERE y = x)` narrow as the join does that they stand for.

        Whatever else stands in the subquery, x must be one of the values of y.
        """
        inside = _subselect(conjunct)
        if inside is None or id(inside) not in self._items:
            return
        inner = self._items[id(inside)]
        # Rows of the subquery whose y is no x are not missed, unless the others are counted, ordered or numbered.
        narrowed = [*items] if _is_more_than_rows(inside) or _meets_by_position(inside, inner) else [*items, *inner]
        if isinstance(conjunct, exp.In):
            pairs = [(conjunct.this, inside.expressions[0].unalias())]
        else:
            equal = [test for test in _conjuncts(inside.args.get("where")) if isinstance(test, exp.EQ)]
            sides = [pair for test in equal for pair in ((test.left, test.right), (test.right, test.left))]
            pairs = [(one, other) for one, other in sides if not _may_be_of(one.unnest(), inner)]
        for one, other in pairs:
            _link_columns((one.unnest(), other.unnest()), (items, inner), narrowed)

    def _item(self, source: exp.Expr, join: exp.Join | None, visible: Mapping[str, _Definition]) -> _Item:
        item = _Item(
            source.alias_or_name.lower(), join, bool(source.args.get("alias") and source.args["alias"].columns)
        )
        if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Query):
            item.query, item.visible = source, visible
        if not isinstance(source, exp.Table):
            return item
        definition = None if source.args.get("db") else visible.get(source.name.lower())
        if definition is not None:
            self.entered.add(id(source))
            item.query, item.visible = definition.query, definition.visible
            item.renames = item.renames or definition.renames
        elif (endpoint := self.find(source)) is not None and not _is_more_than_a_name(source):
            self.entered.add(id(source))
            item.place = Place(endpoint, item.alias)
        return item


def _with_definitions(node: exp.Expr, visible: Mapping[str, _Definition]) -> Mapping[str, _Definition]:
    clause = node.args.get("with_")
    if clause is None:
        return visible
    for cte in clause.expressions:
        name = cte.alias.lower()
        inner = {**visible, name: _Definition(None, {})} if clause.recursive else visible
        visible = {**visible, name: _Definition(cte.this, inner, bool(cte.args["alias"].columns))}
    return visible


def _queries_in(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the outermost queries inside a node, without those of its WITH, which are entered where they are named."""
    for key, child in node.args.items():
        if key == "with_":
            continue
        for part in child if isinstance(child, list) else [child]:
            if isinstance(part, exp.Query):
                yield part
            elif isinstance(part, exp.Expr):
                yield from _queries_in(part)


def _sources(select: exp.Select) -> Iterator[tuple[exp.Expr, exp.Join | None]]:
    """Yield what stands in a FROM, each with the join that brings it."""
    clause = select.args.get("from_")
    if clause is None:
        return
    yield clause.this, None
    for join in [*(clause.this.args.get("joins") or ()), *(select.args.get("joins") or ())]:
        yield join.this, join


def _is_more_than_a_name(table: exp.Table) -> bool:
    return any(value for key, value in table.args.items() if key not in _PLAIN_TABLE)


def _meets_by_position(select: exp.Select, items: Sequence[_Item]) -> bool:
    """Whether a row that is missing could change what becomes of the others."""
    methods = {str(item.join.args.get("method") or "").upper() for item in items if item.join is not None}
    return bool(select.args.get("sample") or methods - {"", "NATURAL"})


def _conjuncts(clause: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the conditions that must all hold."""
    node = clause.this if isinstance(clause, exp.Where) else clause
    if isinstance(node, exp.Paren):
        yield from _conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    elif node is not None:
        yield node


def _item_of(column: exp.Column, items: Sequence[_Item]) -> _Item | None:
    """Return the item that a column is of; None where that is not certain."""
    if column.args.get("db") or isinstance(column.this, exp.Star):
        return None
    if column.table:
        named = [item for item in items if item.alias == column.table.lower()]
    else:
        named = [item for item in items if item.may_have(column.name.lower())]
    return named[0] if len(named) == 1 else None


def _give(comparison: Comparison, items: Sequence[_Item]) -> None:
    """Let a comparison narrow the item whose column it is on."""
    item = _item_of(comparison.column, items)
    if item is not None and not item.renames and not (comparison.of_time and _is_another_type(item, comparison.name)):
        (item.place.comparisons if item.place is not None else item.pushed).append(comparison)


def _note_conditions(select: exp.Select, items: Sequence[_Item]) -> None:
    """Note at each place the conditions of the SELECT and of its joins that are about its columns alone."""
    clauses = [select.args.get("where"), *(item.join.args.get("on") for item in items if item.join is not None)]
    for conjunct in (part for clause in clauses for part in _conjuncts(clause)):
        owners = [_item_of(column, items) for column in conjunct.find_all(exp.Column)]
        place = owners[0].place if owners and owners[0] is not None else None
        if place is not None and all(owner is owners[0] for owner in owners) and not conjunct.find(exp.Query):
            place.conditions.append(conjunct)


def _is_another_type(item: _Item, column: str) -> bool:
    """Whether a column of a table of ours holds anything but times."""
    known = item.place.endpoint.column(column) if item.place is not None else None
    return item.place is not None and (known is None or known.type != "timestamp")


def _narrow_by_joins(items: Sequence[_Item]) -> None:
    """Let each ON narrow the sides that lose nothing by it: those whose rows are dropped where nothing matches."""
    for number, item in enumerate(items):
        join = item.join
        if join is None:
            continue
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        narrowed = items[number : number + 1] if side in ("", "LEFT") else []
        if side in ("", "RIGHT") and kind != "ANTI":
            narrowed = [*items[:number], *narrowed]
        for conjunct in _conjuncts(join.args.get("on")):
            for comparison in comparisons(conjunct):
                if _item_of(comparison.column, items) in narrowed:
                    _give(comparison, items)
            _link(conjunct, items[: number + 1], narrowed)
        for name in join.args.get("using") or ():
            _link_by_name(name.name.lower(), items[: number + 1], narrowed)


def _link(conjunct: exp.Expr, items: Sequence[_Item], narrowed: Sequence[_Item]) -> None:
    """Let `a.x = b.y` narrow each of the two by the values of the other, if it is among those that may be narrowed."""
    sides = (conjunct.left.unnest(), conjunct.right.unnest()) if isinstance(conjunct, exp.EQ) else ()
    columns = [side for side in sides if isinstance(side, exp.Column)]
    places = [item for column in columns if (item := _item_of(column, items)) is not None]
    if len(places) == len(_BOTH) and places[0] is not places[1]:
        _tie(places, [column.name.lower() for column in columns], narrowed)


def _subselect(conjunct: exp.Expr) -> exp.Select | None:
    """Return the SELECT that a condition on its rows is about; None where rows that are missing might meet it."""
    query = conjunct.args.get("query") if isinstance(conjunct, exp.In) else None
    if isinstance(conjunct, exp.Exists):
        query = conjunct.this
    if isinstance(query, exp.Subquery) and not any(query.args.get(key) for key in _MORE_THAN_SELECTS):
        query = query.this
    if not isinstance(query, exp.Select) or (isinstance(conjunct, exp.Exists) and _is_more_than_rows(query)):
        return None
    return query


def _is_more_than_rows(select: exp.Select) -> bool:
    """Whether the rows of a SELECT depend on each other."""
    counts = any(term.find(exp.AggFunc, exp.Window, exp.Explode, exp.Unnest) for term in select.expressions)
    return counts or any(select.args.get(key) for key in _MORE_THAN_SELECTS)


def _may_be_of(column: exp.Expr, inner: Sequence[_Item]) -> bool:
    """Whether a column that stands in a subquery may be one of its own, which it is then."""
    if not isinstance(column, exp.Column) or not column.table:
        return any(item.place is None or item.may_have(column.name.lower()) for item in inner)
    return any(item.alias == column.table.lower() for item in inner)


def _link_columns(columns: Sequence[exp.Expr], scopes: Sequence[Sequence[_Item]], narrowed: Sequence[_Item]) -> None:
    """Let two columns, each of a scope of its own, narrow each other, where it is certain whose they are."""
    named = [column for column in columns if isinstance(column, exp.Column)]
    pair = [item for column, items in zip(named, scopes, strict=False) if (item := _item_of(column, items)) is not None]
    if len(named) == len(pair) == len(_BOTH):
        _tie(pair, [column.name.lower() for column in named], narrowed)


def _link_by_name(name: str, items: Sequence[_Item], narrowed: Sequence[_Item]) -> None:
    """Let USING narrow as the = does that it stands for, where only one item on the left has the column."""
    *before, last = items
    having = [item for item in before if item.place is None or item.may_have(name)]
    if len(having) == 1:
        _tie([having[0], last], [name, name], narrowed)


def _tie(pair: Sequence[_Item], columns: Sequence[str], narrowed: Sequence[_Item]) -> None:
    for one, other in _BOTH:
        place, partner = pair[one].place, pair[other].place
        renames = pair[one].renames or pair[other].renames
        if place is not None and partner is not None and pair[one] in narrowed and not renames:
            place.links.append(Link(columns[one], partner, columns[other]))


def _through(select: exp.Select, outer: Sequence[Comparison]) -> Iterator[Comparison]:
    """Yield comparisons on the outputs of a SELECT as ones on what stands in its FROM, where it only selects."""
    if not outer or any(select.args.get(key) for key in _MORE_THAN_SELECTS):
        return
    if any(projection.find(exp.AggFunc, exp.Window, exp.Explode, exp.Unnest) for projection in select.expressions):
        return
    outputs = [projection for projection in select.expressions if not projection.is_star]
    stars = [projection for projection in select.expressions if projection.is_star]
    if len(stars) > 1 or any(not isinstance(star, exp.Star) or any(star.args.values()) for star in stars):
        return
    for comparison in outer:
        named = [output for output in outputs if output.alias_or_name.lower() == comparison.name]
        if len(named) == 1 and not stars and isinstance(named[0].unalias(), exp.Column):
            yield replace(comparison, column=named[0].unalias())
        elif stars and not named:
            yield replace(comparison, column=exp.column(comparison.column.this))


def _find_hidden(select: exp.Select, items: Sequence[_Item]) -> None:
    """Note which filters without a column of their own the columns of a SELECT mean."""
    ours = [item.place for item in items if item.place is not None]
    for column in select.find_all(exp.Column):
        name, table = column.name.lower(), column.table.lower()
        if not table and any(place.endpoint.column(name) for place in ours):
            continue
        for place in ours:
            stripe_filter = place.endpoint.filters.get(name)
            if stripe_filter is not None and stripe_filter.column is None and table in ("", place.alias):
                place.hidden.add(name)
