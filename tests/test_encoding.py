"""Form encoding, held against Stripe's own library."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe._encode import _api_encode

from connector.api.calls import Call
from connector.api.client import Client
from connector.api.encoding import form_encode
from connector.config import Connection, Key
from connector.errors import UsageError
from tests.scripted_server import Answer, ScriptedServer

KEY = "sk_test_" + "a" * 24

numbers = (
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers().map(lambda n: Decimal(n) / 100)
)
plain_decimals = numbers.filter(lambda n: not isinstance(n, Decimal) or "E" not in str(n))
words = st.text() | st.sampled_from(["", "[", "a[b]", "%5B", "ü €", "a+b c&d=e", "\r\n", "𝄞"])
times = st.datetimes(
    min_value=datetime.datetime(1970, 1, 2),  # noqa: DTZ001
    timezones=st.integers(-14, 14).map(lambda hours: datetime.timezone(datetime.timedelta(hours=hours))),
    max_value=datetime.datetime(2200, 1, 1),  # noqa: DTZ001
)
in_lists = words | plain_decimals
anywhere = in_lists | st.booleans() | times | st.none()
listed = st.recursive(in_lists, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
values = st.recursive(anywhere, lambda inner: st.dictionaries(words, inner, max_size=3) | st.lists(listed, max_size=3))


@given(st.dictionaries(words, values, max_size=4))
def test_the_same_bytes_as_the_official_library(parameters: dict[str, Any]) -> None:
    official = urlencode(list(_api_encode(parameters))).replace("%5B", "[").replace("%5D", "]")
    assert form_encode(parameters) == official


def test_the_same_request_as_the_official_library_over_the_wire() -> None:
    form: dict[str, Any] = {
        "email": "jörg+a@example.com",
        "description": "",
        "metadata": {"a b": "1&2", "empty": ""},
        "address": {"city": "Köln"},
        "preferred_locales": ["de", "en"],
        "tax_id_data": [{"type": "eu_vat", "value": "DE1"}],
        "balance": -5,
    }
    query: dict[str, Any] = {"limit": 3, "created": {"gte": 1, "lt": 2}, "expand": ["data.sources"]}
    with ScriptedServer(Answer(body={"object": "list", "data": [], "has_more": False})) as server:
        official = stripe.StripeClient(KEY, base_addresses={"api": server.url})
        official.v1.customers.create(params=form)  # type: ignore[arg-type]
        official.v1.customers.list(params=query)  # type: ignore[arg-type]
        with Client(Connection(Key(KEY), api_base=server.url)) as client:
            client.request(Call("POST", "/v1/customers", form=form))
            client.get("/v1/customers", query)
    assert server.requests[2].body == server.requests[0].body
    # The HTTP client below the official library escapes the brackets of an address once more.
    assert server.requests[3].target == server.requests[1].target.replace("%5B", "[").replace("%5D", "]")
    for name in ("content-type", "authorization"):
        assert server.requests[2].headers[name] == server.requests[0].headers[name]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ([True, False], "x[0]=true&x[1]=false"),
        (Decimal("1E+2"), "x=100"),
        (Decimal("1E-7"), "x=0.0000001"),
        ([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)], "x[0]=1704067200"),
        (datetime.date(2024, 1, 31), "x=2024-01-31"),
        ("", "x="),
        (None, ""),
        ([], ""),
        ({}, ""),
    ],
)
def test_values_are_sent_as_stripe_writes_them_not_as_python_does(value: object, sent: str) -> None:
    assert form_encode({"x": value}) == sent


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (["a", None], r"x\[1\] is null"),
        (float("nan"), "x is not a finite number"),
        (Decimal("Infinity"), "x is not a finite number"),
        (datetime.datetime(2024, 1, 1), "x is a time without a time zone"),  # noqa: DTZ001
        ({"a": {"b": object()}}, r"x\[a\]\[b\] is a object, which cannot be sent"),
        (b"bytes", "x is a bytes, which cannot be sent"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name_and_without_its_value(value: object, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        form_encode({"x": value})
