"""Macros of two variables (`list.all(i, v, …)`, `map.transformMap(k, v, …)`), `list.sortBy`, `cel.bind`: each a fold.

Follows github.com/google/cel-go/ext/comprehensions.go, lists.go and bindings.go.
"""

from __future__ import annotations

from collections.abc import Callable

from pybernetes.cel.tree import Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select

Fresh = Callable[[int], int]
Fail = Callable[[int, str], None]
Expand = Callable[[Call, Fresh, Fail], Node]

SORT_BY_KEYS = "@sortByAssociatedKeys"
MAP_INSERT = "cel.@mapInsert"
ACCUMULATOR = "@result"
_ARGUMENTS = {
    "all": (3,),
    "exists": (3,),
    "existsOne": (3,),
    "exists_one": (3,),
    "transformList": (3, 4),
    "transformMap": (3, 4),
    "transformMapEntry": (3, 4),
}


def expand(call: Call, fresh: Fresh, fail: Fail) -> Node:
    """``call`` itself where it is no macro."""
    if call.function == "sortBy" and call.target is not None and len(call.args) == 2:
        return _sorted_by(call, call.target, fresh, fail)
    if call.target is None or len(call.args) not in _ARGUMENTS.get(call.function, ()):
        return call
    names = _variables(call.args[0], call.args[1], fail)
    if names is None:
        return call
    return _Expansion(call, call.target, names, fresh).made()


def expand_with_bind(call: Call, fresh: Fresh, fail: Fail) -> Node:
    """Also `cel.bind(name, value, expression)`: a fold over nothing, which gives the name its value."""
    if call.function != "bind" or len(call.args) != 3 or not _is_cel(call.target):
        return expand(call, fresh, fail)
    name, value, result = call.args
    if not isinstance(name, Ident):
        fail(name.id, "cel.bind() variable names must be simple identifiers")
        return call
    return _bound(call, name.name, value, result, fresh)


def _bound(call: Call, name: str, value: Node, result: Node, fresh: Fresh) -> Node:
    return Comprehension(
        call.id,
        "#unused",
        "",
        ListNode(fresh(call.id), []),
        name,
        value,
        Literal(fresh(call.id), False),
        Ident(fresh(call.id), name),
        result,
    )


_SORTABLE = (ListNode, Select, Ident, Comprehension, Call)
_SORTED = "@__sortBy_input__"


def _sorted_by(call: Call, target: Node, fresh: Fresh, fail: Fail) -> Node:
    """Keys are made of all elements, and the elements put into their order."""
    variable, key = call.args
    if not isinstance(target, _SORTABLE):
        what = "a list, identifier, comprehension, call or select expression"
        fail(target.id, f"sortBy can only be applied to {what}")
        return call
    if not isinstance(variable, Ident):
        fail(variable.id, "argument is not an identifier")
        return call
    keys = _Expansion(call, Ident(fresh(call.id), _SORTED), (variable.name, ""), fresh).mapped(key)
    ordered = Call(fresh(call.id), SORT_BY_KEYS, None, [Ident(fresh(call.id), _SORTED), keys])
    return _bound(call, _SORTED, target, ordered, fresh)


def _is_cel(target: Node | None) -> bool:
    return isinstance(target, Ident) and target.name == "cel"


def _variables(first: Node, second: Node, fail: Fail) -> tuple[str, str] | None:
    for node in (first, second):
        if not isinstance(node, Ident):
            fail(node.id, "argument must be a simple name")
            return None
    assert isinstance(first, Ident)
    assert isinstance(second, Ident)
    if first.name == second.name:
        fail(second.id, f"duplicate variable name: {first.name}")
        return None
    return first.name, second.name


class _Expansion:
    def __init__(self, call: Call, target: Node, names: tuple[str, str], fresh: Fresh) -> None:
        self._call = call
        self._target = target
        self._names = names
        self._fresh = fresh

    def made(self) -> Node:
        body = self._call.args[-1]
        match self._call.function:
            case "all":
                return self._fold(
                    self._literal(True),
                    self._operator("@not_strictly_false", self._accumulated()),
                    self._operator("_&&_", self._accumulated(), body),
                )
            case "exists":
                negated = self._operator("!_", self._accumulated())
                return self._fold(
                    self._literal(False),
                    self._operator("@not_strictly_false", negated),
                    self._operator("_||_", self._accumulated(), body),
                )
            case "existsOne" | "exists_one":
                more = self._operator("_+_", self._accumulated(), self._literal(1))
                return self._fold(
                    self._literal(0),
                    self._literal(True),
                    self._operator("_?_:_", body, more, self._accumulated()),
                    self._operator("_==_", self._accumulated(), self._literal(1)),
                )
            case "transformList":
                start: Node = ListNode(self._id(), [])
                step = self._operator("_+_", self._accumulated(), ListNode(self._id(), [body]))
            case "transformMap":
                start = MapNode(self._id(), [])
                step = self._operator(MAP_INSERT, self._accumulated(), Ident(self._id(), self._names[0]), body)
            case _:
                start = MapNode(self._id(), [])
                step = self._operator(MAP_INSERT, self._accumulated(), body)
        if len(self._call.args) == 4:
            step = self._operator("_?_:_", self._call.args[2], step, self._accumulated())
        return self._fold(start, self._literal(True), step)

    def mapped(self, body: Node) -> Node:
        step = self._operator("_+_", self._accumulated(), ListNode(self._id(), [body]))
        return self._fold(ListNode(self._id(), []), self._literal(True), step)

    def _fold(self, start: Node, condition: Node, step: Node, result: Node | None = None) -> Node:
        return Comprehension(
            self._id(),
            *self._names,
            self._target,
            ACCUMULATOR,
            start,
            condition,
            step,
            result or self._accumulated(),
        )

    def _id(self) -> int:
        return self._fresh(self._call.id)

    def _literal(self, value: bool | int) -> Node:
        return Literal(self._id(), value)

    def _accumulated(self) -> Node:
        return Ident(self._id(), ACCUMULATOR)

    def _operator(self, name: str, *args: Node) -> Call:
        return Call(self._id(), name, None, list(args))
