"""Where in a custom resource a value is, how a check of it is called, and what is said of one that is wrong.

A check takes (value, old, place, found): ``old`` is the value that it replaces where the two can be told to be one
(``UNCORRELATED`` otherwise), ``found`` takes the errors. It answers how many of the schema's demands were met, by
which the best of several failed alternatives is chosen.

Follows k8s.io/kube-openapi/pkg/validation/errors and kubeOpenAPIResultToFieldErrors in apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pybernetes.api import fields
from pybernetes.api.fields import ErrorType, FieldError

Place = tuple[Any, "str | int"]
"""A step into a document: where it starts from (None: the root), and a field's name or an index."""

UNCORRELATED: Any = object()
NOWHERE = "<nil>"
"""The path of an error that upstream gives none."""

Check = Callable[[Any, Any, Place | None, list["Found"]], int]


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with the value at ``name``, or with no value in particular (None)."""

    name: str | None
    make: Callable[[str, str], FieldError]
    """(path, name) → the error; paths and names differ where a part of an object is checked."""


def name_of(place: Place | None, *more: str) -> str:
    steps: list[str | int] = list(reversed(more))
    while place is not None:
        place, step = place
        steps.append(step)
    text = ""
    for step in reversed(steps):
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def errors_of(found: Sequence[Found], root: str = "") -> Iterator[FieldError]:
    """Each error once. ``root`` is the path of what was checked."""
    said: set[tuple[str, str]] = set()
    for one in found:
        path = NOWHERE if one.name is None and not root else _joined(root, one.name or "")
        error = one.make(path, one.name or "")
        if (error.path, error.body) not in said:
            said.add((error.path, error.body))
            yield error


def _joined(root: str, name: str) -> str:
    if not root or not name:
        return root or name or NOWHERE
    return f"{root}.{name}"


def mistyped(place: Place | None, wanted: str, is_: str) -> Found:
    """``is_`` is a type's name, or the text that is not of the format wanted."""
    shown = fields.quoted(is_)

    def make(path: str, name: str) -> FieldError:
        return fields.type_invalid(path, is_, f"{name} in body must be of type {wanted}: {shown}")

    return Found(name_of(place), make)


def wrong(place: Place | None, value: Any, why: str) -> Found:
    return Found(name_of(place), lambda path, name: fields.invalid(path, value, f"{name} in body {why}"))


def missing(place: Place | None, name: str) -> Found:
    return Found(name_of(place, name), lambda path, _: fields.required(path))


def not_among(place: Place | None, value: Any, allowed: Iterable[Any]) -> Found:
    shown = [one if isinstance(one, str) else orjson.dumps(one).decode() for one in allowed]
    return Found(name_of(place), lambda path, _: fields.not_supported(path, value, shown))


def too_long(place: Place | None, longest: int) -> Found:
    return Found(name_of(place), lambda path, _: fields.too_long(path, "", longest))


def too_many(place: Place | None, count: int, most: int) -> Found:
    return Found(name_of(place), lambda path, _: fields.too_many(path, count, most))


def unplaced(message: str) -> Found:
    """An error of which upstream does not say where."""
    return Found(None, lambda path, _: FieldError(ErrorType.INVALID, path, "", message))


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: `true` is no 1."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)
