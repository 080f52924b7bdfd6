"""The command that says what a date token means."""

from __future__ import annotations

import click


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
