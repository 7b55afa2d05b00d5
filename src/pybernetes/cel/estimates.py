"""What an expression may cost at most, from the sizes that a schema allows.

Follows github.com/google/cel-go/checker/cost.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pybernetes.cel import tree
from pybernetes.cel.call_estimates import (
    FIXED_ONE,
    UNKNOWN,
    Argument,
    Size,
    call_estimate,
    plus,
    times,
    union,
)
from pybernetes.cel.checker import Checked
from pybernetes.cel.macros import ACCUMULATOR
from pybernetes.cel.types import Type, unwrapped

Path = tuple[str, ...]
SizeOf = Callable[[Path], Size | None]
"""The size of what a path of names, `@items`, `@keys` and `@values` leads to, from a variable on."""

_LIST, _MAP, _STRUCT = 10, 30, 40
_SCALARS = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})


@dataclass(frozen=True, slots=True)
class _Entries:
    """Sizes of what a list or map holds."""

    kind: str
    key: Size
    value: Size


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path
    size: Size | None = None
    entries: _Entries | None = None


def estimate(parsed: tree.Tree, checked: Checked, size_of: SizeOf) -> int:
    """The greatest cost; at most 2**64 - 1."""
    return _Estimator(checked, size_of).cost(parsed.root)


class _Estimator:
    def __init__(self, checked: Checked, size_of: SizeOf) -> None:
        self._checked = checked
        self._size_of = size_of
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Size] = {}
        self._entries: dict[int, _Entries] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, node: tree.Node) -> int:
        match node:
            case tree.Ident():
                found = self._local(node.name)
                self._paths[node.id] = found.path if found else (node.name,)
                return 1
            case tree.Select():
                return self._select(node)
            case tree.Call():
                return self._call(node)
            case tree.ListNode():
                return self._list(node)
            case tree.MapNode():
                return self._map(node)
            case tree.Struct():
                return plus(_STRUCT, *(self.cost(one.value) for one in node.fields))
            case tree.Comprehension():
                return self._bind(node) if _is_bind(node) else self._fold(node)
            case _:
                return 0

    def _select(self, node: tree.Select) -> int:
        if not node.field:
            return self.cost(node.operand)
        below = self.cost(node.operand)
        if node.test:
            return below
        self._paths[node.id] = (*self._path(node.operand), node.field)
        return plus(below, 1) if self._type(node.operand).kind in ("map", "object", "parameter") else below

    def _call(self, node: tree.Call) -> int:
        if node.function == "dyn":
            cost = self.cost(node.args[0])
            self._copy(node, node.args[0])
            return plus(cost, 1)
        costs = [self.cost(arg) for arg in node.args]
        target = self.cost(node.target) if node.target is not None else 0
        arguments = [self._argument(arg) for arg in node.args]
        on = self._argument(node.target) if node.target is not None else None
        if node.function == "_?_:_":
            return self._conditional(node, costs)
        overloads = self._checked.overloads.get(node.id, ())
        if node.function in ("_&&_", "_||_"):
            return plus(*costs)
        most, size = 0, None
        for overload in overloads:
            cost, result = call_estimate(node.function, overload, on, arguments)
            most = max(most, cost)
            if result is not None:
                size = result if size is None else union(size, result)
            size = self._indexed(node, overload.kinds, size)
        self._joined_entries(node)
        size = size if size is not None else self._size(node)
        if size is not None:
            self._sizes[node.id] = size
        return plus(most, target, *costs)

    def _indexed(self, node: tree.Call, kinds: tuple[str | None, ...], size: Size | None) -> Size | None:
        if node.function != "_[_]" or not kinds or kinds[0] not in ("list", "map"):
            return size
        entries = self._entries_of(node.args[0])
        self._paths[node.id] = (*self._path(node.args[0]), "@items" if kinds[0] == "list" else "@values")
        return entries.value if entries is not None else size

    def _conditional(self, node: tree.Call, costs: list[int]) -> int:
        _, chosen, other = node.args
        first, second = self._entries_of(chosen), self._entries_of(other)
        if first is not None and second is not None:
            self._entries[node.id] = _united(first, second)
        self._sizes[node.id] = union(self._size(chosen) or UNKNOWN, self._size(other) or UNKNOWN)
        return plus(costs[0], max(costs[1], costs[2]))

    def _joined_entries(self, node: tree.Call) -> None:
        if node.function != "_+_" or len(node.args) != 2:
            return
        first, second = self._entries_of(node.args[0]), self._entries_of(node.args[1])
        if first is not None and second is not None:
            self._entries[node.id] = _united(first, second)

    def _list(self, node: tree.ListNode) -> int:
        total = plus(_LIST, *(self.cost(one) for one in node.elements))
        self._entries[node.id] = _Entries("list", FIXED_ONE, self._union_of(node.elements))
        return total

    def _map(self, node: tree.MapNode) -> int:
        total = plus(_MAP, *(self.cost(part) for one in node.entries for part in (one.key, one.value)))
        keys, values = [one.key for one in node.entries], [one.value for one in node.entries]
        self._entries[node.id] = _Entries("map", self._union_of(keys), self._union_of(values))
        return total

    def _union_of(self, nodes: list[tree.Node]) -> Size:
        sizes = [self._size(one) or UNKNOWN for one in nodes]
        return Size(min(one.min for one in sizes), max(one.max for one in sizes)) if sizes else Size(0, 0)

    def _fold(self, node: tree.Comprehension) -> int:
        total = plus(self.cost(node.range), self.cost(node.start))
        self._push(node.accumulator, self._bound(node.start))
        for name, local in self._iterated(node).items():
            self._push(name, local)
        each = plus(self.cost(node.condition), self.cost(node.step))
        for name in self._iterated(node):
            self._locals[name].pop()
        total = plus(total, self.cost(node.result))
        self._locals[node.accumulator].pop()
        count = self._size(node.range) or UNKNOWN
        if isinstance(node.start, (tree.ListNode, tree.MapNode)):
            self._sizes[node.id] = count
            entries = self._entries_of(node.step)
            if entries is not None:
                self._entries[node.id] = entries
        elif isinstance(node.start, tree.Literal):
            self._sizes[node.id] = self._size(node.start) or UNKNOWN
        return plus(total, times(count.max, each))

    def _iterated(self, node: tree.Comprehension) -> dict[str, _Local]:
        entries, path = self._entries_of(node.range), self._path(node.range)
        kind = entries.kind if entries is not None else self._type(node.range).kind
        keys = _Local((*path, "@indices" if kind == "list" else "@keys"), entries.key if entries else None)
        values = _Local((*path, "@items" if kind == "list" else "@values"), entries.value if entries else None)
        if node.second:
            return {node.variable: keys, node.second: values}
        return {node.variable: values if kind == "list" else keys}

    def _bind(self, node: tree.Comprehension) -> int:
        total = plus(self.cost(node.range), self.cost(node.start))
        self._push(node.accumulator, self._bound(node.start))
        total = plus(total, self.cost(node.result))
        self._locals[node.accumulator].pop()
        self._copy(node, node.result)
        return total

    def _bound(self, node: tree.Node) -> _Local:
        return _Local(self._path(node), self._size(node), self._entries_of(node))

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _local(self, name: str) -> _Local | None:
        found = self._locals.get(name)
        return found[-1] if found else None

    def _argument(self, node: tree.Node) -> Argument:
        path = self._path(node)
        if path and path[0] == ACCUMULATOR:
            path = ()
        literal = node.value if isinstance(node, tree.Literal) else None
        return Argument(
            self._type(node), self._size(node), lambda: self._size_of((*path, "@items")) if path else None, literal
        )

    def _path(self, node: tree.Node) -> Path:
        if isinstance(node, tree.Ident):
            found = self._local(node.name)
            if found is not None:
                return found.path
        return self._paths.get(node.id, ())

    def _type(self, node: tree.Node) -> Type:
        return self._checked.type_of(node)

    def _size(self, node: tree.Node) -> Size | None:
        known = self._sizes.get(node.id)
        if known is not None:
            return known
        stated = _literal_size(node)
        if stated is not None:
            return stated
        path = self._path(node)
        found = self._size_of(path) if path else None
        if found is not None:
            return found
        if _is_scalar(self._type(node)):
            return FIXED_ONE
        local = self._local(node.name) if isinstance(node, tree.Ident) else None
        return local.size if local is not None else None

    def _entries_of(self, node: tree.Node) -> _Entries | None:
        known = self._entries.get(node.id)
        if known is not None:
            return known
        local = self._local(node.name) if isinstance(node, tree.Ident) else None
        return local.entries if local is not None else None

    def _copy(self, to: tree.Node, source: tree.Node) -> None:
        size, entries = self._size(source), self._entries_of(source)
        if size is not None:
            self._sizes[to.id] = size
        if entries is not None:
            self._entries[to.id] = entries


def _united(first: _Entries, second: _Entries) -> _Entries:
    return _Entries(first.kind, union(first.key, second.key), union(first.value, second.value))


def _is_bind(node: tree.Comprehension) -> bool:
    return (
        isinstance(node.range, tree.ListNode)
        and not node.range.elements
        and isinstance(node.condition, tree.Literal)
        and node.condition.value is False
        and node.accumulator != ACCUMULATOR
    )


def _literal_size(node: tree.Node) -> Size | None:
    match node:
        case tree.Literal():
            length = len(node.value) if isinstance(node.value, (str, bytes)) else 1
        case tree.ListNode():
            length = len(node.elements)
        case tree.MapNode():
            length = len(node.entries)
        case _:
            return None
    return Size(length, length)


def _is_scalar(one: Type) -> bool:
    return unwrapped(one)[0].kind in _SCALARS
