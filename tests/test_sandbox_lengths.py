"""No call that writes takes a text that is longer than Stripe's document allows."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from connector.sandbox.document import api
from connector.sandbox.document.api import Shape
from connector.sandbox.document.refusals import Refusal
from connector.sandbox.server.bodies import parameters_of
from connector.sandbox.server.messages import Request
from connector.sandbox.writes.served import HANDLERS
from tests.sandbox_caller import Caller, calling

AT_LEAST = 700
"""So many limits the served writes have in all; fewer would mean that the document has lost them."""


def limits(shape: Shape, name: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each text below a parameter: its name, how long it may be, and what must be sent beside it."""
    if shape.longest is not None and "string" in shape.types:
        yield name, shape.longest, []
    for key, below in shape.fields.items():
        beside = [f"{name}[{other}]" for other in shape.required if other != key]
        for found, longest, more in limits(below, f"{name}[{key}]"):
            yield found, longest, [*beside, *more]
    if shape.items is not None:
        yield from limits(shape.items, f"{name}[0]")


def over_long(call: str) -> Iterator[tuple[str, str]]:
    """Yield forms with one text that is a character too long, and the name of that parameter."""
    method, path = call.split(" ")
    operation = api.operation(method, path)
    assert operation is not None
    for name, shape in operation.body.items():
        for found, longest, beside in limits(shape, name):
            needed = [*(operation.required - {name}), *beside]
            yield urlencode([(found, "x" * (longest + 1)), *((other, "1") for other in needed)]), found


def test_no_served_write_takes_an_over_long_text() -> None:
    tried, taken = 0, []
    for call in HANDLERS:
        method, path = call.split(" ")
        operation = api.operation(method, path)
        assert operation is not None
        for form, name in over_long(call):
            tried += 1
            with pytest.raises(Refusal) as refused:
                parameters_of(Request(method, path, body=form.encode()), operation)
            if (refused.value.param, "must be at most" in refused.value.message) != (name, True):
                taken.append((call, name, refused.value.message))
    assert taken == []
    assert tried > AT_LEAST


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling() as made:
        yield made


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("/v1/customers", {"name": "x" * 257}, "name"),
        ("/v1/customers", {"address[city]": "x" * 5001}, "address[city]"),
        ("/v1/products", {"name": "x", "statement_descriptor": "x" * 23}, "statement_descriptor"),
        ("/v1/coupons", {"percent_off": "5", "name": "x" * 41}, "name"),
    ],
)
def test_a_text_that_is_too_long_is_refused_by_name(
    caller: Caller, path: str, form: dict[str, str], param: str
) -> None:
    error = caller.refused(path, form)
    assert error["param"] == param
    assert "must be at most" in error["message"]


def test_a_text_of_just_the_length_is_taken(caller: Caller) -> None:
    assert caller.post("/v1/customers", {"name": "x" * 256})["name"] == "x" * 256
