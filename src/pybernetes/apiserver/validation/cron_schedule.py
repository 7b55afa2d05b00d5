"""The five fields of a cron expression, and its descriptors.

Follows ParseStandard of github.com/robfig/cron/v3, texts included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pybernetes.api.durations import InvalidDuration, parse_duration
from pybernetes.api.fields import quoted

_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = "@every "
_ZONES = ("TZ=", "CRON_TZ=")
_is_number = re.compile(r"[+-]?[0-9]+").fullmatch


class InvalidSchedule(ValueError):
    pass


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


def schedule_problem(schedule: str, zone_problem: Callable[[str], str | None]) -> str | None:
    """What is wrong with a cron expression; ``zone_problem`` says it of a time zone's name."""
    try:
        _check(schedule, zone_problem)
    except (InvalidSchedule, InvalidDuration) as error:
        return str(error)
    return None


def _check(schedule: str, zone_problem: Callable[[str], str | None]) -> None:
    if schedule.startswith(_ZONES):
        start, end = schedule.index("=") + 1, schedule.find(" ")
        if end < start:
            slice_ = f"[{start}:{end}]" if end >= 0 else f"[:{end}]"
            raise InvalidSchedule(f"invalid schedule format: runtime error: slice bounds out of range {slice_}")
        zone = schedule[start:end]
        if (problem := zone_problem(zone)) is not None:
            raise InvalidSchedule(f"provided bad location {zone}: {problem}")
        schedule = schedule[end:].strip()
    if schedule.startswith("@"):
        _check_descriptor(schedule)
        return
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise InvalidSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    for text, bounds in zip(fields, _FIELDS, strict=True):
        for part in filter(None, text.split(",")):
            _check_range(part, bounds)


def _check_descriptor(descriptor: str) -> None:
    if descriptor in _DESCRIPTORS:
        return
    if not descriptor.startswith(_EVERY):
        raise InvalidSchedule(f"unrecognized descriptor: {descriptor}")
    try:
        parse_duration(descriptor.removeprefix(_EVERY))
    except InvalidDuration as error:
        raise InvalidSchedule(f"failed to parse duration {descriptor}: {error}") from error


def _check_range(part: str, bounds: _Bounds) -> None:
    span, *steps = part.split("/")
    start, end = _span(span.split("-"), part, bounds)
    if len(steps) > 1:
        raise InvalidSchedule(f"too many slashes: {part}")
    step = 1
    if steps:
        step = _number(steps[0])
        end = bounds.high if "-" not in span else end
    for wrong, problem in _problems(start, end, step, bounds):
        if wrong:
            raise InvalidSchedule(f"{problem}: {part}")


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
    number = int(text)
    if number < 0:
        raise InvalidSchedule(f"negative number ({number}) not allowed: {text}")
    return number
