"""AlwaysDeny: refuses every write. It is deprecated upstream and good for tests.

Follows plugin/pkg/admission/deny.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.refusal import forbidden


class AlwaysDeny(Plugin):
    name = "AlwaysDeny"
    operations = frozenset(Operation)

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return True

    async def mutate(self, attributes: Attributes) -> None:
        raise forbidden(attributes, "admission control is denying all modifications")

    async def validate(self, attributes: Attributes) -> None:
        raise forbidden(attributes, "admission control is denying all modifications")
