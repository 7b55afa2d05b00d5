"""Pods made and deleted for an owner: what every workload controller does and says about it.

Guarantees
  Each call leaves an event on the owner, whether it worked or not.
  A deletion is expected to be seen until the informer shows it, unless the server refused it.
Follows RealPodControl in pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from typing import Any

from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.client import Unreachable, key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import Controller

ATTEMPTS = 4
NAMESPACE_TERMINATING = "NamespaceTerminating"


def is_namespace_terminating(error: ApiError) -> bool:
    return error.has_cause(NAMESPACE_TERMINATING)


async def create_pod(controller: Controller, owner: Any, pod: core_v1.Pod) -> None:
    """Raises ApiError or Unreachable; the caller accounts for its expectation.

    That nothing can be made in a namespace which is going is no failure: its owner goes too.
    """
    try:
        made = await controller.client.create(pod)
    except ApiError as error:
        if is_namespace_terminating(error):
            controller.expectations.creation_observed(key_of(owner))
            return
        controller.recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error}")
        raise
    controller.recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {made.metadata.name}")


async def delete_pod(controller: Controller, owner: Any, pod: core_v1.Pod) -> None:
    """Only this very pod. One that is gone already is fine; else raises ApiError or Unreachable."""
    metadata = pod.metadata
    try:
        await _delete(controller, pod)
    except (ApiError, Unreachable) as error:
        gone = isinstance(error, ApiError) and error.code == 404
        if not gone or not _is_shown(controller, pod):
            controller.expectations.deletion_observed(key_of(owner), metadata.uid)
        if gone:
            return
        controller.recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {error}")
        raise
    controller.recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {metadata.name}")


async def _delete(controller: Controller, pod: core_v1.Pod) -> None:
    """Asks again when no answer came: a deletion that happened without our knowing would be followed by another."""
    metadata = pod.metadata
    for attempt in range(ATTEMPTS):
        try:
            await controller.client.delete(core_v1.Pod, metadata.name, metadata.namespace, uid=metadata.uid)
            return
        except Unreachable:
            if attempt == ATTEMPTS - 1:
                raise


def _is_shown(controller: Controller, pod: core_v1.Pod) -> bool:
    """Whether the informer has not heard of the deletion yet, and will."""
    known = controller.informer(core_v1.Pod).get(key_of(pod))
    return known is not None and known.metadata.uid == pod.metadata.uid
