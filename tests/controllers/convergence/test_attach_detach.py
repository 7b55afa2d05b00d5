"""Volumes are attached where pods use them: never to two nodes that may not share, never taken while mounted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import Step, World
from pybernetes.api import storage
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.controllers.attach_detach import MANAGED
from pybernetes.controllers.attach_plan import allows_several_nodes, name_of, unique_name

DRIVER, HELD = "csi.example.com", "external-attacher/csi-example-com"
VOLUMES = {"disk-0": "ReadWriteOnce", "disk-1": "ReadWriteOnce", "disk-2": "ReadWriteMany"}
LONG_KNOWN = 60.0
"""Seconds after which the controller must have heard that a node has a volume mounted."""
Attachment = storage_v1.VolumeAttachment
_in_use_since: WeakKeyDictionary[World, dict[tuple[str, str], float]] = WeakKeyDictionary()


async def begin(world: World) -> None:
    for _ in range(4):
        await hands.add_node(world)
    for name, mode in VOLUMES.items():
        size = {"storage": "1Gi"}
        spec = {"accessModes": [mode], "resources": {"requests": size}, "storageClassName": "", "volumeName": name}
        await world.create(core_v1.PersistentVolumeClaim, name, spec=spec)
        claim = world.get(core_v1.PersistentVolumeClaim, name)
        assert claim is not None
        reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": name, "uid": claim.metadata.uid}
        source = {"driver": DRIVER, "volumeHandle": name}
        volume = {"accessModes": [mode], "capacity": size, "claimRef": reference, "csi": source}
        await world.create(core_v1.PersistentVolume, name, "", spec=volume)


async def bind_claim(world: World) -> bool:
    """The binder is done with one; until then pods on several nodes may wait for it."""
    unbound = [one for one in world.all(core_v1.PersistentVolumeClaim) if not storage.is_fully_bound(one)]
    for claim in unbound[:1]:
        await world.patch(claim, {"metadata": {"annotations": {storage.BIND_COMPLETED: "yes"}}})
        await world.patch(claim, {"phase": "Bound"}, status=True)
    return bool(unbound)


async def bind_claim_once(world: World) -> None:
    await bind_claim(world)


async def let_manage(world: World) -> bool:
    """A kubelet leaves it to the controller to attach volumes."""
    left = [node for node in world.all(core_v1.Node) if MANAGED not in node.metadata.annotations]
    for node in left[:1]:
        await world.patch(node, {"metadata": {"annotations": {MANAGED: "true"}}})
    return bool(left)


async def let_manage_once(world: World) -> None:
    await let_manage(world)


async def create_pod(world: World) -> None:
    name = world.random.choice(sorted(VOLUMES))
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    await world.create(core_v1.Pod, f"pod-{world.random.randrange(8)}", spec=template("x", volumes=volumes)["spec"])


async def drive_attachments(world: World) -> bool:
    """What the driver's attacher does."""
    moved = False
    for one in world.all(Attachment):
        if one.metadata.deletion_timestamp is not None:
            await world.patch(one, {"metadata": {"finalizers": None}})
            moved = True
        elif not one.status.attached:
            await world.patch(one, {"metadata": {"finalizers": [HELD]}})
            await world.patch(one, {"attached": True}, status=True)
            moved = True
    return moved


async def mount(world: World) -> bool:
    """What kubelets do: they mount what is attached and used, and keep it mounted until no pod uses it."""
    moved = False
    for node in world.all(core_v1.Node):
        used = {unique_name(volume) for volume in _used(world, node.metadata.name)}
        attached = {one.name for one in node.status.volumes_attached}
        mounted = sorted(used & (attached | set(node.status.volumes_in_use)))
        if mounted != node.status.volumes_in_use:
            await world.patch(node, {"volumesInUse": mounted or None}, status=True)
            moved = True
    return moved


async def drive_once(world: World) -> None:
    await drive_attachments(world)


async def mount_once(world: World) -> None:
    await mount(world)


