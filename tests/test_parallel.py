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
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connector.api.client import Client
from connector.api.crew import AsTheyArrive, NewestFirst, Walk, read_in_parallel, readers_for
from connector.api.division import Division, Part, Portion, ReadAhead
from connector.api.pages import PageReader, Selection
from connector.api.parallel import read_ahead, time_parameter
from connector.api.records import Page
from connector.api.spans import END, Spans
from connector.config import Connection, Key
from connector.definitions.folders import find_endpoints
from connector.errors import StripeError
from tests.listed import CHARGES, List, ids
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
            for page in self._walk(part):
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


def of_chance(times: int = 1) -> settings:
    """Return settings that report a failure as it was: it repeats by its seed, and smaller ones take long to find."""
    return settings(max_examples=times * settings().max_examples, phases=[Phase.explicit, Phase.reuse, Phase.generate])


def assert_whole(portions: list[Portion], span: tuple[int, int] = WHOLE) -> None:
    """Check that the spans that were told are the whole span, and that none was told twice."""
    spans = sorted(portion.span for portion in portions if portion.span[0] < portion.span[1])
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert Spans.of(spans) == Spans.of([span])


@of_chance()
@given(TIMES, st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32))
def test_in_whatever_order_answers_come_the_rows_are_those_of_a_serial_read(
    times: list[int], page_rows: int, count: int, seed: int
) -> None:
    stripe, chance = listed(times), random.Random(seed)
    walk = stripe.walk(page_rows)
    serial = ids(walk(Part(*WHOLE)))
    readers = Readers(walk, Division(WHOLE, page_rows), count, chance)
    stripe.before, stripe.meanwhile = failing(chance), readers.meanwhile
    portions = readers.run()
    assert sorted(ids(portion.page for portion in portions)) == sorted(serial)
    assert_whole(portions)


@of_chance(2)
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


@of_chance()
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


@of_chance()
@given(TIMES, st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32))
def test_read_ahead_rows_keep_their_order(times: list[int], page_rows: int, count: int, seed: int) -> None:
    stripe, chance = listed(times), random.Random(seed)
    walk = stripe.walk(page_rows)
    serial = ids(walk(Part(*WHOLE)))
    readers = Readers(walk, ReadAhead(WHOLE, page_rows), count, chance)
    stripe.before, stripe.meanwhile = failing(chance), readers.meanwhile
    queue, in_order = NewestFirst(END), list[Portion]()
    for portion in readers.run():
        queue.put(portion)
        while (following := queue.get()) is not None:
            in_order.append(following)
    assert ids(portion.page for portion in in_order) == serial
    assert_whole(in_order)


@of_chance()
@given(TIMES, st.integers(1, 9), st.integers(2, 8))
def test_threads_read_ahead_in_order(times: list[int], page_rows: int, readers: int) -> None:
    stripe = listed(times)
    walk = stripe.walk(page_rows)
    portions = read_in_parallel(walk, ReadAhead(WHOLE, page_rows), readers, NewestFirst(END))
    assert ids(portion.page for portion in portions) == ids(walk(Part(*WHOLE)))


@of_chance()
@given(TIMES, st.integers(1, 9), st.integers(2, 8))
def test_threads_read_what_one_would(times: list[int], page_rows: int, readers: int) -> None:
    stripe = listed(times)
    walk = stripe.walk(page_rows)
    portions = list(read_in_parallel(walk, Division(WHOLE, page_rows), readers))
    assert sorted(ids(portion.page for portion in portions)) == sorted(ids(walk(Part(*WHOLE))))
    assert_whole(portions)


class Disordered(List):
    """A list in an order of its own."""

    def _page(self, query: dict[str, str]) -> httpx.Response:
        order = sorted(self.objects, key=lambda name: name[::-1])
        first = order.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        span = int(query.get("created[gte]", 0)), int(query.get("created[lt]", END))
        within = [name for name in order[first:] if span[0] <= self.objects[name] < span[1]]
        limit = int(query["limit"])
        data = [{"id": name, "created": self.objects[name]} for name in within[:limit]]
        body = {"object": "list", "data": data, "has_more": len(within) > limit}
        return httpx.Response(200, headers={"Request-Id": "req_1"}, json=body)


@of_chance()
@given(TIMES, st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32))
def test_a_list_in_disorder_is_read_whole_all_the_same(times: list[int], page_rows: int, count: int, seed: int) -> None:
    stripe = Disordered(listed(times).objects)
    readers = Readers(stripe.walk(page_rows), Division(WHOLE, page_rows), count, random.Random(seed))
    stripe.meanwhile = readers.meanwhile
    portions = readers.run()
    assert sorted(ids(portion.page for portion in portions)) == sorted(stripe.objects)
    assert_whole(portions)


