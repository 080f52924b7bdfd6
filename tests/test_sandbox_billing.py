"""Invoices and what belongs to them: totals that follow from lines, states that refuse, prorations, credit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from tests.office import Office

NOW = 1_780_000_000
HOUR, DAY = 3_600, 86_400


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=3, now=NOW, rps=0) as running:
        yield running
    for kind in ("invoice", "invoiceitem", "subscription", "credit_note", "event", "invoice_payment"):
        for record in running.store.records(kind):
            if int(record.get("created") or record["date"]) >= NOW:
                assert api.problems(record, kind) == []


@pytest.fixture
def api_client(sandbox: Sandbox) -> Any:
    return stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url}, max_network_retries=0).v1


@pytest.fixture
def ada(api_client: Any) -> Any:
    return customer_with(api_client, "pm_card_visa")


def customer_with(client: Any, method: str | None, **fields: Any) -> Any:
    customer = client.customers.create({"name": "Ada", "email": "ada@example.com", **fields})
    if method is not None:
        attached = client.payment_methods.attach(method, {"customer": customer.id})
        client.customers.update(customer.id, {"invoice_settings": {"default_payment_method": attached.id}})
    return customer


def price_of(client: Any, unit_amount: int, interval: str | None = "month") -> Any:
    product = client.products.create({"name": f"Plan {unit_amount}"})
    asked: dict[str, Any] = {"product": product.id, "currency": "usd", "unit_amount": unit_amount}
    if interval:
        asked["recurring"] = {"interval": interval}
    return client.prices.create(asked)


def drafted(client: Any, customer: Any, *amounts: int, **fields: Any) -> Any:
    invoice = client.invoices.create({"customer": customer.id, **fields})
    for amount in amounts:
        client.invoice_items.create({"customer": customer.id, "invoice": invoice.id, "amount": amount})
    return client.invoices.retrieve(invoice.id)


def told(sandbox: Sandbox, ident: str) -> list[str]:
    """Types of the events about an object, oldest first."""
    found = [event for event in sandbox.truth("event") if event["data"]["object"].get("id") == ident]
    return [event["type"] for event in reversed(found)]


def total_of(invoice: Any) -> int:
    lines = invoice.lines.data
    taken = sum(part.amount for line in lines for part in line.discount_amounts)
    taxes = sum(tax.amount for line in lines for tax in line.taxes if tax.tax_behavior == "exclusive")
    return int(sum(line.amount for line in lines) - taken + taxes)


def test_a_draft_takes_its_lines_and_is_paid(sandbox: Sandbox, api_client: Any, ada: Any) -> None:
    draft = drafted(api_client, ada, 1_000, 234)
    assert (draft.status, draft.total, draft.number) == ("draft", 1_234, None)
    open_invoice = api_client.invoices.finalize_invoice(draft.id)
    assert (open_invoice.status, open_invoice.amount_remaining) == ("open", 1_234)
    assert open_invoice.number.endswith("-0001")
    paid = api_client.invoices.pay(draft.id, {"expand": ["payments"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1_234, 0)
    intent = api_client.payment_intents.retrieve(paid.payments.data[0].payment.payment_intent)
    assert (intent.status, intent.amount_received) == ("succeeded", 1_234)
    assert api_client.invoice_payments.list({"invoice": paid.id}).data[0].amount_paid == 1_234
    types = told(sandbox, paid.id)
    assert types[0] == "invoice.created"
    assert {"invoice.finalized", "invoice.paid", "invoice.payment_succeeded"} <= set(types)


def test_pending_items_come_only_when_asked_for(api_client: Any, ada: Any) -> None:
    item = api_client.invoice_items.create({"customer": ada.id, "amount": 700, "currency": "usd"})
    assert drafted(api_client, ada).total == 0
    taking = drafted(api_client, ada, pending_invoice_items_behavior="include")
    assert [line.parent.invoice_item_details.invoice_item for line in taking.lines.data] == [item.id]
    assert api_client.invoice_items.retrieve(item.id).invoice == taking.id
    assert drafted(api_client, ada, pending_invoice_items_behavior="include").total == 0


def test_deleting_a_draft_lets_its_items_wait_again(sandbox: Sandbox, api_client: Any, ada: Any) -> None:
    draft = drafted(api_client, ada, 500)
    item = draft.lines.data[0].parent.invoice_item_details.invoice_item
    assert api_client.invoices.delete(draft.id).deleted
    assert api_client.invoice_items.retrieve(item).invoice is None
    with pytest.raises(stripe.InvalidRequestError) as caught:
        api_client.invoices.retrieve(draft.id)
    assert caught.value.code == "resource_missing"
    assert told(sandbox, draft.id)[-1] == "invoice.deleted"


def test_an_item_changed_on_a_draft_changes_its_line(api_client: Any, ada: Any) -> None:
    draft = drafted(api_client, ada, 500, 300)
    item = draft.lines.data[0].parent.invoice_item_details.invoice_item
    api_client.invoice_items.update(item, {"amount": 900, "metadata": {"a": "b"}})
    changed = api_client.invoices.retrieve(draft.id)
    assert changed.total == 1_200
    assert [line.id for line in changed.lines.data] == [line.id for line in draft.lines.data]
    api_client.invoice_items.delete(item)
    assert api_client.invoices.retrieve(draft.id).total == 300


def test_lines_are_added_changed_and_removed(api_client: Any, ada: Any) -> None:
    price = price_of(api_client, 250, interval=None)
    draft = drafted(api_client, ada)
    added = [{"amount": 100, "description": "By hand"}, {"pricing": {"price": price.id}, "quantity": 3}]
    draft = api_client.invoices.add_lines(draft.id, {"lines": added})
    assert draft.total == 850
    first, second = draft.lines.data
    draft = api_client.invoices.update_lines(draft.id, {"lines": [{"id": second.id, "quantity": 4}]})
    assert draft.total == 1_100
    line = api_client.invoices.line_items.update(draft.id, first.id, {"amount": 150, "description": "More"})
    assert (line.amount, line.description) == (150, "More")
    removed = [{"id": first.id, "behavior": "unassign"}, {"id": second.id, "behavior": "delete"}]
    assert api_client.invoices.remove_lines(draft.id, {"lines": removed}).total == 0
    left = api_client.invoice_items.retrieve(first.parent.invoice_item_details.invoice_item)
    assert (left.invoice, left.amount) == (None, 150)


def test_discounts_and_taxes_make_the_total(api_client: Any, ada: Any) -> None:
    share = api_client.coupons.create({"percent_off": 10, "duration": "forever"})
    fixed = api_client.coupons.create({"amount_off": 100, "currency": "usd", "duration": "once"})
    rate = api_client.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    draft = drafted(api_client, ada, 1_000, 333, default_tax_rates=[rate.id])
    both = [{"coupon": share.id}, {"coupon": fixed.id}]
    invoice = api_client.invoices.update(draft.id, {"discounts": both})
    assert invoice.total == total_of(invoice)
    assert sum(part.amount for part in invoice.total_discount_amounts) == 133 + 100
    assert invoice.total_taxes[0].amount == invoice.total - invoice.total_excluding_tax > 0
    cleared = api_client.invoices.update(draft.id, {"discounts": "", "default_tax_rates": ""})
    assert cleared.total == 1_333
    assert api_client.coupons.retrieve(share.id).times_redeemed == 1


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("void_invoice", "draft"),
        ("mark_uncollectible", "draft"),
        ("finalize_invoice", "open"),
        ("delete", "open"),
        ("pay", "paid"),
        ("void_invoice", "paid"),
        ("finalize_invoice", "paid"),
        ("pay", "void"),
        ("mark_uncollectible", "void"),
        ("finalize_invoice", "uncollectible"),
    ],
)
def test_a_state_refuses_what_it_does_not_allow(api_client: Any, ada: Any, verb: str, state: str) -> None:
    invoice = _in_state(api_client, drafted(api_client, ada, 800), state)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        getattr(api_client.invoices, verb)(invoice.id)
    assert caught.value.http_status == 400
    assert api_client.invoices.retrieve(invoice.id).status == state


def _in_state(client: Any, draft: Any, state: str) -> Any:
    if state != "draft":
        client.invoices.finalize_invoice(draft.id)
    ways = {"paid": "pay", "void": "void_invoice", "uncollectible": "mark_uncollectible"}
    if state in ways:
        getattr(client.invoices, ways[state])(draft.id)
    return client.invoices.retrieve(draft.id)


def test_a_finalized_invoice_keeps_what_it_says(api_client: Any, ada: Any) -> None:
    invoice = _in_state(api_client, drafted(api_client, ada, 800), "open")
    assert api_client.invoices.update(invoice.id, {"metadata": {"k": "v"}}).metadata.to_dict() == {"k": "v"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        api_client.invoices.update(invoice.id, {"description": "other"})
    assert caught.value.code == "invoice_not_editable"
    with pytest.raises(stripe.InvalidRequestError):
        api_client.invoice_items.create({"customer": ada.id, "invoice": invoice.id, "amount": 1})


def test_an_uncollectible_invoice_can_still_be_paid_outside(api_client: Any, ada: Any) -> None:
    invoice = _in_state(api_client, drafted(api_client, ada, 800), "uncollectible")
    paid = api_client.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 800, 800)


def test_a_declined_payment_leaves_its_trace(sandbox: Sandbox, api_client: Any) -> None:
    poor = customer_with(api_client, "pm_card_chargeCustomerFail")
    invoice = drafted(api_client, poor, 900)
    with pytest.raises(stripe.CardError) as caught:
        api_client.invoices.pay(invoice.id)
    assert caught.value.http_status == 402
    left = api_client.invoices.retrieve(invoice.id)
    assert (left.status, left.attempt_count, left.amount_paid) == ("open", 1, 0)
    assert "invoice.payment_failed" in told(sandbox, invoice.id)


def test_paying_needs_something_to_pay_with(api_client: Any) -> None:
    nobody = customer_with(api_client, None)
    invoice = drafted(api_client, nobody, 900)
    with pytest.raises(stripe.InvalidRequestError):
        api_client.invoices.pay(invoice.id)
    assert api_client.invoices.retrieve(invoice.id).status == "draft"


def test_a_sent_invoice_has_a_due_date(sandbox: Sandbox, api_client: Any, ada: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        drafted(api_client, ada, collection_method="send_invoice")
    invoice = drafted(api_client, ada, 100, collection_method="send_invoice", days_until_due=30)
    assert invoice.due_date == invoice.created + 30 * DAY
    assert api_client.invoices.send_invoice(invoice.id).status == "open"
    assert told(sandbox, invoice.id)[-1] == "invoice.sent"


def test_a_negative_total_becomes_credit_for_the_next_invoice(api_client: Any, ada: Any) -> None:
    credit = api_client.invoices.finalize_invoice(drafted(api_client, ada, -500).id)
    assert (credit.status, credit.ending_balance) == ("paid", -500)
    assert api_client.customers.retrieve(ada.id).balance == -500
    bill = api_client.invoices.finalize_invoice(drafted(api_client, ada, 800).id)
    assert (bill.starting_balance, bill.ending_balance, bill.amount_due) == (-500, 0, 300)
    api_client.invoices.void_invoice(bill.id)
    assert api_client.customers.retrieve(ada.id).balance == -500


def test_a_credit_note_lowers_what_is_left_to_pay(sandbox: Sandbox, api_client: Any, ada: Any) -> None:
    invoice = api_client.invoices.finalize_invoice(drafted(api_client, ada, 1_000).id)
    note = api_client.credit_notes.create({"invoice": invoice.id, "amount": 400})
    assert (note.type, note.pre_payment_amount) == ("pre_payment", 400)
    lowered = api_client.invoices.retrieve(invoice.id)
    assert (lowered.amount_remaining, lowered.pre_payment_credit_notes_amount) == (600, 400)
    assert api_client.credit_notes.void_credit_note(note.id).status == "void"
    assert api_client.invoices.retrieve(invoice.id).amount_remaining == 1_000
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 1_000}
    api_client.credit_notes.create({"invoice": invoice.id, "lines": [line]})
    assert api_client.invoices.retrieve(invoice.id).status == "paid"
    assert told(sandbox, note.id) == ["credit_note.created", "credit_note.voided"]


def test_a_credit_note_on_a_paid_invoice_gives_the_money_back(api_client: Any, ada: Any) -> None:
    invoice = _in_state(api_client, drafted(api_client, ada, 1_000), "paid")
    asked = {"invoice": invoice.id, "amount": 600}
    with pytest.raises(stripe.InvalidRequestError):
        api_client.credit_notes.create(asked)
    note = api_client.credit_notes.create({**asked, "refund_amount": 400, "credit_amount": 200})
    assert (note.type, note.post_payment_amount) == ("post_payment", 600)
    assert api_client.refunds.retrieve(note.refunds[0].refund).amount == 400
    assert api_client.customers.retrieve(ada.id).balance == -200
    with pytest.raises(stripe.InvalidRequestError):
        api_client.credit_notes.create({"invoice": invoice.id, "amount": 401, "out_of_band_amount": 401})


def test_a_subscription_that_ends_has_no_upcoming_invoice(api_client: Any, ada: Any) -> None:
    price = price_of(api_client, 1_500)
    subscription = api_client.subscriptions.create({"customer": ada.id, "items": [{"price": price.id}]})
    preview = api_client.invoices.create_preview({"subscription": subscription.id})
    assert (preview.total, preview.created) == (1_500, subscription["items"].data[0].current_period_end)
    api_client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError, match="No upcoming invoices for customer") as caught:
        api_client.invoices.create_preview({"subscription": subscription.id})
    assert caught.value.code == "invoice_upcoming_none"
    api_client.invoice_items.create({"customer": ada.id, "amount": 500, "currency": "usd"})
    assert api_client.invoices.create_preview({"subscription": subscription.id}).lines.data
    api_client.subscriptions.cancel(subscription.id)
    with pytest.raises(stripe.InvalidRequestError, match="No upcoming invoices"):
        api_client.invoices.create_preview({"subscription": subscription.id})


def test_a_preview_takes_its_own_items_only() -> None:
    office = Office()
    customer = office.customers[0]
    one, other = office.subscribe()["id"], office.subscribe()["id"]
    item = {"customer": customer, "currency": "usd"}
    for amount, owner in ((11, {"subscription": one}), (12, {"subscription": other}), (13, {})):
        office.call("POST /v1/invoiceitems", {**item, "amount": amount, **owner})
    preview = office.call("POST /v1/invoices/create_preview", {"customer": customer, "subscription": one})
    assert [line["amount"] for line in preview["lines"]["data"]] == [1_999, 11, 13]
    asked = {"customer": customer, "invoice_items": [{"amount": 100, "currency": "usd"}]}
    preview = office.call("POST /v1/invoices/create_preview", asked)
    assert [line["amount"] for line in preview["lines"]["data"]] == [100]


def test_a_preview_leaves_nothing_behind(sandbox: Sandbox, api_client: Any, ada: Any) -> None:
    price = price_of(api_client, 1_500)
    before = len(list(sandbox.truth("event"))), len(list(sandbox.truth("invoice")))
    details = {"items": [{"price": price.id, "quantity": 2}]}
    preview = api_client.invoices.create_preview({"customer": ada.id, "subscription_details": details})
    assert (preview.total, preview.billing_reason) == (3_000, "upcoming")
    assert (len(list(sandbox.truth("event"))), len(list(sandbox.truth("invoice")))) == before
