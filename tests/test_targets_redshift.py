"""Redshift, of which there is no server here: its SQL as text, and run on DuckDB by way of a translation.

What this cannot show: that Redshift takes the statements, its locks, its limits and its own idea of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import psycopg
import pyarrow as pa
import pytest
import sqlglot

from connector.databases.base import Counts, MergeOptions, RefusedValue, Session, Staged
from connector.databases.duckdb.database import DuckDB
from connector.databases.merge import Keys, Merge, Table
from connector.databases.redshift.database import Redshift, RedshiftDialect, RedshiftSession, _portions, literal
from connector.errors import TargetError, UsageError
from connector.places import open_database
from connector.rows.types import arrow_field

TABLE = Table("crm", "leads")
KEYS = Keys(("id",), "seen_at", ("seen_at",))
BY_ID = Keys(("id",))
COLUMNS = {"id": "text", "value": "text", "amount": "decimal", "facts": "json", "seen_at": "timestamp"}
KINDS = {
    "VARCHAR": "character varying(65535)",
    "JSON": "super",
    "DOUBLE": "double precision",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "DECIMAL(38,12)": "numeric(38,12)",
}
UNTRANSLATED = ("SET ", "LOCK ")


class Translated:
    """A cursor and its connection, on which Redshift's statements run on DuckDB; `seen` are the statements as given."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._database = duckdb.connect()
        self._found: list[tuple[Any, ...]] = []
        self.rowcount = -1

    def cursor(self) -> Translated:
        return self

    def rollback(self) -> None:
        self.seen.append("ROLLBACK")

    def execute(self, statement: bytes) -> None:
        sql = statement.decode()
        if "pg_catalog.pg_class" in sql:
            self._found = self._columns(sql)
            return
        self.seen.append(sql)
        if sql.startswith(UNTRANSLATED):
            return
        translated = sqlglot.transpile(sql.replace("JSON_SERIALIZE(", "TO_JSON("), read="redshift", write="duckdb")[0]
        translated = translated.replace("SUPER", "JSON")
        if sql.startswith("SELECT"):  # as Arrow, since times with a zone would need another library
            table = self._database.sql(translated).to_arrow_table()
            self._found = [tuple(row.values()) for row in table.to_pylist()]
        else:
            ((self.rowcount, *_),) = self._database.execute(translated).fetchall() or [(-1,)]

    def _columns(self, sql: str) -> list[tuple[Any, ...]]:
        *_, schema, table = sql.split("'")[1::2]
        found = self._database.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
            "ORDER BY column_index",
            (schema, table),
        ).fetchall()
        views = "SELECT 1 FROM duckdb_views() WHERE schema_name = ? AND view_name = ?"
        is_view = bool(self._database.execute(views, (schema, table)).fetchall())
        return [(name, KINDS.get(kind, kind.lower()), "v" if is_view else "r") for name, kind in found]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._found


@pytest.fixture
def server() -> Translated:
    return Translated()


@pytest.fixture
def session(server: Translated) -> RedshiftSession:
    return RedshiftSession(cast("psycopg.Connection[Any]", server), "here")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Session]:
    """The DuckDB family, which the same is done with."""
    with DuckDB(str(tmp_path / "model.duckdb")).transaction() as session:
        yield session


def lead(key: str | None, value: str | None, second: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": key, "value": value, "seen_at": datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), **more}


def rows_of(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), pa.schema([arrow_field(name, kind) for name, kind in COLUMNS.items()]))


def load(session: Session, mode: str, *rows: dict[str, Any], keys: Keys = BY_ID, **how: Any) -> Counts:
    batch = rows_of(*rows)
    session.lock(TABLE)
    session.prepare(TABLE, batch.schema, keys.columns)
    staged = session.stage(TABLE, [batch], batch.schema.names)
    rejected, _ = session.reject_without_key(TABLE, staged, keys)
    staged = Staged(staged.name, staged.columns, staged.rows - rejected)
    return replace(session.merge(TABLE, staged, keys, MergeOptions(mode, **how)), rejected=rejected)


