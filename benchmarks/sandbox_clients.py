"""Whether clients that are not ours read the sandbox: `python benchmarks/sandbox_clients.py [NAME…]`.

Names are those of CLIENTS. Each is installed from its own package into an environment of its own, reads every stream
that it has from a sandbox, and what it says that it has read is counted beside what Stripe's lists give. Not part of
the tests: it takes minutes, and needs `uv` and a package index. dlt's Stripe source comes by `dlt init`, from where
DLT_SOURCES says: a clone of its repository of sources, or else the repository itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from connector.sandbox import Sandbox

REDIRECT = """
import os, requests
_send = requests.Session.send
def send(self, request, **settings):
    for host in ("https://api.stripe.com", "https://files.stripe.com"):
        request.url = request.url.replace(host, os.environ["SANDBOX_URL"], 1)
    return _send(self, request, **settings)
requests.Session.send = send
"""
"""Clients whose host cannot be set find the sandbox all the same."""

DLT = """
from dlt.sources.rest_api import rest_api_resources
import json, os
paths = ["customers", "charges", "invoices", "subscriptions", "events", "balance_transactions", "prices"]
auth = {"type": "http_basic", "username": os.environ["SANDBOX_KEY"], "password": ""}
pages = {"type": "cursor", "cursor_path": "data[-1].id", "cursor_param": "starting_after"}
client = {"base_url": os.environ["SANDBOX_URL"] + "/v1/", "auth": auth, "paginator": pages}
def endpoint(path):
    all_of_them = {"status": "all"} if path == "subscriptions" else {}
    return {"path": path, "params": {"limit": 100, **all_of_them}, "data_selector": "data"}
endpoints = [{"name": path, "endpoint": endpoint(path)} for path in paths]
for resource in rest_api_resources({"client": client, "resources": endpoints}):
    print(json.dumps({"stream": resource.name, "rows": sum(1 for _ in resource)}))
"""

DLT_STRIPE = """
import dlt, json, os, stripe
stripe.api_base = os.environ["SANDBOX_URL"]
from stripe_analytics import incremental_stripe_source, stripe_source
for source in (stripe_source, incremental_stripe_source):
    pipeline = dlt.pipeline(source.__name__, "pipelines", destination="duckdb")
    pipeline.run(source(stripe_secret_key=os.environ["SANDBOX_KEY"]))
    for stream, rows in pipeline.last_trace.last_normalize_info.row_counts.items():
        if "__" not in stream and not stream.startswith("_dlt"):
            print(json.dumps({"stream": stream, "rows": rows}))
"""
"""All that dlt's Stripe source has, what it replaces and what it appends, loaded into a DuckDB file."""

LIBRARY = """
import inspect, json, os, stripe, sys
client = stripe.StripeClient(os.environ["SANDBOX_KEY"], base_addresses={"api": os.environ["SANDBOX_URL"]})
def services(parent):
    for name in getattr(sys.modules[type(parent).__module__], "_subservices", ()):
        yield name, getattr(parent, name)
        yield from services(getattr(parent, name))
for name, service in services(client.v1):
    if next(iter(inspect.signature(getattr(service, "list", len)).parameters)) != "params":
        continue  # it has no list, or one that needs a parent
    try:
        page = service.list({"status": "all"} if name == "subscriptions" else {})
    except stripe.InvalidRequestError as error:
        if "required" in str(error).lower():
            continue  # the same, said by a parameter
        raise
    print(json.dumps({"stream": page.url.removeprefix("/v1/"), "rows": sum(1 for _ in page.auto_paging_iter())}))
"""
"""Every list of the official library that needs no parent, page by page."""


class Client(NamedTuple):
    """A client: its packages, and the counts of rows that it says to have read, by stream."""

    packages: tuple[str, ...]
    read: Callable[[Path, Sandbox], Counter[str]]


