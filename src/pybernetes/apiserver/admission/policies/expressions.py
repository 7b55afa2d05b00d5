"""The expressions of one policy and what they give for a request, within a budget.

Follows k8s.io/apiserver/pkg/admission/plugin/cel (activation.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.apiserver.cel.admission_values import namespace_of
from pybernetes.apiserver.cel.composition import VARIABLES, Composition
from pybernetes.apiserver.cel.expressions import ExpressionError
from pybernetes.apiserver.resource import Document
from pybernetes.cel.environment import Program
from pybernetes.cel.errors import CelError

BUDGET = 10_000_000
"""What all expressions of a policy may cost together for one request and parameter."""
SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"


class OutOfBudget(Exception):
    def __init__(self) -> None:
        super().__init__(SPENT)


class Failed(Exception):
    """An expression could not be evaluated."""


@dataclass(frozen=True, slots=True)
class Expression:
    """``program`` is None where it does not compile; ``problem`` says why."""

    text: str
    program: Program | None
    problem: str = ""


def composition_of(spec: Document) -> Composition:
    """With the policy's variables, as far as they compile."""
    composition = Composition(params=spec.get("paramKind") is not None)
    for variable in spec.get("variables") or ():
        try:
            composition.declare(variable["name"], variable["expression"])
        except ExpressionError:
            # What uses the variable fails when it is evaluated, with the reason.
            continue
    return composition


def compiled(composition: Composition, text: str, **options: Any) -> Expression:
    try:
        return Expression(text, composition.compile(text, **options))
    except ExpressionError as error:
        return Expression(text, None, str(error))


class Evaluation:
    """Evaluates expressions of one policy for one request; variables are worked out once."""

    def __init__(self, composition: Composition, variables: Mapping[str, Any], budget: int = BUDGET) -> None:
        self._left = budget
        self._bound = dict(variables)
        self._bound[VARIABLES] = composition.values(self._bound, self._pay)

    def value_of(self, expression: Expression) -> Any:
        """Raises ``Failed``, or ``OutOfBudget``."""
        if expression.program is None:
            raise Failed(f"compilation error: {expression.problem}")
        value, cost = expression.program.measure(self._bound)
        self._pay(cost)
        if isinstance(value, CelError):
            raise Failed(f"expression '{expression.text}' resulted in error: {value}")
        return value

    def _pay(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise OutOfBudget


def namespace_value(namespace: Document | None) -> dict[str, Any]:
    return {"namespaceObject": namespace_of(namespace)}
