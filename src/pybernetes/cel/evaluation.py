"""A checked tree as nested Python functions, each ``Frame -> value``.

Follows github.com/google/cel-go/interpreter in what is evaluated when: `&&` and `||` take the side that decides and
forget the other side's error; a test of presence never fails for an absent field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pybernetes.cel import tree
from pybernetes.cel.checker import STANDARD_TYPES, Checked
from pybernetes.cel.costs import RUNTIME_COSTS
from pybernetes.cel.errors import CelError, CostExceeded
from pybernetes.cel.functions import Functions, Overload
from pybernetes.cel.types import ObjectType, Type
from pybernetes.cel.values import NONE, DefaultMap, Fields, Made, Optional, UInt, kind_of

LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40


class Frame:
    """The variables of one evaluation, and what it has cost."""

    __slots__ = ("cost", "limit", "variables")

    def __init__(self, variables: Mapping[str, Any], limit: int) -> None:
        self.variables = dict(variables)
        self.cost = 0
        self.limit = limit

    def pay(self, amount: int) -> None:
        self.cost += amount
        if self.cost > self.limit:
            raise CostExceeded


Run = Callable[[Frame], Any]


def compiled(checked: Checked, functions: Functions, root: tree.Node) -> Run:
    return _Compiler(checked, functions).run(root)


class _Compiler:
    def __init__(self, checked: Checked, functions: Functions) -> None:
        self._checked = checked
        self._functions = functions

    def run(self, node: tree.Node) -> Run:
        made: Run = _COMPILE[node.__class__](self, node)
        return made

    def literal(self, node: tree.Literal) -> Run:
        value = node.value
        return lambda frame: value

    def ident(self, node: tree.Ident) -> Run:
        name = node.name
        named = self._type_named(name, node)
        if named is not None:
            return lambda frame: named

        def read(frame: Frame) -> Any:
            frame.pay(1)
            try:
                return frame.variables[name]
            except KeyError:
                raise CelError(f"no such attribute(s): {name}") from None

        return read

    def select(self, node: tree.Select) -> Run:
        if not node.field:
            return self.run(node.operand)
        operand = self.run(node.operand)
        name = self._property(node.operand, node.field)
        if node.test:
            return lambda frame: _has(operand(frame), name)

        def read(frame: Frame) -> Any:
            value = operand(frame)
            frame.pay(1)
            if value.__class__ is dict:
                found = value.get(name, _ABSENT)
                if found is not _ABSENT:
                    return found
            return field_of(value, name)

        return read

    def call(self, node: tree.Call) -> Run:
        special = _SPECIAL.get(node.function)
        if special is not None and node.target is None:
            return special(self, node)
        operands = [*([node.target] if node.target is not None else []), *node.args]
        overloads = [
            one
            for one in self._functions.overloads.get(node.function, ())
            if one.member == (node.target is not None) and len(one.params) == len(operands)
        ]
        return _calling(node.function, overloads, [self.run(one) for one in operands])

    def list(self, node: tree.ListNode) -> Run:
        elements = [(self.run(one), index in node.optional) for index, one in enumerate(node.elements)]

        def make(frame: Frame) -> Any:
            frame.pay(LIST_COST)
            made = []
            for element, optional in elements:
                value = element(frame)
                if not optional:
                    made.append(value)
                elif value.present:
                    made.append(value.value)
            return made

        return make

    def map(self, node: tree.MapNode) -> Run:
        entries = [(self.run(one.key), self.run(one.value), one.optional) for one in node.entries]

        def make(frame: Frame) -> Any:
            frame.pay(MAP_COST)
            made: dict[Any, Any] = {}
            for key, value, optional in entries:
                name, item = key(frame), value(frame)
                if name in made:
                    raise CelError(f"Failed with repeated key: {name}")
                if not optional:
                    made[name] = item
                elif item.present:
                    made[name] = item.value
            return made

        return make

    def struct(self, node: tree.Struct) -> Run:
        made = self._checked.objects[node.id]
        fields = [(made.properties.get(one.name, one.name), self.run(one.value), one.optional) for one in node.fields]

        def make(frame: Frame) -> Any:
            frame.pay(STRUCT_COST)
            values = {}
            for name, value, optional in fields:
                item = value(frame)
                if not optional:
                    values[name] = item
                elif item.present:
                    values[name] = item.value
            return Made(made, values)

        return make

    def comprehension(self, node: tree.Comprehension) -> Run:
        over, start = self.run(node.range), self.run(node.start)
        condition, result = self.run(node.condition), self.run(node.result)
        step = self._step(node)
        variable, second, accumulator = node.variable, node.second, node.accumulator
        unconditional = isinstance(node.condition, tree.Literal) and node.condition.value is True

        def fold(frame: Frame) -> Any:
            items = over(frame)
            variables = frame.variables
            kept = {name: variables.get(name, _ABSENT) for name in (variable, second, accumulator) if name}
            pairs = _pairs(items, second)
            variables[accumulator] = start(frame)
            try:
                for first, other in pairs:
                    variables[variable] = first
                    if second:
                        variables[second] = other
                    if not unconditional and condition(frame) is not True:
                        break
                    variables[accumulator] = step(frame)
                return result(frame)
            finally:
                for name, value in kept.items():
                    if value is _ABSENT:
                        variables.pop(name, None)
                    else:
                        variables[name] = value

        return fold

    def _step(self, node: tree.Comprehension) -> Run:
        """Appending to the accumulated list happens in place: nobody else holds it."""
        step = node.step
        if isinstance(step, tree.Call) and step.function == "_?_:_" and _is_append(node, step.args[1]):
            condition, append, keep = self.run(step.args[0]), self._append(node, step.args[1]), self.run(step.args[2])
            return lambda frame: append(frame) if _boolean(condition(frame)) else keep(frame)
        return self._append(node, step) if _is_append(node, step) else self._guarded(step)

    def _append(self, node: tree.Comprehension, step: tree.Node) -> Run:
        assert isinstance(step, tree.Call)
        assert isinstance(step.args[1], tree.ListNode)
        element, accumulator = self.run(step.args[1].elements[0]), node.accumulator

        def append(frame: Frame) -> Any:
            frame.pay(LIST_COST + 2)
            accumulated = frame.variables[accumulator]
            accumulated.append(element(frame))
            return accumulated

        return append

    def _guarded(self, step: tree.Node) -> Run:
        """A step of `all` and `exists` may fail for one element while another decides."""
        if not (isinstance(step, tree.Call) and step.function in ("_&&_", "_||_")):
            return self.run(step)
        run = self.run(step)

        def guarded(frame: Frame) -> Any:
            try:
                return run(frame)
            except CostExceeded:
                raise
            except CelError as error:
                return error

        return guarded

    def logical(self, node: tree.Call) -> Run:
        left, right = (self.run(arg) for arg in node.args)
        decisive = node.function == "_||_"

        def decide(frame: Frame) -> Any:
            first = _outcome(left, frame)
            if first is decisive:
                return decisive
            second = _outcome(right, frame)
            if second is decisive:
                return decisive
            for outcome in (first, second):
                if isinstance(outcome, CelError):
                    raise outcome
            return not decisive

        return decide

    def conditional(self, node: tree.Call) -> Run:
        condition, chosen, otherwise = (self.run(arg) for arg in node.args)
        return lambda frame: chosen(frame) if _boolean(condition(frame)) else otherwise(frame)

    def not_strictly_false(self, node: tree.Call) -> Run:
        value = self.run(node.args[0])
        return lambda frame: _outcome(value, frame) is not False

    def optional_select(self, node: tree.Call) -> Run:
        operand, (_, literal) = self.run(node.args[0]), node.args
        assert isinstance(literal, tree.Literal)
        name = self._property(node.args[0], literal.value)

        def read(frame: Frame) -> Any:
            frame.pay(1)
            value = operand(frame)
            if isinstance(value, Optional):
                if not value.present:
                    return NONE
                value = value.value
            return Optional(field_of(value, name)) if _has(value, name) else NONE

        return read

    def _property(self, operand: tree.Node, field: str) -> str:
        target = self._checked.type_of(operand)
        if target.name == "optional_type":
            target = target.params[0]
        return target.properties.get(field, field) if isinstance(target, ObjectType) else field

    def _type_named(self, name: str, node: tree.Ident) -> Type | None:
        found = self._checked.type_of(node)
        if found.kind == "type" and found.params and name not in self._checked.references:
            named = self._functions.types.get(name) or STANDARD_TYPES.get(name)
            return found.params[0] if named is not None and found.params[0].name == name else None
        return None


_ABSENT = object()


def field_of(value: Any, name: str) -> Any:
    """`value.name`; on an optional it is an optional again."""
    if isinstance(value, (dict, Fields)):
        if name in value or isinstance(value, DefaultMap):
            return value[name]
        raise CelError(f"no such key: {name}")
    if isinstance(value, Made):
        if name in value.fields:
            return value.fields[name]
        raise CelError(f"no such key: {name}")
    if isinstance(value, Optional):
        return Optional(field_of(value.value, name)) if value.present and _has(value.value, name) else NONE
    if value is None:
        raise CelError(f"no such key: {name}")
    raise CelError(f"unsupported type '{kind_of(value)}' in field selection")


def _has(value: Any, name: str) -> bool:
    if isinstance(value, (dict, Fields)):
        return name in value and value[name] is not None if isinstance(value, Fields) else name in value
    if isinstance(value, Made):
        return name in value.fields
    if isinstance(value, Optional):
        return value.present and _has(value.value, name)
    raise CelError(
        f"no such key: {name}" if value is None else f"unsupported type '{kind_of(value)}' in field selection"
    )


def _pairs(items: Any, second: str) -> Any:
    kind = kind_of(items)
    if kind == "list":
        return enumerate(items) if second else ((one, None) for one in items)
    if kind == "map" and isinstance(items, dict):
        return items.items()
    raise CelError(f"no such overload: {kind} is not a list or map")


def _boolean(value: Any) -> bool:
    if value.__class__ is not bool:
        raise CelError("no such overload")
    return bool(value)


def _outcome(run: Run, frame: Frame) -> Any:
    """True, False, or the error."""
    try:
        value = run(frame)
    except CostExceeded:
        raise
    except CelError as error:
        return error
    return value if value.__class__ is bool or isinstance(value, CelError) else CelError("no such overload")


def _is_append(node: tree.Comprehension, step: tree.Node) -> bool:
    return (
        isinstance(step, tree.Call)
        and step.function == "_+_"
        and isinstance(step.args[0], tree.Ident)
        and step.args[0].name == node.accumulator
        and isinstance(step.args[1], tree.ListNode)
        and isinstance(node.start, tree.ListNode)
        and not step.args[1].optional
    )


def _calling(function: str, overloads: Sequence[Overload], operands: Sequence[Run]) -> Run:
    table = [(one.kinds, one.implementation) for one in overloads]
    cost = RUNTIME_COSTS.get(function)
    if all(kind is None for kinds, _ in table[:1] for kind in kinds) and len(table) == 1:
        only = table[0][1]
        return lambda frame: _paid(frame, cost, only, [operand(frame) for operand in operands])

    def call(frame: Frame) -> Any:
        values = [operand(frame) for operand in operands]
        found = [kind_of(value) for value in values]
        for kinds, implementation in table:
            if all(kind is None or kind == one for kind, one in zip(kinds, found, strict=True)):
                return _paid(frame, cost, implementation, values)
        raise CelError("no such overload")

    return call


def _paid(frame: Frame, cost: Callable[..., int] | None, implementation: Callable[..., Any], values: list[Any]) -> Any:
    for value in values:
        if isinstance(value, CelError):
            raise value
    frame.pay(1 if cost is None else cost(*values))
    return implementation(*values)


_SPECIAL: dict[str, Callable[[_Compiler, tree.Call], Run]] = {
    "_&&_": _Compiler.logical,
    "_||_": _Compiler.logical,
    "_?_:_": _Compiler.conditional,
    "@not_strictly_false": _Compiler.not_strictly_false,
    "_?._": _Compiler.optional_select,
}

_COMPILE: dict[type, Callable[[Any, Any], Run]] = {
    tree.Literal: _Compiler.literal,
    tree.Ident: _Compiler.ident,
    tree.Select: _Compiler.select,
    tree.Call: _Compiler.call,
    tree.ListNode: _Compiler.list,
    tree.MapNode: _Compiler.map,
    tree.Struct: _Compiler.struct,
    tree.Comprehension: _Compiler.comprehension,
}

__all__ = ["Frame", "Run", "UInt", "compiled", "field_of"]
