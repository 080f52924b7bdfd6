from __future__ import annotations

import json
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sandbox.document import api
from connector.sandbox.history.business import Business
from tests.small_business import DAY, KINDS, NOW, OTHER, SMALL, Record, by_id, everything

LARGE = Business(seed=1, size="1m", now=NOW)


def containers(value: Any) -> Iterator[Any]:
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from containers(part)
    if isinstance(value, dict | list):
        yield value


def turned(ident: str) -> str:
    """An id of the same form that nobody has."""
    return ident[:-4] + ident[-4:][::-1]


# the same, again


def test_same_seed_gives_the_same_bytes() -> None:
    again = Business(seed=1, size="small", now=NOW)
    assert json.dumps([again.balance(), again.account()]) == json.dumps([SMALL.balance(), SMALL.account()])
    for kind in KINDS:
        for number in range(0, SMALL.end(kind), 3):
            assert json.dumps(again.get(kind, number)) == json.dumps(SMALL.get(kind, number))


def test_another_seed_gives_another_business() -> None:
    assert not by_id(SMALL, "charge").keys() & by_id(OTHER, "charge").keys()
    assert OTHER.account()["id"] != SMALL.account()["id"]


@pytest.mark.parametrize("kind", KINDS)
def test_callers_may_change_what_they_get(kind: str) -> None:
    number = next(number for number in range(SMALL.end(kind)) if SMALL.get(kind, number))
    before = json.dumps(SMALL.get(kind, number))
    for container in containers(SMALL.get(kind, number)):
        container.clear()
    assert json.dumps(SMALL.get(kind, number)) == before


# numbers, ids and times


@given(kind=st.sampled_from(KINDS), place=st.floats(0, 1, exclude_max=True), large=st.booleans())
@settings(max_examples=400, deadline=None)
def test_numbers_follow_time_and_ids_lead_back(kind: str, place: float, large: bool) -> None:
    business = LARGE if large else SMALL
    end = business.end(kind)
    number = int(place * end)
    created = business.created(kind, number)
    assert created <= NOW
    assert number + 1 == end or created <= business.created(kind, number + 1)
    record = business.get(kind, number)
    if record is not None:
        assert business.number(kind, record["id"]) == number
        assert record.get("created", record.get("date", created)) == created


@pytest.mark.parametrize("kind", KINDS)
def test_every_id_is_its_own(kind: str) -> None:
    assert len(by_id(SMALL, kind)) == len(everything(SMALL, kind)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_outside_have_no_object(kind: str) -> None:
    assert SMALL.get(kind, -1) is None
    assert SMALL.get(kind, SMALL.end(kind)) is None


@given(kind=st.sampled_from(KINDS), text=st.text(max_size=80))
def test_invented_ids_have_no_number(kind: str, text: str) -> None:
    assert SMALL.number(kind, text) is None or text in by_id(SMALL, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_that_are_nearly_right_have_no_number(kind: str) -> None:
    ident = everything(SMALL, kind)[0]["id"]
    other = everything(SMALL, "price" if kind != "price" else "product")[0]["id"]
    for wrong in (ident[:-1], ident + "0", ident.swapcase(), other, f" {ident}", ident[:-1] + "ä", turned(ident)):
        assert SMALL.number(kind, wrong) is None, wrong


@given(kind=st.sampled_from(KINDS), instant=st.integers(NOW - 800 * DAY, NOW + 40 * DAY))
@settings(max_examples=300, deadline=None)
def test_first_at_is_what_a_scan_finds(kind: str, instant: int) -> None:
    numbers = range(SMALL.end(kind))
    scanned = next((number for number in numbers if SMALL.created(kind, number) >= instant), len(numbers))
    assert SMALL.first_at(kind, instant) == scanned


FIELDS: dict[str, list[str]] = {
    "customer": ["email", "test_clock"],
    "subscription": ["customer", "test_clock"],
    "invoice": ["customer", "subscription"],
    "invoiceitem": ["customer", "invoice"],
    "charge": ["customer", "payment_intent"],
    "payment_intent": ["customer"],
    "refund": ["charge", "payment_intent"],
    "dispute": ["charge", "payment_intent"],
    "credit_note": ["customer", "invoice"],
    "payout": ["destination"],
    "balance_transaction": ["source"],
    "payment_method": ["customer"],
    "checkout.session": ["customer", "payment_intent", "subscription"],
}
MOVED: dict[tuple[str, str], Callable[[Record], Any]] = {
    ("invoice", "subscription"): lambda record: (
        record["parent"] and record["parent"]["subscription_details"]["subscription"]
    )
}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, fields in FIELDS.items() for field in fields])
@pytest.mark.parametrize("business", [SMALL, OTHER], ids=["small", "other"])
def test_filters_by_number_find_what_a_scan_finds(business: Business, kind: str, field: str) -> None:
    look: Callable[[Record], Any] = MOVED.get((kind, field), lambda record: record[field])
    scanned: defaultdict[str, set[int]] = defaultdict(set)
    for record in everything(business, kind):
        if look(record) is not None:
            scanned[look(record)].add(business.number(kind, record["id"]) or 0)
    assert scanned
    for value, numbers in scanned.items():
        found = list(business.numbers(kind, field, value) or ())
        assert numbers <= set(found) <= set(range(business.end(kind)))
        assert found == sorted(set(found), reverse=True)
    for unknown in ("", "nobody", "cus_ä", turned(value)):
        assert list(business.numbers(kind, field, unknown) or ()) == []


def test_filters_that_need_a_scan_say_so() -> None:
    assert SMALL.numbers("charge", "transfer_group", "x") is None
    assert SMALL.numbers("event", "type", "charge.succeeded") is None


# any day, any seed; a million


@given(seed=st.integers(0, 2**63), now=st.integers(1_400_000_000, 2_000_000_000))
@settings(max_examples=12, deadline=None)
def test_any_day_and_any_seed_will_do(seed: int, now: int) -> None:
    business = Business(seed=seed, size="small", now=now)
    for kind in KINDS:
        numbers = range(business.end(kind))
        for number in (*numbers[:20], *numbers[-40:]):
            record = business.get(kind, number)
            assert business.created(kind, number) <= now
            assert record is None or api.problems(record, kind) == []


def test_a_million_objects_cost_no_memory() -> None:
    tracemalloc.start()
    try:
        business = Business(seed=3, size="1m", now=NOW)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        made = 0
        for kind in ("customer", "invoice", "charge", "payment_intent", "balance_transaction"):
            end = business.end(kind)
            made += sum(business.get(kind, number) is not None for number in range(end - 1_500, end))
        assert made > 2_500
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_a_million_is_about_a_million() -> None:
    used = 0.0
    for kind in set(KINDS) - {"coupon"}:
        end = LARGE.end(kind)
        numbers = range(0, end, max(1, end // 41))
        used += end * sum(LARGE.get(kind, number) is not None for number in numbers) / len(numbers)
    assert 700_000 < used < 1_300_000
