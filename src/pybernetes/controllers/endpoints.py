"""Endpoints: the addresses behind a Service in one object, for clients older than EndpointSlice.

Guarantees
  A pod with an address is listed as ready or not ready while it has not finished and is not being deleted.
  At most 1,000 addresses are listed; beyond that the object says so in an annotation.
  A Service without a selector is left alone: its Endpoints are somebody else's.
Follows pkg/controller/endpoint/endpoints_controller.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result
from pybernetes.controllers.pods import is_ready
from pybernetes.controllers.service_pods import (
    HEADLESS_LABEL,
    Ports,
    is_headless,
    is_listed,
    pod_hostname,
    selects,
    service_of_name,
    services_of_pod,
    target_ports,
    target_reference,
)

MOST_ADDRESSES = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


def plan(
    service: core_v1.Service, pods: Iterable[core_v1.Pod], current: core_v1.Endpoints | None
) -> core_v1.Endpoints | None:
    """The Endpoints as they should be; None when they are so already."""
    subsets, left_out = _capped(_subsets(service, pods))
    labels = {**service.metadata.labels, MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    annotations = {} if current is None else dict(current.metadata.annotations)
    annotations.pop(OVER_CAPACITY, None)
    if left_out:
        annotations[OVER_CAPACITY] = "truncated"
    if current is None:
        metadata = meta_v1.ObjectMeta(
            name=service.metadata.name, namespace=service.metadata.namespace, labels=labels, annotations=annotations
        )
    else:
        metadata = msgspec.structs.replace(current.metadata, labels=labels, annotations=annotations)
        if metadata == current.metadata and subsets == current.subsets:
            return None
    return core_v1.Endpoints(metadata=metadata, subsets=subsets)


def _subsets(service: core_v1.Service, pods: Iterable[core_v1.Pod]) -> list[core_v1.EndpointSubset]:
    """Addresses that have the same ports are one subset; everything in a settled order."""
    ready: dict[Ports, list[core_v1.EndpointAddress]] = defaultdict(list)
    unready: dict[Ports, list[core_v1.EndpointAddress]] = defaultdict(list)
    publish_all = service.spec.publish_not_ready_addresses
    for pod in sorted(pods, key=lambda one: (one.status.pod_ip, one.metadata.uid)):
        if not is_listed(pod, terminating=publish_all):
            continue
        address = core_v1.EndpointAddress(
            ip=pod.status.pod_ip,
            hostname=pod_hostname(service, pod),
            node_name=pod.spec.node_name or None,
            target_ref=target_reference(pod),
        )
        listed = ready if publish_all or is_ready(pod) else unready
        ports = target_ports(service, pod)
        if ports or not service.spec.ports:
            listed[ports].append(address)
    return [
        core_v1.EndpointSubset(
            addresses=ready.get(ports, []),
            not_ready_addresses=unready.get(ports, []),
            ports=[
                core_v1.EndpointPort(name=name, port=number, protocol=protocol, app_protocol=application)
                for name, number, protocol, application in ports
            ],
        )
        for ports in sorted({*ready, *unready}, key=repr)
    ]


def _capped(subsets: Sequence[core_v1.EndpointSubset]) -> tuple[list[core_v1.EndpointSubset], bool]:
    """Ready addresses before others, at most `MOST_ADDRESSES` in all; and whether some were left out."""
    if sum(len(one.addresses) + len(one.not_ready_addresses) for one in subsets) <= MOST_ADDRESSES:
        return list(subsets), False
    room = MOST_ADDRESSES
    kept = []
    for one in subsets:
        addresses = one.addresses[:room]
        room -= len(addresses)
        kept.append(msgspec.structs.replace(one, addresses=addresses, not_ready_addresses=[]))
    for index, one in enumerate(subsets):
        addresses = one.not_ready_addresses[:room]
        room -= len(addresses)
        kept[index] = msgspec.structs.replace(kept[index], not_ready_addresses=addresses)
    return [one for one in kept if one.addresses or one.not_ready_addresses], True


class EndpointsController(Controller):
    name = "endpoints-controller"
    watches = (
        For(core_v1.Service),
        Maps(core_v1.Pod, services_of_pod),
        Maps(core_v1.Endpoints, service_of_name),
    )

    async def reconcile(self, key: Key) -> Result:
        service: core_v1.Service | None = self.informer(core_v1.Service).get(key)
        current: core_v1.Endpoints | None = self.informer(core_v1.Endpoints).get(key)
        if service is None:
            await self._remove(key, current)
            return DONE
        if not service.spec.selector or service.spec.type == "ExternalName":
            return DONE
        pods = [one for one in self.informer(core_v1.Pod).list(key.namespace) if selects(service, one)]
        wanted = plan(service, pods, current)
        if wanted is not None:
            await self._write(wanted, current)
        return DONE

    async def _write(self, wanted: core_v1.Endpoints, current: core_v1.Endpoints | None) -> None:
        if current is None:
            await self.client.create(wanted)
        else:
            await self.client.update(wanted)

    async def _remove(self, key: Key, current: core_v1.Endpoints | None) -> None:
        """Only what this controller has made goes with its Service."""
        if current is None or current.metadata.labels.get(MANAGED_BY) != MANAGER:
            return
        try:
            await self.client.delete(core_v1.Endpoints, key.name, key.namespace, uid=current.metadata.uid)
        except ApiError as error:
            if error.code != 404:
                raise
