"""Commands that keep a database equal to Stripe, and tell how far that has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connector.cli.options import say


@click.command(short_help="Keep a database equal to Stripe.")
@click.argument("config", type=click.Path())
@click.option("--only", multiple=True, metavar="ENDPOINT", help="Sync this one; again for more.")
@click.option("--full", is_flag=True, help="Begin anew, also where the last run was stopped in the middle.")
@click.option("--dry-run", is_flag=True, help="Say what would be read; move no data.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="JSON for machines. [text]")
@click.option("--connection", metavar="NAME", help="Another connection than the config names.")
@click.option("--api-base", metavar="URL", help="Another host: https, or loopback (a sandbox).")
def sync(config: str, only: tuple[str, ...], full: bool, dry_run: bool, log_format: str, **given: Any) -> int:
    """Keep a database equal to Stripe: merge what has changed, mark what is gone.

    \b
    connector sync stripe.toml
    connector sync stripe.toml --only customers --only invoices
    connector sync stripe.toml --dry-run
    """
    from connector.cli.progress import SyncProgress
    from connector.cli.show import show_forecasts, show_sync
    from connector.stripe import Stripe
    from connector.sync.config import read_runfile
    from connector.sync.history import forget

    run = read_runfile(Path(config)).only(only).by(given.pop("connection"))
    with Stripe(run.connection, config=run.connection_file, **given) as stripe:
        if dry_run:
            forecasts, notes = stripe.forecast(run)
            show_forecasts(forecasts)
            say(notes)
            return 0
        if full:
            forget(run, run.endpoints or list(stripe.endpoints))
        with SyncProgress(stripe, log_format) as watch:
            report = stripe.sync_by(run, watch)
            watch.note(report.notes)
    if log_format == "text":
        show_sync(report.runs)
        say([f"written to {report.target}", *report.notes])
    return 1 if report.failed else 0


@click.command(short_help="Show how the last runs of a sync went.")
@click.argument("config", type=click.Path())
@click.option("--reset", multiple=True, metavar="ENDPOINT", help="Forget how far this one has come; its rows stay.")
def state(config: str, reset: tuple[str, ...]) -> None:
    """Show the last run of each endpoint that a config syncs.

    \b
    connector state stripe.toml
    connector state stripe.toml --reset invoices
    """
    from connector.cli.show import show_sync
    from connector.errors import UsageError
    from connector.sync.config import read_runfile
    from connector.sync.history import forget, last_runs

    run = read_runfile(Path(config))
    runs = last_runs(run)
    for name in reset:
        if name not in [each.endpoint for each in runs]:
            raise UsageError(f"{name} has never been synced by {config}.")
    forget(run, reset)
    if runs:
        show_sync(runs, when=True)
    else:
        say([f"Nothing has been synced by {config} yet."])
