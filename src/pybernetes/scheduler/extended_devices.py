"""Extended resources that device classes stand for: which devices a pod's containers need for them. Pure.

A container asks for `example.com/gpu: 2`; on a node whose device plugin knows nothing of it, the pod gets a claim of
its own for two devices of the class that bears the name. Follows
pkg/scheduler/framework/plugins/dynamicresources/extendeddynamicresources.go and
k8s.io/dynamic-resource-allocation/deviceclass/extendedresourcecache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pybernetes.api.models import core_v1, meta_v1, resource_v1
from pybernetes.scheduler.devices.requests import EXACT_COUNT
from pybernetes.scheduler.pod_info import amount_of

ANNOTATION = "resource.kubernetes.io/extended-resource-claim"
IMPLICIT = "deviceclass.resource.kubernetes.io/"
IN_MEMORY = "<extended-resources>"
"""No name that a claim could have: the API server gives one to the claim when it is written."""

Mapped = core_v1.ContainerExtendedResourceRequest
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def by_resource(classes: Iterable[resource_v1.DeviceClass]) -> dict[str, resource_v1.DeviceClass]:
    """The class for each name of a resource. Of several with one name the newest counts, then the first by name."""
    ordered = sorted(classes, key=lambda one: one.metadata.name, reverse=True)
    ordered.sort(key=lambda one: one.metadata.creation_timestamp or _LONG_AGO)
    named = {one.spec.extended_resource_name: one for one in ordered if one.spec.extended_resource_name}
    return {name: one for name, one in named.items() if name} | {IMPLICIT + one.metadata.name: one for one in ordered}


@dataclass(frozen=True, slots=True)
class Needed:
    """What a pod's own claim asks for, and which of it is for which container."""

    requests: tuple[resource_v1.DeviceRequest, ...]
    mappings: tuple[Mapped, ...]


def needed(pod: core_v1.Pod, classes: Mapping[str, resource_v1.DeviceClass]) -> Needed:
    """``classes``: of the resources that have to be devices."""
    requests: list[resource_v1.DeviceRequest] = []
    mappings: list[Mapped] = []
    for resource in sorted(classes):
        asked = _of_resource(pod, resource, classes[resource].metadata.name)
        requests += asked.requests
        mappings += asked.mappings
    return Needed(tuple(sorted(requests, key=lambda one: one.name)), tuple(mappings))


def own_claim(pod: core_v1.Pod, requests: Sequence[resource_v1.DeviceRequest]) -> resource_v1.ResourceClaim:
    """The claim as it is before it is written; its uid is its own only in memory."""
    owner = pod.metadata
    return resource_v1.ResourceClaim(
        metadata=meta_v1.ObjectMeta(
            name=IN_MEMORY,
            namespace=owner.namespace,
            uid=f"{IN_MEMORY}/{owner.uid}",
            generate_name=f"{owner.name}-extended-resources-",
            annotations={ANNOTATION: "true"},
            owner_references=[
                meta_v1.OwnerReference(api_version="v1", kind="Pod", name=owner.name, uid=owner.uid, controller=True)
            ],
        ),
        spec=resource_v1.ResourceClaimSpec(devices=resource_v1.DeviceClaim(requests=list(requests))),
    )


def owner_of(claim: resource_v1.ResourceClaim) -> str:
    """The uid of the pod whose extended resources the claim is for; empty for any other claim."""
    if claim.metadata.annotations.get(ANNOTATION) != "true":
        return ""
    return next((one.uid for one in claim.metadata.owner_references if one.controller), "")


def _of_resource(pod: core_v1.Pod, resource: str, device_class: str) -> Needed:
    """A step of initialisation may use what later containers keep; steps share what they need beyond that."""
    steps, lasting = len(pod.spec.init_containers), [*pod.spec.init_containers, *pod.spec.containers]
    kept: list[resource_v1.DeviceRequest | None] = [None] * len(lasting)
    mappings: list[Mapped] = []
    for index, container in enumerate(lasting):
        if index >= steps or container.restart_policy == "Always":
            kept[index], mapped = _of_container(index, container, resource, device_class, ())
            mappings += mapped
    largest: resource_v1.DeviceRequest | None = None
    of_steps: list[Mapped] = []
    shared: set[str] = set()
    for index, container in enumerate(lasting[:steps]):
        if container.restart_policy == "Always":
            continue
        own, mapped = _of_container(index, container, resource, device_class, kept[index:])
        of_steps += mapped
        if own is not None:
            shared.add(own.name)
            largest = own if largest is None or _count(largest) < _count(own) else largest
    if largest is not None:
        of_steps = [_renamed(one, largest.name) if one.request_name in shared else one for one in of_steps]
    requests = [one for one in (largest, *kept) if one is not None]
    return Needed(tuple(requests), (*mappings, *of_steps))


def _of_container(
    index: int,
    container: core_v1.Container,
    resource: str,
    device_class: str,
    reusable: Sequence[resource_v1.DeviceRequest | None],
) -> tuple[resource_v1.DeviceRequest | None, list[Mapped]]:
    """What it needs beyond what it may reuse, None for nothing."""
    asked = container.resources.requests
    missing = amount_of(resource, asked[resource]) if resource in asked else 0
    mappings: list[Mapped] = []
    if not missing:
        return None, mappings

    def use(request: str) -> None:
        mappings.append(Mapped(container_name=container.name, resource_name=resource, request_name=request))

    for one in reusable:
        if one is not None:
            use(one.name)
            missing -= _count(one)
            if missing <= 0:
                return None, mappings
    name = f"container-{index}-request-{sorted(asked).index(resource)}"
    use(name)
    exactly = resource_v1.ExactDeviceRequest(device_class_name=device_class, allocation_mode=EXACT_COUNT, count=missing)
    return resource_v1.DeviceRequest(name=name, exactly=exactly), mappings


def _count(request: resource_v1.DeviceRequest) -> int:
    assert request.exactly is not None
    return request.exactly.count


def _renamed(one: Mapped, request: str) -> Mapped:
    return Mapped(container_name=one.container_name, resource_name=one.resource_name, request_name=request)


ClassOf = Callable[[str], resource_v1.DeviceClass | None]
