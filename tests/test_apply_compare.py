"""What a live object shows of what a row sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.apply.compare import DIFFERENT, EQUAL, NOT_SHOWN, compared, differing, matches, merged

CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "name": "Ann",
    "description": None,
    "balance": 0,
    "default_source": {"id": "card_1", "object": "card"},
    "address": {"city": "Bath", "line1": None},
    "metadata": {"team": "blue", "old": "1"},
    "preferred_locales": ["en"],
    "unit_amount_decimal": "10.5",
    "livemode": False,
    "items": {"object": "list", "data": [{"id": "si_1", "quantity": 2}]},
}


@pytest.mark.parametrize(
    ("form", "left"),
    [
        ({"name": "Ann"}, {}),
        ({"name": "Bob"}, {"name": "Bob"}),
        ({"description": ""}, {}),
        ({"description": "x"}, {"description": "x"}),
        ({"balance": 0, "livemode": False}, {}),
        ({"balance": 5}, {"balance": 5}),
        ({"default_source": "card_1"}, {}),
        ({"default_source": "card_2"}, {"default_source": "card_2"}),
        ({"address": {"city": "Bath"}}, {}),
        ({"address": {"city": "Bath", "line1": "1"}}, {"address": {"city": "Bath", "line1": "1"}}),
        ({"address": ""}, {"address": ""}),
        ({"metadata": {"team": "blue"}}, {}),
        ({"metadata": {"team": "red", "old": "1"}}, {"metadata": {"team": "red"}}),
        ({"metadata": {"old": "", "never": ""}}, {"metadata": {"old": ""}}),
        ({"metadata": ""}, {"metadata": ""}),
        ({"preferred_locales": ["en"]}, {}),
        ({"preferred_locales": ["en", "de"]}, {"preferred_locales": ["en", "de"]}),
        ({"unit_amount_decimal": Decimal("10.50")}, {}),
        ({"source": "tok_1"}, {"source": "tok_1"}),
        ({"items": [{"id": "si_1", "quantity": 2}]}, {}),
        ({"items": [{"id": "si_1", "quantity": 3}]}, {"items": [{"id": "si_1", "quantity": 3}]}),
    ],
)
def test_only_what_differs_is_left(form: dict[str, Any], left: dict[str, Any]) -> None:
    assert differing(form, CUSTOMER) == left


@pytest.mark.parametrize(
    ("form", "standing"),
    [
        ({"name": "Ann", "metadata": {"team": "blue"}}, EQUAL),
        ({"name": "Bob", "source": "tok_1"}, DIFFERENT),
        ({"name": "Ann", "source": "tok_1"}, NOT_SHOWN),
        ({"metadata": {"gone": ""}}, EQUAL),
    ],
)
def test_a_form_is_equal_different_or_not_shown(form: dict[str, Any], standing: str) -> None:
    assert compared(form, CUSTOMER) == standing


def test_how_an_object_looks_when_it_is_done() -> None:
    assert matches({"status": "paid"}, {"status": "paid", "id": "in_1"})
    assert not matches({"status": "paid"}, {"status": "open"})
    assert matches({"customer": ""}, {"customer": None})
    assert not matches({}, {"status": "paid"}), "nothing is said of how it looks"


def test_an_object_as_it_is_after_a_row() -> None:
    after = merged(CUSTOMER, {"name": "Bob", "address": {"line1": "1"}, "metadata": {"team": "red"}})
    assert (after["name"], after["address"]) == ("Bob", {"city": "Bath", "line1": "1"})
    assert after["metadata"] == {"team": "red", "old": "1"}
    assert CUSTOMER["name"] == "Ann"
