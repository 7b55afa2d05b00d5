"""Which parts of the cluster's ranges are whose: a part for each node, the next free one after the last given.

Follows pkg/controller/nodeipam/ipam/cidrset.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from pybernetes.controllers.network_options import Network, NodeRange


class NoneLeft(Exception):
    """Every part is somebody's."""

    def __init__(self, index: int) -> None:
        super().__init__(
            f"failed to allocate cidr from cluster cidr at idx:{index}: CIDR allocation failed; "
            "there are no remaining CIDRs left to allocate in the accepted range"
        )


class NotOurs(Exception):
    """A node has a range that is not of this cluster's."""


class _Parts:
    """One range, cut into parts."""

    def __init__(self, whole: NodeRange) -> None:
        self._whole = whole
        self._count = 1 << (whole.prefix - whole.cidr.prefixlen)
        self._reserved: set[int] = set()
        self._used: set[int] = set()
        self._next = 0

    def indexes(self, cidr: Network) -> range:
        """The parts that a range touches. Raises NotOurs."""
        whole = self._whole.cidr
        if cidr.version != whole.version or not cidr.overlaps(whole):
            raise NotOurs(f"cidr {cidr} is out the range of cluster cidr {whole}")
        size, start = whole.max_prefixlen - self._whole.prefix, int(whole.network_address)
        first = max(0, (int(cidr.network_address) - start) >> size)
        last = min(self._count - 1, (int(cidr.broadcast_address) - start) >> size)
        return range(first, last + 1)

    def reserve(self, cidr: Network) -> None:
        """For good."""
        self._reserved.update(self.indexes(cidr))
        self._used |= self._reserved

    def occupy(self, cidr: Network) -> None:
        self._used.update(self.indexes(cidr))

    def release(self, cidr: Network) -> None:
        self._used.difference_update(set(self.indexes(cidr)) - self._reserved)

    def take(self) -> Network | None:
        if len(self._used) == self._count:
            return None
        while self._next in self._used:
            self._next = (self._next + 1) % self._count
        index, self._next = self._next, (self._next + 1) % self._count
        self._used.add(index)
        whole = self._whole
        address = int(whole.cidr.network_address) + (index << (whole.cidr.max_prefixlen - whole.prefix))
        base = ip_address(address.to_bytes(whole.cidr.max_prefixlen // 8, "big"))
        return ip_network(f"{base}/{whole.prefix}")


class NodeRanges:
    """Who has what. Equal calls in equal order give equal parts."""

    def __init__(self, ranges: Sequence[NodeRange], taken: Sequence[Network] = ()) -> None:
        self._parts = [_Parts(one) for one in ranges]
        self._held: dict[str, tuple[Network, ...]] = {}
        for cidr in taken:
            for one, parts in zip(ranges, self._parts, strict=True):
                if cidr.version == one.cidr.version and cidr.overlaps(one.cidr):
                    parts.reserve(cidr)

    def occupy(self, node: str, cidrs: Sequence[str]) -> None:
        """The node has these, whoever gave them; with none it may still be given some. Raises NotOurs."""
        held = self._held.get(node)
        wanted = tuple(ip_network(cidr, strict=False) for cidr in cidrs)
        if held == wanted or not wanted:
            return
        if len(wanted) > len(self._parts):
            index = len(self._parts)
            raise NotOurs(
                f"node:{node} has an allocated cidr: {cidrs[index]} at index:{index} "
                "that does not exist in cluster cidrs configuration"
            )
        self.release(node)
        for index, (cidr, parts) in enumerate(zip(wanted, self._parts, strict=False)):
            try:
                parts.occupy(cidr)
            except NotOurs as error:
                raise NotOurs(
                    f"failed to mark cidr[{cidr}] at idx [{index}] as occupied for node: {node}: {error}"
                ) from error
        self._held[node] = wanted

    def allocate(self, node: str) -> list[str]:
        """A part of each range; the same again until it is released. Raises NoneLeft and then keeps nothing."""
        if node not in self._held:
            taken: list[Network] = []
            for index, parts in enumerate(self._parts):
                part = parts.take()
                if part is None:
                    self._give_back(taken)
                    raise NoneLeft(index)
                taken.append(part)
            self._held[node] = tuple(taken)
        return [str(cidr) for cidr in self._held[node]]

    def release(self, node: str) -> None:
        self._give_back(self._held.pop(node, ()))

    def _give_back(self, cidrs: Sequence[Network]) -> None:
        for cidr, parts in zip(cidrs, self._parts, strict=False):
            parts.release(cidr)
