"""Form decoding: what the official library encodes comes out as it went in, and wrong values are refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as some
from stripe._encode import _api_encode

from connector.sandbox.document import api, forms
from connector.sandbox.document.refusals import Refusal

KEYS = some.text("abcdefgh_", min_size=1, max_size=5)
VALUES = some.recursive(
    some.text(max_size=8),
    lambda below: some.dictionaries(KEYS, below, min_size=1, max_size=3) | some.lists(below, min_size=1, max_size=3),
    max_leaves=8,
)


def _as_tree(value: Any) -> Any:
    if isinstance(value, list):
        return {str(number): _as_tree(item) for number, item in enumerate(value)}
    if isinstance(value, dict):
        return {key: _as_tree(item) for key, item in value.items()}
    return value


@given(some.dictionaries(KEYS, VALUES, max_size=4))
def test_what_the_official_library_encodes_decodes_to_the_same(parameters: dict[str, Any]) -> None:
    assert forms.decode(urlencode(list(_api_encode(parameters)))) == _as_tree(parameters)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("expand[]=a&expand[]=b", {"expand": {"0": "a", "1": "b"}}),
        ("created%5Bgte%5D=5", {"created": {"gte": "5"}}),
        ("name=a+b%26c", {"name": "a b&c"}),
        (
            "items[][price]=p&items[][quantity]=1&items[][price]=q",
            {"items": {"0": {"price": "p", "quantity": "1"}, "1": {"price": "q"}}},
        ),
        ("name=", {"name": ""}),
        ("", {}),
    ],
)
def test_brackets_nest_and_empty_ones_count(text: str, tree: dict[str, Any]) -> None:
    assert forms.decode(text) == tree


@pytest.mark.parametrize(
    ("path", "text", "values"),
    [
        ("/v1/invoices", "created[gte]=5&created[lt]=9", {"created": {"gte": 5, "lt": 9}}),
        ("/v1/invoices", "created=5", {"created": 5}),
        ("/v1/invoices", "status=paid&limit=3", {"status": "paid", "limit": 3}),
        ("/v1/prices", "active=false&recurring[interval]=month", {"active": False, "recurring": {"interval": "month"}}),
        ("/v1/prices", "lookup_keys[]=a&lookup_keys[]=b", {"lookup_keys": ["a", "b"]}),
        ("/v1/events", "types[1]=b&types[0]=a", {"types": ["a", "b"]}),
    ],
)
def test_text_becomes_the_type_of_the_parameter(path: str, text: str, values: dict[str, Any]) -> None:
    assert _read(path, text) == values


@pytest.mark.parametrize(
    ("path", "text", "code", "param"),
    [
        ("/v1/invoices", "colour=red", "parameter_unknown", "colour"),
        ("/v1/invoices", "created[since]=1", "parameter_unknown", "created[since]"),
        ("/v1/invoices", "created=yesterday", "parameter_invalid_integer", "created"),
        ("/v1/invoices", "created[gte]=1.5", "parameter_invalid_integer", "created[gte]"),
        ("/v1/invoices", "status=payed", None, "status"),
        ("/v1/invoices", "customer=", "parameter_invalid_empty", "customer"),
        ("/v1/invoices", "customer[id]=1", None, "customer"),
        ("/v1/invoices", "expand=customer", None, "expand"),
        ("/v1/prices", "active=yes", None, "active"),
        ("/v1/prices", "recurring=month", None, "recurring"),
        ("/v1/prices", "recurring[interval]=fortnight", None, "recurring[interval]"),
        ("/v1/subscription_items", "limit=1", "parameter_missing", "subscription"),
        ("/v1/checkout/sessions", "customer_details[name]=x", "parameter_unknown", "customer_details[name]"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(path: str, text: str, code: str | None, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        _read(path, text)
    assert (refused.value.rule.status, refused.value.rule.code, refused.value.param) == (400, code, param)


def test_a_body_may_clear_a_parameter_with_an_empty_string() -> None:
    operation = api.operation("POST", "/v1/customers")
    assert operation is not None
    text = "business_name=&metadata[a]=&address=&balance=-5"
    assert forms.read(forms.decode(text), operation.body, ()) == {
        "business_name": "",
        "metadata": {"a": ""},
        "address": "",
        "balance": -5,
    }


def _read(path: str, text: str) -> dict[str, Any]:
    operation = api.operation("GET", path)
    assert operation is not None
    return forms.read(forms.decode(text), operation.query, operation.required)
