"""Node IPAM: a part of the cluster's range of pods for every node that has none.

Guarantees
  No two nodes get the same part; a node that registers with a range of its own keeps it, and nobody else gets it.
  The part of a node that is deleted is free again.
  Without ranges in the options, nothing is given to anyone (upstream's --allocate-node-cidrs=false).
Assumes  Nodes that choose for themselves before they are registered have their ranges in the options (`taken`).
Follows pkg/controller/nodeipam (range_allocator.go).
"""

from __future__ import annotations

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client.events import NORMAL, Reference
from pybernetes.controllers.controller import DONE, Context, Controller, For, Result, Retry, Terminal
from pybernetes.controllers.node_ranges import NodeRanges, NoneLeft, NotOurs

ATTEMPTS = 3


class NodeIpamController(Controller):
    name = "node-ipam-controller"
    component = "cidrAllocator"
    watches = (For(core_v1.Node),)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(core_v1.Node)
        self._gives = bool(context.network.node_ranges)
        self._ranges = NodeRanges(context.network.node_ranges, context.network.taken)

    async def ready(self) -> None:
        """What nodes have already is known before the first of them gets something."""
        await super().ready()
        if self._gives:
            for node in self.nodes.list():
                try:
                    self._ranges.occupy(node.metadata.name, node.spec.pod_cidrs)
                except NotOurs:
                    continue  # told when the node's key comes

    async def reconcile(self, key: Key) -> Result:
        if not self._gives:
            return DONE
        node = self.nodes.get(key)
        if node is None:
            self._ranges.release(key.name)
            return DONE
        if node.spec.pod_cidrs:
            try:
                self._ranges.occupy(key.name, node.spec.pod_cidrs)
            except NotOurs as error:
                raise Terminal(str(error)) from error
            return DONE
        if node.metadata.deletion_timestamp is None:
            await self._assign(node)
        return DONE

    async def _assign(self, node: core_v1.Node) -> None:
        name = node.metadata.name
        try:
            cidrs = self._ranges.allocate(name)
        except NoneLeft as error:
            self._tell(node, "CIDRNotAvailable")
            raise Retry(str(error)) from error
        patch = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        for attempt in range(ATTEMPTS):
            try:
                await self.client.patch(core_v1.Node, name, None, patch)
                return
            except ApiError as error:
                if attempt + 1 < ATTEMPTS:
                    continue
                self._tell(node, "CIDRAssignmentFailed")
                # After a timeout nobody knows whether it was written: better to lose a part than to give it twice.
                if error.reason != "ServerTimeout" and await self._has_none(name):
                    self._ranges.release(name)
                raise

    async def _has_none(self, name: str) -> bool:
        """An earlier attempt that got no answer may have been written all the same."""
        try:
            return not (await self.client.get(core_v1.Node, name)).spec.pod_cidrs
        except ApiError as error:
            return error.code == 404

    def _tell(self, node: core_v1.Node, status: str) -> None:
        name = node.metadata.name
        about = Reference("v1", "Node", "", name, node.metadata.uid)
        self.recorder.event(about, NORMAL, status, f"Node {name} status is now: {status}")
