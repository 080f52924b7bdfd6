"""The plan of a write: which object a row means, what differs, what is refused before anything is sent."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from connector import Stripe
from connector.errors import ConnectorError, UsageError
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.command_line import Run
from tests.writing import a_sandbox, an_account

sandbox = pytest.fixture(scope="module")(a_sandbox)
stripe = pytest.fixture(an_account)


def customers(sandbox: Sandbox, count: int) -> list[dict[str, Any]]:
    return [each for each in sandbox.truth("customer") if not each.get("test_clock") and each.get("email")][:count]


def named(sandbox: Sandbox, kind: str, id: str) -> dict[str, Any]:  # noqa: A002
    return next(each for each in sandbox.truth(kind) if each["id"] == id)


def writes(sandbox: Sandbox) -> int:
    calls: dict[str, dict[str, int]] = sandbox.stats()["calls"]
    return sum(sum(statuses.values()) for name, statuses in calls.items() if not name.startswith("GET"))


def test_a_plan_only_reads_and_tells_what_would_change(stripe: Stripe, sandbox: Sandbox, tmp_path: Path) -> None:
    same, other = customers(sandbox, 2)
    before = writes(sandbox)
    frame = pd.DataFrame({"id": [same["id"], other["id"], "cus_none"], "name": [same["name"], "New", "x"]})
    plan = stripe.write("customers", "update", frame)
    shown = repr(plan)
    for line in ("to send              1", "unchanged            1", "in error             1", f"{other['id']}  name:"):
        assert line in shown
    assert 'row 3, column "id"' in shown or "row 3: there is no object with this id." in shown
    assert '→ "New"' in shown
    assert "ledger.sqlite" in shown
    assert "Not sent. What sends it: --apply" in shown
    assert writes(sandbox) == before
    assert not (tmp_path / "ledger.sqlite").exists(), "a plan makes no ledger"


def test_only_what_differs_is_sent(stripe: Stripe, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    row = {"id": [customer["id"]], "name": [customer["name"]], "metadata.segment": ["gold"], "description": ["new"]}
    plan = stripe.write("customers", "update", pd.DataFrame(row))
    assert plan.plan.effects[0].call.form == {"metadata": {"segment": "gold"}, "description": "new"}
    report = plan.apply()
    assert report.counts == {"sent": 1}
    after = named(sandbox, "customer", customer["id"])
    assert (after["metadata"]["segment"], after["description"]) == ("gold", "new")
    assert stripe.write("customers", "update", pd.DataFrame(row)).plan.unchanged == 1


def test_a_live_object_that_drifted_is_mended_by_the_next_run(stripe: Stripe, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    frame = pd.DataFrame({"id": [customer["id"]], "metadata.team": ["blue"]})
    for _ in range(2):
        assert stripe.write("customers", "update", frame).apply().counts == {"sent": 1}
        drifted = named(sandbox, "customer", customer["id"])
        sandbox.put("customer", {**drifted, "metadata": {"team": "red"}})
    assert stripe.write("customers", "update", frame).apply().counts == {"sent": 1}
    assert named(sandbox, "customer", customer["id"])["metadata"]["team"] == "blue"


def test_the_last_of_two_rows_for_one_object_wins(stripe: Stripe, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    names = ["Other", customer["name"]]
    report = stripe.write("customers", "update", pd.DataFrame({"id": [customer["id"]] * 2, "name": names})).apply()
    assert report.counts == {"sent": 2}
    assert named(sandbox, "customer", customer["id"])["name"] == customer["name"]


def test_results_have_every_row(stripe: Stripe, sandbox: Sandbox, tmp_path: Path) -> None:
    same, other = customers(sandbox, 2)
    frame = pd.DataFrame({"id": [same["id"], other["id"], "cus_none"], "name": [same["name"], "Res", "x"]})
    report = stripe.write("customers", "update", frame).apply()
    assert [each["status"] for each in report.results.to_arrow().to_pylist()] == ["unchanged", "sent", "in error"]
    target = f"duckdb:///{tmp_path}/r.duckdb?table=results"
    assert report.results.to(target) == 3


def test_empty_cells_clear_where_that_is_meant(stripe: Stripe, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    sandbox.put("customer", {**customer, "description": "old", "metadata": {"team": "red", "kept": "1"}})
    row = {"id": [customer["id"]], "name": [None], "phone": [None], "description": [""], "metadata.team": [None]}
    report = stripe.write("customers", "update", pd.DataFrame(row, dtype="object"), null="clear").apply()
    assert report.counts == {"sent": 1}
    after = named(sandbox, "customer", customer["id"])
    assert (after["name"], after["phone"], after["description"], after["metadata"]) == (None, None, None, {"kept": "1"})
    assert stripe.write("customers", "update", pd.DataFrame(row, dtype="object"), null="clear").plan.unchanged == 1


def test_an_upsert_updates_what_matches_and_creates_the_rest(stripe: Stripe, sandbox: Sandbox) -> None:
    (known,) = customers(sandbox, 1)
    frame = pd.DataFrame({"mail": [known["email"], "new@crm.example"], "full_name": ["Known", "New"]})
    how: dict[str, Any] = {"match": {"email": "mail"}, "map": {"name": "full_name"}}
    report = stripe.write("customers", "upsert", frame, **how).apply()
    assert report.counts == {"sent": 2}
    assert named(sandbox, "customer", known["id"])["name"] == "Known"
    (made,) = (each for each in sandbox.truth("customer") if each["email"] == "new@crm.example")
    assert made["name"] == "New"
    assert stripe.write("customers", "upsert", frame, **how).plan.unchanged == 2


def test_no_match_two_matches_and_two_rows_with_one_match_are_errors_of_their_rows(
    stripe: Stripe, sandbox: Sandbox
) -> None:
    for _ in range(2):
        stripe.write("customers", "create", email="twin@x.example").plan  # noqa: B018
    twin, other = pd.DataFrame({"email": ["twin@x.example"] * 2}), customers(sandbox, 3)[2]
    stripe.write("customers", "create", twin).apply()
    rows = ["nobody@x.example", "twin@x.example", other["email"], other["email"], None]
    frame = pd.DataFrame({"mail": rows, "name": list("abcde")})
    errors = stripe.write("customers", "update", frame, match={"email": "mail"}, columns=["name"]).plan.errors
    said = [str(each) for each in errors]
    assert 'row 1, column "mail": there is no object with this email.' in said
    assert 'row 2, column "mail": 2 objects have this email' in said[1]
    assert "2 rows have this email" in said[2]
    assert "2 rows have this email" in said[3]
    assert "there is nothing to match email by" in said[4]


def test_a_match_by_metadata_walks_the_list(stripe: Stripe, sandbox: Sandbox) -> None:
    known = customers(sandbox, 2)
    for number, each in enumerate(known):
        sandbox.put("customer", {**each, "metadata": {"external_id": str(900 + number)}})
    frame = pd.DataFrame({"crm_id": [900, 901], "phone": ["+1", "+2"]})
    plan = stripe.write("customers", "update", frame, match={"metadata.external_id": "crm_id"})
    assert [each.object_id for each in plan.plan.effects] == [each["id"] for each in known]


def test_a_match_below_a_parent_is_found_in_the_parents_own_list(stripe: Stripe, sandbox: Sandbox) -> None:
    one, other = (each["id"] for each in customers(sandbox, 2))
    for customer in (one, other):
        stripe.write("customer_tax_ids", "create", customer=customer, type="eu_vat", value="DE123456789").apply()
    frame = pd.DataFrame({"customer": [one, other, other], "vat": ["DE123456789", "DE123456789", "DE000000000"]})
    plan = stripe.write("customer_tax_ids", "delete", frame, match={"value": "vat"})
    assert [str(error) for error in plan.plan.errors] == ['row 3, column "vat": there is no object with this value.']
    assert plan.plan.reads == 2
    assert plan.apply(allow=["delete"]).counts == {"sent": 2, "in error": 1}
    assert (
        stripe.extract("customer_tax_ids", {"customer": [one, other], "value": "DE123456789"}).to_arrow().num_rows == 0
    )


def test_a_line_is_matched_within_its_invoice(stripe: Stripe, sandbox: Sandbox) -> None:
    draft = next(each for each in sandbox.truth("invoice") if each["status"] == "draft" and each["lines"]["data"])
    line = draft["lines"]["data"][0]
    frame = pd.DataFrame({"invoice": [draft["id"]], "text": [line["description"]], "quantity": [line["quantity"]]})
    plan = stripe.write("invoice_lines", "update", frame, match={"description": "text"}, set={"metadata.team": "blue"})
    assert [effect.object_id for effect in plan.plan.effects] == [line["id"]]


def test_matching_costs_at_most_twice_the_cheaper_way(stripe: Stripe, sandbox: Sandbox) -> None:
    every = customers(sandbox, 1000)
    pages = -(-len(list(sandbox.truth("customer"))) // 100)
    for count in (1, 2, 3, len(every)):
        emails = list({each["email"] for each in every[-count:]})
        before = sandbox.stats()["requests"]
        stripe.write(
            "customers", "update", pd.DataFrame({"mail": emails}), match={"email": "mail"}, set={"description": "x"}
        )
        cheaper = min(len(emails), pages)
        assert sandbox.stats()["requests"] - before <= 2 * cheaper + 1, (count, "and one that asks whose account it is")


def test_money_is_counted_by_currency_and_has_to_be_allowed(stripe: Stripe, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    row = {"customer": [customer["id"]] * 3, "amount": [100, 250, 5], "currency": ["usd", "usd", "eur"]}
    plan = stripe.write("invoice_items", "create", pd.DataFrame(row))
    assert "money: 3 rows may move money, in minor units 5 eur, 350 usd" in repr(plan)
    with pytest.raises(UsageError, match="--allow money"):
        plan.apply()
    assert plan.apply(allow=["money"]).counts == {"sent": 3}


def test_a_parameter_may_need_more_than_its_action(stripe: Stripe) -> None:
    assert stripe.write("customers", "create", email="a@b.example").plan.needs == []
    assert stripe.write("customers", "create", email="a@b.example", balance=-500).plan.needs == ["money"]


def test_one_call_by_its_parameters(stripe: Stripe, sandbox: Sandbox) -> None:
    made = stripe.write("customers", "create", email="one@x.example", metadata={"a": "b"}).apply()
    (row,) = made.results.to_arrow().to_pylist()
    assert (row["status"], row["row"]) == ("sent", "the call")
    assert named(sandbox, "customer", row["id"])["metadata"] == {"a": "b"}
    assert row["request_id"].startswith("req_")


def test_deleting_takes_ids_and_parents(stripe: Stripe, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    tax = stripe.write("customer_tax_ids", "create", customer=customer["id"], type="eu_vat", value="DE123456789")
    (row,) = tax.apply().results.to_arrow().to_pylist()
    plan = stripe.write("customer_tax_ids", "delete", customer=customer["id"], set={"id": row["id"]})
    assert plan.apply(allow=["delete"]).counts == {"sent": 1}


def test_a_row_without_its_id_is_an_error_of_its_row(stripe: Stripe) -> None:
    plan = stripe.write("customers", "delete", pd.DataFrame({"id": ["cus_1", None]}))
    assert [str(each) for each in plan.plan.errors] == ['row 2, column "id": the id is missing.']


def test_relative_dates_are_resolved_once_for_the_whole_plan(stripe: Stripe, sandbox: Sandbox) -> None:
    ids = [each["id"] for each in customers(sandbox, 2)]
    row = {"customer": ids, "collection_method": ["send_invoice"] * 2, "due_date": ["today+30d"] * 2}
    effects = stripe.write("invoices", "create", pd.DataFrame(row)).plan.effects
    (due,) = {int(str((each.call.form or {})["due_date"])) for each in effects}
    assert due % 86_400 == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("invoces", "pay"), "Did you mean invoices"),
        (("invoices", "pai"), "Did you mean pay"),
        (("invoices", "pay"), "invoices.pay needs the id: a column id, --map id=COLUMN, --set id=…, or find it by"),
        (("customer_tax_ids", "create"), "needs the customer"),
        (("files", "create"), "connector request POST /v1/files --multipart"),
        (("customers", "upsert"), "--match email=mail"),
        (("invoices", "upsert"), "--match"),
        (("refunds", "upsert"), "--match"),
        (("tokens", "upsert"), "cannot be upserted"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    stripe: Stripe, sandbox: Sandbox, call: tuple[str, str], message: str
) -> None:
    before = sandbox.stats()["requests"]
    with pytest.raises(UsageError, match=re.escape(message)):
        stripe.write(*call, pd.DataFrame({"value": ["x"]}), columns=[])
    assert sandbox.stats()["requests"] <= before + 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"map": {"email": "mial"}}, 'no column "mial"'),
        ({"match": {"email": "mial"}}, 'no column "mial" to match email by'),
        ({"match": {"emial": "mail"}}, 'cannot be matched by "emial". Did you mean email'),
        ({"row_key": "kee"}, 'no column "kee" for --row-key'),
        ({"null": "keep"}, "--null takes omit or clear"),
        ({"coupon": "x"}, "no parameter coupon any more"),
        ({"invoice_prefix": ""}, "cannot be cleared"),
    ],
)
def test_bad_words_are_refused(stripe: Stripe, how: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame({"id": ["cus_1"], "mail": ["a@b"]})
    with pytest.raises(UsageError, match=re.escape(message)):
        stripe.write("customers", "update", frame, **{"columns": ["id"], **how})


def test_a_live_key_is_refused_test_helpers_and_needs_to_be_allowed(sandbox: Sandbox, tmp_path: Path) -> None:
    with account(sandbox, "sk_live_sandbox") as live:
        with pytest.raises(UsageError, match="test mode alone"):
            live.write("test_helpers_refunds", "expire", set={"id": "re_1"})
        plan = live.write("customers", "create", email="a@b.example", ledger=tmp_path / "l.sqlite")
        assert "--allow-live" in repr(plan)
        with pytest.raises(UsageError, match="--allow-live"):
            plan.apply()


def test_a_plan_that_was_kept_is_sent_as_it_was_reviewed_and_once(
    stripe: Stripe, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = [each["id"] for each in customers(sandbox, 3)]
    frame = pd.DataFrame({"id": ids, "metadata.reviewed": ["yes"] * 3})
    file = tmp_path / "march.plan"
    stripe.write("customers", "update", frame).save(file)
    assert file.stat().st_mode & 0o077 == 0
    assert stripe.read_plan(file).apply().counts == {"sent": 3}
    assert stripe.read_plan(file).apply().counts == {"done before": 3}
    assert named(sandbox, "customer", ids[2])["metadata"]["reviewed"] == "yes"


def test_a_plan_from_a_file_sends_the_same_bytes(stripe: Stripe, tmp_path: Path) -> None:
    price: dict[str, Any] = {
        "currency": "usd",
        "unit_amount_decimal": "0.00000012",
        "product": "prod_1",
        "set": {"nickname": "é&="},
    }
    plan = stripe.write("prices", "create", **price)
    plan.save(tmp_path / "prices.plan")
    (before,), (after,) = plan.plan.effects, stripe.read_plan(tmp_path / "prices.plan").plan.effects
    assert after.content == before.content
    assert b"unit_amount_decimal=0.00000012" in after.content


def test_a_plan_is_for_its_account_and_mode_alone(stripe: Stripe, sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "one.plan"
    stripe.write("customers", "create", email="plan@x.example").save(file)
    with account(sandbox, "sk_live_sandbox") as live, pytest.raises(UsageError, match="made for acct_"):
        live.read_plan(file).apply(allow_live=True)
    (tmp_path / "no.plan").write_text("{}")
    with pytest.raises(ConnectorError, match="is no plan of ours"):
        stripe.read_plan(tmp_path / "no.plan")


@pytest.mark.usefixtures("no_rate_limits")
def test_the_command_plans_sends_and_hands_back_what_to_correct(connector: Run, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    Path("items.csv").write_text(f"customer,amount,currency\n{customer['id']},100,usd\n{customer['id']},12.5,usd\n")
    where = {"STRIPE_API_KEY": sandbox.key, "STRIPE_API_BASE": sandbox.url}
    code, out, _ = connector("write", "invoice_items", "create", "--from", "items.csv", **where)
    assert code == 1
    assert 'line 3, column "amount": amount: this is no whole number' in out
    code, _, error = connector("write", "invoice_items", "create", "--from", "items.csv", "--apply")
    assert (code, "--allow money" in error) == (2, True)
    code, _, error = connector(
        "write", "invoice_items", "create", "--from", "items.csv", "--apply", "--allow", "money",
        "--rejects", "rejects.csv", "--results", "results.csv",
    )  # fmt: skip
    assert code == 1
    assert "1 sent" in error
    assert "1 in error" in error
    assert Path("rejects.csv").read_text() == f"customer,amount,currency\n{customer['id']},12.5,usd\n"
    assert Path("rejects.csv").stat().st_mode & 0o077 == 0
    assert "line 2,sent,ii_" in Path("results.csv").read_text()
    Path("rejects.csv").write_text(f"customer,amount,currency\n{customer['id']},1250,usd\n")
    code, _, error = connector(
        "write", "invoice_items", "create", "--from", "rejects.csv", "--apply", "--allow", "money"
    )
    assert (code, "1 sent" in error) == (0, True)


@pytest.mark.usefixtures("no_rate_limits")
def test_the_command_sends_a_plan_from_its_file(connector: Run) -> None:
    Path("new.csv").write_text("email\nfile@x.example\n")
    assert connector("write", "customers", "create", "--from", "new.csv", "--plan-file", "new.plan")[0] == 0
    assert "1 sent" in connector("apply", "new.plan")[2]
    code, out, _ = connector("write", "customers", "create", "--from", "new.csv")
    assert (code, "done before          1" in out) == (0, True)


@pytest.mark.usefixtures("no_rate_limits")
def test_results_and_rejects_go_into_a_database_as_well_run_after_run(connector: Run, sandbox: Sandbox) -> None:
    (customer,) = customers(sandbox, 1)
    where = {"STRIPE_API_KEY": sandbox.key, "STRIPE_API_BASE": sandbox.url}
    for amounts in (["12.5", "300"], ["13.5", "300", "14.5"]):
        lines = [f"{customer['id']},{amount},usd\n" for amount in amounts]
        Path("items.csv").write_text("".join(["customer,amount,currency\n", *lines]), encoding="utf-8")
        code, _, error = connector(
            "write", "invoice_items", "create", "--from", "items.csv", "--apply", "--allow", "money",
            "--rejects", "duckdb:///outcome.duckdb", "--results", "duckdb:///outcome.duckdb", **where,
        )  # fmt: skip
        assert (code, f"{len(amounts) - 1} rows to correct" in error or "1 row to correct" in error) == (1, True), error
    with duckdb.connect("outcome.duckdb", read_only=True) as outcome:
        assert outcome.execute("select amount from rejects order by 1").fetchall() == [("13.5",), ("14.5",)]
        counts = outcome.execute("select status, count(*) from results group by 1 order by 1").fetchall()
        assert counts == [("done before", 1), ("in error", 2)]


def test_the_lines_of_many_rows_are_found_in_a_walk_or_two(stripe: Stripe, tmp_path: Path) -> None:
    rows = [f"+1555,Ada {number}\n" for number in range(5_000)]
    (tmp_path / "many.csv").write_text("".join(["phone,name\n", *rows]), encoding="utf-8")
    began = time.process_time()
    plan = stripe.write("customers", "create", str(tmp_path / "many.csv")).plan
    assert plan.effects[-1].label == "line 5001"
    assert time.process_time() - began < 10, "it took a minute when each row's line was looked for from the first on"
