"""JSONPath as printer columns and selectable fields use it: `.spec.replicas`, `.conditions[?(@.type=="Ready")].status`.

A path is compiled to a function from a document to the values found. The dialect (escaped dots, filters, slices) is
that of k8s.io/client-go/util/jsonpath, which no library speaks.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterator[Any]]
Path = Callable[[Any], list[Any]]


class JsonPathError(ValueError):
    """What is no path, or leads nowhere it may."""


_NAME = re.compile(r"(?:\\.|[^\s.\[\]\\])+")
_INDEX = re.compile(r"(-?\d*)(?::(-?\d*))?(?::(-?\d*))?$")
_QUOTED = re.compile(r"""\s*(?:'((?:\\.|[^'])*)'|"((?:\\.|[^"])*)")\s*(?:,|$)""")
_FILTER = re.compile(r"\?\(\s*(.+?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?\)$", re.DOTALL)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@lru_cache(maxsize=1024)
def compile_path(text: str) -> Path:
    """Raises ``JsonPathError``. A field that is missing gives no value; an index beyond the end raises when asked."""
    steps = _steps(text)

    def find(document: Any) -> list[Any]:
        found = [document]
        for step in steps:
            found = [one for value in found for one in step(value)]
        return found

    return find


def _steps(text: str) -> Sequence[Step]:
    steps: list[Step] = []
    at = 1 if text[:1] in ("$", "@") else 0
    while at < len(text):
        if text.startswith("..", at):
            steps.append(_everything_below)
            at += 1 if text[at + 2 : at + 3] != "[" else 2
        elif text[at] == ".":
            at += 1
            if text.startswith("*", at):
                steps.append(_members)
                at += 1
            elif match := _NAME.match(text, at):
                steps.append(_field(re.sub(r"\\(.)", r"\1", match[0])))
                at = match.end()
            elif at < len(text) and text[at] != "[":
                raise JsonPathError(f"unrecognized character in action: {text[at:]}")
        elif text[at] == "[":
            end = _closing(text, at)
            steps.append(_bracket(text[at + 1 : end].strip()))
            at = end + 1
        else:
            raise JsonPathError(f"unrecognized character in action: {text[at:]}")
    return steps


def _closing(text: str, start: int) -> int:
    depth, quote = 0, ""
    for at in range(start, len(text)):
        letter = text[at]
        if quote:
            quote = "" if letter == quote and text[at - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "[":
            depth += 1
        elif letter == "]":
            depth -= 1
            if not depth:
                return at
    raise JsonPathError("unterminated array")


def _bracket(inside: str) -> Step:
    if inside == "*":
        return _members
    if inside.startswith("?("):
        return _filter(inside)
    if inside[:1] in ("'", '"'):
        return _union([_field(re.sub(r"\\(.)", r"\1", one)) for one in _quoted(inside)])
    return _union([_index(one.strip()) for one in inside.split(",")])


def _quoted(inside: str) -> Iterator[str]:
    at = 0
    while at < len(inside):
        match = _QUOTED.match(inside, at)
        if match is None:
            raise JsonPathError(f"invalid array index {inside}")
        yield match[1] if match[1] is not None else match[2]
        at = match.end()


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (value[name] for name in sorted(value))
    elif isinstance(value, list):
        yield from value


def _everything_below(value: Any) -> Iterator[Any]:
    yield value
    for one in _members(value):
        yield from _everything_below(one)


def _union(steps: Sequence[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    return lambda value: (one for step in steps for one in step(value))


def _index(text: str) -> Step:
    match = _INDEX.match(text)
    if match is None or not text:
        raise JsonPathError(f"invalid array index {text}")
    start, end, every = (int(part) if part else None for part in match.groups())
    sliced = ":" in text

    def step(value: Any) -> Iterator[Any]:
        if not isinstance(value, list):
            if value is None:
                return
            raise JsonPathError(f"{value} is not array or slice")
        if sliced:
            yield from value[start:end:every]
        elif start is not None and -len(value) <= start < len(value):
            yield value[start]
        else:
            raise JsonPathError(f"array index out of bounds: index {start}, length {len(value)}")

    return step


def _filter(inside: str) -> Step:
    match = _FILTER.match(inside)
    if match is None:
        raise JsonPathError(f"unclosed filter: {inside}")
    left, sign, right = _operand(match[1]), match[2], match[3]
    if sign is None:
        return lambda value: (one for one in _members(value) if left(one))
    compare, other = _COMPARISONS[sign], _operand(right)

    def matches(one: Any) -> bool:
        these, those = left(one), other(one)
        if not these or not those:
            return False
        try:
            return compare(these[0], those[0])
        except TypeError:
            return False

    return lambda value: (one for one in _members(value) if matches(one))


def _operand(text: str) -> Path:
    text = text.strip()
    if text[:1] in ("'", '"'):
        literal: Any = re.sub(r"\\(.)", r"\1", text[1:-1])
    elif text in ("true", "false"):
        literal = text == "true"
    elif re.fullmatch(r"-?\d+(\.\d+)?", text):
        literal = float(text) if "." in text else int(text)
    else:
        return compile_path(text)
    return lambda value: [literal]
