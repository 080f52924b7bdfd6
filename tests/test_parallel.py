"""A list read by several readers at once is the list: nothing lost, nothing twice, all of its time accounted for."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.api.client import Client
from connector.api.division import Division, Portion
from connector.api.parallel import Walk, can_be_divided, read_in_parallel, readers_for
from connector.api.spans import Spans
from connector.config import Connection, Key
from connector.definitions.folders import find_endpoints
from connector.errors import StripeError
from tests.listed import CHARGES, END, List, ids
from tests.scripted_server import HANG, Answer, Fault, Received, ScriptedServer

DAY = 86_400
NOW = 1_790_000_000
WHOLE = (0, END)
MOMENTS = st.one_of(
    st.integers(NOW, NOW + 1),  # bursts
    st.integers(0, 400).map(lambda day: NOW - day * DAY),
    st.sampled_from([NOW - 9 * 365 * DAY, NOW - 9 * 365 * DAY + 1]),  # far away, with empty years before and after
    st.integers(NOW + DAY, NOW + 400 * DAY),  # the future
    st.integers(0, 50),  # before Stripe began
)
TIMES = st.one_of(st.lists(MOMENTS, max_size=60), st.lists(st.just(NOW), max_size=60), st.lists(MOMENTS, min_size=60))


def listed(times: list[int]) -> List:
    return List({f"ch_{number:03}": created for number, created in enumerate(times)})


class Readers:
    """Readers without threads: chance says which of them asks while the request of another is on its way."""

    def __init__(self, walk: Walk, division: Division, count: int, chance: random.Random) -> None:
        self._division = division
        self._walk = walk
        self._chance = chance
        self._idle = [self._reader() for _ in range(count)]
        self.portions: list[Portion] = []

    def run(self) -> list[Portion]:
        while not self._division.is_done:
            self.step()
        return self.portions

    def step(self) -> None:
        if self._idle:
            reader = self._idle.pop(self._chance.randrange(len(self._idle)))
            portion = next(reader)
            self._idle.append(reader)
            self.portions += [] if portion is None else [portion]

    def meanwhile(self) -> None:
        while self._chance.random() < 0.7 and self._idle:
            self.step()

    def _reader(self) -> Iterator[Portion | None]:
        while True:
            part = self._division.take()
            if part is None:
                yield None
                continue
            for page in self._walk((part.start, part.position)):
                yield self._division.arrived(part, page)
                if part not in self._division.parts:
                    break
            else:
                yield self._division.ended(part)


def failing(chance: random.Random) -> Callable[[], httpx.Response | None]:
    """Return what refuses requests by chance, never so often that a client gives up."""
    in_a_row = [0]

    def refused() -> httpx.Response | None:
        in_a_row[0] = in_a_row[0] + 1 if chance.random() < 0.1 and in_a_row[0] < 3 else 0
        return httpx.Response(chance.choice([429, 500, 503])) if in_a_row[0] else None

    return refused


def assert_whole(portions: list[Portion], span: tuple[int, int] = WHOLE) -> None:
    """Check that the spans that were told are the whole span, and that none was told twice."""
    spans = sorted(portion.span for portion in portions if portion.span[0] < portion.span[1])
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert Spans.of(spans) == Spans.of([span])


@settings(max_examples=80)
@given(TIMES, st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32))
def test_in_whatever_order_answers_come_the_rows_are_those_of_a_serial_read(
    times: list[int], page_rows: int, count: int, seed: int
) -> None:
    stripe, chance = listed(times), random.Random(seed)
    walk = stripe.walk(page_rows)
    serial = ids(walk(WHOLE))
    readers = Readers(walk, Division(WHOLE, page_rows), count, chance)
    stripe.before, stripe.meanwhile = failing(chance), readers.meanwhile
    portions = readers.run()
    assert sorted(ids(portion.page for portion in portions)) == sorted(serial)
    assert_whole(portions)


@settings(max_examples=150)
@given(TIMES, st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32))
def test_objects_that_come_or_go_meanwhile_hide_no_other(
    times: list[int], page_rows: int, count: int, seed: int
) -> None:
    stripe, chance = listed(times), random.Random(seed)
    readers = Readers(stripe.walk(page_rows), Division(WHOLE, page_rows), count, chance)
    before = set(stripe.objects)

    def change() -> None:
        if chance.random() < 0.2 and stripe.objects:
            del stripe.objects[chance.choice(list(stripe.objects))]
        if chance.random() < 0.2:
            stripe.objects[f"ch_new{stripe.requests}"] = NOW - chance.randrange(400 * DAY)

    stripe.before, stripe.meanwhile = change, readers.meanwhile
    portions = readers.run()
    read = ids(portion.page for portion in portions)
    assert before & set(stripe.objects) <= set(read)
    assert len(read) == len(set(read))
    assert_whole(portions)


def told_before(portions: list[Portion], second: int) -> set[str]:
    """Return the ids that had come when all of a second was said to be whole."""
    whole, seen = Spans(), set[str]()
    for portion in portions:
        seen.update(ids(iter([portion.page])))
        whole = whole.with_span(*portion.span)
        if not whole.missing(second, second + 1).parts:
            return seen
    raise AssertionError


@settings(max_examples=100)
@given(TIMES, st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32))
def test_no_time_is_said_to_be_whole_before_its_rows_have_come(
    times: list[int], page_rows: int, count: int, seed: int
) -> None:
    stripe = listed(times)
    readers = Readers(stripe.walk(page_rows), Division(WHOLE, page_rows), count, random.Random(seed))
    stripe.meanwhile = readers.meanwhile
    portions = readers.run()
    for second in set(times):
        assert {name for name, created in stripe.objects.items() if created == second} <= told_before(portions, second)


@settings(max_examples=60)
@given(TIMES, st.integers(1, 9), st.integers(2, 8))
def test_threads_read_what_one_would(times: list[int], page_rows: int, readers: int) -> None:
    stripe = listed(times)
    walk = stripe.walk(page_rows)
    portions = list(read_in_parallel(walk, WHOLE, readers, page_rows))
    assert sorted(ids(portion.page for portion in portions)) == sorted(ids(walk(WHOLE)))
    assert_whole(portions)


def test_a_list_in_disorder_is_read_whole_all_the_same() -> None:
    class Disordered(List):
        def _page(self, query: dict[str, str]) -> httpx.Response:
            body = super()._page(query).json()
            body.get("data", []).sort(key=lambda record: str(record["id"])[-1])
            return httpx.Response(200, headers={"Request-Id": "req_1"}, json=body)

    times = [NOW - number * DAY for number in range(200)]
    stripe = Disordered({f"ch_{number:03}": created for number, created in enumerate(times)})
    readers = Readers(walk := stripe.walk(9), Division(WHOLE, 9), 5, random.Random(1))
    serial = ids(walk(WHOLE))
    stripe.meanwhile = readers.meanwhile
    portions = readers.run()
    assert set(ids(portion.page for portion in portions)) == set(serial)
    assert_whole(portions)


@pytest.mark.parametrize("readers", [2, 10, 40])
def test_dividing_a_list_costs_few_requests(readers: int) -> None:
    chance = random.Random(readers)
    shapes = {
        "even": [NOW - chance.randrange(2 * 365 * DAY) for _ in range(2_000)],
        "growing": [NOW - int(chance.expovariate(1 / (90 * DAY))) for _ in range(2_000)],
        "bursts": [NOW - chance.randrange(9) * 91 * DAY - chance.randrange(1_000) for _ in range(2_000)],
        "one day": [NOW - chance.randrange(DAY) for _ in range(2_000)],
    }
    for shape, times in shapes.items():
        stripe = listed(times)
        crew = Readers(stripe.walk(10), Division(WHOLE, 10), readers, chance)
        stripe.meanwhile = crew.meanwhile
        crew.run()
        assert stripe.requests <= 1.1 * len(times) / 10 + 50, shape


# What ends it


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("reader-")]


def test_the_first_error_ends_it_after_what_had_arrived() -> None:
    stripe = listed([NOW - number * DAY for number in range(300)])

    def refuse() -> httpx.Response | None:
        return httpx.Response(403, json={"error": {"message": "no"}}) if stripe.requests > 9 else None

    stripe.before = refuse
    whole: list[Portion] = []
    with pytest.raises(StripeError, match="no"):
        whole += read_in_parallel(stripe.walk(10), WHOLE, 4, 10)
    assert not running()


@pytest.mark.parametrize("fault", [HANG, Answer(503, {"Retry-After": "30"})])
def test_who_stops_waits_for_no_request(fault: Answer | Fault) -> None:
    is_asked = threading.Event()

    def second(_: Received) -> Answer | Fault:
        is_asked.set()
        return fault

    body = {"object": "list", "has_more": True, "data": [{"id": f"ch_{n}", "created": NOW - n} for n in range(100)]}
    first = Answer(headers={"Request-Id": "req_1"}, body=body)
    with ScriptedServer([first, second]) as server:
        connection = Connection(Key("sk_test_x"), api_base=server.url, max_rps=1_000, max_rps_per_endpoint=1_000)
        with Client(connection) as client, closing(read_in_parallel(List({}).walk(100, client), WHOLE, 6)) as portions:
            assert next(portions).page
            assert is_asked.wait(5)
            assert len(running()) == 6
            began = time.monotonic()
        assert time.monotonic() - began < 2
        assert not running()


def test_a_slow_consumer_slows_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.api.parallel._MOST_BYTES", 1)
    stripe = listed([NOW - number * DAY for number in range(300)])
    with closing(read_in_parallel(stripe.walk(10), WHOLE, 4, 10)) as portions:
        read = ids(portion.page for portion in portions for _ in [None] if stripe.requests < 300)
    assert sorted(read) == sorted(stripe.objects)


# What is divided, and among how many


def test_only_lists_by_time_of_creation_are_divided() -> None:
    endpoints = find_endpoints()
    assert can_be_divided(CHARGES)
    assert can_be_divided(endpoints["customers"])
    for name in ("balance", "invoice_lines", "coupons_codes", "payment_methods", "invoice_items"):
        assert name not in endpoints or not can_be_divided(endpoints[name]), name


def test_as_many_readers_as_the_limit_needs() -> None:
    def count(**settings: float) -> int:
        return readers_for(List({}).client(**{"max_rps": None, "max_rps_per_endpoint": None, **settings}), CHARGES)

    assert count() == 10
    assert count(max_rps=2) == 2
    assert count(max_rps=100, max_rps_per_endpoint=100) == 40
    assert count(max_rps=100_000, max_rps_per_endpoint=100_000) == 40
