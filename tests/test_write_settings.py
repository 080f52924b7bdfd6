"""Settings, of which there is one: an account's, or a customer's. Rows change them; what is so already is not sent."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from connector import Stripe, UsageError
from connector.api.encoding import form_encode
from connector.sandbox import Sandbox
from tests.writing import a_sandbox, an_account

sandbox = pytest.fixture(scope="module")(a_sandbox)
stripe = pytest.fixture(an_account)

SETTINGS = {
    "tax_settings": ("/v1/tax/settings", "defaults.tax_behavior,head_office.address.country", "inclusive,DE"),
    "balance_settings": ("/v1/balance_settings", "payments.payouts.schedule.interval,payments.debit_negative_balances",
                         "weekly,true"),
    "customer_cash_balance": ("/v1/customers/{}/cash_balance", "settings.reconciliation_mode", "manual"),
}  # fmt: skip


def customer_of(sandbox: Sandbox) -> str:
    return next(str(each["id"]) for each in sandbox.truth("customer") if not each.get("test_clock"))


def rows(folder: Path, header: str, row: str, customer: str | None) -> str:
    """Write a CSV file of one row; below a customer it has a column for the customer."""
    above = ("customer,", f"{customer},") if customer else ("", "")
    (folder / "rows.csv").write_text(f"{above[0]}{header}\n{above[1]}{row}\n", encoding="utf-8")
    return str(folder / "rows.csv")


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_changed_by_the_row_of_a_file(name: str, stripe: Stripe, sandbox: Sandbox, tmp_path: Path) -> None:
    path, header, row = SETTINGS[name]
    customer = customer_of(sandbox) if "{}" in path else None
    plan = stripe.write(name, "update", rows(tmp_path, header, row, customer))
    (effect,) = plan.plan.effects
    assert (plan.plan.errors, effect.call.url) == ([], path.format(customer))
    sent = dict(parse_qsl(form_encode(effect.call.form or {})))
    named = {key.replace("[", ".").replace("]", ""): value for key, value in sent.items()}
    assert named == dict(zip(header.split(","), row.split(","), strict=True))
    (outcome,) = plan.apply(allow=["money"]).outcomes
    assert "does not serve POST" in (outcome.message or ""), (
        "the sandbox knows the parameters, and simulates no settings"
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_are_so_already_are_not_sent(name: str, stripe: Stripe, sandbox: Sandbox, tmp_path: Path) -> None:
    customer = customer_of(sandbox) if "{}" in SETTINGS[name][0] else None
    (live,) = stripe.extract(name, {"customer": customer} if customer else {}).to_arrow().to_pylist()
    single = (each.path for each in stripe.actions.find(name, "update").parameters.values() if not each.many)
    shown = {path: live[column] for path in single if live.get(column := path.replace(".", "_")) is not None}
    assert shown
    plan = stripe.write(
        name, "update", rows(tmp_path, ",".join(shown), ",".join(map(str, shown.values())), customer)
    ).plan
    assert (plan.unchanged, plan.effects, plan.errors) == (1, [], [])


def test_settings_of_a_customer_need_the_customer(stripe: Stripe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"customer_cash_balance.update needs the customer: a column customer"):
        stripe.write("customer_cash_balance", "update", rows(tmp_path, "settings.reconciliation_mode", "manual", None))
