"""Keeping the node known: it registers, renews its lease, and writes its status.

Guarantees  The lease is renewed every 10 s; the status is compared with the API's every 10 s, and written when it
            differs and at least every 5 minutes. An API server that does not answer is asked again; a node of the name
            is taken over with its labels brought up to date. A node that runs has a CSINode.
Follows     pkg/kubelet/kubelet_node_status.go and staging/src/k8s.io/component-helpers/apimachinery/lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from random import Random
from typing import Any

import msgspec
import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import format_micro_time, is_true
from pybernetes.api.models import coordination_v1, meta_v1
from pybernetes.api.models.coordination_v1 import Lease
from pybernetes.api.models.core_v1 import Node
from pybernetes.client import Client, PatchType, Unreachable

from . import csi_node, node_status
from .configuration import NodeConfiguration
from .machine import Machine
from .node_status import Readings

log = structlog.get_logger(__name__)
LEASES = "kube-node-lease"

Read = Callable[[], Awaitable[Readings]]
Say = Callable[[str, str], None]
"""reason, message: an event about the node."""


class NodeAgent:
    def __init__(
        self,
        client: Client,
        node: NodeConfiguration,
        machine: Machine,
        clock: Clock,
        random: Random,
        read: Read,
        say: Say | None = None,
    ) -> None:
        self._client = client
        self._node = node
        self._machine = machine
        self._clock = clock
        self._random = random
        self._read = read
        self._say = say or (lambda reason, message: None)
        self._was_ready = False
        self._written: datetime | None = None
        self._lease: Lease | None = None
        self.current: Node | None = None
        self.wake = asyncio.Event()

    async def run(self) -> None:
        self._say("Starting", "Starting kubelet.")
        await self.register()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._insist(self._publish_csi_node), name="csi node")
            group.create_task(self._keep_lease(), name="node lease")
            group.create_task(self._keep_status(), name="node status")

    async def register(self) -> None:
        """Returns when the API has the node."""
        await self._insist(self._register_once)

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        wait = 0.1
        while True:
            try:
                await step()
                return
            except (ApiError, Unreachable) as error:
                log.warning("could not register the node", node=self._node.name, error=str(error))
            await asyncio.sleep(wait)
            wait = min(wait * 2, 7.0)

    async def _publish_csi_node(self) -> None:
        assert self.current is not None
        await csi_node.ensure(self._client, self.current)

    async def _register_once(self) -> None:
        wanted = node_status.node_object(self._node, self._machine, await self._read(), self._clock.now())
        if self._node.register:
            try:
                self.current = await self._client.create(wanted)
                self._written = self._clock.now()
                self._tell_readiness()
                return
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
        self.current = await self._client.get(Node, self._node.name)
        await self._take_over(wanted)
        await self.write_status()

    async def _take_over(self, wanted: Node) -> None:
        """A node that was here before: its labels and missing addresses become ours."""
        assert self.current is not None
        change: dict[str, Any] = {}
        labels = {k: v for k, v in wanted.metadata.labels.items() if self.current.metadata.labels.get(k) != v}
        if labels:
            change["metadata"] = {"labels": labels}
        if self._node.pod_cidr and not self.current.spec.pod_cidr:
            change["spec"] = {"podCIDR": self._node.pod_cidr, "podCIDRs": [self._node.pod_cidr]}
        if change:
            self.current = await self._client.patch(Node, self._node.name, None, change, PatchType.STRATEGIC)

    async def look(self) -> None:
        """Makes ``current`` the node as it is now: others may have changed its labels."""
        self.current = await self._client.get(Node, self._node.name)

    # ---- status

    async def _keep_status(self) -> None:
        while True:
            self.wake.clear()
            try:
                async with asyncio.timeout(self._node.status_check * self._random.uniform(1.0, 1.04)):
                    await self.wake.wait()
            except TimeoutError:
                pass
            try:
                await self.look()
                await self.write_status()
            except (ApiError, Unreachable) as error:
                log.warning("could not write the node's status", node=self._node.name, error=str(error))
                if isinstance(error, ApiError) and error.code == 404:
                    await self.register()
                    await self._insist(self._publish_csi_node)

    async def write_status(self) -> None:
        """Writes what differs, or everything's heartbeat when that is due."""
        if self.current is None:
            return
        now = self._clock.now().replace(microsecond=0)
        old = self.current.status
        new = node_status.status_of(self._node, self._machine, old, await self._read(), now)
        due = self._written is None or (now - self._written).total_seconds() >= self._node.status_period
        if not due and not node_status.changed(old, new):
            return
        patch = {"status": _changes(msgspec.to_builtins(old), msgspec.to_builtins(new))}
        self.current = await self._client.patch(
            Node, self._node.name, None, patch, PatchType.STRATEGIC, subresource="status"
        )
        self._written = now
        self._tell_readiness()

    def _tell_readiness(self) -> None:
        assert self.current is not None
        ready = is_true(self.current.status, "Ready")
        if ready is not self._was_ready:
            reason = "NodeReady" if ready else "NodeNotReady"
            self._say(reason, f"Node {self._node.name} status is now: {reason}")
        self._was_ready = ready

    # ---- lease

    async def _keep_lease(self) -> None:
        while True:
            try:
                await self.renew_lease()
            except (ApiError, Unreachable) as error:
                self._lease = None
                log.warning("could not renew the node's lease", node=self._node.name, error=str(error))
            await asyncio.sleep(self._node.lease_renewal * self._random.uniform(1.0, 1.04))

    async def renew_lease(self) -> None:
        if self._lease is None:
            self._lease = await self._find_lease()
        spec = msgspec.structs.replace(self._lease.spec, renew_time=format_micro_time(self._clock.now()))
        self._lease = await self._client.update(msgspec.structs.replace(self._lease, spec=spec))

    def forget_lease(self) -> None:
        """Its next renewal begins by reading it."""
        self._lease = None

    async def _find_lease(self) -> Lease:
        try:
            return await self._client.get(Lease, self._node.name, LEASES)
        except ApiError as error:
            if error.code != 404:
                raise
        return await self._client.create(self._new_lease())

    def _new_lease(self) -> Lease:
        owners = []
        if self.current is not None:
            uid = self.current.metadata.uid
            owners = [meta_v1.OwnerReference(api_version="v1", kind="Node", name=self._node.name, uid=uid)]
        return Lease(
            metadata=meta_v1.ObjectMeta(name=self._node.name, namespace=LEASES, owner_references=owners),
            spec=coordination_v1.LeaseSpec(
                holder_identity=self._node.name,
                lease_duration_seconds=self._node.lease_seconds,
                renew_time=format_micro_time(self._clock.now()),
            ),
        )


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A strategic merge patch between two statuses of a node."""
    changes: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if old.get(key) == value:
            continue
        if key == "addresses" and old.get(key):
            changes[key] = [{"$patch": "replace"}, *value]
        elif isinstance(value, dict) and isinstance(old.get(key), dict):
            changes[key] = {**{name: None for name in old[key] if name not in value}, **value}
        else:
            changes[key] = value
    return changes
