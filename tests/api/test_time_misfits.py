"""Times that are none are refused in the words of Go."""

from __future__ import annotations

import pytest

from pybernetes.api.schema.scalars import DecodeError, micro_time, time

LAYOUT = "2006-01-02T15:04:05Z07:00"
MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("2026-13-01T00:00:00Z", ": month out of range"),
        ("2026-02-30T00:00:00Z", ": day out of range"),
        ("2026-01-01T24:00:00Z", ": hour out of range"),
        ("2026-01-01T00:60:00Z", ": minute out of range"),
        ("2026-01-01T00:00:61Z", ": second out of range"),
        ("2026-01-01T00:00:00+25:00", ": time zone offset hour out of range"),
        ("2026-01-01T00:00:00+02:61", ": time zone offset minute out of range"),
        ("2026-01-01T00:00:00Zx", ': extra text: "x"'),
        ("2026-02-30T00:00:00+02:00x", ': extra text: "x"'),
        ("2026-01-01", f' as "{LAYOUT}": cannot parse "" as "T"'),
        ("2026-1-01T00:00:00Z", f' as "{LAYOUT}": cannot parse "1-01T00:00:00Z" as "01"'),
        ("2026-01-01T00:00:00.5x", f' as "{LAYOUT}": cannot parse "x" as "Z07:00"'),
        ("2026-01-01T00:00:00.Z", f' as "{LAYOUT}": cannot parse ".Z" as "Z07:00"'),
    ],
)
def test_a_time_that_does_not_fit_is_refused_for_its_first_misfit(text: str, wrong: str) -> None:
    with pytest.raises(DecodeError) as refused:
        time(text, None, [])
    assert str(refused.value) == f'parsing time "{text}"{wrong}'


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("2026-01-01T00:00:00Z", '"Z" as ".000000"'),
        ("2026-01-01T00:00:00.5Z", '".5Z" as ".000000"'),
        ("2026-01-01T00:00:00.1234567Z", '"7Z" as "Z07:00"'),
    ],
)
def test_a_micro_time_has_six_digits_of_a_fraction(text: str, wrong: str) -> None:
    with pytest.raises(DecodeError) as refused:
        micro_time(text, None, [])
    assert str(refused.value) == f'parsing time "{text}" as "{MICRO_LAYOUT}": cannot parse {wrong}'


def test_bytes_beyond_ascii_are_shown_as_numbers() -> None:
    with pytest.raises(DecodeError, match=r'cannot parse "\\xc3\\xa9" as "2006"$'):
        time("é", None, [])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("2026-01-01T00:00:00.999Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T5:00:00+02:00", "2026-01-01T03:00:00Z"),
        ("0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z"),
    ],
)
def test_what_fits_is_written_in_one_way(text: str, whole: str) -> None:
    assert time(text, None, []) == whole
