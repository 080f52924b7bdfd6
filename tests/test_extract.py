"""Extract: exactly the rows and values that Stripe holds, whatever happens on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet

from connector import Stripe, major
from connector.definitions.endpoint import Endpoint, Endpoints
from connector.definitions.parts import Column
from connector.errors import (
    ConditionError,
    DataError,
    PermissionDenied,
    RateLimited,
    StripeUnavailable,
    UsageError,
)
from connector.sandbox import Sandbox
from connector.sandbox.reads.samples import samples
from tests.accounts import NOW, account, keep_the_newest
from tests.fake_clock import FakeClock
from tests.scripted_server import Answer, ScriptedServer

ENDPOINTS = Endpoints()
HELD = (  # what the sandbox holds a history of; of the rest it has samples
    "balance_transactions", "billing_meters", "charges", "checkout_sessions", "coupons", "credit_notes", "customers",
    "disputes", "events", "invoice_items", "invoice_lines", "invoice_payments", "invoices", "payment_intents",
    "payment_link_lines", "payment_links", "payment_methods", "payouts", "prices", "products", "refunds",
    "subscription_items", "subscriptions",
)  # fmt: skip
ASKED: dict[str, dict[str, Any]] = {
    "app_secrets": {"scope": "account"},
    "billing_meter_event_summaries": {"start_time": {"gte": "yesterday", "lt": "today"}},
    "financial_connections_account_owners": {"ownership": "fcaowns_sample"},
    "tax_locations": {"type": "performance"},
}
MAY_BE_EMPTY = {"setup_attempts", "billing_meter_event_summaries", "report_runs"}  # where nobody made any yet
ON_A_CLOCK = {"customers", "subscriptions", "subscription_items"}
ON_REQUEST = {"tiers", "currency_options"}  # of a price, which lists show to those who ask for them
OCTOBER = 1790812800  # 2026-10-01T00:00:00Z
THIRTY_DAYS = 30 * 86_400


def value_at(record: Any, column: Column) -> Any:
    """Return a column's value as an independent reading of the record has it."""
    for key in column.path:
        record = record.get(key) if isinstance(record, dict) else None
    if record is None:
        return None
    if column.type == "text" and isinstance(record, dict):
        return record["id"]
    if column.type == "timestamp":
        return datetime.fromtimestamp(record, UTC)
    return Decimal(str(record)) if column.type == "decimal" else record


def row_of(endpoint: Endpoint, record: dict[str, Any]) -> dict[str, Any]:
    if isinstance(record.get("price"), dict):
        record = {**record, "price": {key: record["price"][key] for key in record["price"].keys() - ON_REQUEST}}
    row = {column.name: value_at(record, column) for column in endpoint.columns if column.path}
    for parent in endpoint.parents:
        row.setdefault(parent.column, record["_parent"])
    return row