@pytest.mark.parametrize("division", [Division, ReadAhead])
@pytest.mark.parametrize("readers", [2, 10, 40])
def test_dividing_a_list_costs_few_requests(readers: int, division: type[Division]) -> None:
    chance = random.Random(readers)
    shapes = {
        "even": [NOW - chance.randrange(2 * 365 * DAY) for _ in range(2_000)],
        "growing": [NOW - int(chance.expovariate(1 / (90 * DAY))) for _ in range(2_000)],
        "bursts": [NOW - chance.randrange(9) * 91 * DAY - chance.randrange(1_000) for _ in range(2_000)],
        "one day": [NOW - chance.randrange(DAY) for _ in range(2_000)],
    }
    for shape, times in shapes.items():
        stripe = listed(times)
        crew = Readers(stripe.walk(10), division(WHOLE, 10), readers, chance)
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
        whole += read_in_parallel(stripe.walk(10), Division(WHOLE, 10), 4)
    assert not running()


def test_a_reader_that_is_held_up_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.api.crew._LOOK_UP_SECONDS", 0.01)
    stripe, held, is_whole = listed([NOW - number * DAY for number in range(300)]), threading.Event(), threading.Event()

    def walk(part: Part) -> Iterator[Page]:
        for number, page in enumerate(stripe.walk(10)(part)):
            if number and not held.is_set():
                held.set()
                assert is_whole.wait(10)
            yield page

    read = 0
    for portion in read_in_parallel(walk, Division(WHOLE, 10), 6):
        read += 0 if portion.page is None else portion.page.count
        if held.is_set() and read > 50:
            is_whole.set()
    assert read >= 300


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
        with (
            Client(connection) as client,
            closing(read_in_parallel(List({}).walk(100, client), Division(WHOLE, 100), 6)) as portions,
        ):
            assert next(portions).page
            assert is_asked.wait(5)
            assert running()
            began = time.monotonic()
        assert time.monotonic() - began < 2
        assert not running()


@pytest.mark.parametrize("in_order", [True, False])
def test_a_slow_consumer_slows_the_readers(monkeypatch: pytest.MonkeyPatch, *, in_order: bool) -> None:
    monkeypatch.setattr("connector.api.crew.MOST_BYTES", 1)
    stripe = listed([NOW - number * DAY for number in range(3_000)])
    division = ReadAhead(WHOLE, 10) if in_order else Division(WHOLE, 10)
    most_ahead, read = 0, list[str]()
    queue = NewestFirst(END) if in_order else None
    for portion in read_in_parallel(stripe.walk(10), division, 4, queue):
        read += ids(iter([portion.page]))
        most_ahead = max(most_ahead, stripe.requests - len(read) // 10)
    assert sorted(read) == sorted(stripe.objects)
    assert most_ahead < 100  # of 300


def test_lists_that_are_read_at_the_same_time_share_the_room_for_pages_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = Page(b"x" * 60, 1, NOW)
    monkeypatch.setattr("connector.api.crew.MOST_BYTES", 100)
    stripe, queue, part = listed([NOW]), AsTheyArrive(), Part(*WHOLE)
    queue.put(Portion(page, WHOLE))
    with closing(read_in_parallel(stripe.walk(10), Division(WHOLE, 10), 2)) as alone:
        next(alone)
        assert queue.has_room(part)
        with closing(read_in_parallel(stripe.walk(10), Division(WHOLE, 10), 2)) as beside:
            next(beside)
            assert not queue.has_room(part)
        assert queue.has_room(part)


def test_what_is_read_by_id_or_search_is_read_as_it_was() -> None:
    stripe = List({})
    reader = PageReader(stripe.client(), find_endpoints())
    assert list(read_ahead(reader, CHARGES, Selection(ids=()))) == []
    assert not stripe.requests


# What is divided, and among how many


def test_only_lists_by_time_of_creation_are_divided() -> None:
    endpoints = find_endpoints()
    assert time_parameter(CHARGES) == "created"
    assert time_parameter(endpoints["customers"]) == "created"
    for name in ("balance", "invoice_lines", "coupons_codes", "payment_methods", "invoice_items"):
        assert name not in endpoints or time_parameter(endpoints[name]) is None, name


def test_as_many_readers_as_the_limit_needs() -> None:
    def count(**settings: float) -> int:
        return readers_for(List({}).client(**{"max_rps": None, "max_rps_per_endpoint": None, **settings}), CHARGES.path)

    assert count() == 10
    assert count(max_rps=2) == 2
    assert count(max_rps=100, max_rps_per_endpoint=100) == 40
    assert count(max_rps=100_000, max_rps_per_endpoint=100_000) == 40
