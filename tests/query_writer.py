"""Writes SELECTs by chance, over a few tables, in all the forms whose rules of pushing down differ."""

from __future__ import annotations

import random
from collections.abc import Sequence

COLUMNS = {
    "invoices": ["id", "status", "customer", "subscription", "total", "collection_method"],
    "charges": ["id", "status", "customer", "amount", "currency", "paid"],
    "customers": ["id", "email", "name", "delinquent"],
    "subscriptions": ["id", "status", "customer"],
    "subscription_items": ["id", "subscription", "quantity"],
}
JOINED_BY = {
    ("invoices", "customers"): ("customer", "id"),
    ("charges", "customers"): ("customer", "id"),
    ("subscriptions", "customers"): ("customer", "id"),
    ("customers", "invoices"): ("id", "customer"),
    ("customers", "charges"): ("id", "customer"),
    ("invoices", "subscriptions"): ("subscription", "id"),
    ("subscriptions", "subscription_items"): ("id", "subscription"),
    ("subscription_items", "subscriptions"): ("subscription", "id"),
    ("invoices", "charges"): ("customer", "customer"),
    ("invoices", "invoices"): ("id", "id"),
}
INSTANTS = [
    "'2026-10-10'", "date '2026-09-15'", "timestamptz '2026-08-01 12:00:00.5+02'", "timestamp '2026-10-01 00:00:00'",
    "date '2026-10-20' - interval 30 day", "'2026-10-05 07:30:00'", "NULL",
]  # fmt: skip
DAYS = [
    "date '2026-10-10'", "date '2026-10-01'", "date '2026-09-28'", "date_trunc('month', date '2026-10-20')",
    "timestamptz '2026-10-01 00:00:00+00'", "'2026-10-05'", "NULL",
]  # fmt: skip
TEXTS = {
    "status": ["open", "paid", "draft", "void", "succeeded", "failed", "active", "canceled", "nonsense"],
    "collection_method": ["charge_automatically", "send_invoice"],
    "currency": ["usd", "eur", "jpy"],
}
JOINS = [
    "join",
    "join",
    "left join",
    "right join",
    "full join",
    "semi join",
    "anti join",
    "asof join",
    "asof left join",
]


