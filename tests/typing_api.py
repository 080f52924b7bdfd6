"""The types that users get: checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import pandas as pd
import polars as pl

from connector import Loading, LoadReport, Report, RequestResult, Result, Stripe, SyncReport, major, minor
from connector.api.check import Check
from connector.dates import Meaning
from connector.definitions.endpoint import Endpoint

with Stripe() as stripe:
    assert_type(stripe, Stripe)
    assert_type(stripe.endpoints["invoices"], Endpoint)

    rows = stripe.extract("invoices", status="paid", created={"gte": "yearstart"}, columns="id", limit=10)
    assert_type(rows, Result)
    assert_type(rows.report, Report)
    assert_type(rows.to_pandas(), pd.DataFrame)
    assert_type(rows.to_csv(Path("invoices.csv"), excel=True), int)
    assert_type(rows.to_parquet("invoices.parquet"), int)
    assert_type(rows.to_jsonl("invoices.jsonl"), int)
    assert_type(rows.to_excel("invoices.xlsx", sheet="Paid"), int)
    assert_type(rows.to_polars(), pl.DataFrame)
    for batch in rows:
        assert_type(batch.num_rows, Any)  # pyarrow has no types of its own
    stripe.extract("invoices", ["status=paid"], limit="ten")  # type: ignore[arg-type]

    response = stripe.request("GET", "/v1/events", query={"type": "invoice.paid"}, filter="$.data[*]", paginate=True)
    assert_type(response, RequestResult)
    assert_type(response.raw, bytes)
    assert_type(response.status, int)
    assert_type(response.download(), Path)
    stripe.request("GET", "/v1/events", filtr="$.data[*]")  # type: ignore[call-arg]

    assert_type(stripe.check("customers"), Iterable[Check])
    assert_type(stripe.dates("monthstart-1d"), list[Meaning])
    assert_type(stripe.sync(["customers"], to="duckdb:///stripe.duckdb"), SyncReport)
    assert_type(stripe.load(rows, "duckdb:///crm.duckdb", "invoices", key="id"), LoadReport)
    stripe.load(rows, "duckdb:///crm.duckdb", on_new_colum="add")  # type: ignore[call-arg]

Stripe(key="sk_test_123", time_zone="Europe/Berlin", max_rps=50)
Stripe("shop", trusted_hosts="proxy.example.com", definitions="my_tables")
Stripe(api_bas="http://127.0.0.1")  # type: ignore[call-arg]

assert_type(Loading(mode="mirror", key="id").mode, str)
assert_type(major(1999, "usd"), Decimal | None)
assert_type(minor("19.99", "usd"), int)
