"""Objects that differ as real ones do, made from Stripe's own samples."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from connector.definitions.endpoint import Endpoint

NEWEST, SECONDS = 1_790_000_000, 2 * 365 * 86_400
SAMPLES = json.loads((Path(__file__).parents[1] / "tests/data/fixtures.json").read_text(encoding="utf-8"))["resources"]
_LONG_AGO = 1_000_000_000
_OTHERS = {"customer": "cus_", "payment_intent": "pi_3P", "payment_method": "pm_1P", "balance_transaction": "txn_3P"}


def sample_of(endpoint: Endpoint) -> dict[str, Any]:
    """Return a sample as a list shows it: ids where the sample is expanded, nothing of older versions."""
    paths = {column.path[0] for column in endpoint.columns} | {path[0] for path in endpoint.ignored} | {"object"}
    text = {column.path[0] for column in endpoint.columns if column.type == "text" and len(column.path) == 1}
    sample = SAMPLES[endpoint.object[0]]
    known = {key: value for key, value in sample.items() if key in paths and key != "transfer_data"}
    return {key: value["id"] if key in text and isinstance(value, dict) else value for key, value in known.items()}


def varied(endpoint: Endpoint, rows: int, seed: int = 3) -> list[tuple[int, str, bytes]]:
    """Return objects in order of time: when created, id, and the JSON as Stripe prints it."""
    chance, sample = random.Random(seed), sample_of(endpoint)
    made = []
    for number in range(rows):
        created = NEWEST - chance.randrange(SECONDS)
        record = _one(sample, number, created, chance)
        if endpoint.name == "charges":
            record |= _of_a_charge(chance)
        if endpoint.name == "invoices":
            record["lines"] = _lines(record, chance)
        made.append((created, str(record["id"]), json.dumps(record, indent=2).encode()))
    return sorted(made)


def _one(sample: dict[str, Any], number: int, created: int, chance: random.Random) -> dict[str, Any]:
    prefix = sample["id"].partition("_")[0]
    texts = {
        "id": f"{prefix}_3P{number:08}{chance.getrandbits(60):015x}",
        "description": f"Order {chance.randrange(10**6)} — “{chance.choice(['tea', 'café', 'Brötchen'])}”",
        "receipt_email": f"person{number}@example.com" if chance.random() < 0.5 else None,
        "metadata": {"order": str(chance.randrange(10**6)), "channel": chance.choice(["web", "app"])},
    }
    return {key: texts[key] if key in texts else _another(key, value, created, chance) for key, value in sample.items()}


def _another(key: str, value: Any, created: int, chance: random.Random) -> Any:
    """Return another value of the same kind: other ids, other amounts, times about when it was created."""
    if key in _OTHERS:
        return f"{_OTHERS[key]}{chance.getrandbits(72):018x}" if chance.random() < 0.8 else None
    if isinstance(value, dict):
        return {name: _another(name, inner, created, chance) for name, inner in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return created if value > _LONG_AGO else chance.randrange(100, 90_000) if value else 0
    return value


def _of_a_charge(chance: random.Random) -> dict[str, Any]:
    is_paid = chance.random() < 0.93
    card = {
        "amount_authorized": chance.randrange(100, 90_000),
        "brand": chance.choice(["visa", "mastercard", "amex"]),
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": chance.choice(["US", "DE", "FR", "JP"]),
        "exp_month": chance.randrange(1, 13),
        "exp_year": chance.randrange(2026, 2034),
        "fingerprint": f"{chance.getrandbits(80):016x}",
        "funding": chance.choice(["credit", "debit"]),
        "last4": f"{chance.randrange(10_000):04}",
        "network": "visa",
    }
    return {
        "payment_method_details": {"type": "card", "card": card},
        "paid": is_paid,
        "status": "succeeded" if is_paid else "failed",
        "failure_code": None if is_paid else "card_declined",
        "failure_message": None if is_paid else "Your card was declined.",
    }


def _lines(invoice: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return up to five lines of an invoice, as its list has them."""
    listed: dict[str, Any] = invoice["lines"]
    own = {"invoice": invoice["id"], "currency": "usd"}
    lines = [
        listed["data"][0] | own | {"id": f"il_3P{chance.getrandbits(72):018x}", "amount": chance.randrange(100, 90_000)}
        for _ in range(chance.randrange(1, 6))
    ]
    return listed | {"data": lines, "url": f"/v1/invoices/{invoice['id']}/lines"}
