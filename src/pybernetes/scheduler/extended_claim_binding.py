"""What is written for a pod whose extended resources are devices: a claim of its own, and in its status which is whose.

Follows createExtendedResourceClaimInAPI, bindClaim and unreserveExtendedResourceClaim of
pkg/scheduler/framework/plugins/dynamicresources.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1, meta_v1, resource_v1
from pybernetes.client import Client, PatchType, Unreachable, key_of
from pybernetes.scheduler.device_objects import DeviceObjects
from pybernetes.scheduler.extended_devices import Mapped
from pybernetes.scheduler.framework import NotPrepared, Reservation
from pybernetes.scheduler.pod_claims import FINALIZER, consumer


class ExtendedClaim:
    """``claim`` is the one in memory, ``allocation`` the devices that it gets."""

    takes_time = True

    def __init__(
        self,
        devices: DeviceObjects,
        clock: Clock,
        pod: core_v1.Pod,
        claim: resource_v1.ResourceClaim,
        allocation: resource_v1.AllocationResult,
        mappings: Sequence[Mapped],
    ) -> None:
        self._devices = devices
        self._clock = clock
        self._pod = pod
        self._claim = claim
        self._allocation = allocation
        self._mappings = list(mappings)
        self._written: resource_v1.ResourceClaim | None = None
        self._is_promised = False

    def promise(self) -> None:
        self._devices.promise(self._claim.metadata.uid, self._allocation)
        self._is_promised = True

    def release(self) -> None:
        if self._is_promised:
            self._devices.release(self._claim.metadata.uid)
            self._is_promised = False

    def settle(self) -> None:
        self.release()
        self._devices.set_claim(replace(self._claim, status=self._status()))

    async def prepare(self, client: Client) -> None:
        try:
            await self._write(client)
            status = core_v1.PodExtendedResourceClaimStatus(
                request_mappings=self._mappings, resource_claim_name=self._name
            )
            patch = {"status": {"extendedResourceClaimStatus": msgspec.to_builtins(status)}}
            pod = self._pod.metadata
            await client.patch(
                core_v1.Pod,
                pod.name,
                pod.namespace,
                msgspec.json.encode(patch),
                PatchType.STRATEGIC,
                subresource="status",
            )
        except (ApiError, Unreachable) as error:
            raise NotPrepared(f'running PreBind plugin "DynamicResources": {error}') from error

    async def undo(self, client: Client) -> None:
        """Nobody else may use the claim: it goes."""
        if self._written is not None:
            await delete(client, self._written)

    @property
    def _name(self) -> str:
        assert self._written is not None
        return self._written.metadata.name

    async def _write(self, client: Client) -> None:
        new = self._claim.metadata
        metadata = meta_v1.ObjectMeta(
            namespace=new.namespace,
            generate_name=new.generate_name,
            annotations=new.annotations,
            owner_references=new.owner_references,
        )
        try:
            self._written = await client.create(replace(self._claim, metadata=metadata))
        except (ApiError, Unreachable):
            self._devices.claims_created.add("failure")
            raise
        self._devices.claims_created.add("success")
        known = self._written.metadata
        kept = replace(known, finalizers=[*known.finalizers, FINALIZER])
        self._written = await client.update(replace(self._written, metadata=kept))
        self._written = await client.update_status(replace(self._written, status=self._status()))
        self.release()
        self._devices.set_claim(self._written)

    def _status(self) -> resource_v1.ResourceClaimStatus:
        now = self._clock.now().replace(microsecond=0)
        allocation = replace(self._allocation, allocation_timestamp=now)
        return resource_v1.ResourceClaimStatus(allocation=allocation, reserved_for=[consumer(self._pod)])


class Together:
    """Several reservations of one plugin: prepared in order, taken back in the reverse one."""

    def __init__(self, reservations: Sequence[Reservation]) -> None:
        self._reservations = reservations

    @property
    def takes_time(self) -> bool:
        return any(one.takes_time for one in self._reservations)

    async def prepare(self, client: Client) -> None:
        for one in self._reservations:
            await one.prepare(client)

    def settle(self) -> None:
        for one in self._reservations:
            one.settle()

    async def undo(self, client: Client) -> None:
        for one in reversed(self._reservations):
            await one.undo(client)

    def release(self) -> None:
        for one in reversed(self._reservations):
            one.release()


async def delete(client: Client, claim: resource_v1.ResourceClaim) -> None:
    """With the finalizer that keeps its devices. Raises ApiError and Unreachable."""
    finalizers = [one for one in claim.metadata.finalizers if one != FINALIZER]
    if finalizers != claim.metadata.finalizers:
        claim = await client.update(replace(claim, metadata=replace(claim.metadata, finalizers=finalizers)))
    key = key_of(claim)
    await client.delete(resource_v1.ResourceClaim, key.name, key.namespace, uid=claim.metadata.uid)
