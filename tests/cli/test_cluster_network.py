"""The options about the addresses of nodes' pods and of load balancers."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pybernetes.cli.cluster_network import check_network, network_options
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem
from pybernetes.controllers.network_options import NodeRange


def test_nodes_get_parts_of_the_range_of_pods_except_what_is_used_here() -> None:
    options = network_options(Settings(nodes=2, port=7443))
    assert options.node_ranges == (NodeRange(ip_network("10.244.0.0/16"), 24),)
    assert [str(one) for one in options.taken] == ["10.96.0.0/16", "10.244.0.0/24", "10.244.1.0/24"]
    assert options.host_ports == {22, 7443, 10250}


def test_both_families_and_a_pool_can_be_chosen() -> None:
    settings = Settings(
        cluster_cidr="10.8.0.0/16,fd00::/56", node_cidr_mask_size_ipv4=26, load_balancer_pool="192.0.2.0/28"
    )
    options = network_options(settings)
    assert [(str(one.cidr), one.prefix) for one in options.node_ranges] == [("10.8.0.0/16", 26), ("fd00::/56", 64)]
    assert options.load_balancer_pool == (ip_network("192.0.2.0/28"),)


def test_a_crowd_of_hollow_nodes_gets_no_ranges() -> None:
    assert network_options(Settings(nodes=1000)).node_ranges == ()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(cluster_cidr="10.0.0.0/8,11.0.0.0/8"),
        Settings(load_balancer_pool="everything"),
        Settings(node_cidr_mask_size=24, node_cidr_mask_size_ipv4=24),
    ],
)
def test_ranges_that_make_no_sense_are_refused_before_anything_starts(settings: Settings) -> None:
    with pytest.raises(Problem):
        check_network(settings)