class Writer:
    """Writes one SELECT after the other; `ids` are some that exist, by table."""

    def __init__(self, chance: random.Random, ids: dict[str, Sequence[str]], emails: Sequence[str]) -> None:
        self.chance = chance
        self.ids = ids
        self.emails = emails

    def select(self) -> str:
        form = self.chance.choice(
            [self.plain, self.joined, self.joined, self.three, self.cte, self.derived, self.nested, self.nested,
             self.union, self.first_of_each, self.newest, self.grouped, self.scalars]
        )  # fmt: skip
        return form()

    def condition(self, table: str, alias: str) -> str:
        chance, name = self.chance, f"{alias}." if alias and self.chance.random() < 0.8 else ""
        kinds = [self._text, self._text, self._time, self._time, self._id, self._number, self._null]
        test = chance.choice(kinds)(table, name)
        if chance.random() < 0.12:
            test = f"not ({test})"
        if chance.random() < 0.12:
            test = f"({test} or {chance.choice(kinds)(table, name)})"
        return test

    def conditions(self, table: str, alias: str, most: int = 3) -> str:
        return " and ".join(self.condition(table, alias) for _ in range(self.chance.randint(1, most)))

    def _text(self, table: str, name: str) -> str:
        column = self.chance.choice([each for each in COLUMNS[table] if each in TEXTS] or ["id"])
        if column == "id":
            return self._id(table, name)
        values = [f"'{each}'" for each in self.chance.sample(TEXTS[column], 2)]
        return self.chance.choice(
            [f"{name}{column} = {values[0]}", f"{values[0]} = {name}{column}",
             f"{name}{column} in ({', '.join(values)})",
             f"({name}{column} = {values[0]} or {name}{column} = {values[1]})", f"{name}{column} <> {values[0]}",
             f"{name}{column} in ({values[0]}, NULL)", f"{name}{column} = lower({values[0].upper()})",
             f"lower({name}{column}) = {values[0]}", f"{name}{column} like 'p%'"]
        )  # fmt: skip

    def _time(self, _table: str, name: str) -> str:
        one, other = self.chance.choice(INSTANTS), self.chance.choice(INSTANTS)
        operator = self.chance.choice(["<", "<=", ">", ">=", "="])
        return self.chance.choice(
            [f"{name}created {operator} {one}", f"{one} {operator} {name}created",
             f"{name}created between {one} and {other}", self._period(name)]
        )  # fmt: skip

    def _period(self, name: str) -> str:
        """Return a condition on the day, month or the like of a time."""
        period = self.chance.choice(
            [
                f"{name}created::date",
                *(f"date_trunc('{unit}', {name}created)" for unit in ("day", "week", "month", "year")),
            ]
        )
        one, other = self.chance.choice(DAYS), self.chance.choice(DAYS)
        tests = [f"{period} {operator} {one}" for operator in ("<", "<=", ">", ">=", "=", "=")]
        return self.chance.choice([*tests, f"{period} between {one} and {other}", f"{period} in ({one}, {other})"])

    def _id(self, table: str, name: str) -> str:
        columns = [each for each in ("id", "customer", "subscription") if each in COLUMNS[table]]
        column = self.chance.choice(columns)
        of = {"id": table, "customer": "customers", "subscription": "subscriptions"}[column]
        if table == "customers" and self.chance.random() < 0.5:
            return f"{name}email = '{self.chance.choice(self.emails)}'"
        some = [f"'{each}'" for each in self.chance.sample(list(self.ids[of]), 3)]
        return self.chance.choice(
            [f"{name}{column} = {some[0]}", f"{name}{column} in ({', '.join(some)})", f"{name}{column} > {some[0]}"]
        )

    def _number(self, table: str, name: str) -> str:
        column = {"invoices": "total", "charges": "amount", "subscription_items": "quantity"}.get(table)
        flag = {"charges": "paid", "customers": "delinquent"}.get(table)
        if column is None or (flag and self.chance.random() < 0.5):
            return (
                self.chance.choice([f"{name}{flag}", f"not {name}{flag}", f"{name}{flag} is true"]) if flag else "true"
            )
        return f"{name}{column} {self.chance.choice(['<', '>=', '='])} {self.chance.choice([0, 1, 1900, 5000.5])}"

    def _null(self, table: str, name: str) -> str:
        column = self.chance.choice(COLUMNS[table])
        return f"{name}{column} is {self.chance.choice(['', 'not '])}null"

    def plain(self) -> str:
        table = self.chance.choice(list(COLUMNS))
        alias = self.chance.choice(["t", ""])
        return f"select {', '.join(COLUMNS[table])} from {table} {alias} where {self.conditions(table, alias)}"

    def _join(self, left: str, a: str, right: str, b: str) -> str:
        kind, (one, other) = self.chance.choice(JOINS), JOINED_BY[left, right]
        on = f"{a}.{one} = {b}.{other}"
        if "asof" in kind:
            on += f" and {a}.created >= {b}.created"
        if self.chance.random() < 0.4 and "asof" not in kind:
            on += f" and {self.condition(*self.chance.choice([(left, a), (right, b)]))}"
        return f"{kind} {right} {b} on {on}"

    def joined(self) -> str:
        left, right = self.chance.choice(list(JOINED_BY))
        join = self._join(left, "a", right, "b")
        one_side = join.startswith(("semi", "anti"))
        where = self.conditions(left, "a", 2)
        if not one_side and self.chance.random() < 0.6:
            where += f" and {self.condition(right, 'b')}"
        columns = "a.id as x, a.created as y" + ("" if one_side else ", b.id as z")
        return f"select {columns} from {left} a {join} where {self._named(where)}"

    def _named(self, where: str) -> str:
        """Return conditions in which columns without a table's name are the left one's."""
        words = {column for columns in COLUMNS.values() for column in columns} | {"created"}
        for word in sorted(words):
            for before in (" ", "(", "="):
                where = where.replace(f"{before}{word} ", f"{before}a.{word} ")
        return where

    def three(self) -> str:
        first = self._join("invoices", "a", "customers", "b")
        if first.startswith(("semi", "anti")):
            first = first.partition(" ")[2]
        second = self._join("customers", "b", "charges", "c")
        where = f"{self.condition('invoices', 'a')} and {self.condition('customers', 'b')}"
        return f"select a.id as x, b.id as y from invoices a {first} {second} where {self._named(where)}"

    def cte(self) -> str:
        table = self.chance.choice(["invoices", "charges", "subscriptions"])
        inner = self.chance.choice(["", "", "distinct "])
        tail = self.chance.choice(["", "", f" where {self.conditions(table, '', 1)}"])
        return (
            f"with r as (select {inner}id, status as s, created as c, customer from {table}{tail})"
            f" select x.id as i, y.s as t from r x join r y on x.customer = y.customer"
            f" where x.s = '{self.chance.choice(TEXTS['status'])}' and y.c >= {self.chance.choice(INSTANTS)}"
        )

    def derived(self) -> str:
        table = self.chance.choice(["invoices", "charges", "subscriptions"])
        inner = self.chance.choice(
            [f"select * from {table}", f"select id, status, created from {table} order by id limit 7",
             f"select id, status, created, row_number() over (order by id) as n from {table}",
             f"select min(id) as id, status, max(created) as created from {table} group by status",
             f"select id, status, created from {table} where {self.conditions(table, '', 2)}",
             f"select distinct on (status) id, status, created from {table} order by status, id"]
        )  # fmt: skip
        return f"select id, status from ({inner}) q where {self._text(table, 'q.')} and {self._time(table, 'q.')}"

    def nested(self) -> str:
        left, right = self.chance.choice(list(JOINED_BY))
        one, other = JOINED_BY[left, right]
        test = self.chance.choice(
            [f"{{}}exists (select 1 from {right} b where b.{other} = a.{one} and {self.conditions(right, 'b', 2)})",
             f"a.{one} {{}}in (select b.{other} from {right} b where {self.conditions(right, 'b', 2)})"]
        ).format(self.chance.choice(["", "not "]))  # fmt: skip
        return f"select a.id from {left} a where {test} and {self._named(self.condition(left, 'a'))}"

    def union(self) -> str:
        word = self.chance.choice(["union", "union all", "except", "intersect"])
        parts = [
            f"select id, customer, status from {table} where {self.conditions(table, '', 2)}"
            for table in self.chance.choices(["invoices", "charges", "subscriptions"], k=2)
        ]
        return f"select * from ({f' {word} '.join(parts)}) u where {self._text('invoices', 'u.')}".replace(
            "u.collection_method", "u.status"
        )

    def first_of_each(self) -> str:
        table = self.chance.choice(["invoices", "charges"])
        where = self.conditions(table, "", 2)
        return f"select distinct on (customer) customer, id from {table} where {where} order by customer, created, id"

    def newest(self) -> str:
        table = self.chance.choice(["invoices", "charges", "customers"])
        where = self.chance.choice(["", f"where {self.conditions(table, '', 1)}"])
        offset = self.chance.choice(["", " offset 3"])
        order = self.chance.choice(["created desc, id", "created desc, id desc", "created, id", "id"])
        return f"select id, created from {table} {where} order by {order} limit {self.chance.randint(1, 30)}{offset}"

    def grouped(self) -> str:
        table = self.chance.choice(["invoices", "charges", "subscriptions"])
        having = self.chance.choice(["", " having count(*) > 2", " having max(created) > date '2026-10-01'"])
        return (
            f"select status, count(*) as n, min(created) as c from {table} where {self.conditions(table, '')}"
            f" group by status{having}"
        )

    def scalars(self) -> str:
        table = self.chance.choice(["invoices", "charges"])
        return (
            f"select (select count(*) from {table} where {self.conditions(table, '', 2)}) as one,"
            f" (select max(id) from {table} t where {self.conditions(table, 't', 2)}) as other"
        )
