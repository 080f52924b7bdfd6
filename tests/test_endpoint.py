"""Definitions: what a file may say, and how it is told what it says wrong."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from connector.definitions.endpoint import Endpoint, Endpoints, shipped_folder
from connector.definitions.names import valid_table_name
from connector.definitions.readings import of_object
from connector.errors import DefinitionError

GOOD = """
description = "Things."
path = "/v1/things"
object = "thing"
primary_key = ["id"]

[filters]
created = "range"
status = { equals = ["open", "closed"] }

[columns]
id = "text"
created = "timestamp"
status = "text"
"address.city" = "text"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def load(folder: Path, text: str, name: str = "things") -> Endpoint:
    (folder / f"{name}.toml").write_text(dedent(text), encoding="utf-8")
    return Endpoints([folder])[name]


def test_a_definition_says_what_it_reads(folder: Path) -> None:
    things = load(folder, GOOD)
    assert things.name == "things"
    assert [(c.name, c.path, c.type) for c in things.columns][-1] == ("address_city", ("address", "city"), "text")
    assert things.filters["status"].values == ("open", "closed")
    assert things.filters["created"].column == "created"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("primary_key", "primary_keys", 'mine/things.toml: unknown key "primary_keys". Did you mean primary_key?'),
        ('"range"', '"rang"', 'filters.created has the unknown kind "rang". Did you mean range?'),
        ('"timestamp"', '"timestmp"', 'column "created" has the unknown type "timestmp". Did you mean timestamp?'),
        ("equals =", "equal =", 'unknown key "equal" in filters.status. Did you mean equals?'),
        ('["id"]', '["ids"]', '"ids" is not a declared column. Did you mean id?'),
        ('path = "/v1/things"', "", '"path" is missing.'),
        ('path = "/v1/things"', "path = 3", '"path" must be text.'),
        ('path = "/v1/things"', 'path = "/v1/things/{thing}/parts"', 'no parent fills "{thing}"'),
        ('"/v1/things"', "", "is not valid TOML"),
        ('status = "text"', 'ADDRESS_CITY = "text"', 'would both be called "address_city"'),
        ('object = "thing"', 'updates = "sometimes"', '"updates" must be one of events, partial, none'),
        ('object = "thing"', 'parent = "invoices"', '"parent" must be a table'),
        ('object = "thing"', 'parent = { table = "invoices" }', '"parent" needs table and fills'),
        ('object = "thing"', "each = { active = true }", "each.active must be a list of values"),
        ('object = "thing"', "rows = 3", '"rows" must be a list of texts'),
        (
            'status = "text"',
            'price = "amount"',
            'column "price" is an amount without a currency',
        ),
        (
            'status = "text"',
            'price = { type = "amount", currency = "statuss" }\nstatus = "text"',
            'without a currency: say which column has it, as currency = "currency". Did you mean status?',
        ),
        ('object = "thing"', 'rows = "store..books"', '"rows" must be the path of a list, as in report.lines'),
        (
            'object = "thing"',
            'parent = { table = "payouts", fills = "payout", where = "automatic" }',
            "parent.where must be a table of columns and values: { automatic = true }.",
        ),
        ('object = "thing"', 'range = { created = ["after"] }', "range.created must name two parameters"),
        ("[columns]", "[filters.x]", '"[columns]" is missing or empty'),
        (
            '"range"',
            '{ kind = "range", column = "creatd" }',
            '"creatd" is not a declared column. Did you mean created?',
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_what_is_near(folder: Path, before: str, after: str, message: str) -> None:
    assert before in GOOD
    with pytest.raises(DefinitionError) as refused:
        load(folder, GOOD.replace(before, after, 1))
    assert message in str(refused.value)
    assert "mine/things.toml" in str(refused.value)


def test_an_unknown_endpoint_is_answered_with_the_nearest(folder: Path) -> None:
    with pytest.raises(DefinitionError, match="Did you mean customers"):
        Endpoints([folder])["custmers"]


def test_a_file_of_ones_own_wins_by_name(folder: Path) -> None:
    assert load(folder, GOOD, "customers").path == "/v1/things"


def test_a_file_of_ones_own_adds_to_ours(folder: Path) -> None:
    extended = load(
        folder,
        """
        extends = "customers"
        [columns]
        "metadata.team" = { type = "text", name = "team" }
        """,
        "customers",
    )
    ours = Endpoints()["customers"]
    assert [c.name for c in extended.columns] == [*(c.name for c in ours.columns), "team"]
    assert extended.path == ours.path


def test_an_amount_is_of_the_nearest_currency_unless_another_is_named(folder: Path) -> None:
    columns = """
    currency = "text"
    price = "amount"
    "parts.currency" = { type = "text", name = "part_currency" }
    "parts.shipping.price" = "amount"
    "shown.price" = { type = "decimal", currency = "shown.in" }
    "shown.in" = "text"
    """
    things = load(folder, dedent(GOOD) + dedent(columns))
    amounts = {column.name: (column.type, column.currency) for column in things.columns if column.currency}
    assert amounts == {
        "price": ("integer", "currency"),
        "parts_shipping_price": ("integer", "part_currency"),
        "shown_price": ("decimal", "shown_in"),
    }


@pytest.mark.parametrize("name", ["here", "there"])
def test_definitions_that_extend_each_other_in_a_circle_are_an_error_and_not_endless(folder: Path, name: str) -> None:
    (folder / "here.toml").write_text('extends = "there"', encoding="utf-8")
    (folder / "there.toml").write_text('extends = "here"', encoding="utf-8")
    with pytest.raises(DefinitionError, match=r'extends "(t?here)", which extends this file in turn: take `extends`'):
        Endpoints([folder])[name]


def test_a_definition_that_two_folders_add_to_is_laid_over_twice(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    for each, column in ((folder, "team"), (tmp_path / "ours", "region")):
        text = f'extends = "customers"\n[columns]\n{column} = {{ type = "text", path = "metadata.{column}" }}\n'
        (each / "customers.toml").write_text(text, encoding="utf-8")
    names = [column.name for column in Endpoints([folder, tmp_path / "ours"])["customers"].columns]
    assert {"id", "team", "region"} <= set(names)


def test_nothing_is_parsed_until_it_is_named(folder: Path) -> None:
    (folder / "broken.toml").write_text("this is not TOML", encoding="utf-8")
    endpoints = Endpoints([folder])
    assert "broken" in list(endpoints)
    assert endpoints["customers"].path == "/v1/customers"


def test_a_long_column_name_is_shortened_once_when_the_definition_loads(folder: Path) -> None:
    deep = "a" * 40 + "." + "b" * 40
    column = load(folder, GOOD + f'"{deep}" = "text"\n').columns[-1]
    assert len(column.name) == 63
    assert column.path == ("a" * 40, "b" * 40)


def test_the_parents_id_is_a_column_even_where_the_record_has_none() -> None:
    lines = Endpoints()["payment_link_lines"]
    assert lines.columns[0].name == "payment_link"
    assert lines.columns[0].path == ()


def test_every_shipped_definition_loads_and_is_described(subtests: pytest.Subtests) -> None:
    endpoints = Endpoints()
    for name in sorted(file.stem for file in shipped_folder().glob("*.toml")):
        with subtests.test(name):
            endpoint = endpoints[name]
            assert valid_table_name(name)
            assert endpoint.description.endswith((".", "…"))
            assert endpoint.docs.startswith("https://docs.stripe.com/")
            assert {parent.table for parent in endpoint.parents} <= {*endpoints}


def test_the_missions_tables_are_all_there() -> None:
    assert set(Endpoints()) >= {
        "customers", "products", "prices", "subscriptions", "subscription_items", "invoices", "invoice_lines",
        "invoice_items", "charges", "payment_intents", "refunds", "payouts", "balance", "balance_transactions",
        "disputes", "credit_notes", "coupons", "payment_methods", "payment_links", "payment_link_lines",
        "checkout_sessions", "events",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("customers", ["email", "created"]),
        ("invoices", ["customer", "status", "subscription", "collection_method", "created", "due_date"]),
        ("invoice_items", ["customer", "invoice", "pending", "created"]),
        ("products", ["active", "created"]),
        ("payouts", ["destination", "status", "created", "arrival_date"]),
        ("balance_transactions", ["currency", "payout", "type", "created"]),
        ("refunds", ["charge"]),
    ],
)
def test_the_filters_that_people_know_from_elsewhere_are_there(name: str, filters: list[str]) -> None:
    assert set(filters) <= set(Endpoints()[name].filters)


def test_amounts_are_told_from_other_numbers() -> None:
    prices = Endpoints()["prices"]
    words = {column.name: column.type_word for column in prices.columns}
    assert (words["unit_amount"], words["unit_amount_decimal"], words["recurring_interval_count"]) == (
        "amount", "decimal amount", "integer",
    )  # fmt: skip


def test_the_table_of_an_object_is_found_without_parsing_every_file() -> None:
    endpoints = Endpoints()
    found = of_object(endpoints, "tax.registration")
    assert found is not None
    assert found.name == "tax_registrations"
    assert of_object(endpoints, "no_such_object") is None
    assert list(endpoints._loaded) == ["tax_registrations"]


def test_the_table_of_an_object_may_extend_one_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "coupons.toml").write_text('extends = "coupons"\n')
    found = of_object(Endpoints([tmp_path]), "coupon")
    assert found is not None
    assert found.file.parent == tmp_path
