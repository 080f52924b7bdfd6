"""Results in Python: Arrow streams that every library takes, in every form, and warnings."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import duckdb
import pandas as pd
import polars
import pyarrow as pa
import pytest

from connector import ConnectorWarning, MissingExtra, Stripe
from connector.cli.app import run
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.command_line import Run


def test_every_library_takes_a_result_as_it_is(sandbox: Sandbox) -> None:
    with account(sandbox) as stripe:
        customers = stripe.extract("customers", columns=["id", "created", "balance"], limit=250)
        rows = pa.table(customers)
        with duckdb.connect() as database:
            counts = database.sql("SELECT count(*), count(DISTINCT id) FROM customers").fetchall()
        assert counts == [(rows.num_rows, rows.num_rows)]
        assert polars.DataFrame(customers).shape == (rows.num_rows, 3)
        assert pd.DataFrame.from_arrow(customers).shape == (rows.num_rows, 3)  # type: ignore[attr-defined]  # pandas 3
        assert pa.RecordBatchReader.from_stream(customers).schema == customers.schema
        assert len(sandbox.requests) == 3, "three pages, read once"


def test_a_result_becomes_polars_excel_and_json_lines(stripe: Stripe, tmp_path: Path) -> None:
    coupons = stripe.extract("coupons", columns=["id", "percent_off", "created"])
    frame = coupons.to_polars()
    assert frame.schema["created"] == polars.Datetime("us", "UTC")
    assert coupons.to_jsonl(tmp_path / "coupons.jsonl") == frame.height
    assert coupons.to_excel(tmp_path / "coupons.xlsx", sheet="Coupons") == frame.height
    lines = (tmp_path / "coupons.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == frame["id"].to_list()
    assert Stripe.load(str(tmp_path / "coupons.xlsx"), f"{tmp_path}/c.duckdb", "c", key="id").rows_read == frame.height


def test_rows_that_are_not_all_are_a_warning_in_pythons_words(stripe: Stripe) -> None:
    with pytest.warns(ConnectorWarning, match="there are more rows; paginate=True reads them all"):
        stripe.request("GET", "/v1/events", filter="$.data[*]").to_pandas()


def test_what_an_object_has_that_is_new_is_a_warning(sandbox: Sandbox) -> None:
    coupon = next(sandbox.truth("coupon"))
    sandbox.put("coupon", {**coupon, "novelty": 1})
    with account(sandbox) as stripe, pytest.warns(ConnectorWarning, match=r"novelty is new to this connector; 1 value"):
        stripe.extract("coupons").to_arrow()


def test_rows_with_nothing_to_tell_warn_of_nothing(stripe: Stripe) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stripe.extract("charges", limit=5).to_arrow()


@pytest.mark.usefixtures("no_rate_limits")
def test_a_command_says_it_once_and_in_its_own_words(connector: Run) -> None:
    code, _, err = connector("request", "GET", "/v1/events", "--filter", "$.data[*]", "--to", "events.jsonl")
    assert code == 0
    assert err.count("there are more rows") == 1
    assert "--paginate reads them all" in err
    assert run(["--version"]) == 0


def test_without_polars_one_line_says_how_to_get_it(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"polars DataFrame needs a library .* install .*polars"):
        stripe.extract("coupons", limit=1).to_polars()
