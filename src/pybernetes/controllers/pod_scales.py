"""How many pods the controllers of pods are to have: known workloads from informers, others by their scale subresource.

Follows getExpectedScale and its finders in pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.controllers.controller import Controller
from pybernetes.controllers.kind_lookup import find_kind

WORKLOADS: dict[tuple[str, str], type[Any]] = {
    ("v1", "ReplicationController"): core_v1.ReplicationController,
    ("apps/v1", "ReplicaSet"): apps_v1.ReplicaSet,
    ("apps/v1", "StatefulSet"): apps_v1.StatefulSet,
}


class UnknownScale(Exception):
    """The text is upstream's."""


@dataclass(frozen=True, slots=True)
class Expected:
    count: int
    unmanaged: tuple[str, ...]
    """Names of the pods that no controller has."""


async def expected_scale(controller: Controller, pods: Iterable[core_v1.Pod]) -> Expected:
    """Of a controller that reads the workloads and Deployments. Raises UnknownScale and ApiError."""
    scales: dict[str, int] = {}
    seen: set[str] = set()
    unmanaged: list[str] = []
    for pod in pods:
        owner = meta.controller_of(pod)
        if owner is None:
            unmanaged.append(pod.metadata.name)
        elif owner.uid not in seen:
            seen.add(owner.uid)
            found = await _scale(controller, owner, pod.metadata.namespace)
            if found is None:
                raise UnknownScale(f'found no controllers for pod "{pod.metadata.name}"')
            scales[found[0]] = found[1]
    return Expected(sum(scales.values()), tuple(unmanaged))


async def _scale(controller: Controller, owner: meta_v1.OwnerReference, namespace: str) -> tuple[str, int] | None:
    """The uid of what is scaled, and its replicas."""
    model = WORKLOADS.get((owner.api_version, owner.kind))
    if model is None:
        return await _by_subresource(controller, owner, namespace)
    workload = controller.informer(model).get(Key(namespace, owner.name))
    if workload is None or workload.metadata.uid != owner.uid:
        return None
    above = meta.controller_of(workload)
    if model is apps_v1.ReplicaSet and above is not None and above.kind == "Deployment":
        workload = controller.informer(apps_v1.Deployment).get(Key(namespace, above.name))
        if workload is None or workload.metadata.uid != above.uid:
            return None
    replicas = workload.spec.replicas
    return workload.metadata.uid, 1 if replicas is None else replicas


async def _by_subresource(
    controller: Controller, owner: meta_v1.OwnerReference, namespace: str
) -> tuple[str, int] | None:
    info = await find_kind(controller.client, owner.api_version, owner.kind)
    if info is None:
        raise UnknownScale(f'no matches for kind "{owner.kind}" in version "{owner.api_version}"')
    try:
        scale = await controller.client.document(info.path(namespace, owner.name, "scale"))
    except ApiError as error:
        if error.code == 404:
            raise UnknownScale(f"{info.group_resource} does not implement the scale subresource") from error
        raise
    return (owner.uid, scale["spec"].get("replicas", 0)) if scale["metadata"].get("uid") == owner.uid else None
