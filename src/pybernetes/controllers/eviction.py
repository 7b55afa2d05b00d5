"""Taking a pod away from where it may not stay: the condition that tells its owner why, then the deletion."""

from __future__ import annotations

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import format_time
from pybernetes.api.models import core_v1
from pybernetes.client import PatchType
from pybernetes.controllers.controller import Controller


async def evict(controller: Controller, pod: core_v1.Pod, reason: str, message: str) -> None:
    """That it has gone is fine, too. Raises ``ApiError``; after a conflict the pod, or its successor, is due anew."""
    name, namespace = pod.metadata.name, pod.metadata.namespace
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": format_time(controller.now()),
        "observedGeneration": pod.metadata.generation,
    }
    patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
    client = controller.client
    try:
        await client.patch(core_v1.Pod, name, namespace, patch, PatchType.STRATEGIC, subresource="status")
        await client.delete(core_v1.Pod, name, namespace, uid=pod.metadata.uid)
    except ApiError as error:
        if error.code != 404:
            raise
