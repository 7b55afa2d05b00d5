"""Pods made and deleted for an owner: what every workload controller does and says about it.

Guarantees
  Each call leaves an event on the owner, whether it worked or not.
  A deletion that failed, or whose pod was gone already, is no longer expected to be seen.
Follows RealPodControl in pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from typing import Any

from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.client import Unreachable, key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import Controller


async def create_pod(controller: Controller, owner: Any, pod: core_v1.Pod) -> None:
    """Raises ApiError or Unreachable; the caller accounts for its expectation."""
    try:
        made = await controller.client.create(pod)
    except ApiError as error:
        controller.recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error}")
        raise
    controller.recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {made.metadata.name}")


async def delete_pod(controller: Controller, owner: Any, pod: core_v1.Pod) -> None:
    """Only this very pod. One that is gone already is fine; else raises ApiError or Unreachable."""
    metadata = pod.metadata
    try:
        await controller.client.delete(core_v1.Pod, metadata.name, metadata.namespace, uid=metadata.uid)
    except (ApiError, Unreachable) as error:
        controller.expectations.deletion_observed(key_of(owner), metadata.uid)
        if isinstance(error, ApiError) and error.code == 404:
            return
        controller.recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {error}")
        raise
    controller.recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {metadata.name}")
