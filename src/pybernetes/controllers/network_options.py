"""What an operator says about the cluster's network, for the controllers that give out addresses.

Follows cmd/kube-controller-manager/app (validateClusterCIDRs, setNodeCIDRMaskSizes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

DEFAULT_MASKS = {4: 24, 6: 64}
WIDEST_IPV6_SPAN = 16


class BadNetwork(ValueError):
    """Options that contradict each other; the text is upstream's."""


@dataclass(frozen=True, slots=True)
class NodeRange:
    """A range that every node gets a part of this size of."""

    cidr: Network
    prefix: int


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    node_ranges: tuple[NodeRange, ...] = ()
    """One for each family. None: nodes get no ranges here, they bring their own or need none."""
    taken: tuple[Network, ...] = ()
    """Parts that no node may get: ranges of Services, and of nodes that choose for themselves."""
    load_balancer_pool: tuple[Network, ...] = ()
    """Addresses for Services of the type LoadBalancer. None: they get those of nodes."""
    host_ports: frozenset[int] = frozenset({22})
    """Ports of nodes' own that no Service may have on a node's address."""


def networks(text: str, option: str) -> tuple[Network, ...]:
    """A comma-separated list. Raises BadNetwork."""
    try:
        return tuple(ip_network(word.strip(), strict=False) for word in text.split(",") if word.strip())
    except ValueError as error:
        raise BadNetwork(f"--{option}: {error}") from error


def node_ranges(
    cidrs: Sequence[Network], *, mask: int = 0, mask_ipv4: int = 0, mask_ipv6: int = 0
) -> tuple[NodeRange, ...]:
    """A mask of 0 was not given. Raises BadNetwork."""
    if len(cidrs) > 2:
        raise BadNetwork(f"length of clusterCIDRs is:{len(cidrs)} more than max allowed of 2")
    versions = [cidr.version for cidr in cidrs]
    if len(cidrs) == 2 and versions[0] == versions[1]:
        raise BadNetwork(
            "len of ClusterCIDRs==2 and they are not configured as dual stack (at least one from each IPFamily)"
        )
    masks = {4: mask_ipv4, 6: mask_ipv6}
    if mask and len(cidrs) == 2:
        raise BadNetwork("usage of --node-cidr-mask-size is not allowed with dual-stack clusters")
    if mask and (mask_ipv4 or mask_ipv6):
        raise BadNetwork(
            "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed if "
            "--node-cidr-mask-size is set. For dual-stack clusters, please unset it"
        )
    for version in set(masks) - set(versions):
        if masks[version] and len(cidrs) == 1:
            raise BadNetwork(
                f"usage of --node-cidr-mask-size-ipv{version} is not allowed for a single-stack "
                f"IPv{versions[0]} cluster"
            )
    return tuple(_range(cidr, mask or masks[cidr.version] or DEFAULT_MASKS[cidr.version]) for cidr in cidrs)


def _range(cidr: Network, prefix: int) -> NodeRange:
    if prefix > cidr.max_prefixlen or prefix < cidr.prefixlen:
        raise BadNetwork(
            "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or equal to "
            f"--node-cidr-mask-size configured for CIDR family IPv{cidr.version}"
        )
    if cidr.version == 6 and prefix - cidr.prefixlen > WIDEST_IPV6_SPAN:
        raise BadNetwork("New CIDR set failed; the node CIDR size is too big")
    return NodeRange(cidr, prefix)
