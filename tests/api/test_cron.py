"""When cron expressions are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.cron import InvalidSchedule, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("*/15 * * * *", "2026-01-01T00:01", "2026-01-01T00:15"),
        ("*/15 * * * *", "2026-01-01T00:15", "2026-01-01T00:30"),
        ("5/20 8-10 * * *", "2026-01-01T08:26", "2026-01-01T08:45"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 12 * jan,dec mon-fri", "2026-02-01T00:00", "2026-12-01T12:00"),
        ("@yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("@weekly", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("@hourly", "2026-01-01T00:59", "2026-01-01T01:00"),
        ("@every 90s", "2026-01-01T00:00:05", "2026-01-01T00:01:35"),
        ("TZ=Asia/Shanghai 0 8 * * *", "2026-01-01T00:00", "2026-01-02T00:00"),
    ],
)
def test_a_schedule_is_due_at_the_first_matching_minute_after(schedule: str, after: str, expected: str) -> None:
    assert parse(schedule).next(at(after)) == at(expected)


def test_a_day_of_the_month_or_a_day_of_the_week_will_do_if_both_are_named() -> None:
    schedule = parse("0 0 13 * 5")
    assert schedule.next(at("2026-01-08T00:00")) == at("2026-01-09T00:00")
    assert schedule.next(at("2026-01-09T00:00")) == at("2026-01-13T00:00")


def test_a_day_that_never_comes_is_never_due() -> None:
    assert parse("59 23 31 2 *").next(at("2026-01-01T00:00")) is None


def test_an_hour_that_the_clock_leaves_out_is_not_due_that_day() -> None:
    assert parse("TZ=America/New_York 30 2 * * *").next(at("2026-03-08T05:00")) == at("2026-03-09T06:30")


def test_an_hour_that_the_clock_repeats_is_due_twice() -> None:
    schedule = parse("TZ=America/New_York 30 1 * * *")
    assert schedule.next(at("2026-11-01T03:00")) == at("2026-11-01T05:30")
    assert schedule.next(at("2026-11-01T05:30")) == at("2026-11-01T06:30")
    assert schedule.next(at("2026-11-01T06:30")) == at("2026-11-02T06:30")


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every 1", 'failed to parse duration @every 1: time: missing unit in duration "1"'),
        ("TZ=Moon/Base 0 0 * * *", "provided bad location Moon/Base: unknown time zone Moon/Base"),
    ],
)
def test_what_is_no_schedule_is_refused_in_upstreams_words(schedule: str, problem: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        parse(schedule)
    assert str(refused.value) == problem


FIELDS = st.tuples(
    st.sampled_from(["*", "*/7", "0", "10-20", "59"]),
    st.sampled_from(["*", "*/5", "3", "22-23"]),
    st.sampled_from(["*", "1", "31", "10-12"]),
    st.sampled_from(["*", "2", "6-8"]),
    st.sampled_from(["*", "0", "1-5"]),
).map(" ".join)


@given(FIELDS, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_what_is_due_matches_and_nothing_between_does(fields: str, start: datetime) -> None:
    after = start.replace(second=0, microsecond=0, tzinfo=UTC)
    due = parse(fields).next(after)
    if due is None:
        return
    assert due > after
    assert parse(fields).next(due - timedelta(minutes=1)) == due
    assert parse(fields).next(after + (due - after) / 2) == due or (due - after) < timedelta(minutes=2)
