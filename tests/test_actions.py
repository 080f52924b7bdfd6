"""Actions: every write that Stripe's document has, with its parameters, and what a person has decided about it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from connector.definitions.actions import Action, Actions, Parameter, read_actions
from connector.definitions.endpoint import Endpoints
from connector.definitions.generate_actions import actions_text, calls_by_object
from connector.definitions.lists import table_name
from connector.definitions.specification import Specification
from connector.errors import DefinitionError, UsageError
from tests.command_line import Run
from tests.stripe_documents import FOLDER, needs_documents, newest

ALL = Actions()


def every_action() -> list[Action]:
    return [action for name in ALL for action in ALL[name].values()]


def specification() -> Specification:
    file = newest()
    assert file is not None
    return Specification.read(file)


def test_all_writes_and_all_their_parameters_are_there() -> None:
    actions = every_action()
    assert len(actions) == 307
    assert len({(each.method, each.path) for each in actions}) == 307
    assert sum(len(each.parameters) for each in actions) == 9_767
    assert sum(each.is_test_helper for each in actions) == 40


def test_what_is_created_is_called_as_the_table_that_lists_it() -> None:
    tables = Endpoints()
    names: dict[str, set[str]] = {}
    for table in tables:
        names.setdefault(tables[table].path, set()).add(table)
    created = [(each, ALL[each]["create"].path) for each in ALL if "create" in ALL[each]]
    assert len([path for _, path in created if path in names]) > 60
    assert [(name, names[path]) for name, path in created if path in names and name not in names[path]] == []


@needs_documents
def test_the_files_are_what_the_generator_makes_of_the_document_and_of_what_people_decided() -> None:
    known = specification()
    calls = calls_by_object(known)
    assert sorted(calls) == list(ALL)
    folder = Path(__file__).parents[1] / "endpoints" / "actions"
    for name in calls:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        assert actions_text(known, name, calls[name], tomllib.loads(text)) == text


@needs_documents
def test_the_catalogue_has_the_same_parameters() -> None:
    catalogue = FOLDER / "catalogue.json"
    if not catalogue.exists():
        pytest.skip("the catalogue is not at hand")
    content = json.loads(catalogue.read_text(encoding="utf-8"))
    operations = content["operations"]
    assert {each.event for each in every_action()} - {""} <= content["events"].keys()
    by_call = {(each.method, re.sub(r"{\w+}", "{}", each.path)): each for each in every_action()}
    for operation in (each for each in operations if each["method"] != "GET"):
        action = by_call[operation["method"], re.sub(r"{\w+}", "{}", operation["path"])]
        assert {each["name"] for each in operation["body"]} - {"expand"} == action.parameters.keys()


def test_a_new_action_needs_money_and_delete_until_somebody_decides(tmp_path: Path) -> None:
    file = tmp_path / "things.toml"
    file.write_text('[create]\ncall = "POST /v1/things"\n')
    assert read_actions(file)["create"].needs == ("money", "delete")


@needs_documents
def test_a_generator_run_keeps_what_a_person_decided() -> None:
    known = specification()
    calls = {"pay": ("post", "/v1/invoices/{invoice}/pay")}
    said = {
        "pay": {
            "needs": ["money"], "why": "charges", "event": "invoice.paid", "done": {"status": "paid"},
            "parameters": {"source": {"type": "text", "needs": "delete"}},
        }
    }  # fmt: skip
    made = tomllib.loads(actions_text(known, "invoices", calls, said))["pay"]
    assert {key: made[key] for key in ("needs", "why", "event", "done")} == {
        key: said["pay"][key] for key in ("needs", "why", "event", "done")
    }
    assert made["parameters"]["source"] == {"type": "text", "needs": "delete"}
    assert made["parameters"]["mandate"] == {"type": "text", "clearable": True}


def test_what_lets_somebody_in_is_allowed_by_name() -> None:
    opening = {each.full_name for each in every_action() if "access" in each.needs}
    for action in ("accounts.login_links", "ephemeral_keys.create", "file_links.create", "webhook_endpoints.update"):
        assert action in opening
    kept = r"links|sessions|keys|connection_tokens|webhook_endpoints"
    harmless = {
        "checkout_sessions",
        "identity_verification_sessions",
        "payment_links",
    }  # where customers pay or show papers
    assert {
        each.full_name
        for each in every_action()
        if re.search(kept, each.of) and each.name in ("create", "update") and not each.needs and each.of not in harmless
    } == set()


def test_where_money_goes_or_comes_from_is_money_though_its_action_is_none() -> None:
    assert ALL.find("accounts", "create").needs_of(["external_account.account_number"]) == ["money"]
    assert ALL.find("customers", "update").needs_of(["invoice_settings.default_payment_method"]) == ["money"]
    assert ALL.find("customers", "update").needs_of(["invoice_settings.footer"]) == []


def test_every_action_says_why_it_needs_what_it_needs() -> None:
    assert [each.full_name for each in every_action() if not each.why] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/customers/{customer}/tax_ids", "customer_tax_ids"),
        ("/v1/issuing/cards", "issuing_cards"),
        ("/v1/invoices/{invoice}/line_items", "invoice_lines"),
        ("/v1/invoiceitems", "invoice_items"),
        ("/v1/treasury/financial_accounts/{account}/features", "treasury_financial_account_features"),
    ],
)
def test_files_are_named_like_tables(path: str, name: str) -> None:
    assert table_name(path) == name


def test_ids_above_the_object_carry_the_name_of_the_parent() -> None:
    assert ALL.find("customer_tax_ids", "delete").ids == ("customer", "id")
    assert ALL.find("customer_tax_ids", "create").ids == ("customer",)
    assert ALL.find("customer_cash_balance", "update").ids == ("customer",)
    assert ALL.find("invoices", "create_preview").ids == ()
    assert ALL.find("subscriptions", "cancel").method == "DELETE"


@pytest.mark.parametrize(
    ("action", "path", "kind"),
    [
        ("customers.update", "metadata.segment", "text"),
        ("customers.update", "preferred_locales[1]", "text"),
        ("customers.update", "invoice_settings.custom_fields[0].name", "text"),
        ("subscriptions.create", "items[2].price", "text"),
        ("subscriptions.create", "items[2].metadata.team", "text"),
        ("subscriptions.create", "trial_end", "timestamp"),
        ("invoice_items.create", "period.start", "timestamp"),
    ],
)
def test_a_parameter_is_found_by_its_path(action: str, path: str, kind: str) -> None:
    parameter = ALL.find(*action.split(".")).parameter(path)
    assert isinstance(parameter, Parameter)
    assert parameter.type == kind


@pytest.mark.parametrize("path", ["email[0]", "nothing", "address.nothing", "metadata.a.b", "items", "metadata[0].x"])
def test_what_is_no_parameter_is_none(path: str) -> None:
    assert ALL.find("customers", "update").parameter(path) is None


def test_what_stands_inside_a_parameter_needs_what_that_needs() -> None:
    update = ALL.find("customers", "update")
    assert update.needs_of(["email"]) == []
    assert update.needs_of(["email", "cash_balance.settings.reconciliation_mode"]) == ["money"]


def test_description_metadata_and_who_a_customer_is_can_be_cleared() -> None:
    update = ALL.find("customers", "update")
    for path in ("description", "metadata", "metadata.team", "name", "email", "phone"):
        parameter = update.parameter(path)
        assert parameter is not None
        assert parameter.clearable, path
    currency = ALL.find("prices", "create").parameter("currency")
    assert currency is not None
    assert not currency.clearable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pay]\n", 'needs its call, as in call = "POST'),
        ('[pay]\ncall = "POST /v1/x"\nneed = []', 'unknown key "need". Did you mean needs?'),
        ('[pay]\ncall = "POST /v1/x"\nneeds = ["cash"]', 'needs takes money, delete, access, not "cash"'),
        ('[pay]\ncall = "POST /v1/x"\n[pay.parameters]\na = "txt"', 'unknown type "txt". Did you mean text?'),
        ('[pay]\ncall = "POST /v1/x"\n[pay.parameters]\na = { type = "text", clear = true }', "Did you mean clearable"),
        ("pay = 1", "must be a table"),
        ("[pay", "is not valid TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "things.toml"
    file.write_text(text)
    with pytest.raises(DefinitionError, match=re.escape(message)):
        read_actions(file)


def test_unknown_objects_and_actions_name_what_is_near() -> None:
    with pytest.raises(UsageError, match="Did you mean invoices"):
        ALL.find("invoces", "pay")
    with pytest.raises(UsageError, match=r"no action \"finalise\". Did you mean finalize\?"):
        ALL.find("invoices", "finalise")


def test_actions_of_ones_own_stand_before_ours(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "things.toml").write_text('[create]\ncall = "POST /v1/things"\nneeds = []\n')
    (tmp_path / "actions" / "refunds.toml").write_text('[create]\ncall = "POST /v1/refunds"\nneeds = []\n')
    own = Actions([tmp_path])
    assert own.find("things", "create").needs == ()
    assert own.find("refunds", "create").needs == ()


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/customers", "customers.create"),
        ("POST", "/v1/customers/cus_1", "customers.update"),
        ("POST", "/v1/invoiceitems", "invoice_items.create"),
        ("POST", "/v1/reporting/report_runs", "report_runs.create"),
        ("DELETE", "/v1/subscriptions/sub_1", "subscriptions.cancel"),
        ("POST", "/v1/invoices/create_preview", "invoices.create_preview"),
        ("POST", "/v1/nothing", None),
    ],
)
def test_a_call_is_one_action(method: str, path: str, name: str | None) -> None:
    found = ALL.of_call(method, path)
    assert (found and found.full_name) == name


def test_the_command_lists_actions_and_their_parameters(connector: Run) -> None:
    assert "pay" in connector("endpoints", "invoices")[1]
    shown = connector("endpoints", "invoices.pay")[1]
    assert "mandate" in shown
    assert "charges the customer" in shown
    assert "tokens" in connector("endpoints")[1]
    assert "create" in connector("endpoints", "tokens")[1]
    assert "POST /v1/tokens" in connector("endpoints", "tokens.create")[1]
    code, _, error = connector("endpoints", "invoices.payy")
    assert (code, "Did you mean pay" in error) == (2, True)
