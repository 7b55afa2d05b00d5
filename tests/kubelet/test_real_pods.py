"""What pods may ask of real containers: users, volumes, hooks, limits, namespaces, endings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kubelet.real import Machine, gone, machine, output, phase, until
from kubelet.worlds import container, pod
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.models.core_v1 import (
    Container,
    EmptyDirVolumeSource,
    ExecAction,
    Lifecycle,
    LifecycleHandler,
    Pod,
    PodSecurityContext,
    Secret,
    SecurityContext,
    Volume,
    VolumeMount,
)
from pybernetes.client import PatchType

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Machine]:
    async with machine() as found:
        yield found


def sleeps(**more: object) -> Container:
    return container("main", "sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait", **more)


async def running(node: Machine, name: str, *containers: Container, **spec: object) -> Pod:
    await node.client.create(pod(name, *containers, termination_grace_period_seconds=5, **spec))
    return await phase(node, name, "Running")


async def says(node: Machine, found: Pod, script: str) -> str:
    return (await output(node, found, "main", "sh", "-c", script)).strip()


async def test_volumes_in_memory_belong_to_the_group(node: Machine) -> None:
    mounts = [VolumeMount(name="memory", mount_path="/memory"), VolumeMount(name="cred", mount_path="/cred")]
    secret = Secret(metadata=meta_v1.ObjectMeta(name="cred", namespace="default"), data={"key": b"hush"})
    await node.client.create(secret)
    found = await running(
        node,
        "memory",
        sleeps(volume_mounts=mounts),
        security_context=PodSecurityContext(run_as_user=1001, fs_group=123),
        volumes=[
            Volume(name="memory", empty_dir=EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")),
            Volume(name="cred", secret=core_v1.SecretVolumeSource(secret_name="cred", default_mode=0o400)),
        ],
    )
    assert await says(node, found, "id -u; id -G") == "1001\n0 123"
    assert "tmpfs" in await says(node, found, "grep ' /memory ' /proc/mounts")
    assert await says(node, found, "stat -c '%a %g' /memory") == "3777 123"
    assert await says(node, found, "head -c 2000000 /dev/zero > /memory/big 2>&-; wc -c < /memory/big") == "1048576"
    assert await says(node, found, "stat -Lc '%a %g' /cred/key; cat /cred/key") == "440 123\nhush"
    assert "Read-only" in await says(node, found, "touch /cred/other")


async def test_a_subpath_shows_a_part_of_the_volume(node: Machine) -> None:
    mounts = [
        VolumeMount(name="data", mount_path="/all"),
        VolumeMount(name="data", mount_path="/part", sub_path_expr="logs/$(NAME)"),
    ]
    main = sleeps(volume_mounts=mounts, env=[core_v1.EnvVar(name="NAME", value="mine")])
    found = await running(node, "part", main, volumes=[Volume(name="data", empty_dir=EmptyDirVolumeSource())])
    assert await says(node, found, "echo x > /part/file; cat /all/logs/mine/file") == "x"
    await node.client.delete(Pod, "part", "default")
    await gone(node, "part")


async def test_limits_reach_the_control_groups(node: Machine) -> None:
    main = sleeps()
    main.resources.limits = {"cpu": "500m", "memory": "32Mi"}
    found = await running(node, "limited", main)
    assert found.status.qos_class == "Guaranteed"
    v1 = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    v2 = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max"
    text = await says(node, found, f"({v2} || {v1}) 2>/dev/null")
    assert text.split()[:2] == ["33554432", "50000"]


async def test_processes_are_confined_as_asked(node: Machine) -> None:
    context = SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=core_v1.Capabilities(drop=["ALL"]),
    )
    found = await running(node, "confined", sleeps(security_context=context))
    status = await says(node, found, "grep -E 'NoNewPrivs|CapEff' /proc/self/status")
    assert status.split() == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    assert "Read-only" in await says(node, found, "touch /file")


async def test_sysctls_and_names_are_the_pods_own(node: Machine) -> None:
    sysctls = [core_v1.Sysctl(name="kernel.shm_rmid_forced", value="1")]
    found = await running(
        node,
        "named",
        sleeps(),
        security_context=PodSecurityContext(sysctls=sysctls),
        hostname="web-0",
        subdomain="web",
        share_process_namespace=True,
    )
    assert await says(node, found, "cat /proc/sys/kernel/shm_rmid_forced; hostname") == "1\nweb-0"
    assert "web-0.web.default.svc.cluster.local\tweb-0" in await says(node, found, "cat /etc/hosts")
    assert "pause" in await says(node, found, "cat /proc/1/comm")


async def test_hooks_run_after_the_start_and_before_the_stop(node: Machine) -> None:
    def script(text: str) -> LifecycleHandler:
        return LifecycleHandler(exec=ExecAction(command=["sh", "-c", text]))

    lifecycle = Lifecycle(post_start=script("echo up > /shared/up"), pre_stop=script("echo down > /shared/down"))
    mount = VolumeMount(name="shared", mount_path="/shared")
    path = node.node.root / "hooks"
    path.mkdir()
    volume = Volume(name="shared", host_path=core_v1.HostPathVolumeSource(path=str(path), type="Directory"))
    await running(node, "hooked", sleeps(lifecycle=lifecycle, volume_mounts=[mount]), volumes=[volume])
    assert (path / "up").read_text() == "up\n"
    await node.client.delete(Pod, "hooked", "default")
    await gone(node, "hooked")
    assert (path / "down").read_text() == "down\n"


async def test_a_failing_hook_kills_its_container(node: Machine) -> None:
    lifecycle = Lifecycle(post_start=LifecycleHandler(exec=ExecAction(command=["false"])))
    await node.client.create(pod("unhooked", sleeps(lifecycle=lifecycle), termination_grace_period_seconds=1))

    async def told() -> bool:
        events = (await node.client.list(core_v1.Event, "default")).items
        return any(e.reason == "FailedPostStartHook" and e.involved_object.name == "unhooked" for e in events)

    await until(told)


async def test_init_containers_and_sidecars_come_first(node: Machine) -> None:
    mount = VolumeMount(name="data", mount_path="/data")
    first = container("first", "sh", "-c", "echo one > /data/log", volume_mounts=[mount])
    side = container("side", "sh", "-c", "echo side >> /data/log; sleep 1000", volume_mounts=[mount])
    side.restart_policy = "Always"
    has_begun = ExecAction(command=["grep", "side", "/data/log"])
    side.startup_probe = core_v1.Probe(exec=has_begun, period_seconds=1, timeout_seconds=60, failure_threshold=1000)
    main = container("main", "sh", "-c", "echo main >> /data/log; sleep 1000", volume_mounts=[mount])
    found = await running(
        node,
        "ordered",
        main,
        init_containers=[first, side],
        volumes=[Volume(name="data", empty_dir=EmptyDirVolumeSource())],
    )
    await until(lambda: _has(node, found, "main"))
    assert (await says(node, found, "cat /data/log")).split() == ["one", "side", "main"]
    assert found.status.init_container_statuses[1].started


async def _has(node: Machine, found: Pod, word: str) -> bool:
    return word in await says(node, found, "cat /data/log")


async def test_the_end_of_the_log_explains_a_failure(node: Machine) -> None:
    main = container("main", "sh", "-c", "echo it broke; exit 1", termination_message_policy="FallbackToLogsOnError")
    main.termination_message_path = "/dev/termination-log"
    await node.client.create(pod("explains", main, restart_policy="Never"))
    found = await phase(node, "explains", "Failed")
    state = found.status.container_statuses[0].state.terminated
    assert state is not None
    assert state.message == "it broke\n"
    log = node.node.paths.logs("default", "explains", found.metadata.uid) / "main" / "0.log"
    assert "stdout F it broke" in log.read_text()
    assert [link for link in (node.node.root.parent / "container-logs").iterdir() if link.name.startswith("explains_")]


async def test_a_command_that_does_not_exist_is_said_so(node: Machine) -> None:
    await node.client.create(pod("wrong", container("main", "/no/such/command"), restart_policy="Never"))
    found = await phase(node, "wrong", "Failed")
    state = found.status.container_statuses[0].state.terminated
    assert state is not None
    assert (state.reason, state.exit_code) == ("StartError", 128)
    assert "no such file or directory" in state.message


async def test_a_missing_config_map_is_waited_for(node: Machine) -> None:
    ref = core_v1.ConfigMapKeySelector(name="later", key="key")
    variable = core_v1.EnvVar(name="X", value_from=core_v1.EnvVarSource(config_map_key_ref=ref))
    await node.client.create(pod("waits", sleeps(env=[variable]), termination_grace_period_seconds=1))

    async def waits() -> bool:
        statuses = (await node.client.get(Pod, "waits", "default")).status.container_statuses
        waiting = statuses[0].state.waiting if statuses else None
        return waiting is not None and waiting.reason == "CreateContainerConfigError"

    await until(waits)
    config = core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="later", namespace="default"), data={"key": "now"})
    await node.client.create(config)
    found = await phase(node, "waits", "Running")
    assert await says(node, found, "echo $X") == "now"


async def test_a_pod_on_the_nodes_network_has_the_nodes_address(node: Machine) -> None:
    found = await running(node, "on-host", sleeps(), host_network=True)
    assert found.status.pod_ip == "127.0.0.1"
    assert (await says(node, found, "cat /etc/hosts")).startswith("# Kubernetes-managed hosts file (host network).")


async def test_an_ephemeral_container_joins_a_running_pod(node: Machine) -> None:
    found = await running(node, "debugged", sleeps())
    debug = {"name": "debug", "image": "busybox", "imagePullPolicy": "IfNotPresent", "targetContainerName": "main"}
    debug["command"] = ["sh", "-c", "ps; sleep 1000"]  # type: ignore[assignment]
    patch = {"spec": {"ephemeralContainers": [debug]}}
    await node.client.patch(Pod, "debugged", "default", patch, subresource="ephemeralcontainers")

    async def joined() -> bool:
        statuses = (await node.client.get(Pod, "debugged", "default")).status.ephemeral_container_statuses
        return bool(statuses) and statuses[0].state.running is not None

    await until(joined)
    log = node.node.paths.logs("default", "debugged", found.metadata.uid) / "debug" / "0.log"

    async def sees() -> bool:
        return "sleep 1000" in log.read_text()

    await until(sees)


async def test_a_pod_deleted_by_force_leaves_nothing(node: Machine) -> None:
    stubborn = container("main", "sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    await node.client.create(pod("stubborn", stubborn))
    found = await phase(node, "stubborn", "Running")
    await node.client.delete(Pod, "stubborn", "default", grace_period=0)

    async def nothing_left() -> bool:
        uid = found.metadata.uid
        return not await node.runtime.list_sandboxes(pod_uid=uid) and not node.node.paths.pod(uid).exists()

    await until(nothing_left)


async def test_a_running_pod_is_resized_in_place(node: Machine) -> None:
    main = sleeps()
    main.resources.requests = {"cpu": "100m", "memory": "20Mi"}
    main.resources.limits = {"cpu": "200m", "memory": "32Mi"}
    before = await running(node, "grows", main)
    wanted = {"requests": {"cpu": "150m", "memory": "20Mi"}, "limits": {"cpu": "400m", "memory": "64Mi"}}
    patch = {"spec": {"containers": [{"name": "main", "resources": wanted}]}}
    await node.client.patch(Pod, "grows", "default", patch, PatchType.STRATEGIC, subresource="resize")

    async def resized() -> Pod | None:
        found = await node.client.get(Pod, "grows", "default")
        has = found.status.container_statuses[0].resources
        return found if has is not None and has.limits == wanted["limits"] else None

    after = await until(resized)
    assert after.status.container_statuses[0].container_id == before.status.container_statuses[0].container_id
    v1 = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    v2 = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max"

    async def kernel_has() -> bool:
        return (await says(node, after, f"({v2} || {v1}) 2>/dev/null")).split()[:2] == [str(64 << 20), "40000"]

    await until(kernel_has)
