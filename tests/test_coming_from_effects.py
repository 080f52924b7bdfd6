"""What the page on coming from another tool promises in its remarks: how to get the effect of before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector import Stripe
from connector.errors import UsageError
from connector.sandbox import Sandbox
from tests.test_write_coming_from import Shop
from tests.writing import a_sandbox, an_account

sandbox = pytest.fixture(scope="module")(a_sandbox)
stripe = pytest.fixture(an_account)


@pytest.fixture
def shop(stripe: Stripe, sandbox: Sandbox) -> Shop:
    return Shop(stripe, sandbox)


def the(stripe: Stripe, table: str, record_id: str) -> dict[str, Any]:
    (row,) = stripe.extract(table, id=record_id).to_arrow().to_pylist()
    return dict(row)


def coupon(shop: Shop) -> str:
    return shop.any("coupons", percent_off=10, duration="forever")


def promotion_code(shop: Shop) -> str:
    return shop.any("promotion_codes", **{"promotion.type": "coupon", "promotion.coupon": coupon(shop)})


def subscription(shop: Shop) -> str:
    customer = shop.any("customers", name="Ada")
    method = shop.made("payment_methods", "attach", set={"id": "pm_card_visa", "customer": customer})
    tea: dict[str, Any] = {"recurring.interval": "month", "product_data.name": "Tea"}
    price = shop.any("prices", currency="usd", unit_amount=900, **tea)
    return shop.any("subscriptions", customer=customer, default_payment_method=method, **{"items[0].price": price})


@pytest.mark.parametrize(("parameter", "made"), [("coupon", coupon), ("promotion_code", promotion_code)])
def test_the_coupon_of_a_customer_goes_on_a_subscription_or_an_invoice(
    parameter: str, made: Callable[[Shop], str], stripe: Stripe, shop: Shop
) -> None:
    discount: dict[str, Any] = {f"discounts[0].{parameter}": made(shop)}
    billed, draft = subscription(shop), shop.draft()
    shop.made("subscriptions", "update", set={"id": billed, **discount})
    assert stripe.extract("upcoming_invoices", subscription=billed).to_arrow().to_pylist()[0]["total"] == 810
    shop.made("invoices", "update", set={"id": draft, **discount})
    assert the(stripe, "invoices", draft)["total"] == 630
    with pytest.raises(UsageError, match=f"no parameter {parameter}"):
        stripe.write("customers", "create", set={parameter: "x"})


def test_what_a_customer_takes_only_at_creation_is_added_later(stripe: Stripe, shop: Shop) -> None:
    customer = shop.any("customers", name="Ada")
    method = shop.made("payment_methods", "attach", set={"id": "pm_card_visa", "customer": customer})
    assert the(stripe, "payment_methods", method)["customer"] == customer
    shop.any("customer_tax_ids", customer=customer, type="eu_vat", value="DE123456789")
    assert stripe.extract("customer_tax_ids", customer=customer).to_arrow().column("value").to_pylist() == [
        "DE123456789"
    ]


@pytest.mark.parametrize("kind", ["good", "service"])
def test_a_product_has_one_of_the_two_types_from_the_start(kind: str, stripe: Stripe, shop: Shop) -> None:
    made = shop.any("products", name="Mug", type=kind, **{"metadata.caption": "A mug"})
    product = the(stripe, "products", made)
    assert (product["type"], product["metadata"]) == (kind, '{"caption":"A mug"}')


def test_lines_come_as_invoice_items_or_are_added(stripe: Stripe, shop: Shop) -> None:
    draft = shop.draft()
    shop.made("invoices", "add_lines", set={"id": draft, "lines[0].amount": 300, "lines[0].description": "More"})
    assert the(stripe, "invoices", draft)["subtotal"] == 1_000
    assert stripe.extract("invoice_lines", invoice=draft).to_arrow().num_rows == 2


@pytest.mark.parametrize("many", [True, False])
def test_tax_rates_are_a_list_or_one_after_the_other(many: bool, stripe: Stripe, shop: Shop) -> None:
    rate, draft = shop.any("tax_rates", display_name="VAT", percentage=10, inclusive=False), shop.draft()
    rates = {"default_tax_rates": [rate]} if many else {"default_tax_rates[0]": rate}
    shop.made("invoices", "update", set={"id": draft, **rates})
    assert rate in the(stripe, "invoices", draft)["default_tax_rates"]


@pytest.mark.parametrize(
    ("how", "amount"),
    [({"unit_amount_decimal": "12.5", "quantity": 2, "currency": "usd"}, 25),
     ({"price_data.currency": "usd", "price_data.unit_amount": 77}, 77),
     ({"price_data.currency": "usd", "price_data.unit_amount_decimal": "7700"}, 7_700)],
)  # fmt: skip
def test_a_unit_amount_of_an_invoice_item_has_another_name(
    how: dict[str, Any], amount: int, stripe: Stripe, shop: Shop
) -> None:
    product = {} if "currency" in how else {"price_data.product": shop.product()}
    item = shop.any("invoice_items", customer=shop.customer, **how, **product)
    assert the(stripe, "invoice_items", item)["amount"] == amount
    pending = stripe.extract("invoice_items", customer=shop.customer, pending=True).to_arrow()
    assert item in pending.column("id").to_pylist()


@pytest.mark.parametrize("parameter", ["allowed_payment_method_types", "excluded_payment_method_types"])
def test_the_types_of_payment_methods_are_allowed_or_excluded(parameter: str, stripe: Stripe, shop: Shop) -> None:
    assert shop.any("payment_intents", amount=2000, currency="usd", **{parameter: ["klarna"]})
    with pytest.raises(UsageError, match="payment_method_types"):
        stripe.write("payment_intents", "create", amount=2000, currency="usd", payment_method_types=["card"])


@pytest.mark.parametrize(
    "set_",
    [{"off_session": True}, {"error_on_requires_action": True}, {"return_url": "https://example.com"},
     {"mandate_data.customer_acceptance.type": "online",
      "mandate_data.customer_acceptance.online.ip_address": "192.0.2.1",
      "mandate_data.customer_acceptance.online.user_agent": "Safari"}],
)  # fmt: skip
def test_what_belongs_to_a_confirmation_is_taken_there(set_: dict[str, Any], stripe: Stripe, shop: Shop) -> None:
    intent = shop.intent()
    shop.made("payment_intents", "confirm", set={"id": intent, **set_})
    assert the(stripe, "payment_intents", intent)["status"] == "succeeded"


def test_metadata_is_updated_before_a_confirmation(stripe: Stripe, shop: Shop) -> None:
    with pytest.raises(UsageError, match="metadata"):
        stripe.write("payment_intents", "confirm", set={"id": "pi_1", "metadata.team": "blue"})
    intent = shop.intent()
    shop.made("payment_intents", "update", set={"id": intent, "metadata.team": "blue"})
    assert the(stripe, "payment_intents", intent)["metadata"] == '{"team":"blue"}'


def test_what_is_captured_is_the_amount_to_capture(stripe: Stripe, shop: Shop) -> None:
    intent = shop.held_intent()
    shop.made("payment_intents", "capture", set={"id": intent, "amount_to_capture": 1_500})
    assert the(stripe, "payment_intents", intent)["amount_received"] == 1_500


def test_events_are_read_by_their_group(stripe: Stripe, shop: Shop) -> None:
    shop.draft()
    types = set(
        stripe.extract("events", {"type": "invoice.*", "created": {"gte": 1793534400}}).to_arrow()["type"].to_pylist()
    )
    assert "invoice.created" in types
    assert all(each.startswith("invoice.") for each in types)
