"""Objects that are wanted again are all read or found to be gone, by the fewest pages."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.identity import Identity
from connector.api.records import Page
from connector.sync.changes import Change, Changes, Verdict, judge
from connector.sync.provenance import Held
from connector.sync.wanted import Wanted

Records = list[tuple[int, str]]  # creation and id, newest first


def pages(records: Records, stretch: tuple[int, int], rows: int) -> Iterator[Records]:
    """Yield the pages of a list of what was created in a stretch; an empty one where there is nothing."""
    within = [record for record in records if stretch[0] <= record[0] < stretch[1]]
    for place in range(0, max(1, len(within)), rows):
        yield within[place : place + rows]


def read(wanted: Wanted, records: Records, rows: int) -> list[Records]:
    """Read all that is wanted as a sync does, and return the pages."""
    seen = []
    while (stretch := wanted.stretch()) is not None:
        for page in pages(records, stretch, rows):
            seen.append(page)
            if not wanted.read([id_ for _, id_ in page], page[-1][0] if page else None):
                break
        else:
            wanted.end()
    return seen


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.booleans()), max_size=80),
    st.integers(1, 7),
    st.booleans(),
)
def test_whatever_is_wanted_is_read_or_gone(drawn: list[tuple[int, bool, bool]], rows: int, newest_first: bool) -> None:
    objects = [(created, f"id_{number}", there, wish) for number, (created, there, wish) in enumerate(drawn)]
    records = sorted(((created, id_) for created, id_, there, _ in objects if there), reverse=True)
    wanted = Wanted(newest_first=newest_first)
    for created, id_, _, wish in objects:
        if wish:
            wanted.add(id_, created)
    seen = read(wanted, records, rows)
    read_ids = [id_ for page in seen for _, id_ in page]
    assert {id_ for _, id_, there, wish in objects if wish and there} <= set(read_ids)
    assert sorted(wanted.gone) == sorted(id_ for _, id_, there, wish in objects if wish and not there)
    if newest_first:
        assert len(read_ids) == len(set(read_ids)), "no record is read twice"
        assert sum(bool(page) for page in seen) <= math.ceil(len(records) / rows) + len({c for c, *_ in objects})


def test_one_page_serves_all_that_it_reaches() -> None:
    records = sorted(((second, f"id_{second}") for second in range(1_000)), reverse=True)
    wanted = Wanted()
    for second in (990, 985, 940, 500):
        wanted.add(f"id_{second}", second)
    assert len(read(wanted, records, 100)) == 2


def test_what_was_added_first_is_read_first_where_pages_are_few() -> None:
    records = sorted(((second, f"id_{second}") for second in range(1_000)), reverse=True)
    wanted = Wanted(newest_first=False, most_pages=1)
    for second in (100, 99, 900):
        wanted.add(f"id_{second}", second)
    (page,) = read(wanted, records, 100)
    assert page[0] == (100, "id_100")
    assert not wanted.gone, "what was not read is not known to be gone"


CHANGE = Change(created=1, changed_at=100, snapshot=(0, 9))


@pytest.mark.parametrize(
    ("row", "change", "verdict"),
    [
        (Held(101, 1, is_deleted=False), CHANGE, Verdict.SETTLED),
        (Held(99, 1, is_deleted=False), CHANGE, Verdict.SHOWN),
        (Held(100, 1, is_deleted=False), CHANGE, Verdict.UNSURE),
        (Held(99, 1, is_deleted=False), Change(1, 100), Verdict.UNSURE),
        (Held(99, 1, is_deleted=True), CHANGE, Verdict.UNSURE),
        (None, CHANGE, Verdict.UNSURE),
    ],
    ids=["read later", "read before", "read in that second", "not shown", "marked before", "not there"],
)
def test_a_change_is_settled_shown_or_unsure(row: Held | None, change: Change, verdict: Verdict) -> None:
    assert judge(change, row, is_ordered=True) is verdict
    assert judge(change, row, is_ordered=False) is Verdict.UNSURE


def told(second: int, state: int, version: str) -> str:
    """Return the event of a change, which shows the object's state after it."""
    shown = f'{{"object":"customer","id":"cus_1","created":1,"state":{state}}}'
    return f'{{"created":{second},"type":"customer.updated","api_version":"{version}","data":{{"object":{shown}}}}}'


@dataclass(frozen=True)
class Trial:
    """An object changes at these seconds; its row was read after so many changes, and may be dated earlier."""

    seconds: list[int]
    versions: list[str]
    doubled: set[int]
    page_rows: int
    read_after: int
    slow: int


TRIALS = st.builds(
    Trial,
    seconds=st.lists(st.integers(10, 16), min_size=1, max_size=6).map(sorted),
    versions=st.lists(st.sampled_from(["v", "v", "older"]), min_size=6, max_size=6),
    doubled=st.sets(st.integers(0, 5)),
    page_rows=st.integers(1, 4),
    read_after=st.integers(0, 6),
    slow=st.integers(0, 2),
)


@given(TRIALS, st.randoms(use_true_random=False))
def test_what_is_settled_or_shown_is_what_the_object_is(trial: Trial, chance: random.Random) -> None:
    seconds = trial.seconds
    came = min(trial.read_after, len(seconds))
    between = (seconds[came - 1] if came else 0, seconds[came] if came < len(seconds) else 20)
    row = Held(chance.randint(*between) - trial.slow, 1, is_deleted=False)
    events = [told(second, state + 1, trial.versions[state]) for state, second in enumerate(seconds)]
    events += [events[place] for place in trial.doubled if place < len(seconds)]
    chance.shuffle(events)
    changes = Changes("v", Identity("acct_1", livemode=False))
    for place in range(0, len(events), trial.page_rows):
        page = events[place : place + trial.page_rows]
        changes.add(Page(f"[{','.join(page)}]".encode(), len(page), sent_at=30))
    change = changes.of(["customer"])["cus_1"]
    verdict = judge(change, row, is_ordered=True)
    if verdict is Verdict.SETTLED:
        assert came == len(seconds)
    if verdict is Verdict.SHOWN:
        assert f'"state":{len(seconds)}}}'.encode() in changes.snapshots([change])
    changes.close()


def test_what_is_cut_short_is_not_shown() -> None:
    changes = Changes("v", Identity("acct_1", livemode=False))
    whole, cut = ('{"object":"invoice","id":"%s","created":1,"lines":{"has_more":%s}}' for _ in range(2))
    data = [whole % ("in_1", "false"), cut % ("in_2", "true")]
    events = [
        f'{{"created":5,"type":"invoice.updated","api_version":"v","livemode":false,"data":{{"object":{each}}}}}'
        for each in data
    ]
    changes.add(Page(f"[{','.join(events)}]".encode(), 2, sent_at=9))
    newest = changes.of(["invoice"])
    assert newest["in_2"].snapshot is None
    assert changes.snapshots([newest["in_1"]]) == f"[{data[0]}]".encode()
    changes.close()