async def drive(world: World) -> bool:
    moved = await hands.finish_all(world)
    moved |= await drive_attachments(world)
    moved |= await let_manage(world)
    moved |= await bind_claim(world)
    return await mount(world) or moved


def _used(world: World, node: str) -> list[core_v1.PersistentVolume]:
    names = {
        name
        for pod in world.all(core_v1.Pod)
        if pod.spec.node_name == node and not hands.is_finished(pod)
        for name in storage.claims_of(pod)
    }
    return [volume for volume in world.all(core_v1.PersistentVolume) if volume.metadata.name in names]


def always(world: World, step: Step) -> None:
    if isinstance(step.new, core_v1.Node):
        _note_mounts(world, step.new)
    if not isinstance(step.new, Attachment):
        return
    if step.old is None:
        _only_where_it_may_be(world, step.new)
    elif step.old.metadata.deletion_timestamp is None and step.new.metadata.deletion_timestamp is not None:
        _not_while_mounted(world, step.new)


def _note_mounts(world: World, node: core_v1.Node) -> None:
    known = _in_use_since.setdefault(world, {})
    for volume in world.all(core_v1.PersistentVolume):
        place = node.metadata.name, volume.metadata.name
        if unique_name(volume) in node.status.volumes_in_use:
            known.setdefault(place, world.clock.monotonic())
        else:
            known.pop(place, None)


def _only_where_it_may_be(world: World, new: Attachment) -> None:
    name = new.spec.source.persistent_volume_name or ""
    volume = world.get(core_v1.PersistentVolume, name, "")
    nodes = [one.spec.node_name for one in world.all(Attachment) if one.spec.source.persistent_volume_name == name]
    if volume is not None and not allows_several_nodes(volume) and len(nodes) > 1:
        world.complain(f"{name} is attached to {sorted(nodes)}")


def _not_while_mounted(world: World, ending: Attachment) -> None:
    node, name = ending.spec.node_name, ending.spec.source.persistent_volume_name or ""
    since = _in_use_since.get(world, {}).get((node, name))
    present = world.get(core_v1.Node, node, "") is not None
    if present and since is not None and world.clock.monotonic() - since > LONG_KNOWN:
        world.complain(f"{name} is taken from {node}, which has it mounted")


def at_rest(world: World) -> Iterable[str]:
    present: dict[str, Any] = {one.metadata.name: one for one in world.all(Attachment)}
    wanted = {}
    for node in world.all(core_v1.Node):
        for volume in _used(world, node.metadata.name):
            wanted[name_of(volume, node.metadata.name)] = (volume, node)
    for name in present.keys() - wanted.keys():
        yield f"{name} is attached to {present[name].spec.node_name}, though nobody uses it"
    places: dict[str, int] = dict.fromkeys(VOLUMES, 0)
    for name, (volume, _) in wanted.items():
        places[volume.metadata.name] += name in present
    for name, (volume, node) in wanted.items():
        shared = allows_several_nodes(volume)
        if name not in present and (shared or not places[volume.metadata.name]):
            yield f"{volume.metadata.name} is not attached to {node.metadata.name}"
        said = unique_name(volume) in {one.name for one in node.status.volumes_attached}
        if said != (name in present):
            yield f"{node.metadata.name} says {volume.metadata.name} is{'' if said else ' not'} attached"
    for node in world.all(core_v1.Node):
        used = {unique_name(volume) for volume in _used(world, node.metadata.name)}
        if {one.name for one in node.status.volumes_attached} - used:
            yield f"{node.metadata.name} says {node.status.volumes_attached} are attached"


(
    test_volumes_are_attached,
    test_volumes_are_attached_nightly,
    test_volumes_are_attached_in_all_troubles,
) = properties(
    History(
        controllers=("persistentvolume-attach-detach-controller",),
        begin=begin,
        actions={
            let_manage_once: 2,
            bind_claim_once: 1,
            create_pod: 8,
            drive_once: 8,
            mount_once: 8,
            **hands.PODS_LIVES,
        },
        always=always,
        at_rest=at_rest,
        drive=drive,
    )
)
