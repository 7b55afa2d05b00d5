"""Which requests an authorization webhook is asked about: expressions over the review that it would be sent.

Semantics
  One condition that is false: the webhook is not asked, whatever the others say.
  None false but some that cannot be evaluated: ``Unevaluated``, and the webhook's failure policy decides.

Follows k8s.io/apiserver/pkg/authorization/cel.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pybernetes.cel.environment import Environment, Program


class Unevaluated(Exception):
    """Conditions that have no value; the message is what clients are told."""


def check_expression(expression: str) -> str:
    """What is wrong with it; "" if it can be a condition."""
    from pybernetes.apiserver.cel.expressions import ExpressionError, compile_for

    try:
        compile_for(_about_reviews(), expression)
    except ExpressionError as error:
        return str(error)
    return ""


class MatchConditions:
    """Expressions that have been checked."""

    def __init__(self, expressions: Sequence[str]) -> None:
        environment = _about_reviews()
        self._programs: list[tuple[str, Program]] = [(one, environment.compile(one)) for one in expressions]

    def match(self, review: dict[str, Any]) -> bool:
        """``review`` is the `spec` of a SubjectAccessReview (v1), all of its fields written. Raises Unevaluated."""
        from pybernetes.cel.errors import CelError

        problems = []
        for expression, program in self._programs:
            try:
                matches = program.evaluate({"request": review})
            except CelError as error:
                problems.append(f"cel evaluation error: expression '{expression}' resulted in error: {error}")
                continue
            if matches is not True:
                return False
        if problems:
            raise Unevaluated(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
        return True


@cache
def _about_reviews() -> Environment:
    from pybernetes.cel.environment import Environment
    from pybernetes.cel.types import STRING, Type, list_of, map_of, object_type

    def made(name: str, fields: dict[str, Type]) -> Type:
        return object_type(f"kubernetes.{name}", fields)

    requirement = made("SelectorRequirement", {"key": STRING, "operator": STRING, "values": list_of(STRING)})
    selector = {"rawSelector": STRING, "requirements": list_of(requirement)}
    texts = dict.fromkeys(("namespace", "verb", "group", "version", "resource", "subresource", "name"), STRING)
    resource = {
        **texts,
        "fieldSelector": made("FieldSelectorAttributes", selector),
        "labelSelector": made("LabelSelectorAttributes", selector),
    }
    spec = {
        "resourceAttributes": made("ResourceAttributes", resource),
        "nonResourceAttributes": made("NonResourceAttributes", {"path": STRING, "verb": STRING}),
        "user": STRING,
        "groups": list_of(STRING),
        "extra": map_of(STRING, list_of(STRING)),
        "uid": STRING,
    }
    return Environment({"request": made("SubjectAccessReviewSpec", spec)})
