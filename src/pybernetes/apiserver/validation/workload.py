"""Rules that workload kinds share.

Follows pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_percent
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE


def check_not_negatives(path: FieldPath, values: Mapping[str, int | None]) -> Iterator[FieldError]:
    for name, value in values.items():
        if value is not None and value < 0:
            yield invalid(getattr(path, name), value, NOT_NEGATIVE)


def check_replica_counts(path: FieldPath, replicas: int, counts: Mapping[str, int]) -> Iterator[FieldError]:
    """Counts in a status are part of the whole."""
    yield from check_not_negatives(path, {"replicas": replicas, **counts})
    for name, value in counts.items():
        if value > replicas and name != "observedGeneration":
            yield invalid(getattr(path, name), value, "cannot be greater than status.replicas")
    available, ready = counts.get("availableReplicas", 0), counts.get("readyReplicas", 0)
    if available > ready:
        yield invalid(path.availableReplicas, available, "cannot be greater than readyReplicas")


def percentage(value: int | str | None) -> int | None:
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        return int(value[:-1])
    return None


def check_number_or_percentage(value: int | str | None, path: FieldPath) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from (invalid(path, value, message) for message in is_percent(value))
    elif value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def check_at_most_all(value: int | str | None, path: FieldPath) -> Iterator[FieldError]:
    if (percentage(value) or 0) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def is_zero(value: int | str | None) -> bool:
    return value in (None, 0) or percentage(value) == 0
