"""Conditions of the shape that all kinds share (`meta.v1.Condition`).

Follows ValidateConditions in apimachinery's pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    invalid,
    not_supported,
    regex_error,
    required,
    too_long,
)
from pybernetes.api.models.meta_v1 import Condition
from pybernetes.apiserver.validation.metadata import label_key_messages

_STATUSES = ("False", "True", "Unknown")
_REASON_PATTERN = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON = re.compile(_REASON_PATTERN)
_REASON_WRONG = regex_error(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric"
    " characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON_PATTERN,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)
LONGEST_REASON = 1024
LONGEST_MESSAGE = 32 * 1024


def check_conditions(conditions: Sequence[Condition], path: FieldPath) -> Iterator[FieldError]:
    types: set[str] = set()
    for index, condition in enumerate(conditions):
        if condition.type in types:
            yield duplicate(path[index].type, condition.type)
        types.add(condition.type)
        yield from check_condition(condition, path[index])


def check_condition(condition: Condition, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path.type, condition.type, message) for message in label_key_messages(condition.type))
    if condition.status not in _STATUSES:
        yield not_supported(path.status, condition.status, _STATUSES)
    if condition.observed_generation < 0:
        yield invalid(path.observedGeneration, condition.observed_generation, "must be greater than or equal to zero")
    if condition.last_transition_time is None:
        yield required(path.lastTransitionTime)
    if not condition.reason:
        yield required(path.reason)
    else:
        if not _REASON.fullmatch(condition.reason):
            yield invalid(path.reason, condition.reason, _REASON_WRONG)
        if len(condition.reason.encode()) > LONGEST_REASON:
            yield too_long(path.reason, condition.reason, LONGEST_REASON)
    if len(condition.message.encode()) > LONGEST_MESSAGE:
        yield too_long(path.message, condition.message, LONGEST_MESSAGE)
