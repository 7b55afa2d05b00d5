"""Expressions compiled for a set of variables.

Follows k8s.io/apiserver/pkg/cel/environment and k8s.io/apiserver/pkg/apis/cel/config.go (the limits).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.cel import library, macros, tree
from pybernetes.cel.checker import Checked, Names, check
from pybernetes.cel.errors import CelError
from pybernetes.cel.evaluation import Frame, Run, compiled
from pybernetes.cel.functions import Functions
from pybernetes.cel.literals import check_literals
from pybernetes.cel.macros import Expand
from pybernetes.cel.parsing import parse
from pybernetes.cel.types import ObjectType, Type

PER_CALL_LIMIT = 1_000_000
"""What one evaluation may cost."""


@dataclass(frozen=True, slots=True)
class Program:
    tree: tree.Tree
    checked: Checked
    _run: Run

    @property
    def result(self) -> Type:
        return self.checked.type_of(self.tree.root)

    @property
    def references(self) -> frozenset[str]:
        return self.checked.references

    def evaluate(self, variables: Mapping[str, Any], *, limit: int = PER_CALL_LIMIT) -> Any:
        """Raises ``CelError``."""
        value, _ = self.measure(variables, limit=limit)
        if isinstance(value, CelError):
            raise value
        return value

    def measure(self, variables: Mapping[str, Any], *, limit: int = PER_CALL_LIMIT) -> tuple[Any, int]:
        """(the value or the ``CelError``, what it cost)."""
        frame = Frame(variables, limit)
        try:
            value = self._run(frame)
        except CelError as error:
            value = error
        except RecursionError:
            value = CelError("expression is nested too deeply")
        return value, frame.cost


class Environment:
    """``variables``: name → static type; ``objects`` finds types that `Name{…}` makes; ``expand`` are its macros."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        functions: Functions | None = None,
        objects: Callable[[str], ObjectType | None] = lambda _: None,
        expand: Expand = macros.expand,
    ) -> None:
        self._expand = expand
        self._functions = functions or library.base()
        self._names = Names(variables, self._functions, objects)

    def compile(self, text: str) -> Program:
        """Raises ``CompileError``."""
        parsed = parse(text, expand=self._expand)
        checked = check(parsed, self._names)
        check_literals(parsed)
        return Program(parsed, checked, compiled(checked, self._functions, parsed.root))