def main(names: list[str]) -> None:
    with Sandbox(rps=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        for name in names or CLIENTS:
            environment = Path(folder, name)
            installed(environment, CLIENTS[name].packages)
            print(f"{name:44} {'read':>8} {'held':>8}")
            read = CLIENTS[name].read(environment, sandbox)
            for stream, rows in sorted(read.items()):
                held = count(sandbox, name, stream)
                equal = "" if held in (rows, None) else "differs"
                print(f"  {stream:42} {rows:8,} {'?' if held is None else format(held, ','):>8} {equal}")


def installed(environment: Path, packages: tuple[str, ...]) -> None:
    """Make an environment with these packages."""
    subprocess.run(["uv", "venv", "-q", "--python", "3.11", environment], check=True)
    subprocess.run(["uv", "pip", "install", "-q", "--no-config", "--python", environment, *packages], check=True)


def count(sandbox: Sandbox, client: str, stream: str) -> int | None:
    """Return how many objects a client should read as a stream, None where Stripe has no list of that name any more.

    That is what the list of the stream gives, or all lists of it below their parents.
    """
    if stream == "usage_records":
        return 0  # in former versions only; the sandbox's usage is metered
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60) as http:
        if (client, stream) in BEYOND_LISTS:
            return sum(1 for _ in sandbox.truth(BEYOND_LISTS[client, stream]))
        above, child = CHILDREN.get(stream, ("", PATHS.get(stream, f"/v1/{stream}")))
        if (client, stream) in BELOW_PARENTS:
            above, child = BELOW_PARENTS[client, stream]
        if not above:
            return listed(http, child.replace("OWN", sandbox.account))
        parents = (parent for page in pages(http, above) for parent in page)
        return sum(listed(http, child.format(**parent)) or 0 for parent in parents)


def listed(http: httpx.Client, path: str) -> int | None:
    """Return how many objects a list has, None where there is no such list."""
    try:
        return sum(len(page) for page in pages(http, path))
    except httpx.HTTPStatusError:
        return None


def pages(http: httpx.Client, path: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list."""
    after = dict[str, str]()
    while True:
        wanted = {**({} if path in UNPAGED else {"limit": "100"}), **ALWAYS.get(path, {}), **after}
        response = http.get(httpx.URL(path).copy_merge_params(wanted)).raise_for_status()
        page = response.json()
        yield page["data"]
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


PATHS = {
    "checkout_sessions": "/v1/checkout/sessions", "invoice_items": "/v1/invoiceitems", "top_ups": "/v1/topups",
    "subscription_schedule": "/v1/subscription_schedules", "early_fraud_warnings": "/v1/radar/early_fraud_warnings",
    **{name: f"/v1/issuing/{name}" for name in ("authorizations", "cardholders", "cards", "transactions")},
    **{name: f"/v1/{name}s" for name in (
        "account", "balance_transaction", "coupon", "customer", "event", "invoice", "price", "product", "subscription",
    )},
}  # fmt: skip
_PAID_OUT = ("/v1/payouts", "/v1/balance_transactions?payout={id}")
CHILDREN = {
    "application_fees_refunds": ("/v1/application_fees", "/v1/application_fees/{id}/refunds"),
    "bank_accounts": ("/v1/customers", "/v1/customers/{id}/sources?object=bank_account"),
    "checkout_sessions_line_items": ("/v1/checkout/sessions", "/v1/checkout/sessions/{id}/line_items"),
    "customer_balance_transactions": ("/v1/customers", "/v1/customers/{id}/balance_transactions"),
    "external_account_bank_accounts": ("", "/v1/accounts/OWN/external_accounts?object=bank_account"),
    "external_account_cards": ("", "/v1/accounts/OWN/external_accounts?object=card"),
    "invoice_line_items": ("/v1/invoices", "/v1/invoices/{id}/lines"),
    "payout_balance_transactions": _PAID_OUT,
    "payout_transactions": _PAID_OUT,
    "persons": ("/v1/accounts", "/v1/accounts/{id}/persons"),
    "setup_attempts": ("/v1/setup_intents", "/v1/setup_attempts?setup_intent={id}"),
    "subscription_items": ("/v1/subscriptions", "/v1/subscription_items?subscription={id}"),
    "transfer_reversals": ("/v1/transfers", "/v1/transfers/{id}/reversals"),
}
"""Streams that are read below a parent: the parent's list, and the list of the stream."""
BELOW_PARENTS = {
    ("airbyte", "payment_methods"): ("/v1/customers", "/v1/customers/{id}/payment_methods"),
}
"""Streams that a client reads by their parents alone, where Stripe has a list of all: it misses those without."""
UNPAGED = {"/v1/reporting/report_types"}
ALWAYS = {"/v1/subscriptions": {"status": "all"}}
BEYOND_LISTS = {
    ("tap-stripe", "subscriptions"): "subscription",
    ("tap-stripe", "subscription_items"): "subscription_item",
}
"""Streams of which a client reads what lists leave out: tap-stripe takes changes from events, of test clocks too."""


def lines(environment: Path, sandbox: Sandbox, script: str, *arguments: str) -> Iterator[dict[str, object]]:
    """Run a script in an environment; yield the JSON that it prints."""
    variables = {**os.environ, "SANDBOX_URL": sandbox.url, "SANDBOX_KEY": sandbox.key}
    command = [str(environment / "bin" / "python"), "-c", script, *arguments]
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=environment
    ) as running:
        for line in running.stdout or ():
            if line.startswith("{"):
                yield json.loads(line)


