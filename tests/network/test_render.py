from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from network.builders import NODE, endpoint, port, service, slice_of
from pybernetes.network.proxy import render, ruleset
from pybernetes.network.proxy.ruleset import Ruleset


def first() -> Ruleset:
    web = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort", session_affinity="ClientIP")
    dns = service("dns", "10.96.0.30", port(53, protocol="UDP"), port(9153, name="metrics"))
    local = service("local", "10.96.0.31", port(80), external_ips=["192.0.2.9"], external_traffic_policy="Local")
    slices = [slice_of("web", "10.244.0.5", "10.244.0.6"), slice_of("local", endpoint("10.244.1.9", node="node2"))]
    return ruleset([web, dns, local], slices, NODE)


def second() -> Ruleset:
    web = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort", session_affinity="ClientIP")
    dns = service("dns", "10.96.0.30", port(53, protocol="UDP"))
    slices = [slice_of("web", "10.244.0.6", "10.244.0.7"), slice_of("dns", "10.244.0.8", protocol="UDP")]
    return ruleset([web, dns], slices, NODE)


def test_equal_rulesets_need_no_transaction() -> None:
    assert render.difference(first(), first()) == ""


def test_a_change_of_one_service_touches_no_other() -> None:
    old = first()
    web = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort")
    new = ruleset([web], [slice_of("web", "10.244.0.5")], NODE)
    changed = Ruleset(NODE, {**old.pieces, "service/default/web": new.pieces["service/default/web"]})
    transaction = render.difference(old, changed)
    assert "default/web" in transaction
    assert "default/local" not in transaction
    assert "10.96.0.30" not in transaction


def test_an_affinity_that_stays_is_not_forgotten() -> None:
    transaction = render.difference(first(), second())
    (stays,) = [name for name in first().pieces["service/default/web"].affinity if "10.244.0.6" in name]
    assert f"delete set ip {NODE.table} {stays}" not in transaction
    assert f"add set ip {NODE.table} {stays}" not in transaction


@pytest.fixture
def namespace() -> Iterator[str]:
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    name = f"p8s-test-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def nft(namespace: str, transaction: str) -> None:
    command = ["ip", "netns", "exec", namespace, "nft", "-f", "-"]
    done = subprocess.run(command, input=transaction, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def listed(namespace: str) -> list[str]:
    command = ["ip", "netns", "exec", namespace, "nft", "list", "ruleset"]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


@pytest.mark.node
def test_the_kernel_ends_up_equal_by_a_difference_and_by_a_whole_table(namespace: str) -> None:
    nft(namespace, render.whole(first()))
    nft(namespace, render.difference(first(), second()))
    by_difference = listed(namespace)
    nft(namespace, render.whole(second()))
    assert by_difference == listed(namespace)
    nft(namespace, render.difference(second(), first()))
    back = listed(namespace)
    nft(namespace, render.whole(first()))
    assert back == listed(namespace)


@pytest.mark.node
def test_removal_leaves_no_table_and_may_be_repeated(namespace: str) -> None:
    nft(namespace, render.whole(first()))
    nft(namespace, render.removal(NODE.table))
    nft(namespace, render.removal(NODE.table))
    assert listed(namespace) == []
