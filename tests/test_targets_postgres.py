"""Postgres as a target: its tables and types; what all databases share is in test_merge.py."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from connector.databases.base import Counts, Session
from connector.databases.merge import Keys, Table
from connector.databases.postgres.database import Postgres
from connector.databases.postgres.types import can_widen, compared, field_of, type_of
from connector.errors import TargetError
from tests.on_postgres import KEYS, THINGS, ask, database, do, refused, rows, upsert, write

__all__ = ["database"]


# Tables that we make


def test_a_new_table_has_sensible_types_and_its_key_compares_letter_by_letter(database: Postgres) -> None:
    kinds = ["text", "json", "integer", "number", "decimal", "boolean", "timestamp", "date"]
    batch = rows(id=["a"], **{f"of {kind}": (kind, [None]) for kind in kinds}, n=("integer", [1]))
    upsert(database, batch, keys=Keys(("id", "n")))
    with database.transaction() as session:
        assert session.column_types(THINGS) == {
            "id": "text",
            "of text": "text",
            "of json": "jsonb",
            "of integer": "bigint",
            "of number": "double precision",
            "of decimal": "numeric(38,12)",
            "of boolean": "boolean",
            "of timestamp": "timestamp with time zone",
            "of date": "date",
            "n": "bigint",
        }
    index = ask(database, "SELECT indexdef FROM pg_indexes WHERE tablename = 'things'")
    assert index == [("CREATE UNIQUE INDEX things_pkey ON public.things USING btree (id, n)",)]
    collations = "SELECT attname, collname FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation"
    named = f"{collations} WHERE attrelid = 'things'::regclass ORDER BY attnum"
    assert ask(database, named) == [("id", "C"), ("of text", "default")]


def test_rows_that_do_not_change_are_not_rewritten(database: Postgres) -> None:
    batch = rows(
        id=["a", "b", "c"],
        j=("json", ['{"a": 1, "b": [2]}', None, "[]"]),
        d=("decimal", [Decimal("1.50"), None, Decimal(0)]),
        f=("number", [float("nan"), float("inf"), 0.1]),
        t=("timestamp", [datetime(2026, 1, 1, 0, 0, 0, 1, UTC), None, None]),
        s=["", None, "x"],
    )
    where = "SELECT id, xmin::text, ctid::text FROM things ORDER BY id"
    assert upsert(database, batch) == Counts(inserted=3)
    before = ask(database, where)
    assert upsert(database, batch) == Counts(unchanged=3)
    assert ask(database, where) == before
    at = batch.schema.get_field_index("s")
    changed = batch.set_column(at, batch.schema.field(at), pa.array(["", "new", "x"]))
    assert upsert(database, changed) == Counts(updated=1, unchanged=2)
    after = ask(database, where)
    assert [new == old for new, old in zip(after, before, strict=True)] == [True, False, True]


@pytest.mark.parametrize("kind", ["text", "character varying(9)", "citext", "json", "polygon"])
def test_texts_are_compared_letter_by_letter_whatever_their_collation(kind: str) -> None:
    assert compared("t.v", kind).endswith(' COLLATE "C"')


def test_two_that_make_the_same_table_in_a_new_schema_at_once_both_succeed(database: Postgres) -> None:
    table, ready = Table("new schema", "things"), threading.Barrier(4)
    counts: list[Counts] = []

    def run(name: str) -> None:
        with Postgres(database._engine.url.render_as_string(hide_password=False)) as mine:
            ready.wait()
            counts.append(upsert(mine, rows(id=[name, "both"]), table))

    together([lambda name=name: run(name) for name in "abcd"])
    assert sum((each.inserted for each in counts), 0) == 5
    assert ask(database, 'SELECT count(*) FROM "new schema".things') == [(5,)]


def together(works: list[Any]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Tables that are there


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("uuid", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]),
        ("inet", ["192.168.0.1/24", "::1"]),
        ("text[]", ['{"a,b",NULL,""}']),
        ("json", ['{"b": 1, "b": 2}']),
        ("point", ["(1,2)"]),
        ("box", ["(1,1),(0,0)"]),
        ("mood", ["happy"]),
        ("positive", ["7"]),
        ("time without time zone", ["12:30:01.5"]),
        ("interval", ["1 day 02:00:00"]),
        ("numeric", ["NaN", "1e100", "0.1"]),
        ("money", ["12.50"]),
        ("tstzrange", ["[2026-01-01 00:00+00,)"]),
        ("character(3)", ["ab"]),
    ],
)
def test_a_column_of_any_type_takes_text_and_knows_it_again(kind: str, texts: list[str], database: Postgres) -> None:
    do(database, "CREATE TYPE mood AS ENUM ('happy', 'sad')", "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
    do(database, f"CREATE TABLE things (id text PRIMARY KEY, v {kind})")
    with database.transaction() as session:
        assert session.column_types(THINGS)["v"] == kind
        field = session.field_of("v", kind) or pa.field("v", pa.string())
    assert field.type == pa.string()
    batch = rows(id=[str(number) for number in range(len(texts))]).append_column(field, pa.array(texts))
    assert write(database, batch, "upsert", KEYS) == Counts(inserted=len(texts))
    assert write(database, batch, "upsert", KEYS) == Counts(unchanged=len(texts))
    with database.transaction() as session:
        if kind != "character(3)":
            assert session.prepare(THINGS, batch.schema) == []
        assert session.column_types(THINGS)["v"] == kind


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("bytea", pa.binary()),
        ("smallint", pa.int16()),
        ("integer", pa.int32()),
        ("real", pa.float32()),
        ("numeric(12,2)", pa.decimal128(12, 2)),
        ("numeric(50,2)", pa.decimal256(50, 2)),
        ("numeric(3,-2)", None),
        ("numeric(2,5)", None),
        ("timestamp(3) with time zone", pa.timestamp("us", "UTC")),
        ("timestamp without time zone", pa.timestamp("us")),
        ("character varying(3)", pa.string()),
        ("bigint[]", None),
    ],
)
def test_what_rows_are_cast_to_for_a_column(kind: str, field: pa.DataType | None) -> None:
    found = field_of("v", kind)
    assert (found and found.type) == field
    if found is not None and kind.partition("(")[0] in ("smallint", "integer", "real", "numeric"):
        assert type_of(found) == kind


def test_identity_and_generated_columns_are_left_alone_and_refused_by_name(database: Postgres) -> None:
    do(
        database,
        "CREATE TABLE things (id text PRIMARY KEY, n integer GENERATED ALWAYS AS IDENTITY, "
        "twice text GENERATED ALWAYS AS (id || id) STORED, own integer GENERATED BY DEFAULT AS IDENTITY)",
    )
    assert write(database, rows(id=["a"])) == Counts(inserted=1)
    assert write(database, rows(id=["b"], own=("integer", [9]))) == Counts(inserted=1)
    assert ask(database, "SELECT * FROM things") == [("a", 1, "aa", 1), ("b", 2, "bb", 9)]
    assert "computes the column twice by itself" in refused(database, rows(id=["c"], twice=["cc"]))
    assert "computes the column n by itself" in refused(database, rows(id=["c"], n=("integer", [5])))


def test_views_of_all_kinds_are_refused_and_partitioned_tables_are_not(database: Postgres) -> None:
    do(
        database,
        "CREATE TABLE base (id text)",
        "CREATE MATERIALIZED VIEW seen AS SELECT * FROM base",
        "DROP FOREIGN DATA WRAPPER IF EXISTS nothing CASCADE",
        "CREATE FOREIGN DATA WRAPPER nothing",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
        "CREATE FOREIGN TABLE away (id text) SERVER nowhere",
        "CREATE TABLE things (id text, v text, PRIMARY KEY (id, v)) PARTITION BY HASH (id)",
        "CREATE TABLE part PARTITION OF things FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    for name, what in {"seen": "a materialized view", "away": "a foreign table"}.items():
        with database.transaction() as session, pytest.raises(TargetError, match=f"public.{name} in .* is {what}"):
            session.column_types(Table("public", name))
    batch = rows(id=["a", "b"], v=["1", "1"])
    assert upsert(database, batch, keys=Keys(("id", "v"))) == Counts(inserted=2)
    assert upsert(database, batch, keys=Keys(("id", "v"))) == Counts(unchanged=2)


def test_replace_keeps_what_stands_on_a_table_and_swap_does_not(database: Postgres) -> None:
    upsert(database, rows(id=["a"], v=["1"]))
    do(
        database,
        "CREATE INDEX by_v ON things (v)",
        "CREATE VIEW seen AS SELECT v FROM things",
        "GRANT SELECT ON things TO PUBLIC",
    )
    kept = "SELECT relacl::text, relhasindex, oid FROM pg_class WHERE relname = 'things'"
    before = ask(database, kept)
    assert write(database, rows(id=["b", "c"], v=["2", "3"]), "replace") == Counts(inserted=2, deleted=1)
    assert (ask(database, kept), ask(database, "SELECT * FROM seen")) == (before, [("2",), ("3",)])

    def swap(session: Session) -> None:
        fresh = Table("public", "things (new)")
        session.create(fresh, {"id": "text", "v": "text"}, ["id"])
        for statement in session.dialect.swap(fresh, THINGS):
            session.execute(statement)

    with pytest.raises(TargetError, match=r"other objects depend on it\. Nothing was changed: without --swap"):
        database.repeated(swap)
    do(database, "DROP VIEW seen")
    database.repeated(swap)
    database.repeated(swap)
    assert ask(database, "SELECT * FROM things") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("smallint", "integer"),
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("integer", "double precision"),
        ("integer", "numeric(12,2)"),
        ("bigint", "numeric(38,12)"),
        ("bigint", "numeric"),
        ("bigint", "text"),
        ("numeric(12,2)", "numeric(38,12)"),
        ("numeric(12,2)", "text"),
        ("real", "double precision"),
        ("character varying(3)", "text"),
        ("character varying(3)", "character varying(5)"),
        ("character varying(3)", "character varying"),
        ("date", "timestamp with time zone"),
        ("date", "text"),
        ("boolean", "text"),
        ("jsonb", "text"),
        ("uuid", "text"),
        ("timestamp with time zone", "text"),
    ],
)
def test_types_widen_without_losing_a_value(old: str, new: str, database: Postgres) -> None:
    assert can_widen(old, new)
    values = {"date": "'2026-03-01'", "boolean": "true", "jsonb": "'[1]'", "timestamp with time zone": "now()"}
    value = values.get(old, "gen_random_uuid()" if old == "uuid" else "123")
    do(database, f"CREATE TABLE things (id text, v {old})", f"INSERT INTO things VALUES ('a', {value})")
    before = ask(database, f"SELECT v::{new} FROM things")
    with database.transaction() as session:
        session.execute(session.dialect.widen(THINGS, "v", new))
        assert session.column_types(THINGS)["v"] == new
    assert ask(database, "SELECT v FROM things") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bigint", "integer"),
        ("bigint", "double precision"),
        ("bigint", "numeric(18,0)"),
        ("bigint", "numeric(20,2)"),
        ("numeric(12,2)", "numeric(12,1)"),
        ("numeric(12,2)", "bigint"),
        ("double precision", "numeric"),
        ("text", "character varying(50)"),
        ("character varying(9)", "character varying(8)"),
        ("json", "jsonb"),
        ("timestamp with time zone", "date"),
        ("text", "uuid"),
        ("integer", "character varying(20)"),
    ],
)
def test_types_that_would_lose_do_not_widen(old: str, new: str) -> None:
    assert not can_widen(old, new)
