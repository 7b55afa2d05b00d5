"""The syntax tree of an expression. Nodes are found by ``id``; the checker rewrites names it has resolved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Node:
    id: int


@dataclass(slots=True, eq=False)
class Literal(Node):
    value: Any


@dataclass(slots=True, eq=False)
class Ident(Node):
    name: str


@dataclass(slots=True, eq=False)
class Select(Node):
    """``operand.field``; ``test`` for `has(operand.field)`."""

    operand: Node
    field: str
    test: bool = False


@dataclass(slots=True, eq=False)
class Call(Node):
    function: str
    target: Node | None
    args: list[Node]


@dataclass(slots=True, eq=False)
class ListNode(Node):
    elements: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(slots=True, eq=False)
class Entry:
    id: int
    key: Node
    value: Node
    optional: bool


@dataclass(slots=True, eq=False)
class MapNode(Node):
    entries: list[Entry]


@dataclass(slots=True, eq=False)
class StructField:
    id: int
    name: str
    value: Node
    optional: bool


@dataclass(slots=True, eq=False)
class Struct(Node):
    name: str
    fields: list[StructField]


@dataclass(slots=True, eq=False)
class Comprehension(Node):
    """A fold over ``range``: what the macros `all`, `exists`, `map`, `filter` … stand for."""

    variable: str
    second: str
    range: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node


@dataclass(slots=True, eq=False)
class Tree:
    text: str
    root: Node
    positions: dict[int, int] = field(default_factory=dict)
    """Node id → offset in the text, in code points."""


def walk(node: Node) -> Iterator[Node]:
    """``node`` and all below it."""
    yield node
    for child in _children(node):
        yield from walk(child)


def _children(node: Node) -> Iterator[Node]:
    match node:
        case Select():
            yield node.operand
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListNode():
            yield from node.elements
        case MapNode():
            for entry in node.entries:
                yield from (entry.key, entry.value)
        case Struct():
            yield from (one.value for one in node.fields)
        case Comprehension():
            yield from (node.range, node.start, node.condition, node.step, node.result)
