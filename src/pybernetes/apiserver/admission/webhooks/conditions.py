"""A webhook's match conditions, as far as it has any.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pybernetes.api import errors
from pybernetes.api.models.admissionregistration_v1 import MatchCondition
from pybernetes.apiserver.admission.contract import Attributes
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.resource import Document

if TYPE_CHECKING:
    from pybernetes.apiserver.cel.match_conditions import MatchConditions


class Conditions:
    """Guarantees  A condition that is false keeps the webhook from being asked, whatever the others say; one that fails
    refuses the write, or with the failure policy Ignore keeps the webhook from being asked, too."""

    def __init__(self, conditions: MatchConditions, *, ignores_failure: bool) -> None:
        self._conditions = conditions
        self._ignores_failure = ignores_failure

    async def hold(self, attributes: Attributes) -> bool:
        verdict = await self._conditions.evaluate(attributes)
        if verdict.error and not self._ignores_failure:
            raise errors.forbidden(attributes.resource.info.group_resource, attributes.name, verdict.error)
        return verdict.matches and not verdict.error


def compile_conditions(hook: Document, authorizer: Authorizer) -> Conditions | None:
    stated = hook.get("matchConditions")
    if not stated:
        return None
    from pybernetes.apiserver.cel.match_conditions import MatchConditions

    conditions = [msgspec.convert(one, MatchCondition) for one in stated]
    return Conditions(MatchConditions(conditions, authorizer), ignores_failure=hook.get("failurePolicy") == "Ignore")
