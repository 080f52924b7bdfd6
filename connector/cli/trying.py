"""Commands to try things on: the demo and the sandbox."""

from __future__ import annotations

from typing import Any

import click


@click.command(short_help="Try everything on a sandbox, without a key.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another business.")
def demo(seed: int) -> None:
    """Try the connector on a sandbox of its own: no key, no account, nothing to set up."""
    from connector.cli.demo import demo

    demo(seed)


@click.command(short_help="Run a local Stripe to try things on.")
@click.option("--port", default=12111, show_default=True, help="0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same business.")
@click.option("--size", default="small", show_default=True, type=click.Choice(["small", "1m"]))
@click.option("--latency-ms", default=0, show_default=True, help="How long each answer takes at least.")
@click.option("--rps", default=None, type=float, help="Requests per second and account; 0 lifts every limit. [25]")
@click.option("--faults", default=None, metavar="PLAN", help="For example drop=0.02,429=0.05,500=0.01.")
@click.option("--keys", default=None, type=click.Path(), metavar="FILE", help="Restricted keys and what they may do.")
@click.option("--busy", default=None, type=float, metavar="N", help="N realistic changes a second, by the seed.")
@click.option(
    "--webhook", default=None, metavar="URL", help="Deliver every event there, signed; the secret is printed."
)
@click.option("--webhook-trouble", default=None, metavar="PLAN", help="As late=0.1,duplicate=0.1,disorder=0.2.")
@click.option("--older-events", default=None, type=float, metavar="SHARE", help="So many events in API 2023-08-16.")
@click.option(
    "--search-lag-seconds", default=None, type=int, metavar="N", help="How long new objects miss in searches."
)
def sandbox(**options: Any) -> None:
    """Run a local Stripe to try things on, until Ctrl-C.

    \b
    connector sandbox --port 12111
    STRIPE_API_KEY=sk_test_sandbox connector extract customers --api-base http://127.0.0.1:12111
    """
    from connector.cli.demo import run_sandbox

    run_sandbox(options)
