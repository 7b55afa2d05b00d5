"""The options by which an operator says which addresses nodes' pods and load balancers get, with upstream's names.

They are remembered in the cluster's settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.controllers.network_options import NetworkOptions

F = TypeVar("F", bound=Callable[..., Any])
SSH = 22


def choose_network(function: F) -> F:
    """--cluster-cidr, --node-cidr-mask-size and its two forms, --load-balancer-pool."""
    for family, default in (("-ipv6", 64), ("-ipv4", 24)):
        function = click.option(
            f"--node-cidr-mask-size{family}", type=int, help=f"The same for one of two families. [default: {default}]"
        )(function)
    function = click.option(
        "--node-cidr-mask-size", type=int, help="The size of each node's part. [default: 24, or 64 for IPv6]"
    )(function)
    function = click.option(
        "--cluster-cidr",
        metavar="CIDRS",
        help="The range of pods that nodes without a range of their own get parts of, or one of each family.",
    )(function)
    return click.option(
        "--load-balancer-pool",
        metavar="CIDRS",
        help="Addresses for Services of type LoadBalancer, comma-separated. [default: those of the nodes]",
    )(function)


def network_options(settings: Settings) -> NetworkOptions:
    """Raises BadNetwork."""
    from pybernetes.cli.parts.nodes import FEW_NODES, pod_cidr_of
    from pybernetes.controllers.network_options import NetworkOptions, networks, node_ranges

    few = settings.nodes <= FEW_NODES
    ranges = node_ranges(
        networks(settings.cluster_cidr or settings.pod_cidr, "cluster-cidr"),
        mask=settings.node_cidr_mask_size,
        mask_ipv4=settings.node_cidr_mask_size_ipv4,
        mask_ipv6=settings.node_cidr_mask_size_ipv6,
    )
    own = ",".join(pod_cidr_of(settings, index) for index in range(settings.nodes)) if few else ""
    return NetworkOptions(
        # Crowds of hollow nodes need no ranges, and there would not be enough for them.
        node_ranges=ranges if few else (),
        taken=(*networks(settings.service_cidr, "service-cluster-ip-range"), *networks(own, "cluster-cidr")),
        load_balancer_pool=networks(settings.load_balancer_pool, "load-balancer-pool"),
        host_ports=frozenset({SSH, settings.port, settings.kubelet_port}),
    )


def check_network(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    masks = settings.node_cidr_mask_size, settings.node_cidr_mask_size_ipv4, settings.node_cidr_mask_size_ipv6
    if settings.cluster_cidr or settings.load_balancer_pool or any(masks):
        from pybernetes.controllers.network_options import BadNetwork

        try:
            network_options(settings)
        except BadNetwork as error:
            raise Problem(str(error), "give ranges such as 10.244.0.0/16, or one of each family") from error
