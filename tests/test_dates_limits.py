"""What a wrong date token is told, and what must hold for every token, in every zone, at any time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.dates import ANCHORS, GRAMMAR, UNITS, Calendar, Interval, Moment, describe, interval, resolve, token_of
from connector.errors import ConditionError, ConfigError, DateError

NOON = Calendar(datetime(2024, 2, 29, 12, tzinfo=UTC), UTC)

WRONG = {
    "": "empty",
    "   ": "empty",
    "tody": "Did you mean today",
    "month_start": "monthstart",
    "today+": '"+" cannot be read',
    "monthstart-1": '"-1" needs one of the units y, q, m, w, d, h, min, s',
    "monthstart 1d": '"1d" cannot be read',  # a + lost on its way through a URL
    "today+1x": '"+1x" needs one of the units',
    "today+1d2h": '"2h" cannot be read',
    "today+1.5d": '"+1" needs one of the units',
    "today+١d": '"+١d" cannot be read',
    "١٦٧٥٩٣٧٤٧٦": "a day is written 2022-01-31",
    "+1d": "a day is written 2022-01-31",
    "2022-02-30": "day",
    "2023-02-29": "day",
    "2022-13-01": "month",
    "0000-01-01": "year",
    "2022-01": "a day is written 2022-01-31",
    "2022-1-5": "a day is written 2022-01-31",
    "2022/01/31": "a day is written 2022-01-31",
    "31.01.2022": "a day is written 2022-01-31",
    "12:30": "a day is written 2022-01-31",
    "1675937476.5": "a day is written 2022-01-31",
    "2022-01-311": '"1" cannot be read',
    "2022-01-31 24:00:00": '"24:00:00" cannot be read',
    "2022-01-31 12:60": '"12:60" cannot be read',
    "2022-01-31 12:00 PM": '"pm" cannot be read',
    "2022-01-31T12:00+99:00": '"+99" needs one of the units',
    "1675937476000": "not milliseconds",
    "2022": "a day is written 2022-01-31",
    "20220131": "a day is written 2022-01-31",
    "0001-01-01": "years 2 to 9998",
    "9999-12-31": "years 2 to 9998",
    "today+99999y": "year",
    "today-999999999d": "years 2 to 9998",
    "now+99999999999999999999999999s": "years 2 to 9998",
    "today" + "+1d" * 50: "too long",
}


@pytest.mark.parametrize(("token", "part"), WRONG.items())
def test_a_wrong_token_says_what_is_wrong_and_shows_the_grammar(token: str, part: str) -> None:
    with pytest.raises(DateError) as caught:
        resolve(token, NOON)
    said, _, grammar = str(caught.value).partition("\n")
    assert part in said
    assert said.startswith(f'"{token.strip()[:60]}')
    assert grammar == GRAMMAR


def test_the_grammar_names_every_anchor_and_unit_in_few_lines() -> None:
    assert set(ANCHORS) | set(UNITS) <= set(re.findall(r"[a-z]+", GRAMMAR))
    assert len(GRAMMAR.splitlines()) <= 6


@pytest.mark.parametrize("operator", ["!=", "~", "", "==", "like"])
def test_an_operator_that_does_not_compare_dates_is_refused(operator: str) -> None:
    with pytest.raises(ConditionError, match="use =, <, <=, >, >="):
        interval(operator, "today", NOON)


@pytest.mark.parametrize(
    ("zone", "near"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("Europe", "look like"),
        ("", "look like"),
        ("../passwd", "look like"),
        ("a\0", "look like"),
    ],
)
def test_an_unknown_time_zone_is_refused(zone: str, near: str) -> None:
    with pytest.raises(ConfigError, match=near):
        Calendar.system(zone)


def test_an_unknown_week_start_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean monday"):
        Calendar.system(week_start="mondey")


@pytest.mark.parametrize(
    "value", [True, 1.5, None, ["today"], datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))]
)
def test_other_values_of_python_are_refused(value: object) -> None:
    with pytest.raises(DateError, match="is not a date"):
        token_of(value)  # type: ignore[arg-type]


# What holds for every token, zone and time.

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Scoresbysund",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
# Days near which one of the zones changes its clocks, or skips the day.
CHANGES = """
    1994-12-31 2011-12-30 2014-09-26 2018-02-17 2018-11-03 2022-03-26 2022-10-29 2022-11-06 2023-04-28
    2024-03-10 2024-03-31 2024-04-07 2024-09-29 2024-10-06 2024-10-27 2024-11-03
