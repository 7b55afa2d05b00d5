"""What several nodes with real containers on one machine are made of, decided before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybernetes.api.models.core_v1 import Node, NodeAddress, NodeStatus
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.cli import claims, sweep
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.former_nodes import former_nodes
from pybernetes.cli.parts.nodes import api_address, local_nodes, resolver_file, serving_names
from pybernetes.cli.parts.real_node import take_name
from pybernetes.cli.parts.runtime import containerd_of
from pybernetes.cli.problems import Problem
from pybernetes.cli.supervisor import place_of
from pybernetes.network.names import DEVICE_NAME_LIMIT, NetworkNames, node_port

THREE = Settings(
    name="x", nodes=3, machine_name="box", node_address="192.0.2.7", node_network="10.120.0.0/24", kubelet_root="/k"
)


def test_each_node_has_a_name_an_address_and_a_range_of_its_own() -> None:
    nodes = local_nodes(THREE)
    assert [one.name for one in nodes] == ["box", "box-2", "box-3"]
    assert [one.address for one in nodes] == ["10.120.0.1", "10.120.0.2", "10.120.0.3"]
    assert [one.pod_cidr for one in nodes] == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    assert [one.external for one in nodes] == ["192.0.2.7", "", ""]
    assert serving_names(THREE)["box-3"] == ("10.120.0.3", "127.0.0.1", "localhost")
    assert [api_address(THREE, number) for number in (1, 3)] == ["127.0.0.1", "10.120.0.1"]


def test_one_node_alone_is_the_machine_with_its_own_address() -> None:
    (node,) = local_nodes(THREE.with_(nodes=1))
    assert (node.name, node.address, node.external) == ("box", "192.0.2.7", "")
    assert local_nodes(THREE.with_(runtime="hollow")) == []


def test_a_machine_without_a_network_is_found_among_its_nodes() -> None:
    assert [one.external for one in local_nodes(THREE.with_(node_address="10.120.0.1"))] == ["", "", ""]


def test_each_further_node_is_a_process_in_a_network_of_its_own() -> None:
    assert THREE.parts == ("apiserver", "controllers", "node", "node-2", "node-3")
    assert THREE.with_(runtime="hollow").parts == ("apiserver", "controllers", "node")
    assert place_of("node", THREE) == []
    assert place_of("node-3", THREE) == ["nsenter", "--net=/run/netns/p8s-x-3", "unshare", "--uts"]


def test_nodes_share_no_directory_of_their_runtimes(tmp_path: Path) -> None:
    found = [containerd_of(Layout(tmp_path), THREE, number).configuration for number in (1, 2, 3)]
    assert len({one.directory for one in found}) == 3
    assert len({one.cni_configuration for one in found}) == 3
    assert [one.network_namespace for one in found] == [None, Path("/run/netns/p8s-x-2"), Path("/run/netns/p8s-x-3")]
    assert [THREE.cgroup_root_of(number) for number in (1, 2)] == ["/pybernetes-x", "/pybernetes-x/node-2"]


def test_what_was_started_is_found_whatever_was_chosen_since(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert sweep.nodes_of(layout) == (1,)
    for number in (3, 2):
        layout.of_node(number).root.mkdir(parents=True)
    layout.run.mkdir()
    layout.pid_file("node-3").write_text("1 1\n")
    assert sweep.nodes_of(layout) == (1, 2, 3)
    assert sweep.parts_of(layout) == ("apiserver", "controllers", "node", "node-3")


def test_clusters_have_different_ranges_for_their_nodes_and_keep_them() -> None:
    asked = Settings(nodes=2)
    first = claims.node_network(asked, [], [])
    second = claims.node_network(asked, [first], [])
    assert first.node_network != second.node_network
    assert claims.node_network(second, [first], []) == second
    assert claims.node_network(Settings(), [], []).node_network == ""
    assert claims.node_network(Settings(runtime="hollow", nodes=2), [], []).node_network == ""


def test_names_of_devices_fit_and_differ_from_node_to_node() -> None:
    long = "a-very-long-cluster-name"
    names = [NetworkNames.of(long).node_bridge, *(node_port(long, number) for number in range(2, 17))]
    assert len(set(names)) == 16
    assert max(map(len, names)) <= DEVICE_NAME_LIMIT


def test_further_nodes_ask_no_resolver_that_only_the_machine_reaches(tmp_path: Path) -> None:
    real, stub = tmp_path / "real", tmp_path / "stub"
    real.write_text("nameserver 192.0.2.53\n")
    stub.write_text("# systemd\nnameserver 127.0.0.53\noptions edns0\n")
    at_stub, at_real = Settings(resolv_conf=str(stub)), Settings(resolv_conf=str(real))
    assert resolver_file(at_stub, 1, real) == stub
    assert resolver_file(at_stub, 2, real) == real
    assert resolver_file(at_stub, 2, tmp_path / "none") == stub
    assert resolver_file(at_real, 2, stub) == real


def test_nodes_that_are_not_asked_for_any_more_are_told_by_their_addresses() -> None:
    def node(name: str, address: str) -> Node:
        found = NodeAddress(type="InternalIP", address=address)
        return Node(metadata=ObjectMeta(name=name), status=NodeStatus(addresses=[found]))

    nodes = [node("box", "10.120.0.1"), node("box-2", "10.120.0.2"), node("box-3", "10.120.0.3")]
    nodes.append(node("elsewhere", "192.0.2.9"))
    assert former_nodes(nodes, THREE) == []
    assert former_nodes(nodes, THREE.with_(nodes=1)) == ["box-2", "box-3"]
    assert former_nodes(nodes, THREE.with_(nodes=1, node_network="")) == []


def test_a_node_never_takes_the_machines_own_name() -> None:
    with pytest.raises(Problem, match="under the machine's host name"):
        take_name("not-this")
