"""Databases by way of SQLAlchemy: the common form on a real Postgres, without what Postgres has beside, and as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.dialects import mysql

from connector.databases.base import Counts
from connector.databases.merge import Merge, Table
from connector.databases.portable.database import Portable
from connector.databases.portable.dialect import PortableDialect, placed, without_alias
from connector.databases.portable.mysql import MySQLDialect
from connector.databases.portable.types import can_widen
from connector.databases.postgres.database import Postgres
from connector.errors import TargetError, UsageError
from connector.places import open_database
from tests.postgres_server import postgres_database, postgres_url
from tests.test_targets_sqlite import BY_ID, START, TYPES, merged, typed

__all__ = ["postgres_database", "postgres_url"]


# The common form, on a database that is not SQLite


@pytest.fixture
def common(postgres_database: str) -> Iterator[Portable]:
    with Portable(postgres_database.replace("postgresql:", "postgresql+psycopg:")) as database:
        yield database


def test_the_common_form_does_on_postgres_what_its_own_family_does(common: Portable, postgres_database: str) -> None:
    columns = {"id": "text", **{name: name for name in TYPES}, 'a "%s" ?': "text"}
    first = [{"id": str(number), **TYPES, 'a "%s" ?': None} for number in range(5)]
    second = [first[0], {**first[1], "json": None}, {**first[2], "date": None, 'a "%s" ?': "x"}, {"id": "new"}] * 2
    told = {}
    for family, table in ((common, Table("public", "common")), (Postgres(postgres_database), Table("own", "own"))):
        counts = []
        for mode, rows in (("upsert", first), ("upsert", second), ("update", first), ("mirror", second)):
            with family, family.transaction() as session:
                counts.append(merged(session, typed(*rows, **columns), mode, table=table))
        with family, family.transaction() as session:
            order = f"SELECT * FROM {session.full(table)} ORDER BY id"
            told[table.name] = counts, session.rows(order.replace("*", 'id, text, integer, number, "decimal", boolean'))
    assert told["common"] == told["own"]
    assert told["common"][0][1] == Counts(inserted=1, updated=2, unchanged=1, duplicates=4)


def test_times_are_stored_in_utc_without_saying_so(common: Portable) -> None:
    table = Table("public", "common")
    with common.transaction() as session:
        merged(session, typed({"id": "a", "at": START}, id="text", at="timestamp"), table=table)
        assert session.column_types(table)["at"] == "TIMESTAMP WITHOUT TIME ZONE"
        assert session.rows(f"SELECT at FROM {session.full(table)} WHERE at = ?", (START,)) == [(START,)]


def test_columns_with_a_zone_and_of_types_nobody_knows_take_what_comes(common: Portable) -> None:
    table = Table("public", "common")
    batch = typed({"id": "a", "at": START, "net": "10.0.0.0/8"}, id="text", at="timestamp", net="text")
    with common.transaction() as session:
        session.execute("CREATE TABLE public.common (id text, at timestamptz, net cidr)")
        for expected in (Counts(inserted=1), Counts(unchanged=1)):
            assert merged(session, batch, table=table) == expected
        assert session.rows("SELECT at FROM public.common") == [(START,)]


def test_a_schema_is_made_and_a_view_refused(common: Portable) -> None:
    table = Table("crm", "leads")
    with common.transaction() as session:
        merged(session, typed({"id": "a"}, id="text"), table=table)
        session.execute("CREATE VIEW crm.seen AS SELECT * FROM crm.leads")
    with common.transaction() as session, pytest.raises(TargetError, match=r"crm.seen in .* is a view: name"):
        session.column_types(Table("crm", "seen"))


def test_a_wrong_password_stays_out_of_the_message(postgres_url: str) -> None:
    wrong = sql.make_url(postgres_url).set(drivername="postgresql+psycopg", password="secret/word")
    with pytest.raises(TargetError, match=r"127.0.0.1:\d+/postgres: .*password authentication failed") as caught:
        Portable(wrong.render_as_string(hide_password=False)).exists()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


# Statements, as text


def test_the_statement_of_an_update_in_the_common_form() -> None:
    dialect = PortableDialect(mysql.dialect())
    merge = Merge(dialect, "`crm`.`leads`", "`_stage`", {"id": "TEXT", "t.a`b": "INT"}, BY_ID)
    old, new = "`crm`.`leads`.`t.a``b`", "s.`t.a``b`"
    assert merge.update() == (
        "UPDATE `crm`.`leads` SET `t.a``b` = (SELECT s.`t.a``b` FROM `_stage` AS s WHERE `crm`.`leads`.`id` = s.`id`) "
        "WHERE EXISTS (SELECT 1 FROM `_stage` AS s WHERE `crm`.`leads`.`id` = s.`id` AND 1 = 1 AND "
        f"({old} <> {new} OR ({old} IS NULL AND {new} IS NOT NULL) OR ({old} IS NOT NULL AND {new} IS NULL)))"
    )
    assert merge.delete() == (
        "DELETE FROM `crm`.`leads` WHERE EXISTS (SELECT 1 FROM `_stage` AS s WHERE `crm`.`leads`.`id` = s.`id`)"
    )


def test_mysql_compares_texts_byte_by_byte_and_changes_types_in_its_own_words() -> None:
    dialect = MySQLDialect(mysql.dialect())
    assert dialect.differs({"a": "LONGTEXT COLLATE utf8mb4_bin"}).startswith(
        "(CAST(t.`a` AS BINARY) <> CAST(s.`a` AS BINARY) OR "
    )
    assert dialect.widen(Table("crm", "a"), "b", "LONGTEXT") == "ALTER TABLE `crm`.`a` MODIFY COLUMN `b` LONGTEXT"
    assert dialect.swap(Table("crm", "b"), Table("crm", "a")) == (
        "DROP TABLE `crm`.`a`",
        "RENAME TABLE `crm`.`b` TO `crm`.`a`",
    )


@pytest.mark.parametrize(
    ("paramstyle", "expected"),
    [
        ("qmark", """a = ? AND "%?" = '?' AND `?` LIKE ? || '%'"""),
        ("format", """a = %s AND "%%?" = '?' AND `?` LIKE %s || '%%'"""),
        ("numeric", """a = :1 AND "%?" = '?' AND `?` LIKE :2 || '%'"""),
        ("numeric_dollar", """a = $1 AND "%?" = '?' AND `?` LIKE $2 || '%'"""),
    ],
)
def test_values_are_placed_as_the_driver_has_it_and_names_left_alone(paramstyle: str, expected: str) -> None:
    assert placed("""a = ? AND "%?" = '?' AND `?` LIKE ? || '%'""", paramstyle) == expected


def test_only_the_alias_is_replaced() -> None:
    condition = """t."t.x" = s."t.y" AND (t.a = 't.b' OR `t.c` = xt.d)"""
    assert without_alias(condition, "big") == """big."t.x" = s."t.y" AND (big.a = 't.b' OR `t.c` = xt.d)"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (sql.Integer(), sql.BigInteger(), True),
        (sql.BigInteger(), sql.Integer(), False),
        (sql.BigInteger(), sql.Numeric(38, 12), True),
        (sql.BigInteger(), sql.Numeric(20, 12), False),
        (sql.Numeric(10, 2), sql.Numeric(12, 4), True),
        (sql.Numeric(10, 2), sql.Numeric(12, 0), False),
        (sql.String(50), sql.Text(), True),
        (sql.Text(), sql.String(50), False),
        (sql.String(50), sql.String(40), False),
        (sql.Double(), sql.Text(), False),
        (sql.Double(), sql.BigInteger(), False),
        (sql.Boolean(), sql.Text(), False),
        (sql.BigInteger(), sql.Text(), True),
        (sql.JSON(), sql.Text(), True),
        (sql.Text(), sql.JSON(), False),
        (sql.LargeBinary(), sql.Text(), False),
    ],
)
def test_a_type_holds_another_only_without_loss(old: Any, new: Any, expected: bool) -> None:
    assert can_widen(old, new) is expected


# URLs


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("ducdb://me:secret@h/a", "Did you mean duckdb?"),
        ("postgrsql://me:secret@h/a", "Did you mean postgresql"),
        ("snowflake://me:secret@h/a", "pip install snowflake-sqlalchemy"),
        ("mysql://me:secret@h/a", "needs the Python library MySQLdb: install it, or take mysql+pymysql://"),
        ("oracle://me:secret@h/a", "Oracle takes an empty text for a null"),
        ("sqlite://", "gone when the run ends"),
        ("sqlite:///:memory:", "gone when the run ends"),
    ],
)
def test_databases_that_cannot_be_written_to_say_what_to_do(to: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_database(to)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_driver_behind_a_plus_does_not_change_the_family() -> None:
    assert isinstance(open_database("postgresql+psycopg2://me:secret@h/a"), Postgres)
    assert isinstance(open_database("sqlite+pysqlite:///a.db"), Portable)
