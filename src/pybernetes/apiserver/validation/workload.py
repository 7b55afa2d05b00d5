"""Rules that workload kinds share.

Follows pkg/apis/apps/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pybernetes.api.digits import whole
from pybernetes.api.fields import FieldError, FieldPath, invalid, is_percent
from pybernetes.api.models.apps_v1 import DeploymentSpec, ReplicaSetSpec
from pybernetes.api.models.meta_v1 import LabelSelector
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import IMMUTABLE
from pybernetes.apiserver.validation.pod_spec import check_workload_template
from pybernetes.apiserver.validation.selectors import (
    check_convertible,
    check_matches_template,
    check_selector_given,
)
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE


def check_replica_template(spec: DeploymentSpec | ReplicaSetSpec, path: FieldPath) -> Iterator[FieldError]:
    """Selector and template of what makes replicas."""
    yield from check_selector_given(spec.selector, path.selector, "deployment")
    if errors := list(check_convertible(spec.selector, path.selector, "invalid label selector")):
        yield from errors
        return
    yield from check_matches_template(spec.selector, spec.template.metadata.labels, path.template)
    yield from check_workload_template(spec.template, path.template, "ReplicaSet")


def check_selector_unchanged(
    new: LabelSelector | None, old: LabelSelector | None, path: FieldPath
) -> Iterator[FieldError]:
    if new != old:
        yield invalid(path, internal_form(new), IMMUTABLE)


def check_not_decremented(new: int | None, old: int | None, path: FieldPath) -> Iterator[FieldError]:
    """Of a collision count."""
    if old is not None and (new is None or new < old):
        yield invalid(path, new or 0, "cannot be decremented")


def check_not_negatives(path: FieldPath, values: Mapping[str, int | None]) -> Iterator[FieldError]:
    for name, value in values.items():
        if value is not None and value < 0:
            yield invalid(getattr(path, name), value, NOT_NEGATIVE)


def check_part_counts(
    path: FieldPath, replicas: int, counts: Mapping[str, int], ready: str = "readyReplicas"
) -> Iterator[FieldError]:
    """Counts in a status are part of the whole. ``ready`` is how the message names that count."""
    for name, value in counts.items():
        if value > replicas:
            yield invalid(path.child(name), value, "cannot be greater than status.replicas")
    available = counts.get("availableReplicas", 0)
    if available > counts.get("readyReplicas", 0):
        yield invalid(path.availableReplicas, available, f"cannot be greater than {ready}")


def percentage(value: int | str | None) -> int | None:
    if isinstance(value, str) and value.endswith("%") and value.isascii() and value[:-1].isdigit():
        return whole(value[:-1])
    return None


def check_number_or_percentage(value: int | str | None, path: FieldPath) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from (invalid(path, value, message) for message in is_percent(value))
    elif value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def check_at_most_all(value: int | str | None, path: FieldPath) -> Iterator[FieldError]:
    if (percentage(value) or 0) > 100:
        yield invalid(path, value, "must not be greater than 100%")


_is_number = re.compile(r"[+-]?[0-9]+").fullmatch


def is_zero(value: int | str | None) -> bool:
    """A text may hold a number, though none is allowed to; what is neither a number nor a percentage counts as zero."""
    if isinstance(value, str):
        return not (int(value) if _is_number(value) else percentage(value))
    return not value
