"""The command that writes the config of a sync."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.options import expanded, say
from connector.errors import ConfigError, TargetError, UsageError

if TYPE_CHECKING:
    from connector.definitions.endpoint import Endpoints

_ALL, _EVERYDAY = "all", "everyday"
# What most accounts fill and most questions are about; "all" are five times as many, most of them empty.
_EVERYDAY_TABLES = [
    "customers", "products", "prices", "coupons", "subscriptions", "subscription_items", "invoices", "invoice_lines",
    "invoice_items", "invoice_payments", "charges", "payment_intents", "payment_methods", "refunds", "disputes",
    "credit_notes", "balance", "balance_transactions", "payouts",
]  # fmt: skip
_PASSWORD = re.compile(r"://[^/@:]*:(?!\$\{)[^/@]+@")


@click.command(short_help="Write a config to sync by.")
@click.argument("config", default="stripe.toml", type=click.Path(dir_okay=False))
@click.option("--to", metavar="URL", help="The database: duckdb:///stripe.duckdb, or '${PG_URL}' from the environment.")
@click.option("--tables", metavar="A,B", help="Which endpoints, or all. [everyday: some twenty]")
@click.option("--since", metavar="DATE", help="How far back the first run reads, as yearstart-1y. [everything]")
@click.option("--time-zone", metavar="ZONE", help="The zone that days are meant in, as Europe/Berlin. [UTC]")
@click.option("--schema", metavar="NAME", help="Where in the database. [its usual one]")
def init(config: str, to: str | None, tables: str | None, **others: str | None) -> None:
    """Write the config of a sync, which runs at once; what no option says is asked for on a terminal.

    \b
    connector init
    connector init crm.toml --to duckdb:///crm.duckdb --tables customers,invoices --since yearstart-1y
    """
    from connector.definitions.endpoint import Endpoints
    from connector.installation import command

    path = Path(config)
    if path.exists():
        raise ConfigError(f"{path} is there already: edit it, or name another file.")
    to = to or _asked("Into which database?", "duckdb:///stripe.duckdb")
    names = _names(tables or _asked("Which tables? (A,B, everyday or all)", _EVERYDAY), Endpoints())
    since = others["since"] or _asked("How far back does the first run read? (empty: everything)", "")
    settings = {
        "to": to,
        "schema": others["schema"],
        "endpoints": names,
        "since": since,
        "time_zone": others["time_zone"] or _asked("In which time zone do days begin? (empty: the connection's)", ""),
    }
    _check(to, since, str(settings["time_zone"] or "UTC"))
    _write(path, _text(settings, command(f"sync {config}")))
    if _PASSWORD.search(to):
        say([f'{path} holds a password: rather put the URL into the environment, and write to = "${{PG_URL}}".'])
    key = [] if os.environ.keys() & {"STRIPE_API_KEY", "STRIPE_API_KEY_FILE"} else ["  export STRIPE_API_KEY=rk_test_…"]
    click.echo("\n".join([f"{path} is written. What comes next:", "", *key, f"  {command(f'check {config}')}"]))
    click.echo(f"  {command(f'sync {config}')}")


def _asked(question: str, default: str) -> str:
    """Return what somebody at a terminal answers; the default where there is nobody."""
    if not _is_somebody_there():
        return default
    return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def _is_somebody_there() -> bool:
    return sys.stdin.isatty()


def _names(tables: str, endpoints: Endpoints) -> str | list[str]:
    """Return the endpoints to sync; a child comes with its parents, since it is read with them."""
    if tables.strip() == _ALL:
        return _ALL
    if tables.strip() == _EVERYDAY:
        return _EVERYDAY_TABLES
    names = [name.strip() for name in tables.split(",") if name.strip()]
    if not names:
        raise UsageError(f"--tables {tables} names no table: write customers,invoices, everyday or all.")
    parents = [parent.table for name in names for parent in endpoints[name].parents]
    return list(dict.fromkeys([*parents, *names]))


def _check(to: str, since: str, time_zone: str) -> None:
    """Refuse what a sync would refuse; nothing is opened or sent."""
    from connector.dates import Calendar, resolve
    from connector.places import open_database

    if "${" not in to or set(re.findall(r"\$\{(\w+)\}", to)) <= os.environ.keys():
        open_database(expanded(to, "--to"))
    calendar = Calendar.system(time_zone)
    if since:
        resolve(since, calendar)


def _text(settings: Mapping[str, object], command: str) -> str:
    from connector.definitions.toml import toml_value

    pairs = {name: value for name, value in settings.items() if value}
    width = max(map(len, pairs))
    lines = [f"{name:<{width}} = {toml_value(value)}" for name, value in pairs.items()]
    return "\n".join([
        f"# Keeps a database equal to Stripe: {command}",
        "#",
        "# The key comes from STRIPE_API_KEY; a restricted key that may only read is enough.",
        "",
        *lines,
        "",
        "# [sync.invoices]",
        '# exclude = ["customer_phone"]  # columns that the database should not have',
        "",
    ])  # fmt: skip


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise TargetError(f"{path} could not be written: {error.strerror or type(error).__name__}.") from error