def stored(session: Session) -> list[tuple[object, ...]]:
    return session.rows(f"SELECT id, value, amount, facts FROM {session.full(TABLE)} ORDER BY id")


SAMPLE = [
    lead("a", "1", amount=Decimal("12345678901234567890.000000000001"), facts='{"b":[1,null]}'),
    lead("b\\", "it's \\ 50 % of ?\n\\'", 1),
    lead("ñ 雪 \U0001f600", ""),
    lead("d", None, amount=Decimal(-1)),
]


@pytest.mark.parametrize("mode", ["upsert", "insert", "update", "delete", "mirror", "replace"])
def test_each_mode_leaves_what_the_duckdb_family_leaves(mode: str, session: RedshiftSession, model: Session) -> None:
    changed = [lead("a", "2", facts="{}"), SAMPLE[1], lead("x", "new"), lead("x", "newer"), lead(None, "without")]
    for each in (session, model):
        assert load(each, "upsert", *SAMPLE) == Counts(inserted=4)
    assert load(session, mode, *changed) == load(model, mode, *changed)
    assert stored(session) == stored(model)


def test_a_row_of_our_own_is_put_as_json_and_not_as_text_of_json(session: RedshiftSession, server: Translated) -> None:
    load(session, "upsert", *SAMPLE)
    schema = rows_of().schema
    for row in (lead("a", "2", facts='{"c": 1}'), lead("new\\", "it's ?", facts="[]"), lead("d", "3", facts=None)):
        session.put(TABLE, schema, row, ["id"])
    found = {key: (value, facts) for key, value, _, facts in stored(session)}
    assert found["a"] == ("2", '{"c":1}')
    assert found["new\\"] == ("it's ?", "[]")
    assert found["d"] == ("3", None)
    assert len(found) == len(SAMPLE) + 1
    assert "JSON_PARSE" in server.seen[-2]


def test_rerun_is_noop(session: RedshiftSession) -> None:
    load(session, "upsert", *SAMPLE)
    assert load(session, "upsert", *SAMPLE) == Counts(unchanged=4)


def test_a_mirror_deletes_only_within_its_scope(session: RedshiftSession, model: Session) -> None:
    for each in (session, model):
        load(each, "upsert", *SAMPLE)
        assert load(each, "mirror", SAMPLE[0], scope={"value": ""}) == Counts(unchanged=1, deleted=1)
    assert stored(session) == stored(model)


def test_older_never_overwrites_newer_and_the_clock_is_written_quietly(session: RedshiftSession) -> None:
    load(session, "upsert", lead("a", "new", 5), keys=KEYS)
    assert load(session, "upsert", lead("a", "old", 4), keys=KEYS) == Counts(unchanged=1)
    assert load(session, "upsert", lead("a", "new", 6), keys=KEYS) == Counts(unchanged=1)
    ((at,),) = session.rows(f"SELECT seen_at FROM {session.full(TABLE)}")
    assert at == datetime(2026, 1, 1, 0, 0, 6, tzinfo=UTC)


