"""The command that tries a key."""

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
