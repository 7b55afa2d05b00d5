"""matchConditions of webhooks and policies: further conditions for a request to be looked at.

Semantics
  One condition that is false: the request does not match, whatever the others say.
  None false but some that cannot be evaluated: ``Verdict.error`` is set, and the failure policy decides.
  Otherwise it matches.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pybernetes.api import fields
from pybernetes.api.fields import FieldError, FieldPath

if TYPE_CHECKING:
    from pybernetes.apiserver.admission.contract import Attributes
    from pybernetes.apiserver.auth.contract import Authorizer
    from pybernetes.cel.environment import Program

BUDGET = 2_500_000
"""What all conditions of one webhook or policy may cost together."""


class Condition(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def expression(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """``error`` is set when no condition is false and some could not be evaluated. ``failed`` is the false one."""

    matches: bool
    error: str = ""
    failed: str = ""


MATCHES = Verdict(matches=True)


def check_expression(expression: str, at: FieldPath, *, params: bool = False) -> Iterator[FieldError]:
    """Whether it compiles. ``params``: for policies, which may name `params`."""
    from pybernetes.apiserver.cel.expressions import ExpressionError, about_requests, compile_for

    try:
        compile_for(about_requests(params=params), expression)
    except ExpressionError as error:
        yield fields.invalid(at, expression, str(error))


def check(conditions: Sequence[Condition], at: FieldPath, *, params: bool = False) -> Iterator[FieldError]:
    """Whether all expressions compile; ``at`` is the path of the list."""
    for index, condition in enumerate(conditions):
        if condition.expression.strip():
            yield from check_expression(condition.expression.strip(), at[index].expression, params=params)


class MatchConditions:
    """The conditions of one webhook or policy; compiled when the first request is judged. A value: share it."""

    def __init__(
        self, conditions: Sequence[Condition], authorizer: Authorizer | None = None, *, params: bool = False
    ) -> None:
        self._conditions = tuple(conditions)
        self._authorizer = authorizer
        self._params = params
        self._programs: list[tuple[str, str, Program | str]] | None = None

    async def evaluate(self, attributes: Attributes, *, params: Any = None) -> Verdict:
        if not self._conditions:
            return MATCHES
        from pybernetes.apiserver.cel.admission_values import RequestValues

        if self._programs is None:
            self._programs = [self._compiled(condition) for condition in self._conditions]
        values = RequestValues(attributes, self._authorizer)
        variables = {**values.variables(), "namespaceObject": None, "params": params}
        return await values.settled(lambda: self._judged(variables))

    def _compiled(self, condition: Condition) -> tuple[str, str, Program | str]:
        from pybernetes.apiserver.cel.expressions import ExpressionError, about_requests, compile_for

        text = condition.expression
        try:
            return condition.name, text, compile_for(about_requests(params=self._params), text)
        except ExpressionError as error:
            return condition.name, text, f"compilation error: {error}"

    def _judged(self, variables: dict[str, Any]) -> Verdict:
        from pybernetes.cel.errors import CelError

        left, problems, failed = BUDGET, [], ""
        for name, text, program in self._programs or ():
            if isinstance(program, str):
                problems.append(program)
                continue
            value, cost = program.measure(variables)
            left -= cost
            if left < 0:
                spent = "validation failed due to running out of cost budget, no further validation rules will be run"
                return Verdict(matches=False, error=spent)
            if isinstance(value, CelError):
                problems.append(f"expression '{text}' resulted in error: {value}")
            elif value is False and not failed:
                failed = name
        if failed:
            return Verdict(matches=False, failed=failed)
        if problems:
            unique = list(dict.fromkeys(problems))
            return Verdict(matches=False, error=unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
        return MATCHES
