"""What expressions can call: overloads, declared beside the Python functions that do the work.

`@strings.method("charAt", "string, int -> string")` declares `"abc".charAt(1)`, `@….function("url", "string -> …")` a
plain one. Single capitals are type parameters. Overloads of one name may stand in several libraries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pybernetes.cel import types
from pybernetes.cel.types import Type

Implementation = Callable[..., Any]
F = TypeVar("F", bound=Implementation)


@dataclass(frozen=True, slots=True)
class Overload:
    member: bool
    params: tuple[Type, ...]
    result: Type
    implementation: Implementation
    generics: tuple[Type, ...] = ()
    """The type parameters in the signature."""
    kinds: tuple[str | None, ...] = ()
    """The kinds that values of ``params`` are of (``values.kind_of``); None takes all."""


class Library:
    """Overloads by the function's name, and types that expressions may name."""

    def __init__(self) -> None:
        self.functions: dict[str, list[Overload]] = {}
        self.types: dict[str, Type] = {}

    def function(self, name: str, *signatures: str) -> Callable[[F], F]:
        return self._declare(name, signatures, member=False)

    def method(self, name: str, *signatures: str) -> Callable[[F], F]:
        """The first parameter is what the method is called on."""
        return self._declare(name, signatures, member=True)

    def named(self, *names: str) -> None:
        """Opaque types that expressions may name (`type(x) == net.IP`)."""
        for name in names:
            self.types[name] = types.opaque(name)

    def _declare(self, name: str, signatures: Iterable[str], *, member: bool) -> Callable[[F], F]:
        def register(implementation: F) -> F:
            overloads = self.functions.setdefault(name, [])
            overloads.extend(_overload(one, implementation, member=member) for one in signatures)
            return implementation

        return register


@dataclass(frozen=True, slots=True)
class Functions:
    """All that an environment can call."""

    overloads: Mapping[str, tuple[Overload, ...]] = field(default_factory=dict)
    types: Mapping[str, Type] = field(default_factory=dict)

    @classmethod
    def of(cls, libraries: Iterable[Library]) -> Functions:
        overloads: dict[str, tuple[Overload, ...]] = {}
        named: dict[str, Type] = {}
        for library in libraries:
            named.update(library.types)
            for name, more in library.functions.items():
                overloads[name] = (*overloads.get(name, ()), *more)
        return cls(overloads, named)


def parse_type(text: str) -> Type:
    return _Signature(text).type()


def _overload(signature: str, implementation: Implementation, *, member: bool) -> Overload:
    left, _, right = signature.rpartition("->")
    params = tuple(_Signature(left).types())
    result = parse_type(right)
    generics = tuple(dict.fromkeys(one for param in (*params, result) for one in _generics(param)))
    return Overload(member, params, result, implementation, generics, tuple(map(_kind, params)))


def _generics(one: Type) -> Iterable[Type]:
    if one.kind == "parameter":
        yield one
    for param in one.params:
        yield from _generics(param)


def _kind(one: Type) -> str | None:
    if one.kind in ("dyn", "parameter"):
        return None
    return one.name if one.kind in ("opaque", "object") else one.kind


class _Signature:
    """Reads `list(A), map(string, B)`."""

    def __init__(self, text: str) -> None:
        self._tokens = re.findall(r"[\w.]+|[(),]", text)
        self._at = 0

    def types(self) -> list[Type]:
        found = []
        while self._at < len(self._tokens):
            found.append(self.type())
            self._at += 1
        return found

    def type(self) -> Type:
        name = self._tokens[self._at]
        self._at += 1
        params: list[Type] = []
        if self._at < len(self._tokens) and self._tokens[self._at] == "(":
            while self._tokens[self._at] != ")":
                self._at += 1
                params.append(self.type())
            self._at += 1
        return _made(name, tuple(params))


def _made(name: str, params: tuple[Type, ...]) -> Type:
    if name in types.PRIMITIVES and not params:
        return types.PRIMITIVES[name]
    if len(name) == 1 and name.isupper():
        return types.parameter(name)
    if name == "optional":
        return types.optional_of(*params)
    if name in ("list", "map", "type"):
        return Type(name, name, params)
    return Type("opaque", name, params)
