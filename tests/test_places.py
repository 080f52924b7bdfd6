"""Places: a name or URL is read once, settings that nobody knows are errors, and no message repeats a password."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import make_url

from connector.databases.families import FAMILIES, Family
from connector.databases.merge import Table
from connector.databases.urls import without_password
from connector.errors import ConnectorError, UsageError
from connector.files.formats import WriteOptions
from connector.places import open_source, open_target, parse
from connector.stripe import Stripe


@pytest.mark.parametrize(
    ("name", "kind", "family", "table"),
    [
        ("-", "stdout", None, None),
        ("leads.csv", "file", None, None),
        (r"C:\data\me@work.csv", "file", None, None),
        ("stripe.duckdb", "database", "DuckDB", None),
        ("duckdb:///C:/a b.duckdb?table=crm.leads", "database", "DuckDB", "crm.leads"),
        ("sqlite:////data/me@work/shop.db?table=leads&timeout=5", "database", "SQLite", "leads"),
        ("postgresql://u:p@h/db?sslmode=require&connect_timeout=5&table=a", "database", "Postgres", "a"),
        ("sqlserver://u:p@h/db?encrypt=yes", "database", "SQL", None),
        ("mssql+pymssql://u:p@h/db", "database", "SQL", None),
        ("redshift://u:p@h/db?sslmode=require", "database", "Amazon", None),
        ("snowflake://u:p@account/db?warehouse=w&role=r", "database", "Snowflake", None),
    ],
)
def test_a_name_is_read_once(name: str, kind: str, family: str | None, table: str | None) -> None:
    place = parse(name)
    assert (place.kind, place.family and place.family.name.split()[0], place.table) == (kind, family, table)
    assert "p@h" not in repr(place)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.address], ids=lambda family: family.name)
def test_a_setting_that_nobody_knows_is_an_error_whether_one_reads_or_writes(family: Family, tmp_path: Path) -> None:
    address = family.address.replace("///", f"///{tmp_path.as_posix()}/")
    url = f"{address.partition('?')[0]}?tabel=x"
    for attempt in (lambda: open_source(url), lambda: Stripe.load(pa.table({"id": ["a"]}), url, "t", key="id")):
        with pytest.raises(UsageError, match=r'has no setting "tabel"\. Did you mean table'):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_a_near_miss_of_our_own_setting_is_an_error_where_only_the_driver_knows_the_others() -> None:
    with pytest.raises(UsageError, match="Did you mean table"):
        parse("snowflake://u:p@account/db?tabel=x")


@pytest.mark.parametrize(
    "address",
    [
        "host=localhost dbname=shop user=me password=hidden-word",
        "Server=db.example.com;Database=shop;Uid=me;Pwd=hidden-word",
        "postgresql:/me:hidden-word@h/db",
        "postgresql:me:hidden-word@h/db",
        "me:hidden-word@h/db",
        "sqlite://me:hidden-word@h/x.db",
        "duckdb://me:hidden-word@h/x.duckdb",
        "postgresql://me:hidden-word@h:port/db?table=t",
        "postgresql://me:hidden@word@h/db?table=t",
        "mssql://me:hidden-word@h/?table=t",
        "redshift://me:hidden-word@h?table=t",
    ],
)
def test_an_address_that_cannot_be_read_is_told_without_its_password(address: str) -> None:
    for attempt in (lambda: open_source(address), lambda: Stripe.load(pa.table({"id": ["a"]}), address, "t", key="id")):
        with pytest.raises(ConnectorError) as caught:
            attempt()
        message = str(caught.value)
        assert "hidden" not in message
        assert "word@" not in message.replace("user:password@", "")
        assert "writ" in message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("leads", "", "leads"),
        ("crm.leads", "crm", "leads"),
        ('crm."a.b"', "crm", "a.b"),
        ("[my.schema].[a]]b]", "my.schema", "a]b"),
        ('"a ""b"".c"', "", 'a "b".c'),
    ],
)
def test_a_table_is_read_as_it_is_written(text: str, schema: str, name: str) -> None:
    table = Table.parse(text, "")
    assert table == Table(schema, name)
    assert Table.parse(str(table), "") == table


@pytest.mark.parametrize("url", ["duckdb:///{}/a.duckdb", "sqlite:///{}/a.db"])
def test_a_table_whose_name_has_a_dot_is_read_as_well_as_written(url: str, tmp_path: Path) -> None:
    address = url.format(tmp_path.as_posix())
    Stripe.load(pa.table({"id": ["a"]}), address, '"leads.2026"', key="id")
    source = open_source(f"{address}?table=%22leads.2026%22")
    assert [row["id"] for batch in source.batches() for row in batch.to_pylist()] == ["a"]
    assert source.label.startswith('table "leads.2026" in')


@pytest.mark.parametrize("password", ["secret/word", "ab", "x"])
def test_every_password_is_masked_and_a_short_one_only_where_it_stands_alone(password: str) -> None:
    url = make_url("postgresql://me@h/db").set(password=password)
    quoted = url.render_as_string(hide_password=False).partition("me:")[2].partition("@")[0]
    said = without_password(f"no {password}, no {quoted}: cabin fox", url)
    assert said == "no ***, no ***: cabin fox"


def test_a_password_among_the_settings_is_masked_too() -> None:
    assert without_password("bad key hush-hush", make_url("postgresql://h/db?sslpassword=hush-hush")) == "bad key ***"


def test_the_file_of_connections_is_never_written_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="where connections stand"):
        open_target(str(tmp_path / "connector.toml"), WriteOptions(format="csv"))
