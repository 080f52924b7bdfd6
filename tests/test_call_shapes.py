"""The check of every call that the suite makes: what it finds, that it sees all, and that the sandbox agrees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api, forms
from connector.sandbox.document.refusals import RULES, Refusal
from connector.sandbox.server.bodies import parameters_of
from connector.sandbox.server.messages import Request, Response
from connector.sandbox.writes.served import HANDLERS
from tests.call_shapes import CallShapes

FORM = {"content-type": "application/x-www-form-urlencoded"}


def get(path: str, query: str = "") -> Request:
    return Request("GET", path, query)


def post(path: str, body: str) -> Request:
    return Request("POST", path, "", FORM, body.encode())


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (get("/v1/customer"), "GET /v1/customer: Stripe has no such call"),
        (get("/v1/customers/"), "GET /v1/customers/: Stripe has no such call"),
        (get("/v1/customers", "colour=red"), "GET /v1/customers colour: unknown"),
        (get("/v1/customers", "created[since]=1"), "GET /v1/customers created[since]: unknown"),
        (get("/v1/customers", "limit=ten"), "GET /v1/customers limit: 'ten' is not integer"),
        (get("/v1/customers", "email="), "GET /v1/customers email: '' is not string"),
        (get("/v1/customers", "expand=x"), "GET /v1/customers expand: 'x' is not array"),
        (get("/v1/customers", "email[a]=x"), "GET /v1/customers email: neither an array nor an object"),
        (get("/v1/prices", "active=yes"), "GET /v1/prices active: 'yes' is not boolean"),
        (get("/v1/subscription_items"), "GET /v1/subscription_items subscription: missing"),
        (post("/v1/customers", "address[town]=Ulm"), "POST /v1/customers address[town]: unknown"),
        (post("/v1/customers", "tax_id_data[0][value]=x"), "POST /v1/customers tax_id_data[0][type]: missing"),
        (
            post("/v1/customers", "address[city][x]=1"),
            "POST /v1/customers address[city]: neither an array nor an object",
        ),
        (post("/v1/coupons", "duration=weekly"), "POST /v1/coupons duration: 'weekly' is not 'forever'/'once'"),
        (Request("DELETE", "/v1/customers/cus_1", "now=true"), "DELETE /v1/customers/{customer} now: unknown"),
        (
            Request("POST", "/v1/customers", "", {"content-type": "application/json"}, b"{}"),
            "POST /v1/customers: a body of application/json is not application/x-www-form-urlencoded",
        ),
        (
            Request("POST", "/v1/files", "", FORM, b"purpose=dispute_evidence&file=x"),
            "POST /v1/files: a body of application/x-www-form-urlencoded is not multipart/form-data",
        ),
    ],
)
def test_what_stripe_would_refuse_is_named(call: Request, wrong: str) -> None:
    assert wrong in [problem[: len(wrong)] for problem in CallShapes().problems(call)]


@pytest.mark.parametrize(
    "call",
    [
        get("/v1/invoices", "limit=3&expand[]=data.customer&created[gte]=5&status=open"),
        get("/v1/invoices", "created=5"),
        get("/v1/customers/search", "query=x"),
        post("/v1/customers", "description=&metadata=&address=&balance=-5"),
        post("/v1/customers", "metadata[a]=&metadata[b]=1&tax_id_data[0][type]=eu_vat&tax_id_data[0][value]=x"),
        post("/v1/payment_intents/pi_1", "payment_method="),
        Request("DELETE", "/v1/subscriptions/sub_1", "prorate=true"),
    ],
)
def test_what_stripe_takes_passes(call: Request) -> None:
    assert CallShapes().problems(call) == []


def test_a_call_that_the_sandbox_took_is_held_against_the_test_and_a_refused_one_is_not(
    call_shapes: CallShapes,
) -> None:
    call_shapes.watch(get("/v1/customers", "colour=red"), Response(400))
    call_shapes.watch(get("/v2/core/events", "colour=red"), Response(200))
    assert call_shapes.taken() == []
    call_shapes.watch(get("/v1/customers", "colour=red"), Response(500))
    assert call_shapes.taken() == ["GET /v1/customers colour: unknown"]


def test_every_call_over_http_is_seen(sandbox: Sandbox, call_shapes: CallShapes) -> None:
    before = call_shapes.checked
    for number in range(3):
        httpx.get(f"{sandbox.url}/v1/customers", params={"limit": number + 1}, auth=(sandbox.key, ""))
    httpx.get(f"{sandbox.url}/_stats")
    assert call_shapes.checked == before + 3


def test_the_sandbox_takes_what_the_document_takes_parameter_by_parameter(subtests: pytest.Subtests) -> None:
    """Tries five values of every parameter, four levels deep, on both."""
    shapes = CallShapes()
    for operation in api.operations():
        if operation.method == "GET" or (operation.name in HANDLERS and operation.path != "/v1/files"):  # no form
            with subtests.test(operation.name):
                assert list(_differences(operation, shapes)) == []


def _differences(operation: api.Operation, shapes: CallShapes) -> Iterator[tuple[str, str, list[str]]]:
    for name, value in _tries(operation):
        text = urlencode({name: value})
        call = get(operation.path, text) if operation.method == "GET" else post(operation.path, text)
        call = Request(operation.method, call.path, call.query, call.headers, call.body)
        wrong = [each for each in shapes.problems(call) if not re.fullmatch(r"[^\[]+: missing", each)]
        if bool(wrong) != _refused(call, operation):
            yield name, value, wrong


BEYOND_TYPES = [
    RULES[name]
    for name in ("too_long", "bad_currency", "bad_country", "too_small", "descriptor_signs", "descriptor_letters")
]
"""What is refused though its type is right; this has tests of its own."""


def _refused(call: Request, operation: api.Operation) -> bool:
    try:
        if operation.method == "GET":
            forms.read(forms.decode(call.query), operation.query, ())
        else:
            parameters_of(call, replace(operation, required=frozenset()))
    except Refusal as no:
        return no.rule not in BEYOND_TYPES
    return False


def _tries(operation: api.Operation) -> Iterator[tuple[str, str]]:
    for name in [*_names({**operation.query, **operation.body})]:
        for value in ["", "word", "7", "-7.5", "true"]:
            yield name, value
    yield "nonsense", "1"


def _names(shapes: Any, above: str = "", depth: int = 0) -> Iterator[str]:
    for key, shape in shapes.items():
        name = f"{above}[{key}]" if above else key
        yield name
        if depth < 4:
            yield from _names(shape.fields, name, depth + 1)
            if shape.items is not None:
                yield from _names({"0": shape.items}, name, depth + 1)
