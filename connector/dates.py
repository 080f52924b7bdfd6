"""Date tokens, as people write them, to instants: one grammar for the command line, config, Python and SQL.

    "monthstart-1d" ─► anchor and offsets ─► a day or an instant ─► Moment [first, after) ─► Interval [gte, lt)
                       the grammar           one zone's calendar    whole unix seconds       a comparison

A token names a whole day of the configured time zone, or an instant. Times are whole unix seconds, Stripe's
resolution. A new word is one row of ANCHORS, a new unit one row of UNITS.
"""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from dateutil.relativedelta import relativedelta

from connector.errors import ConditionError, ConfigError, DateError, did_you_mean

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_MONTH_END = relativedelta(day=31)
# A year short of what Python's calendar can hold, so that every result can be shown in every zone.
_EARLIEST, _LATEST = ((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND for year in (2, 9999))


@dataclass(frozen=True)
class Calendar:
    """What relative tokens are read against: an aware `now`, the zone of days, the first weekday (0 is Monday)."""

    now: datetime
    zone: tzinfo
    week_start: int = 0

    @classmethod
    def system(cls, zone: str = "UTC", week_start: str = "monday") -> Calendar:
        """Return today by this machine in a zone of the IANA list; a wrong name is a ConfigError."""
        if week_start.lower() not in WEEKDAYS:
            near = did_you_mean(week_start, WEEKDAYS)
            raise ConfigError(f'week_start: "{week_start}" is not a day of the week.{near}')
        return cls(datetime.now(UTC), _zone(zone), WEEKDAYS.index(week_start.lower()))

    @property
    def today(self) -> date:
        """The date in the zone."""
        return self.now.astimezone(self.zone).date()


@dataclass(frozen=True)
class Moment:
    """What a token names: the seconds of a whole day or the one second of an instant, half open [first, after)."""

    first: int
    after: int
    whole_day: bool


@dataclass(frozen=True)
class Interval:
    """A half-open stretch of unix seconds, `gte` ≤ t < `lt`; None leaves an end open."""

    gte: int | None
    lt: int | None

    def contains(self, seconds: int) -> bool:
        """Say whether a time in unix seconds lies in the stretch."""
        return (self.gte is None or self.gte <= seconds) and (self.lt is None or seconds < self.lt)

    def intersection(self, other: Interval) -> Interval:
        """Return what lies in both; nothing does where `gte` is not below `lt`."""
        lower = [bound for bound in (self.gte, other.gte) if bound is not None]
        upper = [bound for bound in (self.lt, other.lt) if bound is not None]
        return Interval(max(lower, default=None), min(upper, default=None))


class Meaning(NamedTuple):
    """What one comparison with a token covers, as text in the calendar's zone and in UTC; "" where it is open."""

    comparison: str
    local_from: str
    local_before: str
    utc_from: str
    utc_before: str


class Anchor(NamedTuple):
    """Where a token starts: a date, or a datetime for an instant; y, q and m keep a `month_end` on last days."""

    place: Callable[[Calendar], date]
    month_end: bool = False


def _weekstart(calendar: Calendar) -> date:
    return calendar.today - _DAY * ((calendar.today.weekday() - calendar.week_start) % 7)


def _quarterstart(calendar: Calendar) -> date:
    return calendar.today.replace(month=(calendar.today.month - 1) // 3 * 3 + 1, day=1)


ANCHORS: Mapping[str, Anchor] = {
    "now": Anchor(lambda calendar: calendar.now.replace(microsecond=0)),
    "today": Anchor(lambda calendar: calendar.today),
    "yesterday": Anchor(lambda calendar: calendar.today - _DAY),
    "tomorrow": Anchor(lambda calendar: calendar.today + _DAY),
    "weekstart": Anchor(_weekstart),
    "weekend": Anchor(lambda calendar: _weekstart(calendar) + 6 * _DAY),
    "monthstart": Anchor(lambda calendar: calendar.today.replace(day=1)),
    "monthend": Anchor(lambda calendar: calendar.today + _MONTH_END, month_end=True),
    "quarterstart": Anchor(_quarterstart),
    "quarterend": Anchor(lambda calendar: _quarterstart(calendar) + relativedelta(months=2, day=31), month_end=True),
    "yearstart": Anchor(lambda calendar: calendar.today.replace(month=1, day=1)),
    "yearend": Anchor(lambda calendar: calendar.today.replace(month=12, day=31), month_end=True),
}

# A relativedelta moves the local calendar, a timedelta is elapsed time.
UNITS: Mapping[str, relativedelta | timedelta] = {
    "y": relativedelta(years=1),
    "q": relativedelta(months=3),
    "m": relativedelta(months=1),
    "w": relativedelta(weeks=1),
    "d": relativedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_WHOLE_MONTHS = ("y", "q", "m")

_WORDS = textwrap.wrap(" | ".join(ANCHORS), width=80)
GRAMMAR = "\n".join(
    (
        "  anchor  " + "\n          ".join(_WORDS),
        "          | 2022-01-31 | 2022-01-31 23:59:59 | 2022-01-31T23:59:59Z (or +02:00) | 1675937476",
        f"  offset  ±N and one of {' '.join(UNITS)} (m: months, min: minutes), as many as wanted",
        "  as in   monthstart-1d, yearstart-1y+3m, monthend+1d, now-90min",
    )
)

_ANCHOR = re.compile(
    r"""
    (?P<day> \d{4}-\d{2}-\d{2} )
    (?:
        (?: t | \s+ )
        (?P<time> (?: [01]\d | 2[0-3] ) : [0-5]\d (?: :[0-5]\d (?: \.\d+ )? )? )
        \s* (?P<zone> z | [+-][01]\d:[0-5]\d )?
    )?
    | (?P<seconds> -?\d+ ) (?= \s* (?: $ | [+-]\s*\d+\s*[a-z] ) )    # so that 2022-01 is not the number 2022
    | (?P<word> [a-z]+ )
    """,
    re.VERBOSE | re.ASCII,
)
_OFFSET = re.compile(r"\s*(?P<sign>[+-])\s*(?P<count>\d+)\s*(?P<unit>[a-z]*)", re.ASCII)

_LONGEST = 100
_LEAST_SECONDS = 10**8
_SHAPE = "a day is written 2022-01-31, an offset has a sign, a number and a unit, as in monthstart-1d"
_RANGE = "it lies outside the years 2 to 9998 (a plain number is unix seconds, not milliseconds)"

_COMPARISONS: Mapping[str, Callable[[Moment], Interval]] = {
    "=": lambda moment: Interval(moment.first, moment.after),
    "<": lambda moment: Interval(None, moment.first),
    "<=": lambda moment: Interval(None, moment.after),
    ">": lambda moment: Interval(moment.after, None),
    ">=": lambda moment: Interval(moment.first, None),
}
_OPERATOR_WORDS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def resolve(token: str, calendar: Calendar) -> Moment:
    """Return the stretch of seconds that a token names; a DateError shows the grammar.

    An instant between two seconds names none of them: `first` and `after` are both the later second.
    """
    text = " ".join(token.split())
    try:
        return _moment(_place(text.lower(), calendar), calendar.zone)
    except (ValueError, OverflowError) as error:
        reason = _RANGE if isinstance(error, OverflowError) else error
        raise DateError(f'"{text[:_LONGEST]}" is not a date: {reason}\n{GRAMMAR}') from None


def duration_seconds(text: str) -> int:
    """Return how many seconds a duration has, written as in 26h, 90min or 2d; a DateError where it is none."""
    calendar = Calendar.system()
    try:
        since = interval(">=", f"now-{text.strip()}", calendar).gte
    except DateError:
        since = None
    if since is None:
        raise DateError(f'"{text}" is no duration: write it as 26h, 90min or 2d.')
    return int(calendar.now.timestamp()) - since


def interval(operator: str, token: str, calendar: Calendar) -> Interval:
    """Return the times that `operator token` admits; operators are = < <= > >= or eq lt lte gt gte."""
    symbol = _OPERATOR_WORDS.get(operator.lower(), operator)
    if symbol not in _COMPARISONS:
        raise ConditionError(f'"{operator}" does not compare dates; use {", ".join(_COMPARISONS)}.')
    return _COMPARISONS[symbol](resolve(token, calendar))


def describe(token: str, calendar: Calendar) -> list[Meaning]:
    """Return what each of the five comparisons with a token covers."""
    return [_meaning(operator, token, calendar) for operator in _COMPARISONS]


def token_of(value: str | int | date | datetime) -> str:
    """Return the token for a value of Python: a naive datetime is in the configured zone, an aware one an instant."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime):
        return _token_of_datetime(value)
    if isinstance(value, date):
        return value.isoformat()
    raise DateError(f"a {type(value).__name__} is not a date; give a text, a whole number, a date or a datetime.")


def _token_of_datetime(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(" ")
    try:
        # Zones of long ago have offsets with seconds, which the grammar does not.
        return value.astimezone(UTC).isoformat(" ")
    except OverflowError:
        raise DateError(f'"{value}" is not a date: {_RANGE}') from None


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC  # known even where the machine has no table of zones
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = did_you_mean(name, available_timezones()) or " Names look like Europe/Berlin."
        raise ConfigError(f'time_zone: there is no time zone "{name}".{near}') from None


def _place(text: str, calendar: Calendar) -> date:
    """Return the date, or the datetime (an aware instant), that a token in one line of lower case names."""
    if not 0 < len(text) <= _LONGEST:
        raise ValueError("it is too long" if text else "it is empty")
    found = _ANCHOR.match(text)
    if not found:
        raise ValueError(_SHAPE)
    place, month_end = _start(found, calendar)
    for count, unit in _offsets(text[found.end() :]):
        place = _moved(place, count * UNITS[unit], calendar.zone)
        month_end = month_end and unit in _WHOLE_MONTHS
        if month_end:
            place += _MONTH_END
    return place


def _start(found: re.Match[str], calendar: Calendar) -> tuple[date, bool]:
    if found["word"]:
        if found["word"] not in ANCHORS:
            raise ValueError(f'there is no word "{found["word"]}".{did_you_mean(found["word"], ANCHORS)}')
        anchor = ANCHORS[found["word"]]
        return anchor.place(calendar), anchor.month_end
    if found["seconds"]:
        return _unix_time(int(found["seconds"])), False
    day = date.fromisoformat(found["day"])
    if not found["time"]:
        return day, False
    written = datetime.fromisoformat(f"{day}T{found['time']}{found['zone'] or ''}".upper())
    return (written if written.tzinfo else _instant(written, calendar.zone)), False


def _unix_time(seconds: int) -> datetime:
    """Return the instant; a number that looks like a year or a day (20220131) is more likely one than 1970."""
    if 0 < abs(seconds) < _LEAST_SECONDS:
        raise ValueError(f"{seconds} as unix seconds would be in the early 1970s; {_SHAPE}")
    return _EPOCH + seconds * _SECOND


def _offsets(text: str) -> Iterator[tuple[int, str]]:
    while text:
        found = _OFFSET.match(text)
        if not found:
            raise ValueError(f'"{text.lstrip()}" cannot be read: {_SHAPE}')
        if found["unit"] not in UNITS:
            raise ValueError(f'"{found[0].strip()}" needs one of the units {", ".join(UNITS)}')
        yield int(found["sign"] + found["count"]), found["unit"]
        text = text[found.end() :]


def _moved(place: date, step: relativedelta | timedelta, zone: tzinfo) -> date:
    if isinstance(step, timedelta):
        return _beginning(place, zone) + step
    if isinstance(place, datetime):
        return _instant(place.astimezone(zone).replace(tzinfo=None) + step, zone)
    return place + step


def _moment(place: date, zone: tzinfo) -> Moment:
    first = _beginning(place, zone)
    if isinstance(place, datetime):
        moment = Moment(-((_EPOCH - first) // _SECOND), (first - _EPOCH) // _SECOND + 1, whole_day=False)
    else:
        after = _beginning(place + _DAY, zone)
        moment = Moment((first - _EPOCH) // _SECOND, (after - _EPOCH) // _SECOND, whole_day=True)
    if not _EARLIEST <= moment.first < _LATEST:
        raise OverflowError
    return moment


def _beginning(place: date, zone: tzinfo) -> datetime:
    if isinstance(place, datetime):
        return place.astimezone(UTC)
    return _instant(datetime.combine(place, time()), zone)


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first instant at which clocks in `zone` show `wall` or later.

    That is the earlier one where clocks show `wall` twice, and the end of the gap where they skip it.
    """
    usual, other = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if usual <= other:
        return usual
    # In a gap the two readings lie around the change of the clock, which falls on a whole second.
    low, high = ((instant - _EPOCH) // _SECOND for instant in (other, usual))
    change = low + bisect_left(range(low, high), wall, key=lambda seconds: _local(seconds, zone).replace(tzinfo=None))
    return _EPOCH + change * _SECOND


def _local(seconds: int, zone: tzinfo) -> datetime:
    # datetime.fromtimestamp refuses times before 1970 on Windows.
    return (_EPOCH + seconds * _SECOND).astimezone(zone)


def _meaning(operator: str, token: str, calendar: Calendar) -> Meaning:
    covered = interval(operator, token, calendar)
    bounds = [
        "" if seconds is None else _local(seconds, zone).isoformat(" ")
        for zone in (calendar.zone, UTC)
        for seconds in (covered.gte, covered.lt)
    ]
    return Meaning(f"{operator} {token.strip()}", *bounds)
