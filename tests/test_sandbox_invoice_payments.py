"""What joins an invoice to its payment: invoice payments, listed, expanded, and told of when they are paid."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.document.refusals import Refusal
from tests.accounts import NOW
from tests.office import DAY, Office, Record


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        Sandbox(seed=7, rps=0, now=NOW) as sandbox,
        httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client,
    ):
        yield client


def get(client: httpx.Client, path: str, **query: str | int) -> Record:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    record: Record = answer.json()
    return record


def test_a_paid_invoice_leads_to_its_charge(client: httpx.Client) -> None:
    invoices = get(client, "/v1/invoices", status="paid", limit=100)["data"]
    invoice = next(invoice for invoice in invoices if invoice["attempt_count"])
    payments = get(client, "/v1/invoice_payments", invoice=invoice["id"])["data"]
    assert [payment["status"] for payment in payments] == ["paid"]
    assert payments[0]["amount_paid"] == invoice["amount_paid"]
    path = f"/v1/invoice_payments/{payments[0]['id']}"
    whole = get(client, path, **{"expand[]": "payment.payment_intent"})
    intent = whole["payment"]["payment_intent"]
    assert (intent["status"], intent["customer"]) == ("succeeded", invoice["customer"])
    charge = get(client, f"/v1/charges/{intent['latest_charge']}")
    assert charge["amount_captured"] == invoice["amount_paid"]
    assert api.problems(get(client, path), "invoice_payment") == []


def test_a_payment_leads_back_to_its_invoice(client: httpx.Client) -> None:
    payment = get(client, "/v1/invoice_payments", status="paid")["data"][-1]
    asked = {"payment[type]": "payment_intent", "payment[payment_intent]": payment["payment"]["payment_intent"]}
    assert get(client, "/v1/invoice_payments", **asked)["data"] == [payment]
    asked["payment[payment_intent]"] = "pi_none"
    assert get(client, "/v1/invoice_payments", **asked)["data"] == []


def test_an_invoice_shows_its_payments_where_asked_to(client: httpx.Client) -> None:
    payment = get(client, "/v1/invoice_payments", status="canceled")["data"][0]
    path = f"/v1/invoices/{payment['invoice']}"
    assert "payments" not in get(client, path)
    assert get(client, path, **{"expand[]": "payments"})["payments"]["data"] == [payment]


def test_every_payment_of_the_business_agrees_with_its_invoice(client: httpx.Client) -> None:
    seen = 0
    query: dict[str, str | int] = {
        "limit": 100,
        "expand[0]": "data.invoice",
        "expand[1]": "data.payment.payment_intent",
    }
    while True:
        page = get(client, "/v1/invoice_payments", **query)
        for payment in page["data"]:
            invoice, intent = payment["invoice"], payment["payment"]["payment_intent"]
            expected = {"paid": "succeeded", "canceled": "canceled"}.get(payment["status"], "requires_payment_method")
            assert intent["status"] == expected
            assert payment["amount_requested"] == intent["amount"] == invoice["amount_due"]
            assert (payment["status"] == "open") == (invoice["status"] in ("open", "uncollectible"))
            assert (payment["amount_paid"] or 0) == intent["amount_received"]
        seen += len(page["data"])
        if not page["has_more"]:
            break
        query["starting_after"] = page["data"][-1]["id"]
    assert seen > 1_000


def test_events_tell_of_payments_that_the_list_holds(client: httpx.Client) -> None:
    event = get(client, "/v1/events", type="invoice_payment.paid")["data"][0]
    payment = event["data"]["object"]
    assert get(client, f"/v1/invoice_payments/{payment['id']}") == payment


def payment_of(office: Office, invoice: str) -> Record:
    found = [payment for payment in office.store.records("invoice_payment") if payment["invoice"] == invoice]
    assert len(found) == 1
    return found[0]


def intent_of(office: Office, payment: Record) -> Record:
    intent = office.store.get("payment_intent", payment["payment"]["payment_intent"])
    assert intent is not None
    return intent


def test_all_attempts_to_pay_an_invoice_are_made_with_one_intent() -> None:
    office = Office()
    invoice = office.bill(1_000, customer=office.customers[1])["id"]
    office.call("POST /v1/invoices/{invoice}/finalize", {}, invoice)
    payment = payment_of(office, invoice)
    assert (payment["status"], payment["amount_paid"], payment["is_default"]) == ("open", None, True)
    with pytest.raises(Refusal):
        office.call("POST /v1/invoices/{invoice}/pay", {}, invoice)
    assert intent_of(office, payment)["last_payment_error"]["code"] == "card_declined"
    office.call("POST /v1/invoices/{invoice}/pay", {"payment_method": "pm_card_visa"}, invoice)
    paid = payment_of(office, invoice)
    assert (paid["status"], paid["amount_paid"]) == ("paid", 1_000)
    intent = intent_of(office, paid)
    charges = [charge for charge in office.store.records("charge") if charge["payment_intent"] == intent["id"]]
    assert [charge["status"] for charge in charges] == ["succeeded", "failed"]
    assert [event["type"] for event in office.told["invoice_payment", paid["id"]]] == ["invoice_payment.paid"]


def test_the_payer_can_pay_an_invoice_by_confirming_its_intent() -> None:
    office = Office()
    invoice = office.bill()["id"]
    office.call("POST /v1/invoices/{invoice}/finalize", {}, invoice)
    intent = payment_of(office, invoice)["payment"]["payment_intent"]
    office.call("POST /v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_visa"}, intent)
    assert payment_of(office, invoice)["status"] == "paid"
    paid = office.store.get("invoice", invoice)
    assert paid is not None
    assert (paid["status"], paid["amount_remaining"]) == ("paid", 0)


def test_the_intent_of_an_invoice_is_not_edited_or_canceled_directly() -> None:
    office = Office()
    invoice = office.bill()["id"]
    office.call("POST /v1/invoices/{invoice}/finalize", {}, invoice)
    intent = payment_of(office, invoice)["payment"]["payment_intent"]
    with pytest.raises(Refusal, match="belongs to an invoice"):
        office.call("POST /v1/payment_intents/{intent}", {"amount": 5}, intent)
    with pytest.raises(Refusal, match="belongs to an invoice"):
        office.call("POST /v1/payment_intents/{intent}/cancel", {}, intent)
    assert office.call("POST /v1/payment_intents/{intent}", {"metadata": {"a": "b"}}, intent)["metadata"] == {"a": "b"}


@pytest.mark.parametrize(
    ("verb", "form", "reason"), [("void", {}, "void_invoice"), ("pay", {"paid_out_of_band": True}, "automatic")]
)
def test_an_invoice_that_is_not_paid_here_asks_no_more(verb: str, form: Record, reason: str) -> None:
    office = Office()
    invoice = office.bill()["id"]
    office.call("POST /v1/invoices/{invoice}/finalize", {}, invoice)
    office.call(f"POST /v1/invoices/{{invoice}}/{verb}", form, invoice)
    payment = payment_of(office, invoice)
    assert (payment["status"], payment["amount_paid"]) == ("canceled", None)
    assert payment["status_transitions"]["canceled_at"] is not None
    intent = intent_of(office, payment)
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", reason)


def test_a_credit_note_lowers_what_is_asked_for() -> None:
    office = Office()
    invoice = office.bill(1_000)["id"]
    office.call("POST /v1/invoices/{invoice}/finalize", {}, invoice)
    note = office.call("POST /v1/credit_notes", {"invoice": invoice, "amount": 400})
    payment = payment_of(office, invoice)
    assert payment["amount_requested"] == intent_of(office, payment)["amount"] == 600
    office.call("POST /v1/credit_notes/{id}/void", {}, note["id"])
    assert payment_of(office, invoice)["amount_requested"] == 1_000


def test_an_open_invoice_of_the_business_is_paid_with_the_intent_that_it_had() -> None:
    office = Office()
    open_ones = (payment for payment in office.store.records("invoice_payment") if payment["status"] == "open")
    payment = next(open_ones)
    form = {"payment_method": "pm_card_visa"}
    office.call("POST /v1/invoices/{invoice}/pay", form, payment["invoice"])
    paid = payment_of(office, payment["invoice"])
    assert (paid["id"], paid["status"]) == (payment["id"], "paid")
    assert intent_of(office, paid)["status"] == "succeeded"


def test_a_first_bill_that_waits_for_its_payer_is_not_collected_by_itself() -> None:
    office = Office()
    subscription = office.subscribe(payment_behavior="default_incomplete")
    office.wait(DAY // 2)
    found = office.store.get("subscription", subscription["id"])
    assert found is not None
    assert found["status"] == "incomplete"
