"""Defaults as tables: path → value, compiled once into nested functions.

A path names fields in JSON's spelling, `[]` steps into every element of a list and `{}` into every value of a map:
`"spec.containers[].ports[].protocol": "TCP"`. A path whose parents are absent does nothing; a field that is present
keeps its value. A value that is a list or an object is copied for each document. Where a default follows from other
fields, the value is a function of the object that holds the field (`None`: no default); where a rule
changes an object as a whole, it is a `Rule` on the path of that object. Rows apply parent first, in the table's order.
An empty string counts as absent, as it does upstream for what is no pointer (`WhenAbsent`); a zero does only for
`OverZero`.

Follows the files defaults.go of pkg/apis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
Default = Callable[[Document], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """Code that completes the object at a path, when there is one."""

    apply: Default


@dataclass(frozen=True, slots=True)
class OverZero:
    """A default for a number whose zero means "not given"."""

    value: int


@dataclass(frozen=True, slots=True)
class WhenAbsent:
    """A default for a text that upstream has as a pointer: an empty one is a value."""

    value: Any


Value = Any
Table = Mapping[str, Value]


def under(prefix: str, table: Table) -> dict[str, Value]:
    """The rows of a table below a path, so that kinds share them."""
    return {(f"{prefix}.{path}" if path else prefix): value for path, value in table.items()}


@dataclass(frozen=True, slots=True)
class Defaults:
    """Compiled tables. ``parts`` are the object's fields that they are about; None where they see it whole."""

    apply: Default
    parts: frozenset[str] | None

    def __call__(self, document: Document) -> None:
        self.apply(document)


def concern(defaults: Default | None, part: str) -> bool:
    """Whether defaults may do something about a field of the object."""
    if defaults is None:
        return False
    return not isinstance(defaults, Defaults) or defaults.parts is None or part in defaults.parts


@dataclass(slots=True)
class _Node:
    constants: dict[str, Value] = field(default_factory=dict)
    steps: list[Default] = field(default_factory=list)
    children: dict[str, _Node] = field(default_factory=dict)


def compile_defaults(*tables: Table) -> Defaults:
    root = _Node()
    for table in tables:
        for path, value in table.items():
            _insert(root, path, value)
    parts = {path.partition(".")[0].removesuffix("[]").removesuffix("{}") for table in tables for path in table}
    return Defaults(_compile(root), None if "" in parts else frozenset(parts))


def in_order(*defaults: Default) -> Defaults:
    """For rules that need what the rows below them have filled in."""
    steps = tuple(one.apply if isinstance(one, Defaults) else one for one in defaults)
    parts: frozenset[str] | None = frozenset()
    for one in defaults:
        of_one = one.parts if isinstance(one, Defaults) else None
        parts = None if parts is None or of_one is None else parts | of_one

    def run(holder: Document) -> None:
        for step in steps:
            step(holder)

    return Defaults(run, parts)


def _insert(root: _Node, path: str, value: Value) -> None:
    *parents, name = path.split(".")
    if isinstance(value, Rule):
        parents = [*parents, name] if path else []
    node = root
    for step in parents:
        node = node.children.setdefault(step, _Node())
    if isinstance(value, Rule):
        node.steps.append(value.apply)
    elif isinstance(value, (str, bool, int)):
        node.constants[name] = value
    else:
        node.steps.append(_setter(name, value))


def _set_constants(constants: Mapping[str, Value]) -> Default:
    pairs = tuple(constants.items())

    def set_constants(holder: Document) -> None:
        for name, value in pairs:
            if name not in holder or holder[name] == "":
                holder[name] = value

    return set_constants


def _setter(name: str, value: Value) -> Default:
    if isinstance(value, OverZero):
        number = value.value

        def set_number(holder: Document) -> None:
            if not holder.get(name):
                holder[name] = number

        return set_number
    if isinstance(value, WhenAbsent):
        given = value.value

        def set_absent(holder: Document) -> None:
            holder.setdefault(name, given)

        return set_absent
    if callable(value):

        def set_computed(holder: Document) -> None:
            if holder.get(name, "") == "" and (computed := value(holder)) is not None:
                holder[name] = computed

        return set_computed
    fresh = _copier(value)

    def set_fresh(holder: Document) -> None:
        if name not in holder:
            holder[name] = fresh()

    return set_fresh


def _copier(value: Value) -> Callable[[], Value]:
    if isinstance(value, dict):
        items = {key: _copier(item) for key, item in value.items()}
        return lambda: {key: copy() for key, copy in items.items()}
    if isinstance(value, list):
        elements = [_copier(item) for item in value]
        return lambda: [copy() for copy in elements]
    return lambda: value


def _compile(node: _Node) -> Default:
    steps: Sequence[Default] = tuple(_steps(node))
    if len(steps) == 1:
        return steps[0]

    def run(holder: Document) -> None:
        for step in steps:
            step(holder)

    return run


def _steps(node: _Node) -> Iterator[Default]:
    if node.constants:
        yield _set_constants(node.constants)
    yield from node.steps
    for name, child in node.children.items():
        inner = _compile(child)
        if name.endswith("[]"):
            yield _each_element(name[:-2], inner)
        elif name.endswith("{}"):
            yield _each_value(name[:-2], inner)
        else:
            yield _descend(name, inner)


def _descend(name: str, inner: Default) -> Default:
    def descend(holder: Document) -> None:
        below = holder.get(name)
        if below is not None:
            inner(below)

    return descend


def _each_element(name: str, inner: Default) -> Default:
    def each_element(holder: Document) -> None:
        for element in holder.get(name) or ():
            inner(element)

    return each_element


def _each_value(name: str, inner: Default) -> Default:
    def each_value(holder: Document) -> None:
        for element in (holder.get(name) or {}).values():
            inner(element)

    return each_value
