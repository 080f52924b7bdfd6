"""Commands that only look: at a key, at the definitions, at dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from connector.cli.options import connection_options

if TYPE_CHECKING:
    from connector.stripe import Stripe


@click.command(short_help="Is the key good, and what may it read?")
@click.option("--only", multiple=True, metavar="ENDPOINT", help="Try this one; again for more.")
@connection_options
def check(stripe: Stripe, only: tuple[str, ...]) -> int:
    """Try the key: whose account it opens, in which mode, and which endpoints it may read.

    Sends one small request per endpoint and moves no data. The exit code is 1 when one of them cannot be read.

    \b
    connector check
    connector check --only customers --only invoices
    """
    bad = 0
    for each in stripe.check(only):
        bad += not each.good
        click.echo(f"{'ok  ' if each.good else 'FAIL'} {each.what:<30} {each.found}")
    return 1 if bad else 0


@click.command(short_help="List the tables, or one table's columns.")
@click.argument("name", required=False)
@click.option("--definitions", multiple=True, type=click.Path(), metavar="FOLDER", help="A folder of your own files.")
def endpoints(name: str | None, definitions: tuple[str, ...]) -> None:
    """List the tables that can be read, or one table's columns and filters.

    \b
    connector endpoints
    connector endpoints invoices
    """
    from connector.cli.show import show_endpoint, show_endpoints
    from connector.stripe import find_endpoints

    known = find_endpoints(definitions)
    if name is None:
        show_endpoints(known)
    else:
        show_endpoint(known[name])


@click.command(short_help="Print what a date token means now.")
@click.argument("token")
@click.option("--time-zone", default="UTC", metavar="ZONE", help="The zone that days are meant in. [UTC]")
@click.option("--week-start", default="monday", metavar="DAY", help="The first day of the week. [monday]")
def dates(token: str, time_zone: str, week_start: str) -> None:
    """Print what a date token means now.

    \b
    connector dates monthstart-1d
    connector dates yearstart-1y --time-zone Europe/Berlin
    connector dates '2022-01-31 23:59:59'
    """
    from connector.cli.show import show_dates
    from connector.dates import Calendar, describe

    show_dates(describe(token, Calendar.system(time_zone, week_start)), time_zone)
