"""Static types of all nodes of a tree, or what is wrong with it.

Names that are found to be qualified (`optional.none`, `google.protobuf.Timestamp`) are rewritten in the tree.

Follows github.com/google/cel-go/checker/checker.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.cel import tree, types
from pybernetes.cel.errors import CompileError, Issue
from pybernetes.cel.functions import Functions, Overload
from pybernetes.cel.types import DYN, ERROR, INT, STRING, Bindings, ObjectType, Type, is_dyn, unwrapped
from pybernetes.cel.values import kind_of

STANDARD_TYPES = {
    one.name: types.type_of(one)
    for one in (
        types.BOOL,
        types.BYTES,
        types.DOUBLE,
        types.INT,
        types.STRING,
        types.UINT,
        types.NULL,
        types.DURATION,
        types.TIMESTAMP,
        types.list_of(DYN),
        types.map_of(DYN, DYN),
        types.TYPE,
        types.optional_of(DYN),
    )
}
_LITERALS = {
    "bool": types.BOOL,
    "int": INT,
    "uint": types.UINT,
    "double": types.DOUBLE,
    "string": STRING,
    "bytes": types.BYTES,
    "null": types.NULL,
}


@dataclass(frozen=True, slots=True)
class Names:
    """What an expression may name: variables, functions, and types that it may construct."""

    variables: Mapping[str, Type]
    functions: Functions
    objects: Callable[[str], ObjectType | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Checked:
    types: Mapping[int, Type]
    references: frozenset[str]
    """The declared variables that the expression uses."""
    objects: Mapping[int, ObjectType]
    """What `Name{…}` nodes make."""
    overloads: Mapping[int, Sequence[Overload]]
    """Those that fit the static types of a call."""

    def type_of(self, node: tree.Node) -> Type:
        return self.types.get(node.id, DYN)


def check(parsed: tree.Tree, names: Names) -> Checked:
    """Raises ``CompileError``."""
    checker = _Checker(parsed, names)
    checker.check(parsed.root)
    if checker.issues:
        raise CompileError.of(parsed.text, checker.issues)
    found = {id: checker.bindings.substitute(one, unbound=DYN) for id, one in checker.types.items()}
    return Checked(found, frozenset(checker.references), checker.objects, checker.overloads)


class _Checker:
    def __init__(self, parsed: tree.Tree, names: Names) -> None:
        self._tree = parsed
        self._names = names
        self._scopes: list[dict[str, Type]] = []
        self._free = 0
        self.issues: list[Issue] = []
        self.types: dict[int, Type] = {}
        self.objects: dict[int, ObjectType] = {}
        self.overloads: dict[int, list[Overload]] = {}
        self.references: set[str] = set()
        self.bindings = Bindings()

    def check(self, node: tree.Node) -> Type:
        found = _CHECK[node.__class__](self, node)
        self.types[node.id] = found
        return found

    def literal(self, node: tree.Literal) -> Type:
        return _LITERALS[kind_of(node.value)]

    def ident(self, node: tree.Ident) -> Type:
        name = node.name.removeprefix(".")
        found = self._variable(name)
        if found is None:
            return self._undeclared(node.id, name)
        node.name = name
        return found

    def select(self, node: tree.Select) -> Type:
        qualified = None if node.test else _qualified_name(node)
        if qualified is not None and "." in qualified:
            found = self._variable(qualified) if self._local(qualified.split(".", 1)[0]) is None else None
            if found is not None:
                node.operand, node.field = tree.Ident(node.operand.id, qualified), ""
                self.types[node.operand.id] = found
                return found
        found = self._field(node.id, node.operand, node.field)
        return types.BOOL if node.test else self.bindings.substitute(found)

    def call(self, node: tree.Call) -> Type:
        if node.function == "_?._":
            return self._optional_select(node)
        args = [self.check(arg) for arg in node.args]
        if node.target is not None:
            prefix = _qualified_name(node.target)
            if prefix is not None and f"{prefix}.{node.function}" in self._names.functions.overloads:
                node.function, node.target = f"{prefix}.{node.function}", None
        overloads = self._names.functions.overloads.get(node.function)
        if node.target is not None:
            args.insert(0, self.check(node.target))
        if overloads is None:
            return self._undeclared(node.id, node.function)
        if node.function in ("_&&_", "_||_"):
            return self._logical(node, args)
        return self._resolve(node, overloads, args)

    def list_literal(self, node: tree.ListNode) -> Type:
        element: Type | None = None
        for index, one in enumerate(node.elements):
            found = self._maybe_optional(one, self.check(one), optional=index in node.optional)
            element = self._joined(one, element, found)
        return types.list_of(element or self._fresh())

    def map_literal(self, node: tree.MapNode) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = self._joined(entry.key, key, self.check(entry.key))
            found = self._maybe_optional(entry.value, self.check(entry.value), optional=entry.optional)
            value = self._joined(entry.value, value, found)
        return types.map_of(key or self._fresh(), value or self._fresh())

    def struct(self, node: tree.Struct) -> Type:
        made = self._names.objects(node.name)
        if made is None:
            return self._undeclared(node.id, node.name)
        self.objects[node.id] = made
        for one in node.fields:
            found = self._maybe_optional(one.value, self.check(one.value), optional=one.optional)
            declared = made.fields.get(one.name)
            if declared is None:
                self._fail(one.id, f"undefined field '{one.name}'")
            elif not self.bindings.assignable([declared], [found]):
                self._fail(
                    one.id, f"expected type of field '{one.name}' is '{declared}' but provided type is '{found}'"
                )
        return made

    def comprehension(self, node: tree.Comprehension) -> Type:
        over = self.bindings.substitute(self.check(node.range))
        accumulated = self.check(node.start)
        self._scopes.append({node.accumulator: accumulated})
        first, second = self._variables(node, over)
        self._scopes.append({node.variable: first, **({node.second: second} if node.second else {})})
        self._expect(node.condition, types.BOOL, self.check(node.condition))
        self._expect(node.step, accumulated, self.check(node.step))
        self._scopes.pop()
        result = self.check(node.result)
        self._scopes.pop()
        return self.bindings.substitute(result)

    def _variables(self, node: tree.Comprehension, over: Type) -> tuple[Type, Type]:
        if over.kind == "list":
            return (INT, over.params[0]) if node.second else (over.params[0], ERROR)
        if over.kind == "map":
            return over.params[0], over.params[1]
        if over.kind in ("dyn", "error", "parameter"):
            self.bindings.assignable([DYN], [over])
            return DYN, DYN
        self._fail(
            node.range.id,
            f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)",
        )
        return ERROR, ERROR

    def _optional_select(self, node: tree.Call) -> Type:
        operand, name = node.args
        if not isinstance(name, tree.Literal) or not isinstance(name.value, str):
            self._fail(name.id, "unsupported optional field selection: ")
            return ERROR
        found = self._field(node.id, operand, name.value)
        return self.bindings.substitute(found if found.name == "optional_type" else types.optional_of(found))

    def _field(self, id: int, operand: tree.Node, name: str) -> Type:
        target, optional = unwrapped(self.bindings.substitute(self.check(operand)))
        found = self._field_of(id, target, name)
        return types.optional_of(found) if optional else found

    def _field_of(self, id: int, target: Type, name: str) -> Type:
        if target.kind == "map":
            return target.params[1]
        if isinstance(target, ObjectType):
            found = target.fields.get(name)
            if found is None:
                self._fail(id, f"undefined field '{name}'")
            return found or ERROR
        if target.kind == "parameter":
            self.bindings.assignable([DYN], [target])
        elif not is_dyn(target):
            self._fail(id, f"type '{target}' does not support field selection")
        return DYN

    def _logical(self, node: tree.Call, args: list[Type]) -> Type:
        right = True
        for arg, found in zip(node.args, args, strict=True):
            right &= self._expect(arg, types.BOOL, found)
        return types.BOOL if right else ERROR

    def _resolve(self, node: tree.Call, overloads: tuple[Overload, ...], args: list[Type]) -> Type:
        result: Type | None = None
        fitting = self.overloads[node.id] = []
        for overload in overloads:
            if overload.member != (node.target is not None) or len(overload.params) != len(args):
                continue
            params, returned = self._instantiated(overload)
            if not self.bindings.assignable(args, params):
                continue
            fitting.append(overload)
            returned = self.bindings.substitute(returned)
            if result is None:
                result = returned
            elif result.kind != "dyn" and result != returned:
                result = DYN
        if result is None:
            shown = [str(self.bindings.substitute(one, unbound=DYN)) for one in args]
            target = f"{shown.pop(0)}." if node.target is not None else ""
            self._fail(
                node.id,
                f"found no matching overload for '{node.function}' applied to '{target}({', '.join(shown)})'",
            )
        return result or ERROR

    def _instantiated(self, overload: Overload) -> tuple[tuple[Type, ...], Type]:
        if not overload.generics:
            return overload.params, overload.result
        fresh = Bindings()
        fresh.assignable([self._fresh() for _ in overload.generics], overload.generics)
        return tuple(map(fresh.substitute, overload.params)), fresh.substitute(overload.result)

    def _maybe_optional(self, node: tree.Node, found: Type, *, optional: bool) -> Type:
        if not optional:
            return found
        held, is_optional = unwrapped(found)
        if not is_optional and not is_dyn(found):
            self._mismatch(node, types.optional_of(found), found)
        return held

    def _joined(self, node: tree.Node, previous: Type | None, current: Type) -> Type:
        if previous is None:
            return current
        if self.bindings.assignable([previous], [current]):
            return types.most_general(previous, current)
        self._mismatch(node, previous, current)
        return ERROR

    def _expect(self, node: tree.Node, expected: Type, found: Type) -> bool:
        if self.bindings.assignable([expected], [found]):
            return True
        self._mismatch(node, expected, found)
        return False

    def _local(self, name: str) -> Type | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    def _variable(self, name: str) -> Type | None:
        local = self._local(name)
        if local is not None:
            return local
        declared = self._names.variables.get(name)
        if declared is not None:
            self.references.add(name)
            return declared
        if name in self._names.functions.types:
            return types.type_of(self._names.functions.types[name])
        made = self._names.objects(name)
        return types.type_of(made) if made is not None else STANDARD_TYPES.get(name)

    def _fresh(self) -> Type:
        self._free += 1
        return types.parameter(f"_var{self._free}")

    def _undeclared(self, id: int, name: str) -> Type:
        self._fail(id, f"undeclared reference to '{name}' (in container '')")
        return ERROR

    def _mismatch(self, node: tree.Node, expected: Type, found: Type) -> None:
        self._fail(node.id, f"expected type '{expected}' but found '{found}'")

    def _fail(self, id: int, message: str) -> None:
        self.issues.append(Issue(self._tree.positions.get(id, 0), message))


def _qualified_name(node: tree.Node) -> str | None:
    if isinstance(node, tree.Ident):
        return node.name
    if isinstance(node, tree.Select) and not node.test and node.field:
        prefix = _qualified_name(node.operand)
        return None if prefix is None else f"{prefix}.{node.field}"
    return None


_CHECK: dict[type, Callable[[Any, Any], Type]] = {
    tree.Literal: _Checker.literal,
    tree.Ident: _Checker.ident,
    tree.Select: _Checker.select,
    tree.Call: _Checker.call,
    tree.ListNode: _Checker.list_literal,
    tree.MapNode: _Checker.map_literal,
    tree.Struct: _Checker.struct,
    tree.Comprehension: _Checker.comprehension,
}
