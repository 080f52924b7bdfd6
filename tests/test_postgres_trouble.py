"""Postgres in trouble: values that it refuses, others at work on the same table, connections that fail."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from connector.databases.base import Conflict, Counts, RefusedValue, Session
from connector.databases.merge import Table
from connector.databases.postgres.database import Postgres
from connector.errors import TargetError, UsageError
from connector.places import open_database, parse
from tests.on_postgres import KEYS, THINGS, ask, database, do, refused, rows, upsert, within
from tests.postgres_server import PASSWORD, postgres_url

__all__ = ["database", "postgres_url"]


# Values that it refuses


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("smallint", "70000", "the number is out of the range of smallint"),
        ("integer", "secret", "the value is no integer"),
        ("numeric(5,2)", "12345.6", r"the number is out of the range of numeric\(5,2\)"),
        ("numeric(5,2)", "Infinity", r"the number is out of the range of numeric\(5,2\)"),
        ("character varying(3)", "secret", r"the text is too long for character varying\(3\)"),
        ("uuid", "secret", "the value is no uuid"),
        ("date", "2026-02-30", "the value is no date"),
        ("mood", "secret", "the value is no mood"),
        ("positive", "-7", "the value breaks a rule of positive"),
        ("jsonb", '{"secret', "the value is no jsonb"),
        ("jsonb", '"secret\\u0000"', r"the JSON holds \\u0000, which Postgres cannot store"),
        ("text", "secret\x00", "the text holds a null byte, which Postgres cannot store"),
        ("text[]", "{secret", r"the value is no text\[\]"),
    ],
)
@pytest.mark.parametrize("before", ["plain", 'a\n"b"\r\nc\n', "\r"])
def test_a_refused_value_is_named_by_column_row_and_type_and_stays_unsaid(
    before: str, kind: str, value: str, reason: str, database: Postgres
) -> None:
    do(database, "CREATE TYPE mood AS ENUM ('happy', 'sad')", "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
    do(database, f'CREATE TABLE things (id text, "v: x" {kind})', "INSERT INTO things VALUES ('mine')")
    first, second = [before] * 4, [before] * 1_500
    values: list[str | None] = [*[None] * 1_233, value, *[None] * 266]
    batches = [rows(id=first, **{"v: x": [None] * 4}), rows(id=second, **{"v: x": values})]
    with (
        pytest.raises(RefusedValue, match=f'^Row 1,238, column "v: x": {reason}. Nothing was changed.$') as caught,
        database.transaction() as session,
    ):
        session.stage(THINGS, batches, ["id", "v: x"])
    assert (caught.value.place, caught.value.column) == (1_237, "v: x")
    assert ask(database, "SELECT id FROM things") == [("mine",)]


def test_numbers_that_are_none_are_taken_where_they_can_be(database: Postgres) -> None:
    odd = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324]
    batch = rows(id=[*"abcde"], f=("number", odd))
    upsert(database, batch)
    assert upsert(database, batch) == Counts(unchanged=5)
    assert [str(value) for (value,) in ask(database, "SELECT f FROM things ORDER BY id")] == [str(f) for f in odd]


def test_a_rule_of_the_table_is_named(database: Postgres) -> None:
    other = "other text REFERENCES things (id)"
    do(database, f"CREATE TABLE things (id text PRIMARY KEY, n integer CHECK (n > 0), {other})")
    for batch, said in (
        (rows(id=[None]), 'null value in column "id"'),
        (rows(id=["a"], n=("integer", [-1])), 'violates check constraint "things_n_check"'),
        (rows(id=["a"], other=["secret"]), 'violates foreign key constraint "things_other_fkey"'),
        (rows(id=["a", "a"]), 'unique constraint "things_pkey": another row has this key'),
    ):
        message = refused(database, batch)
        assert (said in message, "Nothing was changed" in message, "secret" in message) == (True, True, False), message
    assert ask(database, "SELECT * FROM things") == []


# Others at work on the same table


def test_two_loads_of_one_table_come_one_after_the_other(database: Postgres, postgres_url: str) -> None:
    upsert(database, rows(id=["a"], v=["0"]))
    counts: list[Counts] = []

    def run() -> None:
        with Postgres(postgres_url) as mine:
            counts.append(upsert(mine, rows(id=["a", "b"], v=["1", "1"])))

    with database.transaction() as session:
        session.lock(THINGS)
        other = threading.Thread(target=run)
        other.start()
        blocked = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not session.rows(blocked):
            continue
        session.upsert(THINGS, rows(id=["a", "b"], v=["2", "2"]), KEYS)
    other.join()
    assert counts == [Counts(updated=2)]
    assert ask(database, "SELECT v FROM things") == [("1",), ("1",)]


def test_a_load_that_holds_the_table_too_long_is_told(database: Postgres, postgres_url: str) -> None:
    with database.transaction() as holder, Postgres(postgres_url) as other:
        holder.lock(THINGS)
        with (
            pytest.raises(TargetError, match=r"another load into public\.things is running; 0\.02 seconds"),
            other.transaction() as session,
        ):
            session.lock(THINGS, 0.02)
        with other.transaction() as session:
            session.lock(Table("public", "others"), 0)


def test_a_row_that_another_program_inserts_meanwhile_is_a_conflict_and_can_be_done_again(
    database: Postgres, postgres_url: str
) -> None:
    upsert(database, rows(id=["a"], v=["0"]))
    with psycopg.connect(postgres_url) as foreign:

        def work(session: Session) -> Counts:
            staged = session.stage(THINGS, [rows(id=["a", "b"], v=["1", "1"])], ["id", "v"])
            if tries.pop():
                foreign.execute("INSERT INTO things VALUES ('b', 'theirs')")
                threading.Timer(0.1, foreign.commit).start()
            return session.merge(THINGS, staged, KEYS)

        tries = [False, True]
        assert database.repeated(work) == Counts(updated=2)
        do(database, "DELETE FROM things WHERE id = 'b'")
        tries = [True]
        with pytest.raises(Conflict, match="another row has this key, maybe written by another program") as caught:
            within(database, work)
        assert "Nothing was changed" in str(caught.value)


def test_a_deadlock_with_another_program_is_told(database: Postgres, postgres_url: str) -> None:
    upsert(database, rows(id=["a", "b"], v=["0", "0"]))
    with psycopg.connect(postgres_url) as foreign, psycopg.connect(postgres_url) as watch:
        foreign.execute("SET LOCAL deadlock_timeout TO '10s'")
        foreign.execute("UPDATE things SET v = 'x' WHERE id = 'b'")
        waiting = threading.Thread(target=lambda: foreign.execute("UPDATE things SET v = 'x' WHERE id = 'a'"))

        def work(session: Session) -> None:
            session.execute("SET LOCAL deadlock_timeout TO '20ms'")
            session.execute("UPDATE things SET v = 'y' WHERE id = 'a'")
            waiting.start()
            while not watch.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                continue
            session.execute("UPDATE things SET v = 'y' WHERE id = 'b'")

        with pytest.raises(Conflict, match=r"wrote to the same rows meanwhile\. Nothing was changed"):
            within(database, work)
        waiting.join()


# Connections


def own_number(session: Session) -> object:
    return session.rows("SELECT pg_backend_pid()")[0][0]


def kill(url: str, number: object) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(%s)", (number,))


def test_the_url_names_everything_and_the_password_shows_nowhere(postgres_url: str) -> None:
    with Postgres(f"postgres{postgres_url.removeprefix('postgresql')}?application_name=me") as database:
        assert (database.label, database.default_schema) == ("127.0.0.1/postgres", "public")
        assert ask(database, "SELECT current_setting('application_name')") == [("me",)]
    assert isinstance(open_database(postgres_url), Postgres)
    assert PASSWORD not in repr(database)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong"}, 'password authentication failed for user "postgres"'),
        ({"username": "nobody"}, 'password authentication failed for user "nobody"'),
        ({"port": 1}, "port 1 failed: Connection refused"),
        ({"host": "nowhere.invalid"}, "failed to resolve host 'nowhere.invalid'"),
        ({"database": "nothing"}, 'database "nothing" does not exist'),
        ({"query": {"sslmode": "require"}}, "server does not support SSL"),
    ],
)
def test_what_is_wrong_with_a_connection_is_said_with_what_was_tried(
    change: dict[str, Any], said: str, postgres_url: str
) -> None:
    from sqlalchemy import make_url

    url = make_url(postgres_url).set(**change)
    with pytest.raises(TargetError) as caught:
        Postgres(url.render_as_string(hide_password=False)).exists()
    message = str(caught.value)
    assert said in message
    assert f"host {url.host}, port {url.port}, user {url.username}, database {url.database}" in message
    assert ("\n" in message, PASSWORD in message, "wrong" in message) == (False, False, False)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p@ss@host/db",
        "postgresql://user:p@ss/word?@host/db",
        "postgresql://user:secret@host:1:p/db",
        "postgresql://user:sec@ret@host:port/db",
    ],
)
def test_a_url_that_cannot_be_read_says_how_to_write_it_and_nothing_of_the_password(url: str) -> None:
    with pytest.raises(UsageError, match="%40 for @") as caught:
        parse(url)
    assert not [word for word in ("ss@", "secret", "/word") if word in str(caught.value).replace("/database", "")]


def test_settings_of_ours_are_taken_out_of_a_url_and_others_stay() -> None:
    place = parse("postgresql://u:p%40s%2F@h:5432/db?table=crm.%22a%20b%22&sslmode=require&host=a&host=b")
    assert place.address == "postgresql://u:p%40s%2F@h:5432/db?host=a&host=b&sslmode=require"
    assert place.table == 'crm."a b"'
    with pytest.raises(UsageError, match="says table twice"):
        parse("postgresql://h/db?table=a&table=b")


def test_a_user_without_rights_is_told_what_is_missing(database: Postgres, postgres_url: str) -> None:
    upsert(database, rows(id=["a"], v=["1"]))
    do(
        database,
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN PASSWORD 'reader'",
        "GRANT USAGE ON SCHEMA public TO reader",
        "GRANT SELECT ON things TO reader",
    )
    url = urlsplit(postgres_url)
    as_reader = url._replace(netloc=f"reader:reader@{url.hostname}:{url.port}").geturl()
    with Postgres(as_reader) as reader:
        for table, said in (
            (THINGS, "permission denied for table things"),
            (Table("public", "new"), "permission denied for schema public"),
            (Table("new", "new"), "permission denied for database postgres"),
        ):
            with pytest.raises(TargetError, match=said):
                upsert(reader, rows(id=["a"], v=["2"]), table)
        do(database, "GRANT CREATE ON SCHEMA public TO reader")
        assert upsert(reader, rows(id=["a"]), Table("public", "new")) == Counts(inserted=1)
    do(database, "DROP OWNED BY reader", "DROP ROLE reader")


def test_a_connection_that_breaks_leaves_nothing_behind_and_the_next_is_new(
    database: Postgres, postgres_url: str
) -> None:
    upsert(database, rows(id=["a"], v=["1"]))

    def work(session: Session) -> None:
        session.upsert(THINGS, rows(id=["a", "b"], v=["2", "2"]), KEYS)
        kill(postgres_url, own_number(session))
        session.upsert(THINGS, rows(id=["c"], v=["2"]), KEYS)

    with pytest.raises(TargetError, match=r"What was not committed is taken back|terminating connection") as caught:
        within(database, work)
    assert "\n" not in str(caught.value)
    assert ask(database, "SELECT v FROM things") == [("1",)]
    number = within(database, own_number)
    assert within(database, own_number) == number, "the connection is kept"
    kill(postgres_url, number)
    assert ask(database, "SELECT v FROM things") == [("1",)], "one that broke between transactions is not noticed"


def test_a_connection_that_breaks_in_the_commit_says_that_the_outcome_is_open(
    database: Postgres, postgres_url: str
) -> None:
    with pytest.raises(TargetError, match="lost during the commit: all of it may have been written, or nothing"):
        within(database, lambda session: kill(postgres_url, own_number(session)))


@pytest.mark.usefixtures("database")
def test_settings_of_the_user_do_not_change_what_is_written(postgres_url: str) -> None:
    options = "-c timezone=Asia/Tokyo -c datestyle=German -c default_transaction_isolation=serializable"
    batch = rows(id=["a"], t=("timestamp", [datetime(2026, 1, 2, 3, tzinfo=UTC)]), d=("date", [date(2026, 1, 2)]))
    with Postgres(f"{postgres_url}?options={options.replace(' ', '%20').replace('=', '%3D')}") as mine:
        upsert(mine, batch)
        assert upsert(mine, batch) == Counts(unchanged=1)
        assert ask(mine, "SELECT t, d FROM things") == [(datetime(2026, 1, 2, 3, tzinfo=UTC), date(2026, 1, 2))]
        assert ask(mine, "SHOW transaction_isolation") == [("read committed",)]


def test_without_the_driver_the_line_that_installs_it_is_named() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from connector.places import open_database\n"
        "from connector.errors import MissingExtra\n"
        "try: open_database('postgresql://localhost/x')\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Postgres needs a library that is not installed: ")
    assert done.stdout.endswith(' "psycopg[binary]"\n')
