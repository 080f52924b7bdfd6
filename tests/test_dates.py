"""What a date token names: exact tables at awkward times, and the examples of docs/dates.md."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector.dates import ANCHORS, UNITS, Calendar, Interval, Moment, describe, interval, resolve, token_of

PAGE = Path(__file__).parent.parent / "docs" / "dates.md"


def clock(now: str, zone: str = "UTC", week_start: int = 0) -> Calendar:
    return Calendar(datetime.fromisoformat(now), ZoneInfo(zone), week_start)


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def day_of(token: str, today: str) -> str:
    """The one day that a token names at noon of `today` in UTC."""
    moment = resolve(token, clock(f"{today}T12:00+00:00"))
    assert moment.whole_day
    assert moment.after - moment.first == 86_400
    return datetime.fromtimestamp(moment.first, UTC).date().isoformat()


# The fourteen options that people bring along: first second, and the first second after, in local time.

LEAP_DAY = clock("2024-02-29T12:00+00:00")
CLOCKS_GO_FORWARD = clock("2024-03-31T08:00+00:00", "Europe/Berlin")
NEXT_YEAR_IN_UTC = clock("2024-01-01T04:30+00:00", "America/New_York")
YESTERDAY_IN_UTC = clock("2024-01-30T18:30+00:00", "Asia/Kathmandu")

FOURTEEN = {
    "leap day": (
        LEAP_DAY,
        """
        today               | 2024-02-29T00:00:00+00:00 | 2024-03-01T00:00:00+00:00
        yesterday           | 2024-02-28T00:00:00+00:00 | 2024-02-29T00:00:00+00:00
        monthstart          | 2024-02-01T00:00:00+00:00 | 2024-02-02T00:00:00+00:00
        monthend            | 2024-02-29T00:00:00+00:00 | 2024-03-01T00:00:00+00:00
        yearstart           | 2024-01-01T00:00:00+00:00 | 2024-01-02T00:00:00+00:00
        yearend             | 2024-12-31T00:00:00+00:00 | 2025-01-01T00:00:00+00:00
        weekstart           | 2024-02-26T00:00:00+00:00 | 2024-02-27T00:00:00+00:00
        weekend             | 2024-03-03T00:00:00+00:00 | 2024-03-04T00:00:00+00:00
        yearstart-1y        | 2023-01-01T00:00:00+00:00 | 2023-01-02T00:00:00+00:00
        yearend-1y          | 2023-12-31T00:00:00+00:00 | 2024-01-01T00:00:00+00:00
        monthstart-1d       | 2024-01-31T00:00:00+00:00 | 2024-02-01T00:00:00+00:00
        monthend+1d         | 2024-03-01T00:00:00+00:00 | 2024-03-02T00:00:00+00:00
        2022-01-31          | 2022-01-31T00:00:00+00:00 | 2022-02-01T00:00:00+00:00
        2022-01-31 23:59:59 | 2022-01-31T23:59:59+00:00 | 2022-02-01T00:00:00+00:00
        """,
    ),
    "the day clocks go forward": (
        CLOCKS_GO_FORWARD,
        """
        today               | 2024-03-31T00:00:00+01:00 | 2024-04-01T00:00:00+02:00
        yesterday           | 2024-03-30T00:00:00+01:00 | 2024-03-31T00:00:00+01:00
        monthstart          | 2024-03-01T00:00:00+01:00 | 2024-03-02T00:00:00+01:00
        monthend            | 2024-03-31T00:00:00+01:00 | 2024-04-01T00:00:00+02:00
        yearstart           | 2024-01-01T00:00:00+01:00 | 2024-01-02T00:00:00+01:00
        yearend             | 2024-12-31T00:00:00+01:00 | 2025-01-01T00:00:00+01:00
        weekstart           | 2024-03-25T00:00:00+01:00 | 2024-03-26T00:00:00+01:00
        weekend             | 2024-03-31T00:00:00+01:00 | 2024-04-01T00:00:00+02:00
        yearstart-1y        | 2023-01-01T00:00:00+01:00 | 2023-01-02T00:00:00+01:00
        yearend-1y          | 2023-12-31T00:00:00+01:00 | 2024-01-01T00:00:00+01:00
        monthstart-1d       | 2024-02-29T00:00:00+01:00 | 2024-03-01T00:00:00+01:00
        monthend+1d         | 2024-04-01T00:00:00+02:00 | 2024-04-02T00:00:00+02:00
        2022-01-31          | 2022-01-31T00:00:00+01:00 | 2022-02-01T00:00:00+01:00
        2022-01-31 23:59:59 | 2022-01-31T23:59:59+01:00 | 2022-02-01T00:00:00+01:00
        """,
    ),
    "new year's eve, next year in UTC": (
        NEXT_YEAR_IN_UTC,
        """
        today               | 2023-12-31T00:00:00-05:00 | 2024-01-01T00:00:00-05:00
        yesterday           | 2023-12-30T00:00:00-05:00 | 2023-12-31T00:00:00-05:00
        monthstart          | 2023-12-01T00:00:00-05:00 | 2023-12-02T00:00:00-05:00
        monthend            | 2023-12-31T00:00:00-05:00 | 2024-01-01T00:00:00-05:00
        yearstart           | 2023-01-01T00:00:00-05:00 | 2023-01-02T00:00:00-05:00
        yearend             | 2023-12-31T00:00:00-05:00 | 2024-01-01T00:00:00-05:00
        weekstart           | 2023-12-25T00:00:00-05:00 | 2023-12-26T00:00:00-05:00
        weekend             | 2023-12-31T00:00:00-05:00 | 2024-01-01T00:00:00-05:00
        yearstart-1y        | 2022-01-01T00:00:00-05:00 | 2022-01-02T00:00:00-05:00
        yearend-1y          | 2022-12-31T00:00:00-05:00 | 2023-01-01T00:00:00-05:00
        monthstart-1d       | 2023-11-30T00:00:00-05:00 | 2023-12-01T00:00:00-05:00
        monthend+1d         | 2024-01-01T00:00:00-05:00 | 2024-01-02T00:00:00-05:00
        2022-01-31          | 2022-01-31T00:00:00-05:00 | 2022-02-01T00:00:00-05:00
        2022-01-31 23:59:59 | 2022-01-31T23:59:59-05:00 | 2022-02-01T00:00:00-05:00
        """,
    ),
    "31 January, still the 30th in UTC": (
        YESTERDAY_IN_UTC,
        """
        today               | 2024-01-31T00:00:00+05:45 | 2024-02-01T00:00:00+05:45
        yesterday           | 2024-01-30T00:00:00+05:45 | 2024-01-31T00:00:00+05:45
        monthstart          | 2024-01-01T00:00:00+05:45 | 2024-01-02T00:00:00+05:45
        monthend            | 2024-01-31T00:00:00+05:45 | 2024-02-01T00:00:00+05:45
        yearstart           | 2024-01-01T00:00:00+05:45 | 2024-01-02T00:00:00+05:45
        yearend             | 2024-12-31T00:00:00+05:45 | 2025-01-01T00:00:00+05:45
        weekstart           | 2024-01-29T00:00:00+05:45 | 2024-01-30T00:00:00+05:45
        weekend             | 2024-02-04T00:00:00+05:45 | 2024-02-05T00:00:00+05:45
        yearstart-1y        | 2023-01-01T00:00:00+05:45 | 2023-01-02T00:00:00+05:45
        yearend-1y          | 2023-12-31T00:00:00+05:45 | 2024-01-01T00:00:00+05:45
        monthstart-1d       | 2023-12-31T00:00:00+05:45 | 2024-01-01T00:00:00+05:45
        monthend+1d         | 2024-02-01T00:00:00+05:45 | 2024-02-02T00:00:00+05:45
        2022-01-31          | 2022-01-31T00:00:00+05:45 | 2022-02-01T00:00:00+05:45
        2022-01-31 23:59:59 | 2022-01-31T23:59:59+05:45 | 2022-02-01T00:00:00+05:45
        """,
    ),
}


@pytest.mark.parametrize("when", FOURTEEN)
def test_fourteen_options_times_four_comparisons(when: str, subtests: pytest.Subtests) -> None:
    at, table = FOURTEEN[when]
    options = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    assert len(options) == 14
    for token, first, after in options:
        expected = {
            "> gt": Interval(unix(after), None),
            ">= gte": Interval(unix(first), None),
            "< lt": Interval(None, unix(first)),
            "<= lte": Interval(None, unix(after)),
        }
        for operators, meant in expected.items():
            for operator in operators.split():
                with subtests.test(f"{operator} {token}"):
                    assert interval(operator, token, at) == meant


@pytest.mark.parametrize(
    ("today", "token", "expected"),
    [
        # clipping
        ("2023-01-31", "today+1m", "2023-02-28"),
        ("2024-01-31", "today+1m", "2024-02-29"),
        ("2024-01-31", "today+1m+1m", "2024-03-29"),  # left to right: the clipped day stays
        ("2024-01-31", "today+2m", "2024-03-31"),
        ("2024-02-29", "today-1y", "2023-02-28"),
        ("2024-02-29", "today-4y", "2020-02-29"),
        ("2024-05-31", "today-1q", "2024-02-29"),
        ("2024-02-29", "2022-01-31+1m", "2022-02-28"),
        # monthend, quarterend and yearend stay on last days while y, q and m move them
        ("2022-02-28", "monthend-1m", "2022-01-31"),
        ("2023-02-28", "monthend+1y", "2024-02-29"),
        ("2024-02-29", "monthend-12m", "2023-02-28"),
        ("2024-02-29", "quarterend", "2024-03-31"),
        ("2024-05-10", "quarterend", "2024-06-30"),
        ("2024-10-01", "quarterend", "2024-12-31"),
        ("2024-05-10", "quarterend+1q", "2024-09-30"),
        ("2024-05-10", "quarterend+2q", "2024-12-31"),
        ("2024-05-10", "quarterend-1q", "2024-03-31"),
        ("2024-05-10", "quarterend-1m", "2024-05-31"),
        ("2024-05-10", "quarterend+1q-2q", "2024-03-31"),
        ("2024-05-10", "yearend-1y", "2023-12-31"),
        ("2024-05-10", "yearend-10m", "2024-02-29"),
        ("2024-05-10", "yearend+1q", "2025-03-31"),
        ("2024-05-10", "yearend-1m-1m", "2024-10-31"),
        ("2024-05-10", "monthend+1m+1m", "2024-07-31"),
        # ... and are ordinary days after any other offset
        ("2022-02-28", "monthend-1m+1d", "2022-02-01"),
        ("2022-02-28", "monthend-1m+1d+1m", "2022-03-01"),
        ("2022-02-28", "monthend+1d-1m", "2022-02-01"),
        ("2022-02-28", "monthend-1d+1m", "2022-03-27"),
        ("2022-02-28", "monthend-4w+1m", "2022-02-28"),
        # weekend is the end of a week, not of a month
        ("2024-06-28", "weekend+1m", "2024-07-30"),
        ("2024-06-28", "weekend+1w", "2024-07-07"),
        # the other anchors
        ("2024-12-31", "tomorrow", "2025-01-01"),
        ("2024-01-01", "weekstart", "2024-01-01"),
        ("2024-01-07", "weekstart", "2024-01-01"),
        ("2024-01-07", "weekstart-1w", "2023-12-25"),
        ("2024-12-31", "quarterstart", "2024-10-01"),
        ("2024-03-31", "quarterstart", "2024-01-01"),
        ("2024-04-01", "quarterstart-1q", "2024-01-01"),
        ("2024-04-01", "yearstart-1y+3m", "2023-04-01"),
    ],
)
def test_months_of_different_length(today: str, token: str, expected: str) -> None:
    assert day_of(token, today) == expected


@pytest.mark.parametrize(
    ("week_start", "start", "end"),
    [
        ("monday", "2024-02-26", "2024-03-03"),
        ("sunday", "2024-02-25", "2024-03-02"),
        ("Thursday", "2024-02-29", "2024-03-06"),
    ],
)
def test_weeks_start_on_the_day_that_is_set(week_start: str, start: str, end: str) -> None:
    at = clock("2024-02-29T12:00+00:00", week_start=Calendar.system(week_start=week_start).week_start)
    assert resolve("weekstart", at) == resolve(start, at)
    assert resolve("weekend", at) == resolve(end, at)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("now", "2024-03-30T15:30:45+01:00"),
        ("now-90min", "2024-03-30T14:00:45+01:00"),
        ("now+1d", "2024-03-31T15:30:45+02:00"),  # the calendar: the same time tomorrow, 23 hours away
        ("now+24h", "2024-03-31T16:30:45+02:00"),  # elapsed time
        ("now-1m", "2024-02-29T15:30:45+01:00"),
        ("now+1d+1h", "2024-03-31T16:30:45+02:00"),
        ("today+1h", "2024-03-30T01:00:00+01:00"),
        ("tomorrow+3h", "2024-03-31T04:00:00+02:00"),  # three hours after midnight, over the gap
        ("monthend-1s", "2024-03-30T23:59:59+01:00"),
        ("today+12h+1d", "2024-03-31T12:00:00+02:00"),
        ("2022-07-01 12:00", "2022-07-01T12:00:00+02:00"),
        ("2022-07-01T12:00:30", "2022-07-01T12:00:30+02:00"),
        ("2022-07-01 12:00:30Z", "2022-07-01T12:00:30+00:00"),
        ("2022-07-01T12:00:30+05:45", "2022-07-01T12:00:30+05:45"),
        ("2022-07-01 12:00:30 +05:45", "2022-07-01T12:00:30+05:45"),
        ("2022-07-01T12:00:30-03:00-1h", "2022-07-01T11:00:30-03:00"),
        ("2022-07-01 12:00-1d", "2022-06-30T12:00:00+02:00"),
        ("2024-03-30T12:00Z+1d", "2024-03-31T11:00:00+00:00"),  # 13:00 in Berlin on both days
        ("1675937476", "2023-02-09T10:11:16+00:00"),
        ("1675937476-1d", "2023-02-08T10:11:16+00:00"),
        ("0", "1970-01-01T00:00:00+00:00"),
        ("-100000000", "1966-10-31T14:13:20+00:00"),
        ("  monthend \t- 1 d + 0H ", "2024-03-30T00:00:00+01:00"),
        ("today+0s", "2024-03-30T00:00:00+01:00"),
    ],
)
def test_tokens_that_name_one_second(token: str, expected: str) -> None:
    at = clock("2024-03-30T15:30:45.999999+01:00", "Europe/Berlin")
    assert resolve(token, at) == Moment(unix(expected), unix(expected) + 1, whole_day=False)


def test_a_fraction_of_a_second_is_neither_cut_nor_rounded() -> None:
    at = clock("2024-03-30T12:00+00:00")
    second = unix("2022-01-31T23:59:59+00:00")
    assert interval("<", "2022-01-31 23:59:59.5", at) == Interval(None, second + 1)
    assert interval("<=", "2022-01-31 23:59:59.5", at) == Interval(None, second + 1)
    assert interval(">", "2022-01-31 23:59:59.5", at) == Interval(second + 1, None)
    assert not interval("=", "2022-01-31 23:59:59.5", at).contains(second)
    assert interval("=", "2022-01-31 23:59:59.000", at).contains(second)


@pytest.mark.parametrize(
    ("zone", "day", "first", "hours"),
    [
        ("Europe/Berlin", "2024-03-31", "2024-03-31T00:00+01:00", 23),
        ("Europe/Berlin", "2024-10-27", "2024-10-27T00:00+02:00", 25),
        ("America/New_York", "2024-11-03", "2024-11-03T00:00-04:00", 25),
        ("Australia/Lord_Howe", "2024-04-07", "2024-04-07T00:00+11:00", 24.5),
        ("Australia/Lord_Howe", "2024-10-06", "2024-10-06T00:00+10:30", 23.5),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00-02:00", 23),  # 00:00 is skipped
        ("Asia/Beirut", "2022-03-27", "2022-03-27T01:00+03:00", 23),  # 00:00 is skipped
        ("America/Havana", "2022-11-06", "2022-11-06T00:00-04:00", 25),  # 00:00 comes twice
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30-04:00", 23.5),  # 23:30 to 00:30 is skipped
        ("America/St_Johns", "2006-10-29", "2006-10-29T00:00-02:30", 25),  # at 00:01 back to 23:01
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00+14:00", 0),  # no such day
        ("Pacific/Apia", "2011-12-31", "2011-12-31T00:00+14:00", 24),
    ],
)
def test_days_on_which_clocks_change(zone: str, day: str, first: str, hours: float) -> None:
    moment = resolve(day, clock("2024-02-29T12:00+00:00", zone))
    assert moment == Moment(unix(first), unix(first) + int(hours * 3600), whole_day=True)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("2024-03-31 02:00", "2024-03-31T03:00+02:00"),  # skipped: the first second after the gap
        ("2024-03-31 02:30", "2024-03-31T03:00+02:00"),
        ("2024-03-31 02:59:59", "2024-03-31T03:00+02:00"),
        ("2024-03-30 02:30+1d", "2024-03-31T03:00+02:00"),
        ("2024-10-27 02:30", "2024-10-27T02:30+02:00"),  # twice: the first one
        ("2024-10-27 02:30+01:00", "2024-10-27T02:30+01:00"),
        ("2024-10-26 02:30+1d", "2024-10-27T02:30+02:00"),
        ("2024-10-26 02:30+25h", "2024-10-27T02:30+01:00"),
    ],
)
def test_local_times_that_are_skipped_or_come_twice(token: str, expected: str) -> None:
    assert resolve(token, clock("2024-02-29T12:00+00:00", "Europe/Berlin")).first == unix(expected)


def test_the_system_clock_is_now_in_the_zone() -> None:
    at = Calendar.system("Pacific/Kiritimati", "sunday")
    assert abs(datetime.now(UTC) - at.now) < timedelta(minutes=1)
    assert at.zone.utcoffset(at.now) == timedelta(hours=14)
    assert at.week_start == 6
    assert Calendar.system().zone.utcoffset(None) == timedelta(0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("monthstart-1d", "2024-02-29T00:00:00+01:00"),
        (1_675_937_476, "2023-02-09T10:11:16+00:00"),
        (date(2022, 1, 31), "2022-01-31T00:00:00+01:00"),
        (datetime(2022, 1, 31), "2022-01-31T00:00:00+01:00"),  # noqa: DTZ001 - naive on purpose
        (datetime(2022, 7, 1, 12, 30), "2022-07-01T12:30:00+02:00"),  # noqa: DTZ001 - naive on purpose
        (datetime(2022, 7, 1, 12, 30, tzinfo=UTC), "2022-07-01T12:30:00+00:00"),
        (datetime(2022, 7, 1, 12, 30, tzinfo=ZoneInfo("Asia/Kathmandu")), "2022-07-01T12:30:00+05:45"),
        (datetime(2022, 7, 1, tzinfo=timezone(timedelta(hours=1, seconds=30))), "2022-06-30T22:59:30+00:00"),
    ],
)
def test_values_of_python_are_tokens(value: str | int | date | datetime, expected: str) -> None:
    assert resolve(token_of(value), CLOCKS_GO_FORWARD).first == unix(expected)


def test_a_date_of_python_is_a_day_and_a_datetime_an_instant() -> None:
    assert resolve(token_of(date(2022, 1, 31)), LEAP_DAY).whole_day
    assert not resolve(token_of(datetime(2022, 1, 31, tzinfo=UTC)), LEAP_DAY).whole_day


def test_describe_shows_all_comparisons_in_both_zones() -> None:
    rows = describe("Today ", CLOCKS_GO_FORWARD)
    assert [row.comparison for row in rows] == ["= Today", "< Today", "<= Today", "> Today", ">= Today"]
    first, after = "2024-03-31 00:00:00+01:00", "2024-04-01 00:00:00+02:00"
    first_utc, after_utc = "2024-03-30 23:00:00+00:00", "2024-03-31 22:00:00+00:00"
    assert [row[1:] for row in rows] == [
        (first, after, first_utc, after_utc),
        ("", first, "", first_utc),
        ("", after, "", after_utc),
        (after, "", after_utc, ""),
        (first, "", first_utc, ""),
    ]


def test_an_intersection_keeps_the_narrower_bound_of_each_side() -> None:
    year, month, open_end = Interval(100, 500), Interval(200, 300), Interval(None, None)
    for one, other, expected in (
        (year, month, month),
        (year, open_end, year),
        (Interval(250, None), Interval(None, 400), Interval(250, 400)),
        (Interval(250, 600), year, Interval(250, 500)),
    ):
        assert one.intersection(other) == other.intersection(one) == expected


# The page for people.


def test_the_examples_of_the_page_are_true() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stated = re.search(r"Here it is now `([^`]+)` in `([^`]+)`", page)
    assert stated
    at = clock(stated[1], stated[2])
    rows = re.findall(r"^\| `([^`|]+)` \| (\d{4}[-\d: ]+) \| (\d{4}[-\d: ]+) \|$", page, re.MULTILINE)
    assert len(rows) >= 25
    for token, first, after in rows:
        moment = resolve(token, at)
        shown = [datetime.fromtimestamp(seconds, at.zone) for seconds in (moment.first, moment.after)]
        assert [f"{when:%Y-%m-%d %H:%M:%S}" for when in shown] == [first, after], token


def test_the_page_names_every_anchor_unit_and_option() -> None:
    code = set(re.findall(r"`([^`\n]+)`", PAGE.read_text(encoding="utf-8")))
    options = {line.split("|")[0].strip() for line in FOURTEEN["leap day"][1].strip().splitlines()}
    assert set(ANCHORS) | set(UNITS) | options <= code
