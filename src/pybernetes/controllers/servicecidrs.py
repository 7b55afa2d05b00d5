"""ServiceCIDRs are ready while they stay, and go only when no service address would be left without a range.

Guarantees  An address that lies in another ServiceCIDR too keeps none from going. The finalizer comes off some seconds
            after the deletion, when no API server takes addresses from the range any more. Of several that are to go,
            the one that was deleted last stays for what all of them hold; upstream lets each go because of the others.
Follows pkg/controller/servicecidrs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from functools import lru_cache

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key, condition, format_time
from pybernetes.api.models.networking_v1 import IPAddress, ServiceCIDR
from pybernetes.client import PatchType
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Requeue, Result
from pybernetes.controllers.finalizers import Need, need_of, with_finalizer, without_finalizer

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
GRACE_SECONDS = 10.0
_STILL_USED = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Verdict(Enum):
    FREE = auto()
    NEEDED = auto()


@lru_cache(maxsize=256)
def network_of(cidr: str) -> Network:
    return ipaddress.ip_network(cidr)


def networks(cidr: ServiceCIDR) -> list[Network]:
    return [network_of(text) for text in cidr.spec.cidrs]


def holds(network: Network, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """As a service address: the first address of a range, and the last of an IPv4 one, are none."""
    if address not in network or address == network.network_address:
        return False
    return address.version == 6 or address != network.broadcast_address


def containing(address: IPAddress, cidrs: Iterable[ServiceCIDR]) -> list[str]:
    """The names of those that the address could have come from; none for what API servers do not manage."""
    if address.metadata.labels.get(MANAGED_BY) != ALLOCATOR:
        return []
    parsed = ipaddress.ip_address(address.metadata.name)
    return [one.metadata.name for one in cidrs if any(holds(network, parsed) for network in networks(one))]


def judge(cidr: ServiceCIDR, cidrs: Sequence[ServiceCIDR], addresses: Iterable[IPAddress]) -> Verdict:
    """Whether an address has no other range than this one."""
    staying = [one for one in cidrs if one.metadata.name != cidr.metadata.name and _outlasts(one, cidr)]
    others = [network for one in staying for network in networks(one)]
    if all(any(_within(network, other) for other in others) for network in networks(cidr)):
        return Verdict.FREE
    needed = any(containing(one, (cidr,)) and not containing(one, staying) for one in addresses)
    return Verdict.NEEDED if needed else Verdict.FREE


def _outlasts(one: ServiceCIDR, other: ServiceCIDR) -> bool:
    mine, its = one.metadata.deletion_timestamp, other.metadata.deletion_timestamp
    if mine is None or its is None:
        return mine is None
    return (mine, one.metadata.name) > (its, other.metadata.name)


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def overlapping(controller: Controller, cidr: ServiceCIDR) -> Iterable[Key]:
    """A range that comes or goes may set others free."""
    own = networks(cidr)
    for other in controller.informer(ServiceCIDR).list():
        if any(mine.version == its.version and mine.overlaps(its) for mine in own for its in networks(other)):
            yield Key("", other.metadata.name)


def ranges_of(controller: Controller, address: IPAddress) -> Iterable[Key]:
    return (Key("", name) for name in containing(address, controller.informer(ServiceCIDR).list()))


class ServiceCIDRController(Controller):
    name = "service-cidr-controller"
    watches = (For(ServiceCIDR), Maps(ServiceCIDR, overlapping), Maps(IPAddress, ranges_of))

    async def reconcile(self, key: Key) -> Result:
        cidr = self.informer(ServiceCIDR).get(key)
        if cidr is None:
            return DONE
        if cidr.metadata.deletion_timestamp is not None:
            return await self._let_go(cidr)
        if need_of(cidr.metadata, FINALIZER) is Need.ADD:
            await self.client.update(with_finalizer(cidr, FINALIZER))
        try:
            await self._say(cidr, "True", "", "Kubernetes Service CIDR is ready")
        except ApiError:
            text = "The ServiceCIDR Status can not be set to Ready=True"
            self.recorder.event(cidr, "Warning", "KubernetesServiceCIDRError", text)
            raise
        return DONE

    async def _let_go(self, cidr: ServiceCIDR) -> Result:
        ranges = self.informer(ServiceCIDR).list()
        if judge(cidr, ranges, self.informer(IPAddress).list()) is Verdict.NEEDED:
            await self._say(cidr, "False", "Terminating", _STILL_USED)
            return DONE
        assert cidr.metadata.deletion_timestamp is not None
        left = GRACE_SECONDS - (self.clock.now() - cidr.metadata.deletion_timestamp).total_seconds()
        if left > 0:
            return Requeue(left)
        if need_of(cidr.metadata, FINALIZER) is Need.JUDGE and await self._is_free_indeed(cidr):
            await self.client.update(without_finalizer(cidr, FINALIZER))
        return DONE

    async def _is_free_indeed(self, cidr: ServiceCIDR) -> bool:
        """The informers may not have heard of the newest address. What they hear of later brings the key again."""
        ranges, addresses = await self.client.list(ServiceCIDR), await self.client.list(IPAddress)
        return judge(cidr, ranges.items, addresses.items) is Verdict.FREE

    async def _say(self, cidr: ServiceCIDR, status: str, reason: str, message: str) -> None:
        known = condition(cidr.status, "Ready")
        if known is not None and (known.status, known.reason, known.message) == (status, reason, message):
            return
        ready = {
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": format_time(self.now()),
        }
        document = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "ServiceCIDR",
            "metadata": {"name": cidr.metadata.name},
            "status": {"conditions": [ready]},
        }
        await self.client.of(ServiceCIDR).patch(
            cidr.metadata.name,
            None,
            document,
            kind=PatchType.APPLY,
            subresource="status",
            field_manager=self.name,
            force=True,
        )
