"""An empty string clears whatever Stripe lets it clear: every clearable parameter of every call that updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.document.forms import CLEARED
from tests.accounts import NOW

Record = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, rps=0, now=NOW) as running:
        yield running
        http().close()
        http.cache_clear()


@cache
def http() -> httpx.Client:
    return httpx.Client()


def post(sandbox: Sandbox, path: str, **form: Any) -> httpx.Response:
    return http().post(f"{sandbox.url}{path}", data=form, auth=(sandbox.key, ""))


def made(path: str, **form: Any) -> Callable[[Sandbox], Record]:
    def make(sandbox: Sandbox) -> Record:
        answer = post(sandbox, path, **form)
        assert answer.status_code == 200, answer.text
        record: Record = answer.json()
        return record

    return make


def found(kind: str, **fields: Any) -> Callable[[Sandbox], Record]:
    def find(sandbox: Sandbox) -> Record:
        return next(
            record for record in sandbox.truth(kind) if all(record[name] == value for name, value in fields.items())
        )

    return find


def uploaded(sandbox: Sandbox) -> str:
    answer = httpx.post(
        f"{sandbox.url}/v1/files",
        data={"purpose": "dispute_evidence"},
        files={"file": ("a.txt", b"a")},
        auth=(sandbox.key, ""),
    )
    return str(answer.json()["id"])


def made_for_customer(path: str, **form: Any) -> Callable[[Sandbox], Record]:
    return lambda sandbox: made(path, **form, customer=made("/v1/customers", name="Ada")(sandbox)["id"])(sandbox)


OBJECTS: dict[str, Callable[[Sandbox], Record]] = {
    "/v1/charges/{charge}": found("charge", status="succeeded"),
    "/v1/checkout/sessions/{session}": made(
        "/v1/checkout/sessions",
        **{
            "mode": "payment",
            "success_url": "https://example.com/",
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "500",
            "line_items[0][price_data][product_data][name]": "Lamp",
        },
    ),
    "/v1/coupons/{coupon}": made("/v1/coupons", percent_off="10"),
    "/v1/customers/{customer}": made("/v1/customers", name="Ada"),
    "/v1/disputes/{dispute}": found("dispute", status="needs_response"),
    "/v1/file_links/{link}": lambda sandbox: made("/v1/file_links", file=uploaded(sandbox))(sandbox),
    "/v1/invoiceitems/{invoiceitem}": made_for_customer("/v1/invoiceitems", amount="500", currency="usd"),
    "/v1/invoices/{invoice}": made_for_customer("/v1/invoices"),
    "/v1/payment_intents/{intent}": made("/v1/payment_intents", amount="500", currency="usd"),
    "/v1/payment_links/{payment_link}": found("payment_link"),
    "/v1/payment_methods/{payment_method}": lambda sandbox: post(
        sandbox,
        "/v1/payment_methods/pm_card_visa/attach",
        customer=made("/v1/customers", name="Ada")(sandbox)["id"],
    ).json(),
    "/v1/payouts/{payout}": found("payout"),
    "/v1/prices/{price}": found("price"),
    "/v1/promotion_codes/{promotion_code}": lambda sandbox: made(
        "/v1/promotion_codes",
        **{"promotion[type]": "coupon", "promotion[coupon]": made("/v1/coupons", percent_off="10")(sandbox)["id"]},
    )(sandbox),
    "/v1/products/{id}": made("/v1/products", name="Lamp"),
    "/v1/refunds/{refund}": found("refund"),
    "/v1/setup_intents/{intent}": made("/v1/setup_intents"),
    "/v1/subscriptions/{subscription_exposed_id}": found("subscription", status="active"),
    "/v1/subscription_items/{item}": lambda sandbox: found("subscription", status="active")(sandbox)["items"]["data"][
        0
    ],
    "/v1/tax_rates/{tax_rate}": made("/v1/tax_rates", display_name="VAT", percentage="19", inclusive="false"),
    "/v1/webhook_endpoints/{webhook_endpoint}": made(
        "/v1/webhook_endpoints", **{"url": "http://127.0.0.1:9/", "enabled_events[]": "customer.created"}
    ),
}


def clearable(shapes: Mapping[str, api.Shape], above: str = "") -> Iterator[str]:
    """Yield the names of the parameters that an empty string clears, in bracket form; none inside arrays."""
    for name, shape in shapes.items():
        full = f"{above}[{name}]" if above else name
        if shape.clearable:
            yield full
        yield from clearable(shape.fields, full)


def clearable_in(path: str) -> set[str]:
    operation = api.operation("POST", path)
    assert operation is not None
    more = {row.parameter for row in CLEARED if row.call in {None, operation.name}}
    return {*clearable(operation.body), *(more & operation.body.keys())}


MORE = {"/v1/disputes/{dispute}": {"submit": "false"}}
"""What has to be sent along, so that the object stays open."""

NEVER_NULL = {"tax_exempt": "none"}
"""What stands where nothing was chosen."""


@pytest.mark.parametrize("path", OBJECTS)
def test_every_clearable_parameter_is_cleared(sandbox: Sandbox, path: str) -> None:
    record = OBJECTS[path](sandbox)
    url = "/".join(record["id"] if part.startswith("{") else part for part in path.split("/"))
    names = sorted(clearable_in(path))
    assert names
    wrong = [f"{name}: {why}" for name in names for why in cleared(sandbox, record, url, name, MORE.get(path, {}))]
    assert wrong == []


def cleared(sandbox: Sandbox, record: Record, url: str, name: str, more: Record) -> Iterator[str]:
    """Clear one parameter, and say what is wrong with the answer."""
    give_value(sandbox, record, name)
    answer = post(sandbox, url, **{name: ""}, **more)
    left: Any = answer.json()
    if answer.status_code != 200:  # a neighbour is needed, which is another matter
        error = left["error"]
        if error.get("code") != "parameter_missing" or error["param"] == name:
            yield error["message"]
        return
    yield from api.problems(left, record["object"])
    for step in name.replace("]", "").split("["):
        left = left.get(step) if isinstance(left, dict) else None
    if left and left != NEVER_NULL.get(name):
        yield f"{left!r:.60} is left"


def give_value(sandbox: Sandbox, record: Record, name: str) -> None:
    """Let something stand in a plain field that is to be cleared."""
    field = api.schema(record["object"]).fields.get(name)
    if field is None or field.choices or field.resources or not field.types <= {"string", "integer"}:
        return
    stored = sandbox.store.get(record["object"], record["id"])
    if stored is not None:
        sandbox.put(record["object"], {**stored, name: "before" if "string" in field.types else 1})


def test_one_key_of_metadata_is_removed_and_an_empty_string_for_the_whole_removes_all(sandbox: Sandbox) -> None:
    for path in ("/v1/customers", "/v1/products", "/v1/setup_intents"):
        named = {} if path == "/v1/setup_intents" else {"name": "Ada"}
        record = made(path, **named, **{"metadata[a]": "1", "metadata[b]": "2"})(sandbox)
        url = f"{path}/{record['id']}"
        assert post(sandbox, url, **{"metadata[a]": "", "metadata[c]": "3"}).json()["metadata"] == {"b": "2", "c": "3"}
        assert post(sandbox, url, metadata="").json()["metadata"] == {}


def test_an_intent_without_its_payment_method_waits_for_one_again(sandbox: Sandbox) -> None:
    for path, form in (("/v1/payment_intents", {"amount": "500", "currency": "usd"}), ("/v1/setup_intents", {})):
        intent = made(path, **form, payment_method="pm_card_visa")(sandbox)
        assert intent["status"] == "requires_confirmation"
        cleared = post(sandbox, f"{path}/{intent['id']}", payment_method="").json()
        assert (cleared["payment_method"], cleared["status"]) == (None, "requires_payment_method")


def test_what_stripe_does_not_let_be_cleared_is_refused_and_stays(sandbox: Sandbox) -> None:
    customer = made("/v1/customers", name="Ada", email="ada@example.com")(sandbox)
    answer = post(sandbox, f"/v1/customers/{customer['id']}", invoice_prefix="")
    assert answer.json()["error"]["code"] == "parameter_invalid_empty"
    read = httpx.get(f"{sandbox.url}/v1/customers/{customer['id']}", auth=(sandbox.key, "")).json()
    assert read["invoice_prefix"] == customer["invoice_prefix"]