def test_every_statement_of_an_upsert(session: RedshiftSession, server: Translated) -> None:
    load(session, "upsert", lead("a", "1"))
    server.seen.clear()
    load(session, "upsert", lead("a", "2", facts='{"it": "\'"}'), lead("a", "3", 1), keys=KEYS)
    stage = server.seen[3].split('"')[1]
    assert [statement.replace(stage, "_stage") for statement in server.seen] == [
        "SET statement_timeout TO 60000",
        'LOCK TABLE "crm"."leads"',
        "SET statement_timeout TO DEFAULT",
        'CREATE TEMPORARY TABLE "_stage" AS SELECT t."id", t."value", t."amount", t."facts", t."seen_at", '
        'CAST(NULL AS BIGINT) AS "_place" FROM "crm"."leads" AS t WHERE 1 = 0',
        'INSERT INTO "_stage" ("id", "value", "amount", "facts", "seen_at", "_place") VALUES '
        "('a', '2', NULL, JSON_PARSE('{\"it\": \"''\"}'), '2026-01-01 00:00:00+00:00', 0), "
        "('a', '3', NULL, NULL, '2026-01-01 00:00:01+00:00', 1)",
        'SELECT count(*) FROM "_stage" WHERE "id" IS NULL',
        'SELECT CASE WHEN EXISTS (SELECT 1 AS one FROM "_stage" GROUP BY "id" HAVING count(*) > 1) THEN 1 ELSE 0 END',
        'DELETE FROM "_stage" WHERE "_place" IN (SELECT "_place" FROM (SELECT "_place", row_number() OVER (PARTITION '
        'BY "id" ORDER BY CASE WHEN "seen_at" IS NULL THEN 1 ELSE 0 END, "seen_at" DESC, "_place" DESC) AS _rank FROM '
        '"_stage") AS ranked WHERE _rank > 1)',
        'SELECT CASE WHEN EXISTS (SELECT 1 FROM "crm"."leads") THEN 1 ELSE 0 END',
        'SELECT count(*) FROM "_stage" AS s WHERE EXISTS (SELECT 1 FROM "crm"."leads" AS t WHERE t."id" = s."id")',
        'UPDATE "crm"."leads" SET "value" = s."value", "amount" = s."amount", "facts" = s."facts", '
        '"seen_at" = s."seen_at" FROM "_stage" AS s WHERE "crm"."leads"."id" = s."id" AND '
        '("crm"."leads"."seen_at" IS NULL OR s."seen_at" >= "crm"."leads"."seen_at") AND ('
        + " OR ".join(
            f"{old} <> {new} OR ({old} IS NULL AND {new} IS NOT NULL) OR ({old} IS NOT NULL AND {new} IS NULL)"
            for old, new in (
                ('"crm"."leads"."value"', 's."value"'),
                ('"crm"."leads"."amount"', 's."amount"'),
                ('JSON_SERIALIZE("crm"."leads"."facts")', 'JSON_SERIALIZE(s."facts")'),
            )
        )
        + ")",
        'INSERT INTO "crm"."leads" ("id", "value", "amount", "facts", "seen_at") SELECT s."id", s."value", s."amount", '
        's."facts", s."seen_at" FROM "_stage" AS s WHERE NOT EXISTS (SELECT 1 FROM "crm"."leads" AS t WHERE t."id" = '
        's."id")',
    ]


def test_the_statements_of_the_other_modes() -> None:
    kinds = {"id": "character varying(1020)", "value": "character varying(65535)"}
    merge = Merge(RedshiftDialect(), '"crm"."leads"', '"_stage"', kinds, Keys(("id",)))
    staged = 'SELECT 1 FROM "_stage" AS s WHERE "crm"."leads"."id" = s."id"'
    assert merge.delete() == f'DELETE FROM "crm"."leads" WHERE EXISTS ({staged})'
    assert merge.delete_others(["value"]) == (
        f'DELETE FROM "crm"."leads" WHERE NOT EXISTS ({staged}) AND "crm"."leads"."value" = ?'
    )


def test_tables_are_made_with_types_of_redshift(session: RedshiftSession, server: Translated) -> None:
    kinds = ["text", "integer", "number", "decimal", "boolean", "timestamp", "date", "json"]
    session.prepare(TABLE, pa.schema([arrow_field(name, name) for name in kinds]), ["text"])
    assert server.seen == [
        'CREATE SCHEMA IF NOT EXISTS "crm"',
        'CREATE TABLE "crm"."leads" ("text" character varying(1020), "integer" bigint, "number" double precision, '
        '"decimal" numeric(38,12), "boolean" boolean, "timestamp" timestamp with time zone, "date" date, "json" super)',
    ]


def test_new_columns_are_added_one_by_one_and_none_is_widened(session: RedshiftSession, server: Translated) -> None:
    session.prepare(TABLE, pa.schema([arrow_field("id", "integer")]))
    server.seen.clear()
    session.prepare(TABLE, pa.schema([arrow_field("a", "text"), arrow_field("b", "date")]))
    assert server.seen == [
        'ALTER TABLE "crm"."leads" ADD COLUMN "a" character varying(65535)',
        'ALTER TABLE "crm"."leads" ADD COLUMN "b" date',
    ]
    with pytest.raises(TargetError, match="Redshift changes no type in a transaction"):
        session.prepare(TABLE, pa.schema([arrow_field("id", "decimal")]))


