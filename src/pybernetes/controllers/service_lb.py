"""Service load balancer: addresses for Services of the type LoadBalancer, built in.

Guarantees
  status.loadBalancer has the addresses that `load_balancing` decides, each with ipMode VIP: the nodes' service proxies
  take the traffic to them. A finalizer keeps the Service until its addresses are given back.
  Services with a loadBalancerClass are somebody else's.
Follows staging/src/k8s.io/cloud-provider/controllers/service/controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.client import PatchType, key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Result, Retry
from pybernetes.controllers.endpoint_slices import SERVICE_NAME
from pybernetes.controllers.load_balancing import (
    NoAddress,
    Taken,
    addresses_of,
    plan,
    taken_by,
    wants_load_balancer,
)

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
OF_NAME = "service-name"
"""The index of slices by namespace and Service, whoever manages them."""


def balanced(controller: Controller, node: core_v1.Node) -> Iterable[Key]:
    """Whatever changes about a node may change the addresses of every Service."""
    services: list[core_v1.Service] = controller.informer(core_v1.Service).list()
    return [key_of(one) for one in services if wants_load_balancer(one)]


def balanced_over(controller: Controller, one: discovery_v1.EndpointSlice) -> Iterable[Key]:
    """Where its endpoints are matters only to a Service that stays local."""
    key = Key(one.metadata.namespace, one.metadata.labels.get(SERVICE_NAME, ""))
    service: core_v1.Service | None = controller.informer(core_v1.Service).get(key)
    if service is not None and wants_load_balancer(service) and service.spec.external_traffic_policy == "Local":
        yield key


def service_name(one: discovery_v1.EndpointSlice) -> Iterable[str]:
    return (f"{one.metadata.namespace}/{one.metadata.labels.get(SERVICE_NAME, '')}",)


class ServiceLoadBalancerController(Controller):
    name = "service-lb-controller"
    component = "service-controller"
    workers = 1
    watches = (
        For(core_v1.Service),
        Maps(core_v1.Node, balanced),
        Maps(discovery_v1.EndpointSlice, balanced_over),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = self.informer(core_v1.Service)
        self.nodes = self.informer(core_v1.Node)
        self.slices = self.informer(discovery_v1.EndpointSlice)
        self.slices.add_index(OF_NAME, service_name)
        self._given: dict[Key, tuple[str, ...]] = {}

    async def reconcile(self, key: Key) -> Result:
        service = self.services.get(key)
        if service is None:
            self._free(key)
        elif wants_load_balancer(service) and service.metadata.deletion_timestamp is None:
            await self._ensure(key, service)
        elif FINALIZER in service.metadata.finalizers and service.spec.load_balancer_class is None:
            await self._clean_up(key, service)
        return DONE

    async def _ensure(self, key: Key, service: core_v1.Service) -> None:
        present, is_new = addresses_of(service), FINALIZER not in service.metadata.finalizers
        if is_new:
            self.recorder.event(service, NORMAL, "EnsuringLoadBalancer", "Ensuring load balancer")
            await self._set_finalizers(service, [*service.metadata.finalizers, FINALIZER])
        try:
            addresses = plan(service, self.nodes.list(), self._serving(key), self._taken(key), self.context.network)
        except NoAddress as error:
            text = f"Error syncing load balancer: failed to ensure load balancer: {error}"
            self.recorder.event(service, WARNING, "SyncLoadBalancerFailed", text)
            await self._set_addresses(key, service, ())
            raise Retry(text) from error
        if not addresses and (is_new or present):
            message = "There are no available nodes for LoadBalancer"
            self.recorder.event(service, WARNING, "UnAvailableLoadBalancer", message)
        await self._set_addresses(key, service, addresses)
        if is_new or (addresses and not present):
            self.recorder.event(service, NORMAL, "EnsuredLoadBalancer", "Ensured load balancer")
        elif addresses and addresses != present:
            self.recorder.event(service, NORMAL, "UpdatedLoadBalancer", "Updated load balancer with new hosts")

    async def _clean_up(self, key: Key, service: core_v1.Service) -> None:
        self.recorder.event(service, NORMAL, "DeletingLoadBalancer", "Deleting load balancer")
        await self._set_addresses(key, service, ())
        await self._set_finalizers(service, [one for one in service.metadata.finalizers if one != FINALIZER])
        self._free(key)
        self.recorder.event(service, NORMAL, "DeletedLoadBalancer", "Deleted load balancer")

    def _serving(self, key: Key) -> frozenset[str]:
        return frozenset(
            endpoint.node_name
            for one in self.slices.by_index(OF_NAME, f"{key.namespace}/{key.name}")
            for endpoint in one.endpoints
            if endpoint.node_name and endpoint.conditions.ready is not False
        )

    def _taken(self, key: Key) -> Taken:
        others = [one for one in self.services.list() if key_of(one) != key]
        return taken_by((one, self._given.get(key_of(one), addresses_of(one))) for one in others)

    def _free(self, key: Key) -> None:
        """Those that were waiting for an address or a port are asked again."""
        if self._given.pop(key, None):
            for one in self.services.list():
                if wants_load_balancer(one) and not addresses_of(one):
                    self.queue.add(key_of(one))

    async def _set_addresses(self, key: Key, service: core_v1.Service, addresses: Sequence[str]) -> None:
        # What is taken away is nobody else's before the status has said so.
        before = self._given.get(key, addresses_of(service))
        self._given[key] = tuple(dict.fromkeys((*addresses, *before)))
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        stated = [(one.ip, one.ip_mode) for one in service.status.load_balancer.ingress]
        if stated != [(address, "VIP") for address in addresses]:
            await self._patch(service, {"status": {"loadBalancer": {"ingress": ingress or None}}})
        self._given[key] = tuple(addresses)

    async def _set_finalizers(self, service: core_v1.Service, finalizers: list[str]) -> None:
        await self._patch(service, {"metadata": {"finalizers": finalizers or None}})

    async def _patch(self, service: core_v1.Service, change: dict[str, object]) -> None:
        metadata = service.metadata
        try:
            await self.client.patch(
                core_v1.Service, metadata.name, metadata.namespace, change, PatchType.MERGE, subresource="status"
            )
        except ApiError as error:
            if error.code != 404:
                raise
