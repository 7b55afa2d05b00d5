"""EndpointSlices: the addresses behind a Service in slices of at most 100, each endpoint with its conditions.

Guarantees
  Every pod with an address of one of the Service's families that the Service selects and that has not finished is in
  exactly one slice of that family. Endpoints stay in the slice they are in as long as they can.
  A Service without endpoints has one empty slice for each family.
  Slices of other managers are left alone.
What is written is decided by `endpointslice_plan` and `topology_hints`.
Follows pkg/controller/endpointslice and staging/src/k8s.io/endpointslice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.client import Unreachable
from pybernetes.client.events import WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Owns, Requeue, Result, Retry
from pybernetes.controllers.endpoint_slices import (
    OF_SERVICE,
    Slice,
    SliceChanges,
    keys_managed_by,
    service_of,
    slices_of,
    write,
)
from pybernetes.controllers.endpointslice_plan import MANAGER, Plan, Topology, plan, wants_spread
from pybernetes.controllers.expectations import TIMEOUT
from pybernetes.controllers.service_pods import selects, services_of_pod
from pybernetes.controllers.topology_hints import ZONE, cpu_shares, is_overloaded
from pybernetes.controllers.trigger_times import TriggerTimes, with_trigger_time

NODES = Key("nodes", "")
"""Not a Service: the look at what changed nodes mean for Services whose endpoints are spread over zones."""
NODES_DELAY = 1.0


def nodes_if_spread(controller: Controller, node: core_v1.Node) -> Iterable[Key]:
    if isinstance(controller, EndpointSliceController) and controller.spread:
        controller.queue.add_after(NODES, NODES_DELAY)
    return ()


class EndpointSliceController(Controller):
    name = "endpointslice-controller"
    component = "endpoint-slice-controller"
    watches = (
        For(core_v1.Service),
        Owns(discovery_v1.EndpointSlice),
        Maps(discovery_v1.EndpointSlice, keys_managed_by(MANAGER)),
        Maps(core_v1.Pod, services_of_pod),
        Maps(core_v1.Node, nodes_if_spread),
    )

    def __init__(self, context: Context) -> None:
        self.spread: dict[Key, Mapping[str, Mapping[str, int]]] = {}
        super().__init__(context)
        self.services = self.informer(core_v1.Service)
        self.nodes = self.informer(core_v1.Node)
        self.informer(discovery_v1.EndpointSlice).add_index(OF_SERVICE, service_of)
        self._triggers = TriggerTimes()

    async def reconcile(self, key: Key) -> Result:
        if key == NODES:
            self._wake_overloaded()
            return DONE
        service = self.services.get(key)
        if service is None:
            self.expectations.forget(key)
            self._triggers.forget(key)
            self.spread.pop(key, None)
            return DONE
        if not service.spec.selector or service.spec.type == "ExternalName":
            return DONE
        if not self.expectations.satisfied(key):
            return Requeue(TIMEOUT)
        pods = [one for one in self.informer(core_v1.Pod).list(key.namespace) if selects(service, one)]
        trigger = self._triggers.next(key, service, pods)
        planned = plan(service, pods, slices_of(self, MANAGER, key), self._topology(key, service, pods))
        await self._apply(key, service, planned, trigger)
        return DONE

    def _wake_overloaded(self) -> None:
        shares = cpu_shares(self.nodes.list())
        for key, families in self.spread.items():
            if any(is_overloaded(by_zone, shares) for by_zone in families.values()):
                self.queue.add(key)

    def _topology(self, key: Key, service: core_v1.Service, pods: Sequence[core_v1.Pod]) -> Topology:
        nodes = {pod.spec.node_name: self.nodes.get(Key("", pod.spec.node_name)) for pod in pods}
        zones = {name: node.metadata.labels.get(ZONE, "") for name, node in nodes.items() if node is not None}
        shares = cpu_shares(self.nodes.list()) if wants_spread(service) else {}
        return Topology(zones, shares, was_spread=key in self.spread)

    async def _apply(self, key: Key, service: core_v1.Service, planned: Plan, trigger: datetime | None) -> None:
        if planned.spread:
            self.spread[key] = planned.spread
        else:
            self.spread.pop(key, None)
        try:
            await write(self, key, _marked(planned.changes, trigger))
        except (ApiError, Unreachable) as error:
            if not (isinstance(error, ApiError) and error.code == 409):
                self._tell_failure(service, str(error))
            raise
        for type, reason, message in planned.events:
            self.recorder.event(service, type, reason, message)
        if planned.skipped:
            where = f"{key.namespace}/{key.name}"
            reasons = [f"skipping Pod {name} for Service {where}: Node Not Found" for name in planned.skipped]
            self._tell_failure(service, ", ".join(reasons))
            raise Retry(", ".join(reasons))

    def _tell_failure(self, service: core_v1.Service, error: str) -> None:
        where = str(meta.key_of(service))
        message = f"Error updating Endpoint Slices for Service {where}: {error}"
        self.recorder.event(service, WARNING, "FailedToUpdateEndpointSlices", message)


def _marked(changes: SliceChanges, trigger: datetime | None) -> SliceChanges:
    def marked(one: Slice) -> Slice:
        annotations = with_trigger_time(one.metadata.annotations, trigger)
        metadata = msgspec.structs.replace(one.metadata, annotations=annotations)
        return msgspec.structs.replace(one, metadata=metadata)

    return SliceChanges(tuple(map(marked, changes.create)), tuple(map(marked, changes.update)), changes.delete)
