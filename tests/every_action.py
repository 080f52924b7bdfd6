"""Everything that can be done in the sandbox, done: each call that writes, all that banks do, all that falls due."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from connector.sandbox.document.refusals import Refusal
from connector.sandbox.writes.actions.reports import TYPES
from connector.sandbox.writes.engine.write import Call, writing
from connector.sandbox.writes.served import HANDLERS
from tests.office import DAY, NOW, Office, Record

_NOTE: Record = {"metadata": {"note": "x"}}
_WON, _LOST = "winning_evidence", "losing_evidence"


def everything(office: Office) -> None:
    """Do all of it, in an order in which nothing is refused but cards."""
    for part in (
        catalogue, customers, methods, payments, money_back, disputes, invoices, lines, credit_notes, subscriptions,
        checkout, payouts, files, odds, deletions,
    ):  # fmt: skip
        part(office)
    for _ in range(40):
        office.wait(DAY)
    office.wait(90 * DAY)


def catalogue(office: Office) -> None:
    product = office.call("POST /v1/products", {"name": "Hat"})["id"]
    price = office.call("POST /v1/prices", {"product": product, "currency": "usd", "unit_amount": 700})["id"]
    office.call("POST /v1/products/{id}", {"default_price": price, **_NOTE}, product)
    office.call("POST /v1/prices/{price}", {"active": False, "nickname": "old"}, price)
    office.call("POST /v1/tax_rates/{tax_rate}", _NOTE, office.rate)
    sent = {"display_name": "Ground", "fixed_amount": {"amount": 500, "currency": "usd"}}
    office.call(
        "POST /v1/shipping_rates/{shipping_rate_token}", _NOTE, office.call("POST /v1/shipping_rates", sent)["id"]
    )
    office.call("POST /v1/coupons/{coupon}", {"name": "Less"}, office.coupon)
    promotion = {"type": "coupon", "coupon": office.coupon}
    code = office.call("POST /v1/promotion_codes", {"promotion": promotion, "code": "LESS"})["id"]
    office.call("POST /v1/promotion_codes/{promotion_code}", _NOTE, code)
    office.subscribe(discounts=[{"promotion_code": code}])
    ends = NOW + 30 * DAY
    office.call("POST /v1/promotion_codes", {"promotion": promotion, "code": "SOON", "expires_at": ends})
    office.call("POST /v1/coupons", {"percent_off": 5, "duration": "once", "redeem_by": ends})


def customers(office: Office) -> None:
    owner = office.customers[0]
    office.call("POST /v1/customers/{customer}", {"name": "Ada L."}, owner)
    tax_id = office.call("POST /v1/customers/{customer}/tax_ids", {"type": "eu_vat", "value": "DE123456789"}, owner)
    office.call("DELETE /v1/customers/{customer}/tax_ids/{id}", {}, owner, tax_id["id"])
    office.call("POST /v1/customers/{customer}", {"balance": -300}, owner)
    path = "POST /v1/customers/{customer}/balance_transactions"
    moved = office.call(path, {"amount": -500, "currency": "usd"}, owner)
    office.call(f"{path}/{{transaction}}", _NOTE, owner, moved["id"])
    _finalized(office)


def methods(office: Office) -> None:
    card = office.call("POST /v1/payment_methods", {"type": "card", "card": {"token": "tok_visa"}})["id"]
    path = "POST /v1/payment_methods/{payment_method}"
    office.call(f"{path}/attach", {"customer": office.customers[0]}, card)
    office.call(path, _NOTE, card)
    office.call(f"{path}/detach", {}, card)
    path = "POST /v1/setup_intents/{intent}"
    setup = office.call("POST /v1/setup_intents", {"customer": office.customers[0]})["id"]
    office.call(path, _NOTE, setup)
    with suppress(Refusal):
        office.call(f"{path}/confirm", {"payment_method": "pm_card_chargeDeclined"}, setup)
    office.call(f"{path}/confirm", {"payment_method": "pm_card_visa"}, setup)
    office.call(f"{path}/cancel", {}, office.call("POST /v1/setup_intents", {})["id"])


def payments(office: Office) -> None:
    path = "POST /v1/payment_intents/{intent}"
    intent = office.call("POST /v1/payment_intents", {"amount": 900, "currency": "usd"})["id"]
    office.call(path, {"amount": 1_000, **_NOTE}, intent)
    with suppress(Refusal):
        office.call(f"{path}/confirm", {"payment_method": "pm_card_chargeDeclined"}, intent)
    office.call(f"{path}/confirm", {"payment_method": "pm_card_visa"}, intent)
    office.call(path, {"description": "paid"}, intent)
    for part in ({}, {"amount_to_capture": 60}):
        office.call(f"{path}/capture", part, office.pay(capture_method="manual")["id"])
    office.call(f"{path}/cancel", {}, office.pay(capture_method="manual")["id"])
    office.call(f"{path}/cancel", {}, office.call("POST /v1/payment_intents", {"amount": 900, "currency": "usd"})["id"])
    office.pay(capture_method="manual")
    office.pay("pm_card_authenticationRequired")
    office.pay("pm_card_bypassPending")
    asked = {"amount": 1_500, "currency": "usd", "source": "tok_visa"}
    charge = office.call("POST /v1/charges", asked | {"capture": False})["id"]
    office.call("POST /v1/charges/{charge}", {"description": "first"}, charge)
    office.call("POST /v1/charges/{charge}/capture", {}, charge)
    with suppress(Refusal):
        office.call("POST /v1/charges", asked | {"source": "tok_chargeDeclined"})
    office.debit()
    office.bank(office.debit()["latest_charge"], "failed")


def money_back(office: Office) -> None:
    mail = {"instructions_email": "payer@example.com"}
    path = "POST /v1/refunds/{refund}"
    office.call(path, _NOTE, _refund(office))
    office.call(f"{path}/cancel", {}, _refund(office, **mail))
    office.call("POST /v1/test_helpers/refunds/{refund}/expire", {}, _refund(office, **mail))
    for card in ("pm_card_refundFail", "pm_card_pendingRefund"):
        _refund(office, card)


def disputes(office: Office) -> None:
    path = "POST /v1/disputes/{dispute}"
    for text in (_WON, _LOST, "A signed order"):
        office.call(path, {"evidence": {"uncategorized_text": text}}, _dispute(office))
    office.call(path, {**_NOTE, "submit": False}, _dispute(office))
    for outcome in ("won", "lost"):
        under_review = office.call(path, {"evidence": {"uncategorized_text": "A signed order"}}, _dispute(office))
        office.bank(under_review["id"], outcome)
    inquiry = "pm_card_createDisputeInquiry"
    office.call(f"{path}/close", {}, _dispute(office, inquiry))
    office.call(path, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}, _dispute(office, inquiry))
    for outcome in ("warning_closed", "needs_response"):
        office.bank(_dispute(office, inquiry), outcome)
    _dispute(office, inquiry)
    for outcome in ("needs_response", "warning_needs_response", "prevented"):
        office.bank(office.pay()["latest_charge"], outcome)


def invoices(office: Office) -> None:
    path = "POST /v1/invoices/{invoice}"
    office.call(path, {"description": "May", "discounts": [{"coupon": office.coupon}]}, office.bill()["id"])
    office.call("DELETE /v1/invoices/{invoice}", {}, office.bill()["id"])
    office.call(f"{path}/pay", {}, _finalized(office))
    office.call(f"{path}/pay", {"paid_out_of_band": True}, _finalized(office))
    for verb in ("void", "mark_uncollectible"):
        office.call(f"{path}/{verb}", {}, _finalized(office))
    with suppress(Refusal):
        office.call(f"{path}/pay", {}, _finalized(office, customer=office.customers[1]))
    sent = {"collection_method": "send_invoice", "days_until_due": 3}
    office.call(f"{path}/send", {}, _finalized(office, **sent))
    office.bill(auto_advance=True)
    office.bill(auto_advance=True, customer=office.customers[1])
    asked = {"customer": office.customers[0], "amount": 500, "currency": "usd"}
    items = [office.call("POST /v1/invoiceitems", asked)["id"] for _ in range(3)]
    office.call("POST /v1/invoiceitems/{invoiceitem}", {"description": "later"}, items[0])
    office.call("DELETE /v1/invoiceitems/{invoiceitem}", {}, items[1])
    draft = office.call("POST /v1/invoices", {**asked, "pending_invoice_items_behavior": "include"})["id"]
    office.call("DELETE /v1/invoiceitems/{invoiceitem}", {}, items[2])
    office.call("DELETE /v1/invoices/{invoice}", {}, draft)


def lines(office: Office) -> None:
    path = "POST /v1/invoices/{invoice}"
    draft = office.bill()["id"]
    added = office.call(f"{path}/add_lines", {"lines": [{"amount": 300, "description": "more"}]}, draft)
    line = added["lines"]["data"][-1]["id"]
    office.call(f"{path}/update_lines", {"lines": [{"id": line, "amount": 200}]}, draft)
    office.call(f"{path}/lines/{{line_item_id}}", {"amount": 100}, draft, line)
    office.call(f"{path}/remove_lines", {"lines": [{"id": line, "behavior": "delete"}]}, draft)
    items = [{"amount": 100, "currency": "usd", "description": "x"}]
    office.call("POST /v1/invoices/create_preview", {"customer": office.customers[0], "invoice_items": items})


def credit_notes(office: Office) -> None:
    note = office.call("POST /v1/credit_notes", {"invoice": _finalized(office), "amount": 100})["id"]
    office.call("POST /v1/credit_notes/{id}", {"memo": "sorry"}, note)
    office.call("POST /v1/credit_notes/{id}/void", {}, note)
    for way in ("refund_amount", "credit_amount", "out_of_band_amount"):
        invoice = _finalized(office)
        office.call("POST /v1/invoices/{invoice}/pay", {}, invoice)
        office.call("POST /v1/credit_notes", {"invoice": invoice, "amount": 100, way: 100})


def subscriptions(office: Office) -> None:
    one, path = office.subscribe()["id"], "POST /v1/subscriptions/{subscription_exposed_id}"
    office.call(path, {**_NOTE, "discounts": [{"coupon": office.coupon}]}, one)
    office.call("DELETE /v1/subscriptions/{subscription_exposed_id}/discount", {}, one)
    asked = {"product": office.get("price", office.price)["product"], "currency": "usd", "unit_amount": 500}
    other = office.call("POST /v1/prices", {**asked, "recurring": {"interval": "month"}})["id"]
    item = office.call("POST /v1/subscription_items", {"subscription": one, "price": other})["id"]
    office.call("POST /v1/subscription_items/{item}", {"quantity": 3}, item)
    office.call("DELETE /v1/subscription_items/{item}", {}, item)
    items = [{"id": office.get("subscription", one)["items"]["data"][0]["id"], "quantity": 4}]
    office.call(path, {"items": items, "proration_behavior": "always_invoice"}, one)
    office.call("POST /v1/subscriptions/{subscription}/pause", {}, one)
    office.call("POST /v1/subscriptions/{subscription}/resume", {}, one)
    for form in ({"trial_period_days": 7}, {"payment_behavior": "default_incomplete"}, {"cancel_at": NOW + 9 * DAY}):
        office.subscribe(**form)
    office.subscribe(office.customers[1], trial_period_days=5)
    office.subscribe(collection_method="send_invoice", days_until_due=3)
    office.call(
        path, {"pause_collection": {"behavior": "void", "resumes_at": NOW + 40 * DAY}}, office.subscribe()["id"]
    )
    office.call("DELETE /v1/subscriptions/{subscription_exposed_id}", {"invoice_now": True}, office.subscribe()["id"])
    office.subscribe(office.customers[2], trial_period_days=3)
    until = {"frozen_time": NOW + 20 * DAY}
    office.call("POST /v1/test_helpers/test_clocks/{test_clock}/advance", until, office.test_clock)


def checkout(office: Office) -> None:
    data = {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Hat"}}
    form = {
        "mode": "payment",
        "success_url": "https://example.com",
        "line_items": [{"price_data": data, "quantity": 1}],
    }
    path = "POST /v1/checkout/sessions/{session}"
    rate = {"display_name": "Ground", "fixed_amount": {"amount": 500, "currency": "usd"}}
    sent = {"shipping_options": [{"shipping_rate_data": rate}]}
    office.call(path, {**_NOTE, **sent}, office.call("POST /v1/checkout/sessions", form)["id"])
    office.call(f"{path}/expire", {}, office.call("POST /v1/checkout/sessions", form)["id"])
    price = office.call("POST /v1/prices", data)["id"]
    link = office.call("POST /v1/payment_links", {"line_items": [{"price": price, "quantity": 1}]})["id"]
    office.call("POST /v1/payment_links/{payment_link}", _NOTE, link)


def payouts(office: Office) -> None:
    path, asked = "POST /v1/payouts/{payout}", {"amount": 100, "currency": "usd"}
    made = [office.call("POST /v1/payouts", asked)["id"] for _ in range(4)]
    office.call(path, _NOTE, made[0])
    office.call(f"{path}/cancel", {}, made[1])
    office.wait(3 * DAY)
    office.call(f"{path}/reverse", {}, made[2])
    office.bank(made[3], "failed")


def files(office: Office) -> None:
    file = upload(office)
    link = office.call("POST /v1/file_links", {"file": file, "expires_at": NOW + 50 * DAY})["id"]
    office.call("POST /v1/file_links/{link}", _NOTE, link)
    office.call(
        "POST /v1/file_links/{link}", {"expires_at": "now"}, office.call("POST /v1/file_links", {"file": file})["id"]
    )
    end = NOW // DAY * DAY - DAY
    span = {"interval_start": end - 9 * DAY, "interval_end": end}
    office.call("POST /v1/reporting/report_runs", {"report_type": next(iter(TYPES)), "parameters": span})


def upload(office: Office) -> str:
    """Send a file, as multipart."""
    edge = "edge"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbusiness_logo\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--{edge}--\r\n'
    )
    kind = f"multipart/form-data; boundary={edge}"
    office.begin("POST /v1/files")
    with writing(office.store, Call(now=office.clock.now(), content_type=kind, body=body.encode())) as write:
        return str(HANDLERS["POST /v1/files"](write)["id"])


def odds(office: Office) -> None:
    asked = {"url": "https://example.com/hook", "enabled_events": ["*"]}
    hook = office.call("POST /v1/webhook_endpoints", asked)["id"]
    path = "/v1/webhook_endpoints/{webhook_endpoint}"
    office.call(f"POST {path}", {"disabled": True}, hook)
    office.call(f"DELETE {path}", {}, hook)


def deletions(office: Office) -> None:
    coupon = office.call("POST /v1/coupons", {"percent_off": 5, "duration": "once"})["id"]
    office.call("DELETE /v1/coupons/{coupon}", {}, coupon)
    product = office.call("POST /v1/products", {"name": "Gone"})["id"]
    office.call("DELETE /v1/products/{id}", {}, product)
    gone = office.customer("pm_card_visa")
    office.subscribe(gone)
    office.bill(customer=gone)
    office.call("POST /v1/invoiceitems", {"customer": gone, "amount": 5, "currency": "usd"})
    office.call("DELETE /v1/customers/{customer}", {}, gone)
    office.call("DELETE /v1/test_helpers/test_clocks/{test_clock}", {}, office.test_clock)


def _finalized(office: Office, **form: Any) -> str:
    return str(office.call("POST /v1/invoices/{invoice}/finalize", {}, office.bill(**form)["id"])["id"])


def _refund(office: Office, method: str = "pm_card_visa", **form: Any) -> str:
    return str(office.call("POST /v1/refunds", {"payment_intent": office.pay(method)["id"], **form})["id"])


def _dispute(office: Office, method: str = "pm_card_createDispute") -> str:
    charge = office.pay(method)["latest_charge"]
    return next(str(each["id"]) for each in office.store.records("dispute") if each["charge"] == charge)
