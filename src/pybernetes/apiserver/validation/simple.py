"""Checks of single values, with upstream's wording."""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_ip, range_error
from pybernetes.apiserver.validation.metadata import IMMUTABLE

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than 0"


def check_not_negative(value: int | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def check_positive(value: int | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None and value <= 0:
        yield invalid(path, value, POSITIVE)


def check_unchanged(new: object, old: object, path: FieldPath) -> Iterator[FieldError]:
    if new != old:
        yield invalid(path, new, IMMUTABLE)


in_range = range_error


def check_ip(text: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, text, message) for message in is_ip(text))
