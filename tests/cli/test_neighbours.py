from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pybernetes.cli import claims, neighbours
from pybernetes.cli.layout import Layout, Settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's clusters are listed")


def start(root: Path, listing: Path) -> Settings:
    """What `p8s up` settles for a new cluster."""
    with neighbours.alone(listing):
        others = neighbours.others(root, listing)
        neighbours.enlist(root, listing)
        settings = claims.kubelet_port(claims.addresses(Settings(), others, []), others)
        Layout(root).write_settings(settings)
    return settings


def test_clusters_that_start_at_once_get_different_ranges_and_ports(tmp_path: Path) -> None:
    found: list[Settings] = []
    roots = [tmp_path / name for name in ("a", "b", "c")]
    starting = [
        threading.Thread(target=lambda root=root: found.append(start(root, tmp_path / "list"))) for root in roots
    ]
    for one in starting:
        one.start()
    for one in starting:
        one.join()
    for values in zip(*((one.pod_cidr, one.service_cidr, one.kubelet_port) for one in found), strict=True):
        assert len(set(values)) == 3


def test_a_cluster_that_is_gone_gives_its_ranges_back(tmp_path: Path) -> None:
    listing = tmp_path / "list"
    first = start(tmp_path / "a", listing)
    (tmp_path / "a" / "cluster.json").unlink()
    assert start(tmp_path / "b", listing).pod_cidr == first.pod_cidr
    assert len(list(listing.iterdir())) == 1


def test_the_last_cluster_leaves_no_list(tmp_path: Path) -> None:
    listing = tmp_path / "machine" / "list"
    for name in ("a", "b"):
        start(tmp_path / name, listing)
    neighbours.strike(tmp_path / "a", listing)
    assert len(neighbours.others(tmp_path / "a", listing)) == 1
    neighbours.strike(tmp_path / "b", listing)
    assert not listing.parent.exists()
