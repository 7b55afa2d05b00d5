"""Endpoints: the addresses behind a Service in one object, for clients older than EndpointSlice.

Guarantees
  A pod with an address is listed as ready or not ready while it has not finished and is not being deleted.
  Addresses are of the Service's first family.
  At most 1,000 addresses are listed, ready ones first and of each subset its share; beyond that the object says so in
  an annotation.
  A Service without a selector is left alone: its Endpoints are somebody else's. They go with the Service all the same.
Follows pkg/controller/endpoint/endpoints_controller.go.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import ip_address

import msgspec

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.client import key_of
from pybernetes.client.events import WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Result
from pybernetes.controllers.endpoint_slices import is_namespace_terminating
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
from pybernetes.controllers.trigger_times import TriggerTimes, with_trigger_time

MOST_ADDRESSES = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


def plan(
    service: core_v1.Service,
    pods: Iterable[core_v1.Pod],
    current: core_v1.Endpoints | None,
    trigger: datetime | None = None,
) -> core_v1.Endpoints | None:
    """The Endpoints as they should be; None when they are so already.

    `trigger` is when the change was that led here.
    """
    subsets, left_out = _capped(_subsets(service, pods))
    labels = {**service.metadata.labels, MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    annotations = {} if current is None else dict(current.metadata.annotations)
    annotations.pop(OVER_CAPACITY, None)
    if left_out:
        annotations[OVER_CAPACITY] = "truncated"
    timed = with_trigger_time(annotations, trigger)
    if current is None:
        metadata = meta_v1.ObjectMeta(
            name=service.metadata.name, namespace=service.metadata.namespace, labels=labels, annotations=timed
        )
    else:
        metadata = msgspec.structs.replace(current.metadata, labels=labels, annotations=annotations)
        if metadata == current.metadata and subsets == current.subsets:
            return None
        metadata = msgspec.structs.replace(metadata, annotations=timed)
    return core_v1.Endpoints(metadata=metadata, subsets=subsets)


def _subsets(service: core_v1.Service, pods: Iterable[core_v1.Pod]) -> list[core_v1.EndpointSubset]:
    """Addresses that have the same ports are one subset; everything in a settled order."""
    ready: dict[Ports, list[core_v1.EndpointAddress]] = defaultdict(list)
    unready: dict[Ports, list[core_v1.EndpointAddress]] = defaultdict(list)
    publish_all = service.spec.publish_not_ready_addresses
    for pod in sorted(pods, key=lambda one: (one.status.pod_ip, one.metadata.uid)):
        ip = _address_of(service, pod)
        if ip is None or not is_listed(pod, terminating=publish_all):
            continue
        address = core_v1.EndpointAddress(
            ip=ip,
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
    ready = sum(len(one.addresses) for one in subsets)
    if ready > MOST_ADDRESSES:
        shares = _shares([len(one.addresses) for one in subsets], MOST_ADDRESSES)
        return [
            msgspec.structs.replace(one, addresses=one.addresses[:share], not_ready_addresses=[])
            for one, share in zip(subsets, shares, strict=True)
        ], True
    shares = _shares([len(one.not_ready_addresses) for one in subsets], MOST_ADDRESSES - ready)
    return [
        msgspec.structs.replace(one, not_ready_addresses=one.not_ready_addresses[:share])
        for one, share in zip(subsets, shares, strict=True)
    ], True


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """What each may have of the room, by its size; rounding up is at the cost of the last."""
    total, left, shares = sum(sizes), room, []
    for size in sizes:
        share = min(math.ceil(size / total * room), left, size)
        left -= share
        shares.append(share)
    return shares


def _address_of(service: core_v1.Service, pod: core_v1.Pod) -> str | None:
    """The pod's address of the Service's first family."""
    spec = service.spec
    if spec.ip_families:
        family = spec.ip_families[0]
    else:
        known = spec.cluster_ip if spec.cluster_ip not in ("", "None") else pod.status.pod_ip
        family = f"IPv{ip_address(known).version}" if known else "IPv4"
    addresses = (ip_address(one.ip) for one in pod.status.pod_ips)
    return next((str(one) for one in addresses if f"IPv{one.version}" == family), None)


class EndpointsController(Controller):
    name = "endpoints-controller"
    component = "endpoint-controller"
    watches = (
        For(core_v1.Service),
        Maps(core_v1.Pod, services_of_pod),
        Maps(core_v1.Endpoints, service_of_name),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._triggers = TriggerTimes()
        self._services: set[Key] = set()

    async def reconcile(self, key: Key) -> Result:
        service: core_v1.Service | None = self.informer(core_v1.Service).get(key)
        current: core_v1.Endpoints | None = self.informer(core_v1.Endpoints).get(key)
        if service is None:
            await self._remove(key, current)
            self._triggers.forget(key)
            self._services.discard(key)
            return DONE
        self._services.add(key)
        if not service.spec.selector or service.spec.type == "ExternalName":
            return DONE
        pods = [one for one in self.informer(core_v1.Pod).list(key.namespace) if selects(service, one)]
        wanted = plan(service, pods, current, self._triggers.next(key, service, pods))
        if wanted is not None:
            await self._write(wanted, current)
        return DONE

    async def _write(self, wanted: core_v1.Endpoints, current: core_v1.Endpoints | None) -> None:
        where = str(key_of(wanted))
        try:
            if current is None:
                await self.client.create(wanted)
            else:
                await self.client.update(wanted)
        except ApiError as error:
            if current is None and is_namespace_terminating(error):
                return
            if error.code != 409:
                verb, what = ("Create", "for service ") if current is None else ("Update", "")
                message = f"Failed to {verb.lower()} endpoint {what}{where}: {error}"
                self.recorder.event(wanted, WARNING, f"FailedTo{verb}Endpoint", message)
            raise

    async def _remove(self, key: Key, current: core_v1.Endpoints | None) -> None:
        """What this controller has made goes, and whatever was there for a Service that it saw."""
        if current is None:
            return
        if key not in self._services and current.metadata.labels.get(MANAGED_BY) != MANAGER:
            return
        try:
            await self.client.delete(core_v1.Endpoints, key.name, key.namespace, uid=current.metadata.uid)
        except ApiError as error:
            if error.code != 404:
                raise
