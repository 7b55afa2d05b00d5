"""Marks: the few fields that watchers and lists pick one value of (a pod's node), read without decoding the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

Marks = Mapping[str, str]
NO_MARKS: Marks = {}


def mark_reader(paths: Sequence[str]) -> Callable[[bytes], Marks]:
    """From an object's bytes to the values of its text fields at ``paths``; "" where there is none."""
    if not paths:
        return lambda item: NO_MARKS
    tree: dict[str, Any] = {}
    for path in paths:
        *parents, last = path.split(".")
        branch = tree
        for name in parents:
            branch = branch.setdefault(name, {})
        branch[last] = str
    decode = msgspec.json.Decoder(_struct(tree)).decode
    steps = [path.split(".") for path in paths]

    @lru_cache(maxsize=8192)
    def shared(values: tuple[str, ...]) -> Marks:
        return dict(zip(paths, values, strict=True))

    def read(item: bytes) -> Marks:
        root = decode(item)
        return shared(tuple(_at(root, names) for names in steps))

    return read


def _struct(tree: Mapping[str, Any]) -> Any:
    fields: list[tuple[str, Any, Any]] = [
        (name, str, "") if below is str else (name, _struct(below) | None, None) for name, below in tree.items()
    ]
    return msgspec.defstruct("Marked", fields)


def _at(root: Any, names: Sequence[str]) -> str:
    for name in names:
        root = getattr(root, name)
        if root is None:
            return ""
    found: str = root
    return found