"""

days = st.one_of(st.sampled_from(CHANGES.split()), st.dates(date(1994, 1, 1), date(2037, 1, 1)).map(str))
clock_times = st.times().map(lambda at: at.isoformat("seconds"))
nows = st.builds(lambda day, at: datetime.fromisoformat(f"{day}T{at}+00:00"), days, clock_times)
clocks = st.builds(Calendar, nows, st.sampled_from(ZONES).map(ZoneInfo), st.integers(0, 6))
moves = st.builds(
    lambda sign, count, unit: f"{sign}{count}{unit}",
    st.sampled_from("+-"),
    st.integers(0, 40),
    st.sampled_from(list(UNITS)),
)
written_instants = st.builds(
    lambda day, blank, at, zone: f"{day}{blank}{at}{zone}",
    days,
    st.sampled_from(" T"),
    clock_times,
    st.sampled_from(["", "", "Z", "+02:00", "-09:30"]),
)
unix_seconds = nows.map(lambda now: str(int(now.timestamp())))
anchors = st.one_of(st.sampled_from(list(ANCHORS)), days, written_instants, unix_seconds)
tokens = st.builds(lambda anchor, moved: anchor + "".join(moved), anchors, st.lists(moves, max_size=3))
whole_days = st.builds(
    lambda anchor, moved: anchor + "".join(moved),
    st.one_of(st.sampled_from([word for word in ANCHORS if word != "now"]), days),
    st.lists(moves.filter(lambda move: move[-1] in "yqmwd"), max_size=3),
)


@given(tokens, clocks, st.integers(-200_000, 200_000))
def test_lt_and_gte_split_time_and_so_do_lte_and_gt(token: str, at: Calendar, distance: int) -> None:
    moment = resolve(token, at)
    for below, above in (("<", ">="), ("<=", ">")):
        left, right = interval(below, token, at), interval(above, token, at)
        assert (left.gte, right.lt) == (None, None)
        for seconds in (moment.first, moment.after, moment.first + distance):
            for near in (seconds - 1, seconds, seconds + 1):
                assert left.contains(near) != right.contains(near)


@given(tokens, clocks)
def test_equals_is_what_gte_and_lte_share(token: str, at: Calendar) -> None:
    moment = resolve(token, at)
    assert moment.first <= moment.after
    equal = interval("=", token, at)
    assert equal == Interval(moment.first, moment.after)
    assert equal == interval(">=", token, at).intersection(interval("<=", token, at))
    assert equal == interval("<=", token, at).intersection(interval(">=", token, at))


@given(whole_days, clocks)
def test_a_whole_day_has_the_zones_real_length(token: str, at: Calendar) -> None:
    # Counted the slow way: the quarters of an hour, days around, that the zone itself puts on one date.
    moment = resolve(token, at)
    assert moment.whole_day
    quarter = 900
    around = range(moment.first - 2 * 86_400, moment.first + 2 * 86_400, quarter)
    dates = {seconds: datetime.fromtimestamp(seconds, at.zone).date() for seconds in around}
    if moment.first == moment.after:
        assert dates[moment.first] - timedelta(days=1) not in dates.values()
    else:
        covered = [seconds for seconds in around if dates[seconds] == dates[moment.first]]
        assert (covered[0], covered[-1] + quarter) == (moment.first, moment.after)


@given(clocks, days, clock_times)
def test_a_local_time_is_the_first_second_that_shows_it_or_a_later_one(at: Calendar, day: str, time: str) -> None:
    first = resolve(f"{day} {time}", at).first

    def shown(seconds: int) -> str:
        return datetime.fromtimestamp(seconds, at.zone).strftime("%Y-%m-%d %H:%M:%S")

    assert shown(first) >= f"{day} {time}"
    assert all(shown(first - back) < f"{day} {time}" for back in (1, 60, 1800, 3600, 7200, 86_400))


@given(tokens, clocks, st.integers(0, 400), st.integers(0, 400))
def test_more_days_are_never_earlier(token: str, at: Calendar, some: int, more: int) -> None:
    near, far = resolve(f"{token}+{some}d", at), resolve(f"{token}+{some + more}d", at)
    assert near.first <= far.first
    assert near.after <= far.after


@given(whole_days, clocks)
def test_days_follow_each_other_without_gap(token: str, at: Calendar) -> None:
    assert resolve(f"{token}+1d", at).first == resolve(token, at).after


@given(tokens, clocks, st.integers(-10_000, 10_000))
def test_hours_minutes_and_seconds_are_elapsed_time(token: str, at: Calendar, count: int) -> None:
    for unit, length in (("h", 3600), ("min", 60), ("s", 1)):
        assert resolve(f"{token}{count:+}{unit}", at).first == resolve(token, at).first + count * length


@given(tokens, clocks)
def test_case_and_blanks_around_do_not_matter(token: str, at: Calendar) -> None:
    for written in (token.upper(), token.lower(), token.title(), f" {token}\n"):
        assert resolve(written, at) == resolve(token, at)


@given(st.integers(10**8, 2**32) | st.just(0), clocks)
def test_an_instant_is_the_same_however_it_is_given(seconds: int, at: Calendar) -> None:
    expected = Moment(seconds, seconds + 1, whole_day=False)
    aware = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    for value in (seconds, aware, aware.astimezone(at.zone), aware.strftime("%Y-%m-%dT%H:%M:%SZ")):
        assert resolve(token_of(value), at) == expected


def outcome(text: str, at: Calendar) -> Moment | str:
    try:
        return resolve(text, at)
    except DateError as error:
        return str(error)


nearly_tokens = tokens.map(lambda token: token[:-1])
any_text = st.one_of(st.text(), st.text("0123456789-+: .tzymqwdhins", max_size=30), nearly_tokens)


@settings(max_examples=300)
@given(any_text, clocks)
def test_any_text_is_a_moment_or_a_date_error_of_few_lines(text: str, at: Calendar) -> None:
    found = outcome(text, at)
    if isinstance(found, str):
        assert found.endswith(f"\n{GRAMMAR}")
        assert len(found.splitlines()) == 1 + len(GRAMMAR.splitlines())
    else:
        assert found.first <= found.after
        assert len(describe(text, at)) == 5