def test_the_lock_is_the_first_statement_of_its_transaction(session: RedshiftSession, server: Translated) -> None:
    session.lock(TABLE)
    assert server.seen == []
    load(session, "upsert", lead("a", "1"))
    fresh = RedshiftSession(cast("psycopg.Connection[Any]", server), "here")
    server.seen.clear()
    fresh.lock(TABLE, 0.5)
    assert server.seen == [
        "ROLLBACK",
        "SET statement_timeout TO 500",
        'LOCK TABLE "crm"."leads"',
        "SET statement_timeout TO DEFAULT",
    ]


def test_a_view_is_refused(session: RedshiftSession) -> None:
    load(session, "upsert", lead("a", "1"))
    session.execute(f'CREATE VIEW "crm"."seen" AS SELECT id FROM {session.full(TABLE)}')
    with pytest.raises(TargetError, match=r"crm\.seen in here is a view: name the table behind it"):
        session.column_types(Table("crm", "seen"))


def test_texts_are_measured_in_bytes_and_the_row_is_named(session: RedshiftSession) -> None:
    load(session, "upsert", lead("a", "x" * 65_535), lead("b", "é" * 32_767))
    for value, reason in (("é" * 32_768, "more than the 65,535 bytes"), ("a\x00b", "null byte")):
        with pytest.raises(RefusedValue, match=reason) as caught:
            load(session, "upsert", lead("a", "1"), lead("b", value))
        assert (caught.value.column, caught.value.place) == ("value", 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (2**63 - 1, "9223372036854775807"),
        (0.1, "0.1"),
        (float("nan"), "CAST('nan' AS DOUBLE PRECISION)"),
        (Decimal("0E-12"), "0.000000000000"),
        (date(1815, 12, 10), "'1815-12-10'"),
        (datetime(2026, 3, 29, 1, 30, 0, 5, UTC), "'2026-03-29 01:30:00.000005+00:00'"),
        ("it's \\", "'it''s \\\\'"),
        ("\\' OR 1 = 1 --", "'\\\\'' OR 1 = 1 --'"),
    ],
)
def test_values_are_written_so_that_no_text_ends_early(value: object, expected: str) -> None:
    assert literal(value) == expected


def test_a_parameter_in_a_quoted_name_stays_a_name(session: RedshiftSession, server: Translated) -> None:
    session.rows("""SELECT 1 AS "50 % of ?", '?' AS b, ? AS c""", ("'?'",))
    assert server.seen == ["""SELECT 1 AS "50 % of ?", '?' AS b, '''?''' AS c"""]


def test_statements_stay_below_the_limit() -> None:
    rows = ["(1)", "(22)", "(333)", "(4444444444444444)", "(5)"]
    found = list(_portions(iter(rows), 14))
    assert found == ["(1), (22)", "(333)", "(4444444444444444)", "(5)"]
    assert ", ".join(found) == ", ".join(rows)


def test_names_may_have_127_bytes(session: RedshiftSession) -> None:
    assert session.dialect.name_limit_bytes == 127


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redshift://me:secret@host/crm?s3=s3://bucket/prefix", "COPY by way of S3 is not built: leave s3 out"),
        ("redshift://me:secret@host/crm?s3=s3://b&iam_role=arn", "leave s3 and iam_role out"),
        ("redshift://host", "redshift://user:password@host:5439/database"),
    ],
)
def test_urls_that_cannot_be_followed(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_a_host_that_does_not_answer_is_named_without_the_password() -> None:
    database = open_database("redshift+psycopg://me:secret@127.0.0.1:1/crm?connect_timeout=5")
    assert isinstance(database, Redshift)
    with pytest.raises(TargetError, match=r"Redshift does not let us in \(host 127.0.0.1, port 1") as caught:
        database.exists()
    assert "secret" not in str(caught.value)
