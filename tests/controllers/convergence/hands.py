"""What scheduler and kubelets would do with pods, one small step at a time, at the pace a history wants."""

from __future__ import annotations

from typing import Any

from controllers.convergence.world import World
from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1

FOREGROUND = "foregroundDeletion"
LAUNCHED = "2030-01-01T00:00:00Z"


async def add_node(world: World) -> None:
    name = f"node-{world.random.randrange(4)}"
    await world.create(core_v1.Node, name, metadata={"labels": {"kubernetes.io/hostname": name}})
    node = world.get(core_v1.Node, name, "")
    if node is not None:
        await make_node_ready(world, node)


async def make_node_ready(world: World, node: core_v1.Node) -> None:
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": LAUNCHED}
    capacity = {"cpu": "8", "memory": "16Gi", "pods": "110"}
    await world.patch(node, {"capacity": capacity, "allocatable": capacity, "conditions": [condition]}, status=True)
    await world.patch(node, {"spec": {"taints": None}})


async def lose_node(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None and len(world.all(core_v1.Node)) > 1:
        await world.delete(node)


async def step(world: World) -> None:
    """One step of one pod."""
    pods = world.all(core_v1.Pod)
    if pods:
        await step_of(world, world.random.choice(pods))


async def steps(world: World) -> None:
    for _ in range(4):
        await step(world)


async def step_of(world: World, pod: core_v1.Pod) -> bool:
    """Towards what becomes of it if nothing goes wrong. Whether there was anything to do."""
    if pod.metadata.deletion_timestamp is not None:
        if is_finished(pod) or pod.metadata.finalizers:
            if not is_finished(pod):
                await say(world, pod, "Failed", ready=False)
                return True
            if pod.metadata.deletion_grace_period_seconds == 0:
                return False
        await world.delete(pod, grace=0)
        return True
    if is_finished(pod):
        return False
    if not pod.spec.node_name:
        return await bind(world, pod)
    if pod.status.phase != "Running" or not meta.is_true(pod.status, "Ready"):
        await say(world, pod, "Running", ready=True)
        return True
    if pod.spec.restart_policy != "Always":
        await say(world, pod, "Succeeded", ready=False)
        return True
    return False


async def finish_all(world: World) -> bool:
    """A step of every pod, and what the garbage collector would do."""
    moved = await collect(world)
    for pod in world.all(core_v1.Pod):
        moved |= await step_of(world, pod)
    return moved


async def with_pods_of_lost_nodes(world: World) -> bool:
    """The same, and what the pod garbage collector would do."""
    nodes = {node.metadata.name for node in world.all(core_v1.Node)}
    lost = [pod for pod in world.all(core_v1.Pod) if pod.spec.node_name and pod.spec.node_name not in nodes]
    for pod in lost:
        await world.delete(pod, grace=0)
    return await finish_all(world) or bool(lost)


async def collect(world: World) -> bool:
    """Deletes what is left of owners that are gone. Histories with the garbage collector itself leave it to that."""
    if "garbage-collector-controller" in world.controllers:
        return False
    present = [one for stored in world.kinds.values() for one in stored.values()]
    ending = [one for one in present if FOREGROUND in one.metadata.finalizers]
    uids = {one.metadata.uid for one in present} - {one.metadata.uid for one in ending}
    lost = [one for one in present if one.metadata.deletion_timestamp is None and _has_lost_its_owner(one, uids)]
    for one in lost:
        await world.delete(one)
    for one in ending:
        if not any(owner.uid == one.metadata.uid for each in present for owner in each.metadata.owner_references):
            rest = [name for name in one.metadata.finalizers if name != FOREGROUND]
            await world.patch(one, {"metadata": {"finalizers": rest}})
    return bool(lost or ending)


def _has_lost_its_owner(value: Any, uids: set[str]) -> bool:
    owners = value.metadata.owner_references
    return bool(owners) and not any(owner.uid in uids for owner in owners)


async def bind(world: World, pod: core_v1.Pod) -> bool:
    wanted = wanted_node(pod)
    nodes = [node.metadata.name for node in world.all(core_v1.Node) if wanted in (None, node.metadata.name)]
    if not nodes or pod.spec.scheduling_gates:
        return False
    target = core_v1.ObjectReference(kind="Node", name=world.random.choice(nodes))
    binding = core_v1.Binding(metadata=pod.metadata, target=target)
    try:
        await world.client.post(
            core_v1.Pod, pod.metadata.name, pod.metadata.namespace, subresource="binding", body=binding
        )
    except ApiError as error:
        if error.code not in (404, 409):
            raise
    return True


def wanted_node(pod: core_v1.Pod) -> str | None:
    affinity = pod.spec.affinity
    required = (
        affinity
        and affinity.node_affinity
        and affinity.node_affinity.required_during_scheduling_ignored_during_execution
    )
    for term in required.node_selector_terms if required else ():
        for field in term.match_fields:
            return field.values[0]
    return None


async def say(world: World, pod: core_v1.Pod, phase: str, *, ready: bool) -> None:
    """A status as a kubelet writes it."""
    now = meta.format_time(world.clock.now())
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now}
    number = sum(map(ord, pod.metadata.name)) % 250 + 1
    address = f"10.244.{len(pod.metadata.name) % 250}.{number}"
    status: dict[str, Any] = {"phase": phase, "conditions": [condition], "podIP": address, "startTime": LAUNCHED}
    status["podIPs"] = [{"ip": address}]
    if phase in ("Succeeded", "Failed"):
        end = {"exitCode": int(phase == "Failed"), "finishedAt": now, "startedAt": LAUNCHED}
        status["containerStatuses"] = [
            {"name": one.name, "image": one.image, "imageID": "", "ready": False, "restartCount": 0}
            | {"state": {"terminated": end}}
            for one in pod.spec.containers
        ]
    await world.patch(pod, status, status=True)


def is_finished(pod: core_v1.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: core_v1.Pod) -> bool:
    return not is_finished(pod) and pod.metadata.deletion_timestamp is None


async def fail_pod(world: World) -> None:
    pod = world.pick(core_v1.Pod)
    if pod is not None and pod.spec.node_name and not is_finished(pod):
        await say(world, pod, "Failed", ready=False)


async def upset_pod(world: World) -> None:
    """It is not ready any more, for a while."""
    pod = world.pick(core_v1.Pod)
    if pod is not None and pod.status.phase == "Running":
        await say(world, pod, "Running", ready=False)


async def delete_pod(world: World) -> None:
    pod = world.pick(core_v1.Pod)
    if pod is not None:
        await world.delete(pod, grace=world.random.choice((None, 0)))


async def strip_labels(world: World) -> None:
    """Its owner has to let it go."""
    pod = world.pick(core_v1.Pod)
    if pod is not None and pod.metadata.labels:
        world.slack += 1
        await world.patch(pod, {"metadata": {"labels": {"app": "nobody"}}})


async def orphan_pod(world: World) -> None:
    """Its owner has to take it up again."""
    pod = world.pick(core_v1.Pod)
    if pod is not None and pod.metadata.owner_references:
        world.slack += 1
        await world.patch(pod, {"metadata": {"ownerReferences": None}})


async def collect_now(world: World) -> None:
    await collect(world)


PODS_LIVES = {steps: 12, collect_now: 2, fail_pod: 1, upset_pod: 2, delete_pod: 2}
"""Actions and how often they are chosen, for histories in which there are pods."""
