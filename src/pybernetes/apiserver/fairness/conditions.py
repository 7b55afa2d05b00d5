"""What a FlowSchema says of its priority level: the condition `Dangling`, applied so that only this field is owned.

Follows digestFlowSchemas and toFlowSchemaApplyConfiguration in
k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from typing import Any

from pybernetes.api import errors
from pybernetes.api.meta import format_time
from pybernetes.apiserver.applying import Configuration, applied, converted
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, StatusSubresource
from pybernetes.apiserver.rules import StatusRule
from pybernetes.apiserver.tracking import author_of, managers_in, unmanaged
from pybernetes.apiserver.updating import Proposal

CONSUMER = "api-priority-and-fairness-config-consumer-v1"
DANGLING = "Dangling"
_STATUS = "status"

Document = dict[str, Any]


async def write(registry: Registry, stored: StoredObject, levels: Set[str], context: Context) -> None:
    """Sets the condition unless the schema has it, or is gone. ``levels`` are the priority levels that exist."""
    if condition(stored.document, levels, context.now) is None:
        return
    author = author_of(registry.info, context, _STATUS)

    def propose(current: StoredObject) -> Proposal:
        live = registry.fresh_document_of(current)
        wanted = condition(live, levels, context.now)
        if wanted is None:
            return Proposal(live, by_patch=True)
        identity = {**registry.identity(), "metadata": {"name": current.name}}
        configuration = Configuration({**identity, _STATUS: {"conditions": [wanted]}}, True, ())
        keep = registry.kept_through(_STATUS)
        result = applied(unmanaged(live), managers_in(live), configuration, registry.typed, author, keep)
        document = converted(result.document, configuration, registry.shape, registry.info)
        return Proposal(document, managers=result.managers, by_patch=True)

    try:
        await registry.update("", stored.name, propose, context, StatusRule(StatusSubresource()))
    except errors.ApiError as error:
        if error.code != 404:
            raise


def condition(schema: Document, levels: Set[str], now: datetime) -> Document | None:
    """The condition that the schema should have; None if it has it."""
    name = schema["spec"]["priorityLevelConfiguration"]["name"]
    start = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}"'
    verdict = (
        {"status": "False", "reason": "Found", "message": f"{start} and it exists"}
        if name in levels
        else {"status": "True", "reason": "NotFound", "message": f"{start} but there is no such object"}
    )
    conditions = (schema.get("status") or {}).get("conditions") or []
    present: Document = next((one for one in conditions if one.get("type") == DANGLING), {})
    if all(present.get(key) == value for key, value in verdict.items()):
        return None
    return {"type": DANGLING, "lastTransitionTime": format_time(now), **verdict}
