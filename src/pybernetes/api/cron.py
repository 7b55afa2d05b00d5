"""Cron expressions: five fields or a descriptor, perhaps with a time zone in front; and when they are due.

Guarantees  A schedule is a value, and pure. It is due at each instant at which a clock on the wall of its time zone
shows a matching minute: never in an hour that daylight saving leaves out, twice in one that it repeats.

Follows ParseStandard and SpecSchedule of github.com/robfig/cron/v3, texts included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pybernetes.api.digits import whole
from pybernetes.api.durations import InvalidDuration, parse_duration
from pybernetes.api.fields import quoted

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_ZONES = ("TZ=", "CRON_TZ=")
_YEARS_AHEAD = 5
_is_number = re.compile(r"[+-]?[0-9]+").fullmatch


class InvalidSchedule(ValueError):
    """The text is upstream's."""


class Schedule(Protocol):
    def next(self, after: datetime) -> datetime | None:
        """The first instant after another, both in UTC; None if there is none within five years."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`@every 90s`: counted from whenever it is asked."""

    delay: timedelta

    def next(self, after: datetime) -> datetime:
        return after.replace(microsecond=0) + self.delay


@dataclass(frozen=True, slots=True)
class Matching:
    """What one field allows."""

    values: frozenset[int]
    anything: bool = False
    """It was written as `*`."""


@dataclass(frozen=True, slots=True)
class Fields:
    minute: Matching
    hour: Matching
    day: Matching
    month: Matching
    weekday: Matching
    zone: tzinfo = UTC

    def next(self, after: datetime) -> datetime | None:
        start = after.astimezone(self.zone).date()
        day = start
        while day.year <= start.year + _YEARS_AHEAD:
            if day.month not in self.month.values:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._allows(day):
                found = next((one for one in self._instants(day) if one > after), None)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _allows(self, day: date) -> bool:
        """Where both say something about the day, either will do."""
        by_date, by_weekday = day.day in self.day.values, day.isoweekday() % 7 in self.weekday.values
        if self.day.anything or self.weekday.anything:
            return by_date and by_weekday
        return by_date or by_weekday

    def _instants(self, day: date) -> Iterator[datetime]:
        minutes = sorted(self.minute.values)
        for hour in sorted(self.hour.values):
            for fold in (0, 1):
                for minute in minutes:
                    shown = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone, fold=fold)
                    instant = shown.astimezone(UTC)
                    back = instant.astimezone(self.zone)
                    if (back.hour, back.minute, back.fold) == (hour, minute, fold):
                        yield instant


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)


def _named(names: str, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


_FIELDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, _named("jan feb mar apr may jun jul aug sep oct nov dec", 1)),
    _Bounds(0, 6, _named("sun mon tue wed thu fri sat", 0)),
)


def parse(schedule: str) -> Schedule:
    """Raises InvalidSchedule."""
    zone: tzinfo = UTC
    if schedule.startswith(_ZONES):
        start, end = schedule.index("=") + 1, schedule.find(" ")
        if end < start:
            slice_ = f"[{start}:{end}]" if end >= 0 else f"[:{end}]"
            raise InvalidSchedule(f"invalid schedule format: runtime error: slice bounds out of range {slice_}")
        name = schedule[start:end]
        if (wrong := zone_problem(name)) is not None:
            raise InvalidSchedule(f"provided bad location {name}: {wrong}")
        zone = _zone(name)
        schedule = schedule[end:].strip()
    if schedule.startswith("@"):
        return _descriptor(schedule, zone)
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise InvalidSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    return _fields(fields, zone)


def problem(schedule: str) -> str | None:
    """What is wrong with a cron expression."""
    try:
        parse(schedule)
    except InvalidSchedule as error:
        return str(error)
    return None


def zone_problem(zone: str) -> str | None:
    """What is wrong with a time zone's name."""
    try:
        _zone(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}"
    return None


def _zone(name: str) -> tzinfo:
    return UTC if name in ("", "Local") else ZoneInfo(name)


def _descriptor(descriptor: str, zone: tzinfo) -> Schedule:
    if descriptor in _DESCRIPTORS:
        return _fields(_DESCRIPTORS[descriptor].split(), zone)
    if not descriptor.startswith(_EVERY):
        raise InvalidSchedule(f"unrecognized descriptor: {descriptor}")
    try:
        seconds = parse_duration(descriptor.removeprefix(_EVERY))
    except InvalidDuration as error:
        raise InvalidSchedule(f"failed to parse duration {descriptor}: {error}") from error
    if seconds > _LONGEST_SECONDS:
        wrong = f"time: invalid duration {quoted(descriptor.removeprefix(_EVERY))}"
        raise InvalidSchedule(f"failed to parse duration {descriptor}: {wrong}")
    return Interval(timedelta(seconds=max(1, int(seconds))))


_LONGEST_SECONDS = (2**63 - 1) / 1e9
"""What Go's durations hold."""


def _fields(texts: Sequence[str], zone: tzinfo) -> Fields:
    minute, hour, day, month, weekday = map(_matching, texts, _FIELDS)
    return Fields(minute, hour, day, month, weekday, zone)


def _matching(text: str, bounds: _Bounds) -> Matching:
    parts = [_range(part, bounds) for part in text.split(",") if part]
    return Matching(frozenset[int]().union(*(part.values for part in parts)), any(part.anything for part in parts))


def _range(part: str, bounds: _Bounds) -> Matching:
    span, *steps = part.split("/")
    start, end = _span(span.split("-"), part, bounds)
    if len(steps) > 1:
        raise InvalidSchedule(f"too many slashes: {part}")
    step = 1
    if steps:
        step = _number(steps[0])
        end = bounds.high if "-" not in span else end
    for is_wrong, why in _problems(start, end, step, bounds):
        if is_wrong:
            raise InvalidSchedule(f"{why}: {part}")
    return Matching(frozenset(range(start, end + 1, step)), span.split("-")[0] in ("*", "?") and step == 1)


def _problems(start: int, end: int, step: int, bounds: _Bounds) -> Iterator[tuple[bool, str]]:
    yield start < bounds.low, f"beginning of range ({start}) below minimum ({bounds.low})"
    yield end > bounds.high, f"end of range ({end}) above maximum ({bounds.high})"
    yield start > end, f"beginning of range ({start}) beyond end of range ({end})"
    yield step == 0, "step of range should be a positive number"


def _span(limits: Sequence[str], part: str, bounds: _Bounds) -> tuple[int, int]:
    if limits[0] in ("*", "?"):
        return bounds.low, bounds.high
    start = _named_number(limits[0], bounds)
    if len(limits) > 2:
        raise InvalidSchedule(f"too many hyphens: {part}")
    return start, _named_number(limits[1], bounds) if len(limits) == 2 else start


def _named_number(text: str, bounds: _Bounds) -> int:
    named = bounds.names.get(text.lower())
    return _number(text) if named is None else named


def _number(text: str) -> int:
    if not _is_number(text):
        raise InvalidSchedule(f"failed to parse int from {text}: strconv.Atoi: parsing {quoted(text)}: invalid syntax")
    number = whole(text)
    if number < 0:
        raise InvalidSchedule(f"negative number ({number}) not allowed: {text}")
    return number
