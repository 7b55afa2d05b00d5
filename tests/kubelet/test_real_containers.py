"""Pods in real containers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kubelet.real import Machine, gone, machine, output, phase, until
from kubelet.worlds import container, pod
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.models.core_v1 import ConfigMap, EmptyDirVolumeSource, ExecAction, Pod, Probe, Volume, VolumeMount

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Machine]:
    async with machine() as found:
        yield found


async def test_two_containers_share_localhost_and_a_volume(node: Machine) -> None:
    mount = VolumeMount(name="shared", mount_path="/shared")
    server = container(
        "server", "sh", "-c", "echo hello > /shared/index.html; exec httpd -f -p 8080 -h /shared", volume_mounts=[mount]
    )
    client = container("client", "sleep", "1000", volume_mounts=[mount])
    volume = Volume(name="shared", empty_dir=EmptyDirVolumeSource())
    await node.client.create(pod("pair", server, client, volumes=[volume], termination_grace_period_seconds=1))
    found = await phase(node, "pair", "Running")
    ask = "until wget -qO- http://localhost:8080/; do usleep 50000; done"
    assert (await output(node, found, "client", "sh", "-c", ask)).endswith("hello\n")
    assert await output(node, found, "client", "hostname") == "pair\n"
    path = node.node.paths.volume(found.metadata.uid, "kubernetes.io/empty-dir", "shared")
    assert (path / "index.html").read_text() == "hello\n"
    hosts = await output(node, found, "client", "cat", "/etc/hosts")
    assert f"{found.status.pod_ip}\tpair\n" in hosts
    resolver = await output(node, found, "client", "cat", "/etc/resolv.conf")
    assert "nameserver 10.96.0.10" in resolver
    assert "ndots:5" in resolver
    await node.client.delete(Pod, "pair", "default")
    await gone(node, "pair")
    await until(lambda: _absent(node, found.metadata.uid))


async def _absent(node: Machine, uid: str) -> bool:
    return not node.node.paths.pod(uid).exists()


async def test_a_restarted_kubelet_leaves_containers_alone(node: Machine) -> None:
    await node.client.create(pod("stays", container("main", "sleep", "1000"), termination_grace_period_seconds=1))
    before = await phase(node, "stays", "Running")
    await node.stop()
    node.start()
    await asyncio.sleep(1)
    after = await phase(node, "stays", "Running")
    assert after.status.container_statuses == before.status.container_statuses


async def test_exit_codes_and_last_words_are_reported(node: Machine) -> None:
    script = "echo -n bye > /dev/termination-log; exit 3"
    ends = container("main", "sh", "-c", script, termination_message_path="/dev/termination-log")
    await node.client.create(pod("ends", ends, restart_policy="Never"))
    found = await phase(node, "ends", "Failed")
    state = found.status.container_statuses[0].state.terminated
    assert state is not None
    assert (state.exit_code, state.reason, state.message) == (3, "Error", "bye")


async def test_too_much_memory_is_reported_as_oom_killed(node: Machine) -> None:
    greedy = container("main", "sh", "-c", "a=x; while true; do a=$a$a; done")
    greedy.resources.limits = {"memory": "16Mi"}
    await node.client.create(pod("greedy", greedy, restart_policy="Never"))
    found = await phase(node, "greedy", "Failed")
    state = found.status.container_statuses[0].state.terminated
    assert state is not None
    assert (state.reason, state.exit_code) == ("OOMKilled", 137)


async def test_config_maps_are_files_that_follow_changes(node: Machine) -> None:
    config = ConfigMap(metadata=meta_v1.ObjectMeta(name="conf", namespace="default"), data={"key": "one"})
    await node.client.create(config)
    mount = VolumeMount(name="conf", mount_path="/conf")
    volume = Volume(name="conf", config_map=core_v1.ConfigMapVolumeSource(name="conf"))
    main = container("main", "sleep", "1000", volume_mounts=[mount])
    await node.client.create(pod("reads", main, volumes=[volume], termination_grace_period_seconds=1))
    found = await phase(node, "reads", "Running")
    assert await output(node, found, "main", "cat", "/conf/key") == "one"
    await node.client.patch(ConfigMap, "conf", "default", {"data": {"key": "two"}})

    async def changed() -> bool:
        return await output(node, found, "main", "cat", "/conf/key") == "two"

    await until(changed)


async def test_a_failing_liveness_probe_restarts_the_container(node: Machine) -> None:
    probe = Probe(exec=ExecAction(command=["cat", "/tmp/ok"]), period_seconds=1, failure_threshold=1, timeout_seconds=1)
    main = container("main", "sh", "-c", "touch /tmp/ok; sleep 3; rm /tmp/ok; sleep 1000", liveness_probe=probe)
    await node.client.create(pod("sick", main, termination_grace_period_seconds=1))

    async def restarted() -> bool:
        found = await node.client.get(Pod, "sick", "default")
        return any(s.restart_count >= 1 for s in found.status.container_statuses)

    await until(restarted)
