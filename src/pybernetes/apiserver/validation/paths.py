"""Paths inside volumes.

Follows validateLocalDescendingPath and its like in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, invalid, required


def check_no_backsteps(target: str, path: FieldPath) -> Iterator[FieldError]:
    if ".." in target.replace("\\", "/").split("/"):
        yield invalid(path, target, "must not contain '..'")


def check_descending(target: str, path: FieldPath) -> Iterator[FieldError]:
    """A path that stays below where it starts."""
    if target.startswith("/"):
        yield invalid(path, target, "must be a relative path")
    yield from check_no_backsteps(target, path)


def check_projected(target: str, path: FieldPath) -> Iterator[FieldError]:
    """A path of a file that is written into a volume."""
    if not target:
        yield required(path)
    else:
        yield from check_not_reserved(target, path)


def check_not_reserved(target: str, path: FieldPath) -> Iterator[FieldError]:
    """Names that begin with two dots are the writer's own."""
    yield from check_descending(target, path)
    if target.startswith("..") and not target.startswith("../"):
        yield invalid(path, target, "must not start with '..'")
