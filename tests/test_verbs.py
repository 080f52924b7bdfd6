"""One verb, one command, one method: what a command takes, the method takes by the same name."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import click
import pytest

from connector import ConnectorError, Stripe
from connector.cli.app import commands
from connector.cli.options import connection_options, output_options

# Commands that are no method, and why.
NO_METHOD = {
    "demo": "shows the connector to somebody who has not written anything yet",
    "sandbox": "runs until Ctrl-C; in Python it is connector.sandbox.Sandbox, a context manager",
    "apply": "stripe.read_plan(file).apply(…): a plan is an object first",
    "init": "writes a file for `sync`; in Python the arguments of sync say the same",
    "endpoints": "stripe.endpoints holds the definitions: stripe.endpoints['invoices'].columns",
}
_PRINTS = "how a command prints; a method returns its report"
_READING = ("format", "encoding", "delimiter", "sheet", "query", "source_table")
_SENDING = ("apply", "allow", "allow_live", "resend", "max_errors")
# Options that the method calls otherwise, and why; "" where Python has no need of it.
RENAMED = {
    **{(verb, "max_rps"): ("", "Stripe(max_rps=…) is the connection's") for verb in ("extract", "sync")},
    ("dates", "time_zone"): ("", "the connection has it: Stripe(time_zone=…)"),
    ("dates", "week_start"): ("", "the connection has it: Stripe(week_start=…)"),
    ("load", "map"): ("mapping", "map is a function of Python"),
    ("load", "lock_wait"): ("lock_wait_seconds", "names in Python have their unit"),
    ("query", "explain"): ("", "the result has it: .explain()"),
    ("request", "from"): ("source", "from is a word of Python"),
    ("request", "header"): ("headers", "one parameter takes all of them"),
    ("request", "no_auth"): ("authenticate", "a parameter says yes, a flag says no"),
    ("request", "raw"): ("", "the result has it: .raw"),
    ("check", "run"): ("config", "--config is where connections stand, for all commands"),
    ("state", "reset"): ("", "a method of its own: Stripe.reset(config, endpoints)"),
    ("state", "release"): ("", "a repair by hand, for when a machine is gone"),
    ("state", "older_than"): ("", "what the exit code is about; the runs say when they began"),
    ("sync", "dry_run"): ("", "a method of its own: Stripe.forecast(run)"),
    ("sync", "config"): ("endpoints", "the path of a config, or endpoints by name"),
    ("sync", "log_format"): ("", _PRINTS),
    ("extract", "quiet"): ("", _PRINTS),
    ("load", "quiet"): ("", _PRINTS),
    ("request", "quiet"): ("", _PRINTS),
    ("sync", "quiet"): ("", _PRINTS),
    ("write", "from"): ("rows", "from is a word of Python"),
    **{("write", name): ("reading", "one object says how a file or a query is read") for name in _READING},
    **{("write", name): ("", "stripe.write(…).apply(…) takes it") for name in _SENDING},
    ("write", "plan_file"): ("", "stripe.write(…).save(file)"),
    ("write", "results"): ("", "the report has them: .results"),
    ("write", "rejects"): ("", "the report has them: .write_rejects(source, file)"),
    ("sync", "connection"): ("", "Stripe(name) is the connection"),
    ("sync", "api_base"): ("", "Stripe(api_base=…) is the host"),
}
# Parameters that no option has, and why.
PYTHON_ONLY = {
    "progress": "a function that is called with the report as it grows: bars on a terminal",
    "watch": "a function that is called with each run as it grows: bars on a terminal",
    "parameters": "set= as keywords, of one call: charge='ch_1'",
    "conditions": "where= as keywords: status='paid'",
    "tables": "rows that Python has, by name",
    "json": "an object that becomes JSON",
    "stripe_account": "--account is the connection's: Stripe(account=…)",
    "config": "check of a config",
    "to": "a config names it",
    "since": "a config names it",
    "schema": "a config names it",
}
VERBS = [name for name in commands.commands if name not in NO_METHOD]


@connection_options
@output_options
def nothing() -> None:
    """Take what every command takes that has an account or an output."""


def option_names(command: click.Command) -> set[str]:
    """Return the options as people write them, without those of the connection and of the output."""
    shared = {option for parameter in nothing.__click_params__ for option in parameter.opts}  # type: ignore[attr-defined]
    names = {max(parameter.opts, key=len) for parameter in command.params if not set(parameter.opts) & shared}
    own = {
        "load": {"--to", "--table", "--format", "--key", "--mode", "--on-new-column"},
        "request": {"--key", "--replace"},
    }  # of --save
    return {name.lstrip("-").replace("-", "_") for name in names | own.get(command.name or "", set())}


@pytest.mark.parametrize("name", commands.commands)
def test_every_command_is_a_method_of_the_same_name(name: str) -> None:
    assert callable(getattr(Stripe, name, None)) != (name in NO_METHOD)


@pytest.mark.parametrize("name", VERBS)
def test_a_methods_parameters_are_the_commands_options(name: str) -> None:
    options = {RENAMED.get((name, option), (option, ""))[0] for option in option_names(commands.commands[name])}
    options -= {""}
    parameters = set(inspect.signature(getattr(Stripe, name)).parameters) - {"self"}
    assert options - parameters == set()
    assert parameters - options <= PYTHON_ONLY.keys()


PUBLIC = [value for name, value in vars(Stripe).items() if callable(value) and not name.startswith("_")]


@pytest.mark.parametrize("method", [Stripe.__init__, Stripe.load, *PUBLIC])
def test_no_public_signature_takes_anything_at_all(method: Callable[..., object]) -> None:
    for parameter in inspect.signature(method).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty or parameter.name == "self"
        assert "Any" not in str(parameter.annotation)


def test_one_text_where_a_list_may_stand_is_a_list_of_one(stripe: Stripe) -> None:
    assert stripe.extract("customers", columns="id").schema.names == ["id"]
    assert stripe.extract("customers", "email=nobody@example.com", limit=1).to_arrow().num_rows == 0
    assert [check.what for check in stripe.check("customers")][-1] == "customers"
    assert stripe.request("GET", "customers", query="limit=2").to_arrow().num_rows == 2
    assert "allow" not in stripe.request("DELETE", "customers/cus_1", allow="delete").plan


def test_no_columns_at_all_is_an_error_and_not_a_crash(stripe: Stripe) -> None:
    with pytest.raises(ConnectorError, match="No column is named"):
        stripe.extract("customers", columns=[])


def test_a_repr_says_what_a_thing_is(stripe: Stripe, tmp_path: object) -> None:
    assert repr(stripe.endpoints["coupons"]) == "<endpoint coupons: 15 columns, from /v1/coupons>"
    assert repr(stripe.endpoints).startswith(f"<{len(list(stripe.endpoints))} endpoints: account, ")
    coupons = stripe.extract("coupons", columns="id", limit=1)
    assert repr(coupons) == "<coupons: 1 column, not read yet>"
    report = stripe.load(coupons, f"duckdb:///{tmp_path}/c.duckdb", "coupons", key="id")
    assert ": 1 row read, 1 inserted, 0 updated" in repr(report)
    assert "has been made" in str(report)
    assert repr(coupons.report).startswith("<coupons: 1 row, 1 request, ")
    synced = stripe.sync(["coupons"], to=f"duckdb:///{tmp_path}/s.duckdb")
    assert repr(synced) == "<sync of 1 endpoint: 1 succeeded>"


def test_dates_are_described_in_the_connections_time_zone(stripe: Stripe) -> None:
    meanings = {meaning.comparison: meaning for meaning in stripe.dates("2022-01-31")}
    assert meanings[">= 2022-01-31"].utc_from == "2022-01-31 00:00:00+00:00"
