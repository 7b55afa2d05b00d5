"""What is written into the claims of a pod that has a node: devices, and that they are reserved for the pod.

Follows bindClaim, PreBind and Unreserve of pkg/scheduler/framework/plugins/dynamicresources.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.client import Client, PatchType, Unreachable, key_of
from pybernetes.scheduler.device_objects import DeviceObjects
from pybernetes.scheduler.framework import NotPrepared
from pybernetes.scheduler.pod_claims import (
    FINALIZER,
    BindingFailed,
    consumer,
    is_ready,
    is_reserved_for,
    must_be_made_ready,
)

ATTEMPTS = 5
_PAUSE = 0.01


class ReservedClaims:
    """The claims of one pod; ``given`` are the devices of those that had none."""

    takes_time = True

    def __init__(
        self,
        devices: DeviceObjects,
        clock: Clock,
        pod: core_v1.Pod,
        claims: Sequence[Key],
        given: Mapping[Key, resource_v1.AllocationResult],
        timeout: float,
    ) -> None:
        self._devices = devices
        self._clock = clock
        self._pod = pod
        self._claims = claims
        self._given = given
        self._timeout = timeout
        self._promised: dict[Key, str] = {}

    def promise(self) -> None:
        for key, allocation in self._given.items():
            claim = self._devices.claim(key)
            assert claim is not None
            self._promised[key] = claim.metadata.uid
            self._devices.promise(claim.metadata.uid, allocation)

    def release(self) -> None:
        for uid in self._promised.values():
            self._devices.release(uid)
        self._promised.clear()

    def settle(self) -> None:
        for key in self._claims:
            claim = self._known(key)
            if not is_reserved_for(claim, self._pod):
                self._devices.keep(replace(claim, status=self._reserved(claim, self._given.get(key))))

    async def prepare(self, client: Client) -> None:
        try:
            for key in self._claims:
                claim = self._known(key)
                if not is_reserved_for(claim, self._pod):
                    await self._write(client, claim)
            if any(must_be_made_ready(self._known(key)) for key in self._claims):
                async with asyncio.timeout(self._timeout):
                    await self._devices.until(self._are_ready, self._claims)
        except TimeoutError as error:
            raise _failed("device binding timeout: context deadline exceeded") from error
        except (ApiError, Unreachable, BindingFailed) as error:
            raise _failed(str(error)) from error

    async def undo(self, client: Client) -> None:
        """The claims keep their devices: their controller takes those that nobody uses."""
        for key in self._claims:
            claim = self._devices.claim(key)
            if claim is None or claim.status.allocation is None or not is_reserved_for(claim, self._pod):
                continue
            gone = {"$patch": "delete", "uid": self._pod.metadata.uid}
            patch = {"metadata": {"uid": claim.metadata.uid}, "status": {"reservedFor": [gone]}}
            written = await client.patch(
                resource_v1.ResourceClaim,
                key.name,
                key.namespace,
                msgspec.json.encode(patch),
                PatchType.STRATEGIC,
                subresource="status",
            )
            self._devices.set_claim(written)

    def _known(self, key: Key) -> resource_v1.ResourceClaim:
        claim = self._devices.claim(key)
        if claim is None:
            raise _failed(f'could not find ResourceClaim "{key}"')
        return claim

    def _are_ready(self) -> bool:
        return all(is_ready(self._known(key)) for key in self._claims)

    async def _write(self, client: Client, claim: resource_v1.ResourceClaim) -> None:
        """Whoever else writes the claim meanwhile is let finish: the claim is read again."""
        for attempt in range(ATTEMPTS):
            try:
                written = await self._write_once(client, claim)
            except ApiError as error:
                if error.code != 409 or attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE)
                claim = await client.get(resource_v1.ResourceClaim, claim.metadata.name, claim.metadata.namespace)
            else:
                self._devices.keep(written)
                return

    async def _write_once(self, client: Client, claim: resource_v1.ResourceClaim) -> resource_v1.ResourceClaim:
        key = key_of(claim)
        if claim.metadata.deletion_timestamp is not None:
            raise _failed(f"claim {key} got deleted in the meantime")
        given = self._given.get(key)
        allocation = claim.status.allocation
        if given is not None:
            if allocation is not None:
                raise _failed(f"claim {key} got allocated elsewhere in the meantime")
            if FINALIZER not in claim.metadata.finalizers:
                metadata = replace(claim.metadata, finalizers=[*claim.metadata.finalizers, FINALIZER])
                claim = await client.update(replace(claim, metadata=metadata))
            allocation = given
        if allocation is None:
            raise _failed(f"claim {key} got deallocated elsewhere in the meantime")
        return await client.update_status(replace(claim, status=self._reserved(claim, allocation)))

    def _reserved(
        self, claim: resource_v1.ResourceClaim, allocation: resource_v1.AllocationResult | None
    ) -> resource_v1.ResourceClaimStatus:
        """With the pod among its consumers, and with ``allocation`` or its own."""
        allocation = allocation or claim.status.allocation
        if allocation is not None and allocation.allocation_timestamp is None:
            allocation = replace(allocation, allocation_timestamp=self._clock.now().replace(microsecond=0))
        reserved_for = [*claim.status.reserved_for, consumer(self._pod)]
        return replace(claim.status, allocation=allocation, reserved_for=reserved_for)


async def deallocate(client: Client, claim: resource_v1.ResourceClaim) -> None:
    """Raises ApiError and Unreachable."""
    await client.update_status(replace(claim, status=resource_v1.ResourceClaimStatus()))


def _failed(why: str) -> NotPrepared:
    return NotPrepared(f'running PreBind plugin "DynamicResources": {why}')