def truth(sandbox: Sandbox, endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Yield what a list of this table must show of the sandbox's objects."""
    clocks = {each["id"] for each in sandbox.truth("subscription") if each.get("test_clock")}
    for record in sandbox.truth(endpoint.object[0]):
        on_a_clock = record.get("test_clock") or record.get("subscription") in clocks
        if endpoint.name in ON_A_CLOCK and on_a_clock:
            continue
        if endpoint.name == "events" and record["created"] < NOW - THIRTY_DAYS:
            continue
        if endpoint.name == "payment_link_lines" and not record["_parent"].startswith("plink_"):
            continue
        yield row_of(endpoint, record)


def comparable(row: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    parsed = {column.name for column in endpoint.columns if column.type == "json"}
    return {
        name: json.loads(value) if name in parsed and value is not None else value
        for name, value in row.items()
        if name != "_extra"
    }


def asked(name: str, sandbox: Sandbox) -> dict[str, Any]:
    """Return the conditions that a table cannot be read without."""
    endpoint = ENDPOINTS[name]
    if not endpoint.path:
        return {"id": samples(sandbox.store, endpoint.object[0])[0]["id"]}
    above = [parent for parent in endpoint.parents if not ENDPOINTS[parent.table].path]
    held: dict[str, Any] = {
        parent.column: samples(sandbox.store, ENDPOINTS[parent.table].object[0])[0]["id"] for parent in above
    }
    return {**held, **ASKED.get(name, {})}


@pytest.fixture(scope="module")
def few_parents() -> Iterator[Sandbox]:
    """A sandbox with few of what is asked for one by one, where a table has a list of its own for each."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield keep_the_newest(sandbox, {"credit_note": 40, "customer": 120, "payment_intent": 60})


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if name not in HELD])
def test_every_other_endpoint_is_read_into_its_declared_types(name: str, few_parents: Sandbox) -> None:
    with account(few_parents) as stripe:
        result = stripe.extract(name, asked(name, few_parents), limit=200)
        rows = result.to_arrow().to_pylist()
    assert rows or name in MAY_BE_EMPTY
    keys = [tuple(row[column] for column in ENDPOINTS[name].primary_key) for row in rows]
    assert len(set(keys)) == len(keys) or not ENDPOINTS[name].primary_key
    assert {row["_extra"] for row in rows} <= {None}
    assert not result.report.undeclared
    assert not result.report.misfits


@pytest.mark.parametrize("name", HELD)
def test_every_endpoint_gives_exactly_the_rows_and_values_that_stripe_holds(
    name: str, shared_sandbox: Sandbox, stripe: Stripe
) -> None:
    endpoint = ENDPOINTS[name]
    result = stripe.extract(name)
    rows = result.to_arrow().to_pylist()

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[column] for column in endpoint.primary_key)

    expected = {key(row): row for row in truth(shared_sandbox, endpoint)}
    assert len(expected) >= 3
    assert len(rows) == len(expected)
    found = {key(row): comparable(row, endpoint) for row in rows}
    assert found.keys() == expected.keys()
    for each, row in expected.items():
        assert found[each] == row
    assert {row["_extra"] for row in rows} == {None}
    assert not result.report.undeclared
    assert not result.report.misfits


def test_the_balance_has_a_row_per_kind_and_currency(shared_sandbox: Sandbox, stripe: Stripe) -> None:
    (balance,) = shared_sandbox.truth("balance")
    rows = stripe.extract("balance").to_arrow().to_pylist()
    for kind in ("available", "pending"):
        expected = {each["currency"]: each["amount"] for each in balance[kind]}
        assert {row["currency"]: row["amount"] for row in rows if row["kind"] == kind} == expected
    assert {row["livemode"] for row in rows} == {False}
    assert {row["_extra"] for row in rows} == {None}


def test_a_manual_payout_does_not_fail_the_table_of_what_payouts_are_made_of(
    shared_sandbox: Sandbox, stripe: Stripe
) -> None:
    payouts = {each["id"]: each for each in shared_sandbox.truth("payout")}
    assert {each["automatic"] for each in payouts.values()} == {True, False}
    result = stripe.extract("payout_transactions")
    totals: Counter[str] = Counter()
    for row in result.to_arrow().to_pylist():
        totals[row["payout"]] += row["net"] if row["type"] != "payout" else 0
    assert totals == {name: each["amount"] for name, each in payouts.items() if each["automatic"]}
    assert result.report.notes == []


def test_a_child_of_two_parents_is_read_for_each_pair_in_its_window(shared_sandbox: Sandbox, stripe: Stripe) -> None:
    customers = [each["id"] for each in shared_sandbox.truth("customer") if not each.get("test_clock")][:30]
    window = ["start_time>=2026-10-01", "start_time<2026-10-29"]
    result = stripe.extract("billing_meter_event_summaries", [*window, f"customer={','.join(customers)}"])
    rows = result.to_arrow().to_pylist()
    expected = set()
    for meter in shared_sandbox.truth("billing.meter"):
        for customer in customers:
            answer = httpx.get(
                f"{shared_sandbox.url}/v1/billing/meters/{meter['id']}/event_summaries",
                params={"customer": customer, "start_time": OCTOBER, "end_time": OCTOBER + 28 * 86_400},
                auth=(shared_sandbox.key, ""),
            )
            summaries = answer.raise_for_status().json()["data"]
            expected |= {(customer, each["meter"], each["aggregated_value"], each["id"]) for each in summaries}
    assert {(row["customer"], row["meter"], row["aggregated_value"], row["id"]) for row in rows} == expected
    assert len(rows) == len(expected) > 5
    assert {row["_extra"] for row in rows} == {None}


@pytest.fixture(scope="module")
def all_rows(shared_sandbox: Sandbox) -> Callable[[str], list[dict[str, Any]]]:
    """What a list of a table must show when nothing narrows it; worked out once."""
    return cache(lambda name: list(truth(shared_sandbox, ENDPOINTS[name])))


def test_rows_come_newest_first_and_keep_that_order(stripe: Stripe) -> None:
    created = stripe.extract("charges", columns=["created"]).to_arrow().column("created").to_pylist()
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(
    ("endpoint", "where"),
    [
        ("customers", ["email=nobody@example.com"]),
        ("invoices", ["status=paid", "created>=monthstart-6m"]),
        ("invoices", ["status=open,draft"]),
        ("invoices", ["amount_due>100000", "currency=usd"]),
        ("invoices", ["collection_method=send_invoice", "due_date<today"]),
        ("invoices", ["customer_email="]),
        ("products", ["active=false"]),
        ("prices", ["active=true", "type=recurring"]),
        ("payouts", ["status=paid", "arrival_date<2026-10-01"]),
        ("balance_transactions", ["currency=eur", "type=charge"]),
        ("balance_transactions", ["available_on>=2026-10-30"]),
        ("invoice_items", ["pending=true"]),
        ("subscriptions", ["status=canceled"]),
        ("subscriptions", ["status!=canceled"]),
        ("charges", ["amount<=5000", "paid=true"]),
        ("events", ["type=invoice.*"]),
        ("events", ["type=invoice.paid,charge.succeeded"]),
    ],
)
def test_conditions_keep_exactly_the_rows_that_meet_them(
    endpoint: str, where: list[str], stripe: Stripe, all_rows: Callable[[str], list[dict[str, Any]]]
) -> None:
    kept = stripe.extract(endpoint, where).to_arrow().column("id").to_pylist()
    assert sorted(kept) == sorted(_meeting(where, all_rows(endpoint)))


def _meeting(where: list[str], rows: list[dict[str, Any]]) -> list[str]:
    """Decide the conditions by plain Python over the truth: written once more, on purpose differently."""
    from connector.dates import Calendar, resolve
    from connector.extract.conditions import parse

    clock = Calendar.system()

    def meets(row: dict[str, Any], text: str) -> bool:
        condition = parse(text)
        if condition.word == "pending":
            return (row["invoice"] is None) == (condition.values == ("true",))
        found = row[condition.word]
        any_of = False
        for value in condition.values:
            if value is None or found is None:
                any_of |= value is None and found is None
            elif isinstance(found, datetime):
                moment, second = resolve(value, clock), int(found.timestamp())
                any_of |= {
                    "<": second < moment.first,
                    ">=": second >= moment.first,
                }[condition.operator]
            elif isinstance(found, bool):
                any_of |= found == (value == "true")
            elif isinstance(found, int):
                any_of |= {"<=": found <= int(value), ">": found > int(value)}[condition.operator]
            else:
                any_of |= found.startswith(value[:-1]) if value.endswith("*") else found == value
        return any_of if condition.operator != "!=" else not any_of and found is not None

    return [row["id"] for row in rows if all(meets(row, text) for text in where)]


def test_a_list_without_rows_for_a_condition_has_all_its_columns(stripe: Stripe) -> None:
    table = stripe.extract("customers", email="nobody@example.com").to_arrow()
    assert table.num_rows == 0
    assert len(table.column_names) > 40


@pytest.mark.parametrize("limit", [0, 1, 99, 100, 101, 250])
def test_a_limit_counts_rows_and_asks_for_no_more_pages_than_needed(limit: int, stripe: Stripe) -> None:
    result = stripe.extract("charges", limit=limit)
    assert result.to_arrow().num_rows == limit
    assert result.report.requests == -(-limit // 100)


def test_a_limit_counts_after_conditions_that_are_decided_here(stripe: Stripe) -> None:
    result = stripe.extract("charges", ["amount>5000"], limit=7)
    assert result.to_arrow().num_rows == 7
    assert result.report.rows_read > 7
    assert any("to keep 7" in line for line in result.report.lines())


def test_strict_refuses_to_read_rows_that_are_not_kept(stripe: Stripe, shared_sandbox: Sandbox) -> None:
    before = shared_sandbox.stats()["requests"]
    with pytest.raises(ConditionError, match="--strict refuses"):
        stripe.extract("charges", ["amount>5000"], strict=True)
    assert shared_sandbox.stats()["requests"] == before
    assert stripe.extract("charges", ["created>=2026-10-01"], strict=True).to_arrow().num_rows


def test_columns_come_in_the_order_asked_for_also_those_only_conditions_need(stripe: Stripe) -> None:
    table = stripe.extract("charges", ["amount>5000"], columns=["currency", "ID"], limit=3).to_arrow()
    assert table.column_names == ["currency", "id"]


def test_by_id_objects_are_retrieved_and_what_is_not_there_is_said(sandbox: Sandbox) -> None:
    first, second, *_ = (each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))
    sandbox.delete("customer", second)
    with account(sandbox) as stripe:
        result = stripe.extract("customers", id=[first, second, "cus_nothing"])
        assert result.to_arrow().column("id").to_pylist() == [first]
    assert [note.split(": ")[1] for note in result.report.notes] == [
        f"{second} has been deleted.", "there is no cus_nothing."
    ]  # fmt: skip
    assert {each.path for each in sandbox.requests} == {
        f"/v1/customers/{each}" for each in (first, second, "cus_nothing")
    }


def test_an_id_can_never_lead_to_another_path(sandbox: Sandbox) -> None:
    with account(sandbox) as stripe:
        assert stripe.extract("customers", id="../invoices").to_arrow().num_rows == 0
    assert all(each.path.startswith("/v1/customers/") for each in sandbox.requests)


def test_lines_of_one_invoice_are_read_without_walking_all_invoices(
    sandbox: Sandbox,
) -> None:
    longest = max(sandbox.truth("invoice"), key=lambda each: len(each["lines"]["data"]))
    with account(sandbox) as stripe:
        rows = stripe.extract("invoice_lines", invoice=longest["id"]).to_arrow()
    assert rows.column("id").to_pylist() == [line["id"] for line in longest["lines"]["data"]]
    assert {each.path for each in sandbox.requests} == {f"/v1/invoices/{longest['id']}/lines"}


def test_embedded_lines_are_used_and_only_the_rest_is_fetched(sandbox: Sandbox) -> None:
    with account(sandbox) as stripe:
        result = stripe.extract("invoice_lines", columns=["id"])
        result.to_arrow()
    invoices = list(sandbox.truth("invoice"))
    long = [each for each in invoices if len(each["lines"]["data"]) > 10]
    assert long
    pages = -(-len(invoices) // 100)
    assert result.report.requests == pages + len(long)


@pytest.mark.parametrize("gone", [1, 2, 40, 100])
def test_objects_deleted_between_pages_do_not_break_the_walk(gone: int, sandbox: Sandbox) -> None:
    listed = [each["id"] for each in sandbox.truth("customer") if not each.get("test_clock")]
    assert len(listed) > 110
    with account(sandbox) as stripe:
        batches = iter(stripe.extract("customers", columns=["id"]))
        read = next(batches).column("id").to_pylist()
        for each in read[-gone:]:
            sandbox.delete("customer", each)
        read += [each for batch in batches for each in batch.column("id").to_pylist()]
    assert read == listed


def test_a_price_that_changes_sides_while_both_are_read_is_not_missed(sandbox: Sandbox) -> None:
    hidden = next(each for each in sandbox.truth("price") if not each["active"])
    with account(sandbox) as stripe:
        batches = iter(stripe.extract("prices", columns=["id"]))
        read = next(batches).column("id").to_pylist()
        sandbox.put("price", {**hidden, "active": True})
        read += [each for batch in batches for each in batch.column("id").to_pylist()]
    assert sorted(read) == sorted(each["id"] for each in sandbox.truth("price"))


@pytest.mark.parametrize("fault", ["drop", "500", "503", "truncate"])
def test_a_call_that_goes_wrong_once_costs_no_row(fault: str, sandbox: Sandbox) -> None:
    sandbox.fail(fault, "GET /v1/charges", nth=2)
    with account(sandbox) as stripe:
        result = stripe.extract("charges", columns=["id"])
        assert result.to_arrow().num_rows == len(list(sandbox.truth("charge")))
    assert result.report.retries == 1


@pytest.mark.parametrize(("fault", "error"), [("429", RateLimited), ("503", StripeUnavailable)])
def test_throttling_and_storms_end_in_an_error_never_in_fewer_rows(
    fault: str, error: type[Exception], sandbox: Sandbox
) -> None:
    sandbox.fail(fault, "GET /v1/charges", nth=3, times=10_000)
    with account(sandbox, total_seconds=1, clock=FakeClock()) as stripe, pytest.raises(error):
        stripe.extract("charges").to_arrow()


def test_a_refused_call_is_an_error_never_an_empty_table(sandbox: Sandbox) -> None:
    with account(sandbox, "rk_test_read_customers") as stripe:
        assert stripe.extract("customers").to_arrow().num_rows
        with pytest.raises(PermissionDenied, match="GET /v1/charges"):
            stripe.extract("charges").to_arrow()


def test_a_list_that_ends_without_saying_so_is_an_error() -> None:
    body = b'{"object": "list", "data": [], "has_more": true, "url": "/v1/customers"}'
    with ScriptedServer([Answer(200, body=body)]) as server, Stripe(key="sk_test_1", api_base=server.url) as stripe:
        result = stripe.extract("customers")
        with pytest.raises(DataError, match="has more"):
            result.to_arrow()


def test_half_a_pair_of_surrogates_does_not_stop_a_page() -> None:
    body = (
        rb'{"object": "list", "data": [{"id": "cus_1", "object": "customer", '
        rb'"name": "a\ud83d\\ud83d \ud83d\ude00"}], "has_more": false}'
    )
    with ScriptedServer([Answer(200, body=body)]) as server, Stripe(key="sk_test_1", api_base=server.url) as stripe:
        assert stripe.extract("customers").to_arrow().column("name").to_pylist() == ["a�\\ud83d 😀"]


def test_a_result_is_a_dataframe_that_knows_nulls_decimals_and_utc(stripe: Stripe) -> None:
    frame = stripe.extract("prices").to_pandas()
    assert str(frame.dtypes["unit_amount"]) == "Int64"
    assert str(frame.dtypes["active"]) == "boolean"
    assert str(frame.dtypes["created"]) == "datetime64[us, UTC]"
    assert {type(each) for each in frame["unit_amount_decimal"].dropna()} == {Decimal}


def test_a_result_written_to_parquet_reads_back_the_same(stripe: Stripe, tmp_path: Path) -> None:
    result = stripe.extract("products")
    rows = result.to_arrow()
    assert result.to_parquet(tmp_path / "products.parquet") == rows.num_rows > 0
    assert parquet.read_table(tmp_path / "products.parquet").equals(rows)


def test_a_result_in_a_notebook_sends_nothing_until_it_is_read(stripe: Stripe, shared_sandbox: Sandbox) -> None:
    before = shared_sandbox.stats()["requests"]
    result = stripe.extract("balance")
    assert repr(result) == "<balance: 9 columns, not read yet>"
    assert result._repr_html_() is None
    assert shared_sandbox.stats()["requests"] == before
    rows = result.to_arrow().num_rows
    assert repr(result) == f"<balance: 9 columns, {rows} rows>"
    assert "<table" in (result._repr_html_() or "")
    result.to_pandas()
    assert shared_sandbox.stats()["requests"] == before + 1, "what was read is kept"


def test_a_negative_limit_and_an_unknown_column_are_refused_at_once(stripe: Stripe) -> None:
    with pytest.raises(UsageError, match="0 or more"):
        stripe.extract("customers", limit=-1)
    with pytest.raises(ConditionError, match="Did you mean email"):
        stripe.extract("customers", columns=["emial"])


def test_amounts_in_major_units_are_decimals_by_their_currency(stripe: Stripe) -> None:
    columns = ["id", "amount", "currency"]
    minor = {row["id"]: row for row in stripe.extract("charges", columns=columns).to_arrow().to_pylist()}
    assert {"jpy", "kwd", "usd"} <= {row["currency"] for row in minor.values()}
    found = stripe.extract("charges", columns=["id", "amount"], major=True).to_arrow()
    assert found.schema == pa.schema({"id": pa.string(), "amount": pa.decimal128(38, 3)})
    assert {row["id"]: row["amount"] for row in found.to_pylist()} == {
        name: major(row["amount"], row["currency"]) for name, row in minor.items()
    }


WITH_AMOUNTS = [name for name in ENDPOINTS if any(column.currency for column in ENDPOINTS[name].columns)]


@pytest.mark.parametrize("name", WITH_AMOUNTS)
def test_every_table_that_has_amounts_gives_them_in_major_units(name: str, few_parents: Sandbox) -> None:
    amounts = [column.name for column in ENDPOINTS[name].columns if column.currency]
    with account(few_parents) as stripe:
        schema = stripe.extract(name, asked(name, few_parents), major=True, limit=1).to_arrow().schema
    assert all(pa.types.is_decimal(schema.field(amount).type) for amount in amounts)


def test_a_search_is_asked_instead_of_the_list_and_says_that_it_may_lag(stripe: Stripe) -> None:
    charges = stripe.extract("charges", currency="jpy").to_arrow()["id"].to_pylist()
    found = stripe.extract("charges", search="currency:'jpy'")
    assert sorted(found.to_arrow()["id"].to_pylist()) == sorted(charges)
    assert "may not know the newest changes" in found.report.notes[0]
    some = stripe.extract("charges", search="currency:'jpy'", status="succeeded")
    assert set(some.to_arrow()["status"].to_pylist()) == {"succeeded"}


def test_what_cannot_be_searched_is_one_clear_line(stripe: Stripe) -> None:
    with pytest.raises(UsageError, match="does not search coupons, but charges, customers"):
        stripe.extract("coupons", search="id:'x'")
    with pytest.raises(UsageError, match="The search is empty"):
        stripe.extract("customers", search="")


def test_a_condition_in_major_units_is_told_the_minor_ones(stripe: Stripe) -> None:
    with pytest.raises(ConditionError, match=r"not \"19.99\". Amounts are in minor units: 1999, where"):
        stripe.extract("invoices", ["amount_due>=19.99"])


def test_a_misspelt_path_to_rows_is_an_error_and_no_empty_table(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    definition = 'description = "x"\npath = "/v1/balance"\nrows = "{}"\nprimary_key = ["currency"]\n'
    definition += 'updates = "none"\ndeletes = "compare"\n[columns]\ncurrency = "text"\namount = "integer"\n'
    for name in ("available", "availible"):
        (tmp_path / f"{name}.toml").write_text(definition.format(name), encoding="utf-8")
    with Stripe(key=shared_sandbox.key, api_base=shared_sandbox.url, max_rps=1e5, definitions=[tmp_path]) as stripe:
        assert stripe.extract("available").to_arrow().num_rows > 1
        with pytest.raises(DataError, match=r"no availible, which `rows` of the definition names\. Did you mean avail"):
            stripe.extract("availible").to_arrow()


def test_lists_below_parents_are_read_side_by_side_and_come_in_their_order() -> None:
    with Sandbox(now=NOW, rps=0, latency_ms=20) as sandbox, account(sandbox) as stripe:
        keep_the_newest(sandbox, {"customer": 40})
        one_by_one = stripe.extract("customer_tax_ids", limit=1_000_000).to_arrow()
        assert sandbox.stats()["most_at_once"] == 1
        assert stripe.extract("customer_tax_ids").to_arrow() == one_by_one
        assert sandbox.stats()["most_at_once"] > 2
