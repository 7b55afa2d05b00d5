from __future__ import annotations

import json
from pathlib import Path

import pytest

from pybernetes.network import cni
from pybernetes.network.names import DEVICE_NAME_LIMIT, NetworkNames


def network(tmp_path: Path) -> cni.PodNetwork:
    return cni.PodNetwork("p8s-test", "p8s-test", "10.244.3.0/24", str(tmp_path / "state"))


def test_pods_get_addresses_of_the_nodes_range_and_the_bridge_the_first(tmp_path: Path) -> None:
    (bridge,) = cni.configuration(network(tmp_path))["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24", "gateway": "10.244.3.1"}]]
    assert bridge["hairpinMode"] is True
    assert bridge["ipMasq"] is False


def test_writing_the_same_configuration_again_does_not_touch_the_file(tmp_path: Path) -> None:
    file = cni.write(network(tmp_path), tmp_path / "net.d")
    first = file.stat().st_ino
    cni.write(network(tmp_path), tmp_path / "net.d")
    assert file.stat().st_ino == first
    assert json.loads(file.read_text())["name"] == "p8s-test"


def test_attachments_are_recognised_by_their_network(tmp_path: Path) -> None:
    result = {"interfaces": [{"name": "bridge"}, {"name": "eth0", "sandbox": "/run/netns/cni-1"}]}
    mine = {"networkName": "p8s-test", "containerId": "abc", "result": result}
    (tmp_path / "p8s-test-abc-eth0").write_text(json.dumps(mine))
    (tmp_path / "p8s-test-two-abc-eth0").write_text(json.dumps({"networkName": "p8s-test-two", "result": result}))
    (tmp_path / "other-abc-eth0").write_text(json.dumps({"networkName": "other"}))
    found = cni.cached_attachments("p8s-test", tmp_path)
    assert [one.namespace for one in found] == ["/run/netns/cni-1"]
    assert [file.name for file in found[0].files] == ["p8s-test-abc-eth0", "cni-loopback-abc-lo"]


@pytest.mark.parametrize("cluster", ["default", "a-very-long-cluster-name-indeed", "a-very-long-cluster-name-in-truth"])
def test_device_names_fit_into_the_kernels_limit(cluster: str) -> None:
    names = NetworkNames.of(cluster)
    assert max(len(names.bridge), len(names.dns_device)) <= DEVICE_NAME_LIMIT


def test_clusters_with_long_names_do_not_share_devices() -> None:
    first, second = (NetworkNames.of(f"a-very-long-cluster-name-{word}") for word in ("one", "two"))
    assert first.bridge != second.bridge
