"""The store and its lists against a plain model that is changed the same way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from connector.sandbox.document.refusals import Refusal
from connector.sandbox.reads.lists import page, part
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.store import Store, Stretch

START, STEP, COUNT, UNUSED = 1_000_000, 3, 12, 7


class Twelve:
    """A business of a dozen customers, three seconds apart, two by two of the same second; one number is unused."""

    kinds = ("customer",)

    def __init__(self, indexed: bool) -> None:
        self._indexed = indexed

    def end(self, _kind: str) -> int:
        return COUNT

    def get(self, _kind: str, number: int) -> dict[str, Any] | None:
        if number == UNUSED:
            return None
        return {
            "id": f"cus_{number}",
            "created": self.created("customer", number),
            "email": f"{number % 3}@example.com",
        }

    def created(self, _kind: str, number: int) -> int:
        return START + number // 2 * STEP

    def number(self, _kind: str, id: str) -> int | None:  # noqa: A002
        number = int(id.removeprefix("cus_"))
        return number if number < COUNT and number != UNUSED else None

    def first_at(self, _kind: str, instant: int) -> int:
        return next((number for number in range(COUNT) if self.created("", number) >= instant), COUNT)

    def numbers(self, _kind: str, field: str, value: str) -> Iterator[int] | None:
        if not self._indexed or field != "email":
            return None
        return (number for number in range(COUNT - 1, -1, -1) if f"{number % 3}@example.com" == value)

    def balance(self) -> dict[str, Any]:
        return {}

    def is_over(self, _kind: str, _number: int) -> bool:
        return False

    def left(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def account(self) -> dict[str, Any]:
        return {}

    def bank_accounts(self) -> list[dict[str, Any]]:
        return []


EMAILS = some.sampled_from([f"{number}@example.com" for number in range(4)])
CHANGES = some.lists(some.tuples(some.integers(0, COUNT + 4), some.none() | EMAILS), max_size=12)
"""Customers by number: a new address, or None to delete."""

BOUNDS = some.fixed_dictionaries(
    {}, optional={bound: some.integers(START - 2, START + 95) for bound in ("gt", "gte", "lt", "lte")}
)


class Model:
    """The same customers as a dict: id → (what the list is sorted by, record)."""

    def __init__(self, store: Store) -> None:
        self.store = store
        records = [Twelve(indexed=False).get("customer", number) for number in range(COUNT)]
        self.rows: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
            record["id"]: ((0, number), record) for number, record in enumerate(records) if record
        }

    def change(self, number: int, email: str | None, arrival: int) -> None:
        id_ = f"cus_{number}"
        if email is None:
            assert self.store.delete("customer", id_) == (self.rows.pop(id_, None) is not None)
            return
        created = START + 90 + number % 3
        key, record = self.rows.get(id_, ((1, created, arrival), {"id": id_, "created": created}))
        self.rows[id_] = (key, {**record, "email": email})
        self.store.put("customer", self.rows[id_][1])

    def ids(self, email: str | None, bounds: dict[str, int]) -> list[str]:
        rows = sorted(self.rows.values(), key=lambda row: row[0], reverse=True)
        return [record["id"] for _, record in rows if _passes(record, email, bounds)]


def _passes(record: dict[str, Any], email: str | None, bounds: dict[str, int]) -> bool:
    created = record["created"]
    compared = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    return email in {None, record["email"]} and all(compared[word](bound) for word, bound in bounds.items())


@settings(max_examples=200)
@given(CHANGES, EMAILS | some.none(), BOUNDS, some.integers(1, 5), some.booleans())
def test_paging_shows_each_object_once_in_both_directions(
    changes: list[tuple[int, str | None]], email: str | None, bounds: dict[str, int], limit: int, indexed: bool
) -> None:
    store = Store(Twelve(indexed), Clock(START + 100))
    model = Model(store)
    for arrival, (number, address) in enumerate(changes):
        model.change(number, address, arrival)
    wanted = {name: value for name, value in (("email", email), ("created", bounds)) if value}
    expected = model.ids(email, bounds)
    assert _older(store, {**wanted, "limit": limit}) == expected
    oldest = min(model.rows, key=lambda id_: model.rows[id_][0], default="")
    if oldest:
        newer = _newer(store, {**wanted, "limit": limit}, oldest)
        assert newer == [id_ for id_ in expected if id_ != oldest]


def _older(store: Store, wanted: dict[str, Any]) -> list[str]:
    """Read page by page from the newest on."""
    found: list[str] = []
    while True:
        got = page(store, "customer", "", wanted)
        found += [record["id"] for record in got.records]
        if not got.has_more:
            return found
        assert len(got.records) == wanted["limit"]
        wanted = {**wanted, "starting_after": found[-1]}


def _newer(store: Store, wanted: dict[str, Any], cursor: str) -> list[str]:
    """Read page by page from `cursor` on towards the newest."""
    found: list[str] = []
    while True:
        got = page(store, "customer", "", {**wanted, "ending_before": cursor})
        found = [record["id"] for record in got.records] + found
        if not got.has_more:
            return found
        assert len(got.records) == wanted["limit"]
        cursor = found[0]


@given(some.integers(0, 25), some.integers(1, 10))
def test_a_list_at_hand_is_paged_in_both_directions(count: int, limit: int) -> None:
    lines = [{"id": f"il_{number}"} for number in range(count)]
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        got = part(lines, "line_item", {"limit": limit, **cursor})
        found += got.records
        if not got.has_more:
            break
        cursor = {"starting_after": found[-1]["id"]}
    assert found == lines
    if lines:
        last = part(lines, "line_item", {"limit": limit, "ending_before": lines[-1]["id"]})
        assert last.records == lines[:-1][-limit:]
        assert last.has_more == (count - 1 > limit)


def test_records_are_copies() -> None:
    store = Store(Twelve(indexed=False), Clock(START))
    store.put("customer", {"id": "cus_1", "created": START, "email": "new@example.com"})
    for id_ in ("cus_0", "cus_1"):
        first = store.get("customer", id_)
        assert first is not None
        first["email"] = "changed by the reader"
        again = store.get("customer", id_)
        assert again is not None
        assert again["email"] != "changed by the reader"


def test_a_deleted_object_is_remembered_until_it_is_put_again() -> None:
    store = Store(Twelve(indexed=False), Clock(START))
    assert store.delete("customer", "cus_1")
    assert not store.delete("customer", "cus_1")
    assert store.was_deleted("customer", "cus_1")
    assert not store.was_deleted("customer", f"cus_{UNUSED}")
    store.put("customer", {"id": "cus_1", "created": START, "email": "back@example.com"})
    assert not store.was_deleted("customer", "cus_1")
    assert next(store.records("customer"))["id"] == "cus_1"


def test_a_deleted_cursor_is_refused_by_name() -> None:
    store = Store(Twelve(indexed=False), Clock(START))
    store.delete("customer", "cus_5")
    for cursor in ("starting_after", "ending_before"):
        with pytest.raises(Refusal) as refused:
            page(store, "customer", "", {cursor: "cus_5"})
        assert refused.value.param == cursor
        assert refused.value.body()["error"]["code"] == "resource_missing"


def test_events_are_gone_after_thirty_days() -> None:
    class Events(Twelve):
        kinds = ("event",)

    store = Store(Events(indexed=False), Clock(START + 30 * 86_400 + 2 * STEP))
    assert [record["created"] for record in store.records("event")][-1] == START + 2 * STEP
    assert store.get("event", "cus_3") is None
    assert store.get("event", "cus_4") is not None
    store.put("event", {"id": "cus_100", "created": START})
    assert store.get("event", "cus_100") is None
    assert list(store.walk("event", Stretch(since=START)))[-1] == (0, 4, 0)
