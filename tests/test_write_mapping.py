"""Columns meet parameters, and the parameter's type decides what a cell means."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from connector.dates import Calendar
from connector.definitions.actions import Actions, Parameter
from connector.errors import UsageError
from connector.write.cells import BadValueError, value_of
from connector.write.mapping import Mapper, RowProblem
from connector.write.writing import Writing

ACTIONS = Actions()
CALENDAR = Calendar.system("Europe/Berlin", "monday")


def mapper(action: str, *columns: str, **how: Any) -> Mapper:
    return Mapper(ACTIONS.find(*action.split(".")), Writing(**how), columns, CALENDAR)


def form(action: str, row: Mapping[str, Any], **how: Any) -> dict[str, Any]:
    return mapper(action, *row, **how).sent(row).form


@pytest.mark.parametrize(
    ("column", "cell", "sent"),
    [
        ("email", "a@b.example", {"email": "a@b.example"}),
        ("address.line1", "Main St", {"address": {"line1": "Main St"}}),
        ("address_line1", "Main St", {"address": {"line1": "Main St"}}),
        ("address[line1]", "Main St", {"address": {"line1": "Main St"}}),
        ("invoice_settings_default_payment_method", "pm_1", {"invoice_settings": {"default_payment_method": "pm_1"}}),
        ("metadata.segment", "gold", {"metadata": {"segment": "gold"}}),
        ("metadata[segment]", "gold", {"metadata": {"segment": "gold"}}),
        ("metadata", '{"segment": "gold", "old": null}', {"metadata": {"segment": "gold", "old": ""}}),
        ("preferred_locales", '["en", "de"]', {"preferred_locales": ["en", "de"]}),
        ("preferred_locales[0]", "en", {"preferred_locales": ["en"]}),
        ("invoice_settings.custom_fields[0].name", "PO", {"invoice_settings": {"custom_fields": [{"name": "PO"}]}}),
        ("phone", 49301234567.0, {"phone": "49301234567"}),
    ],
)
def test_a_column_meets_a_parameter_by_name(column: str, cell: object, sent: dict[str, Any]) -> None:
    assert form("customers.update", {"id": "cus_1", column: cell}) == sent


def test_items_of_a_list_close_up_where_a_cell_is_empty() -> None:
    row = {"name": "Mug", "images[0]": "a", "images[1]": None, "images[2]": "c"}
    assert form("products.create", row)["images"] == ["a", "c"]


@pytest.mark.parametrize(
    ("kind", "cell", "sent"),
    [
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("boolean", 1.0, True),
        ("integer", "1250", 1250),
        ("integer", "1250.00", 1250),
        ("integer", Decimal("12.0"), 12),
        ("decimal", "0.1250", Decimal("0.1250")),
        ("number", 12.5, Decimal("12.5")),
        ("timestamp", "2026-01-31", 1769814000),  # midnight in Berlin
        ("timestamp", "2026-01-31T00:00:00Z", 1769817600),
        ("timestamp", 1769817600, 1769817600),
        ("timestamp", datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC), 1769817600),
        ("timestamp", datetime.date(2026, 1, 31), 1769814000),
        ("text", 7.0, "7"),
        ("text", True, "true"),
        ("text", datetime.date(2026, 1, 31), "2026-01-31"),
        ("object", '{"a": 1, "b": null}', {"a": 1}),
        ("json", "tok_1", "tok_1"),
        ("json", '{"number": "4242"}', {"number": "4242"}),
    ],
)
def test_the_type_of_the_parameter_decides_what_a_cell_means(kind: str, cell: object, sent: object) -> None:
    assert value_of(Parameter("p", kind), cell, CALENDAR).sent == sent


@pytest.mark.parametrize(
    ("parameter", "cell", "message"),
    [
        (Parameter("p", "boolean"), "maybe", "neither true nor false"),
        (Parameter("p", "integer"), "12.50", "smallest unit, as 1250 for 12.50"),
        (Parameter("p", "integer"), "1,250", "no number"),
        (Parameter("p", "decimal"), "NaN", "no number"),
        (Parameter("p", "timestamp"), "soon", "no date"),
        (Parameter("p", "timestamp"), "31.01.2026", "no date"),
        (Parameter("p", "text", enum=("exempt", "none")), "exmpt", "Did you mean exempt?"),
        (Parameter("p", "text", many=True), "en, de", 'not a JSON array, as ["a", "b"]'),
        (Parameter("p", "map"), "[1]", "not a JSON object"),
        (Parameter("p", "text"), ["a"], "takes one value"),
        (Parameter("p", "file"), "x", "--multipart"),
    ],
)
def test_a_bad_value_says_what_is_wrong_and_does_not_repeat_it(parameter: Parameter, cell: Any, message: str) -> None:
    with pytest.raises(BadValueError) as caught:
        value_of(parameter, cell, CALENDAR)
    assert message in str(caught.value)
    assert not isinstance(cell, str) or cell in ("12.50", "x") or cell not in str(caught.value)


def test_a_relative_date_is_sent_as_an_instant_and_known_by_its_words() -> None:
    value = value_of(Parameter("due_date", "timestamp"), "Today+30d", CALENDAR)
    assert isinstance(value.sent, int)
    assert value.known_by == "today+30d"


def test_words_beside_dates_are_taken_as_they_are() -> None:
    trial_end = ACTIONS.find("subscriptions", "create").parameter("trial_end")
    assert trial_end is not None
    assert value_of(trial_end, "now", CALENDAR).sent == "now"


def test_constants_stand_in_every_row_and_before_columns() -> None:
    sent = form("customers.update", {"id": "cus_1", "email": "a"}, constants={"email": "b", "metadata.run": "march"})
    assert sent == {"email": "b", "metadata": {"run": "march"}}


def test_columns_choose_and_mapped_ones_come_along() -> None:
    row = {"id": "cus_1", "segment": "gold", "secret": "x", "email": "a"}
    sent = form("customers.update", row, columns=["id", "segment"], mapping={"metadata.segment": "segment"})
    assert sent == {"metadata": {"segment": "gold"}}


def test_an_empty_cell_is_left_out_or_clears() -> None:
    row = {"id": "cus_1", "description": None, "metadata.old": "", "email": "a"}
    assert form("customers.update", row) == {"email": "a"}
    assert form("customers.update", row, null="clear") == {
        "description": "", "metadata": {"old": ""}, "email": "a",
    }  # fmt: skip


def test_what_cannot_be_cleared_is_refused() -> None:
    with pytest.raises(UsageError, match="invoice_prefix cannot be cleared"):
        form("customers.update", {"id": "cus_1", "invoice_prefix": None}, null="clear")
    with pytest.raises(UsageError, match="invoice_prefix cannot be cleared"):
        mapper("customers.update", "id", constants={"invoice_prefix": ""})


@pytest.mark.parametrize(
    ("action", "column", "message"),
    [
        ("customers.update", "emial", "Did you mean email"),
        ("invoice_items.create", "price", "no parameter price any more: take pricing.price"),
        ("subscriptions.create", "coupon", "take discounts[0].coupon"),
        ("payment_intents.create", "payment_method_types", "take excluded_payment_method_types"),
        ("customers.update", "coupon", "nothing of this action stands in its place"),
        ("customers.update", "crm_number", "--columns A,B"),
    ],
)
def test_a_column_that_is_no_parameter_is_refused_with_what_is_near(action: str, column: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        mapper(action, column)
    assert message in str(caught.value)


def test_mapped_names_have_to_be_there_on_both_sides() -> None:
    with pytest.raises(UsageError, match=r'no column "mial" for email\. Did you mean mail\?'):
        mapper("customers.create", "mail", mapping={"email": "mial"})
    with pytest.raises(UsageError, match=r'no parameter "emial"\. Did you mean email'):
        mapper("customers.create", "mail", mapping={"emial": "mail"})
    with pytest.raises(UsageError, match='no column "mial"'):
        mapper("customers.create", "mail", columns=["mial"])


def test_a_whole_and_its_part_are_not_both_filled() -> None:
    with pytest.raises(UsageError, match="both filled"):
        mapper("customers.create", "address", "address.line1")
    with pytest.raises(UsageError, match="both filled"):
        mapper("customers.create", "address_line1", "address.line1")


def test_a_required_parameter_that_is_missing_is_an_error_of_its_row() -> None:
    with pytest.raises(RowProblem, match=r"currency is missing, which prices\.create needs"):
        form("prices.create", {"product": "prod_1", "unit_amount": "5"})


def test_a_wide_file_with_columns_that_are_no_parameters_is_told_how_to_choose_columns() -> None:
    with pytest.raises(UsageError, match=r'"score" is no parameter of customers\.update\..* --columns A,B') as refused:
        mapper("customers.update", "id", "name", "score", "segment")
    assert "\n" not in str(refused.value)
    assert mapper("customers.update", "id", "name", "score", "segment", columns=("id", "name"))
