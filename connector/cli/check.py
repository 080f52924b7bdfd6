"""The command that tries a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from connector.cli.options import connection_options

if TYPE_CHECKING:
    from connector.stripe import Stripe
    from connector.sync.runfile import RunFile


@click.command(short_help="Is the key good, and what may it read?")
@click.argument("run", metavar="[CONFIG]", required=False, type=click.Path())
@click.option("--only", multiple=True, metavar="ENDPOINT", help="Try this one; again for more.")
@connection_options
def check(stripe: Stripe, only: tuple[str, ...], run: RunFile | None) -> int:
    """Try the key: whose account it opens, in which mode, and which endpoints it may read.

    With the config of a sync: whether that sync would run, with its connection, endpoints, target and time zone. Sends
    one small request per endpoint and moves no data. The exit code is 1 when something is not as it should be.

    \b
    connector check
    connector check --only customers --only invoices
    connector check stripe.toml
    """
    names = run.endpoints if run else only
    width, bad = max(map(len, names or stripe.endpoints), default=0), 0
    for finding in stripe.check_by(run.only(only)) if run else stripe.check(only):
        bad += not finding.good
        click.echo(f"{'ok  ' if finding.good else 'FAIL'} {finding.what:<{width}} {finding.found}")
    return 1 if bad else 0
