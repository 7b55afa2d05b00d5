"""Expressions of one policy: they share variables, of which later ones may use earlier ones.

Follows k8s.io/apiserver/pkg/admission/plugin/cel/composition.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pybernetes.apiserver.cel.expressions import ExpressionError, compile_for, request_variables
from pybernetes.apiserver.cel.mutation_types import constructed
from pybernetes.cel import library
from pybernetes.cel.environment import PER_CALL_LIMIT, Environment, Program
from pybernetes.cel.errors import CelError, CostExceeded
from pybernetes.cel.types import BOOL, DYN, Type, object_type
from pybernetes.cel.values import Fields

VARIABLES = "variables"
_TYPED = frozenset(
    {"bool", "bytes", "double", "duration", "int", "null", "string", "timestamp", "uint", "list", "map", "dyn"}
)


class Composition:
    """Compiles for a policy with ``params`` or without. ``declare`` the variables in order before what uses them."""

    def __init__(self, *, params: bool, composed: bool = True) -> None:
        self._params = params
        self._composed = composed
        self._types: dict[str, Type] = {}
        self.variables: dict[str, Program | str] = {}
        """What each variable is, or what is wrong with it."""

    def declare(self, name: str, expression: str) -> None:
        """Raises ``ExpressionError``; the variable may then be named all the same."""
        try:
            program = self.compile(expression, results=())
        except ExpressionError as error:
            self._types[name], self.variables[name] = DYN, str(error)
            raise
        self._types[name] = _known(program.result)
        self.variables[name] = program

    def compile(
        self, expression: str, results: Sequence[Type] = (BOOL,), *, authorizer: bool = True, patches: bool = False
    ) -> Program:
        """Raises ``ExpressionError``."""
        declared = dict(request_variables(params=self._params, authorizer=authorizer))
        if self._composed:
            declared[VARIABLES] = object_type("kubernetes.variables", dict(self._types))
        functions = library.with_libraries("jsonpatch") if patches else library.base()
        objects = constructed if patches else _nothing
        return compile_for(Environment(declared, functions, objects), expression, results)

    def values(self, bound: dict[str, Any], pay: Callable[[int], None]) -> Fields:
        """The value of `variables`: each is worked out when first asked for, with ``pay`` told what it cost."""

        def maker(name: str, program: Program | str) -> Callable[[], Any]:
            def make() -> Any:
                if isinstance(program, str):
                    raise CelError(f'composited variable "{name}" fails to compile: {program}')
                value, cost = program.measure(bound, limit=PER_CALL_LIMIT)
                pay(cost)
                if isinstance(value, CostExceeded):
                    raise value
                if isinstance(value, CelError):
                    raise CelError(f'composited variable "{name}" fails to evaluate: {value}')
                return value

            return make

        return Fields({name: maker(name, program) for name, program in self.variables.items()})


def _nothing(name: str) -> None:
    return None


def _known(one: Type) -> Type:
    """Objects and opaque values lose their type when they are kept in a variable."""
    if one.kind not in _TYPED:
        return DYN
    return Type(one.kind, one.name, tuple(map(_known, one.params))) if one.params else one