def config(environment: Path, sandbox: Sandbox) -> str:
    """Write the settings that both Singer and Airbyte take; return the file."""
    (account,) = sandbox.truth("account")
    settings = {"client_secret": sandbox.key, "account_id": account["id"], "start_date": "2020-01-01T00:00:00Z"}
    file = environment / "config.json"
    file.write_text(json.dumps(settings))
    return str(file)


def tap(environment: Path, sandbox: Sandbox) -> Counter[str]:
    """Let the Singer tap discover its streams and read them all."""
    script = f"{REDIRECT}\nimport sys, tap_stripe\ntap_stripe.main()"
    settings, catalogue = config(environment, sandbox), environment / "catalogue.json"
    variables = {**os.environ, "SANDBOX_URL": sandbox.url}
    command = [str(environment / "bin" / "python"), "-c", script, "--config", settings, "--discover"]
    found = json.loads(subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=True).stdout)
    for stream in found["streams"]:
        next(each for each in stream["metadata"] if each["breadcrumb"] == [])["metadata"]["selected"] = True
    catalogue.write_text(json.dumps(found))
    ids: dict[str, set[object]] = {stream["stream"]: set() for stream in found["streams"]}
    for message in lines(environment, sandbox, script, "--config", settings, "--catalog", str(catalogue)):
        if message["type"] == "RECORD":
            record: dict[str, object] = message["record"]  # type: ignore[assignment]  # an object, as Singer says
            ids[str(message["stream"])].add(record.get("id"))
    return Counter({stream: len(found) for stream, found in ids.items()})


def airbyte(environment: Path, sandbox: Sandbox) -> Counter[str]:
    """Let Airbyte's connector discover its streams and read them all."""
    script = f"{REDIRECT}\nfrom source_stripe.run import run\nrun()"
    settings, catalogue = config(environment, sandbox), environment / "catalogue.json"
    streams: list[dict[str, str]] = []
    for message in lines(environment, sandbox, script, "discover", "--config", settings):
        if message["type"] == "CATALOG":
            streams = message["catalog"]["streams"]  # type: ignore[index]  # an object, as Airbyte says
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    catalogue.write_text(json.dumps({"streams": [{"stream": stream, **modes} for stream in streams]}))
    counts = Counter({stream["name"]: 0 for stream in streams})
    for message in lines(environment, sandbox, script, "read", "--config", settings, "--catalog", str(catalogue)):
        if message["type"] == "RECORD":
            counts[message["record"]["stream"]] += 1  # type: ignore[index]  # an object, as Airbyte says
    return counts


def dlt_stripe(environment: Path, sandbox: Sandbox) -> Counter[str]:
    """Let dlt's own Stripe source read all that it has."""
    location = ["--location", os.environ["DLT_SOURCES"]] if "DLT_SOURCES" in os.environ else []
    command = [str(environment / "bin" / "dlt"), "--non-interactive", "init", "stripe_analytics", "duckdb", *location]
    subprocess.run(command, check=True, cwd=environment, stdout=subprocess.DEVNULL)
    return counted(environment, sandbox, DLT_STRIPE)


def library(environment: Path, sandbox: Sandbox) -> Counter[str]:
    """Let the official Python library read every list."""
    return counted(environment, sandbox, LIBRARY)


def counted(environment: Path, sandbox: Sandbox, script: str) -> Counter[str]:
    """Run a script that counts rows itself; return them by stream."""
    found = lines(environment, sandbox, script)
    return Counter({str(message["stream"]): int(str(message["rows"])) for message in found})


def dlt(environment: Path, sandbox: Sandbox) -> Counter[str]:
    """Let dlt's generic REST source read some lists."""
    return counted(environment, sandbox, DLT)


CLIENTS = {
    "tap-stripe": Client(("tap-stripe",), tap),
    "airbyte": Client(("airbyte-source-stripe",), airbyte),
    "dlt": Client(("dlt",), dlt),
    "dlt-stripe": Client(("dlt[duckdb]<1.20", "stripe", "pandas"), dlt_stripe),  # in 1.31 its own "append" half fails
    "stripe-python": Client(("stripe",), library),
}


if __name__ == "__main__":
    main(sys.argv[1:])
