"""What must be attached to a node, and what not: pure decisions of `attach_detach.py`.

Follows pkg/controller/volume/attachdetach/reconciler and pkg/volume/csi/csi_attacher.go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pybernetes.api import meta
from pybernetes.api.fields import quoted
from pybernetes.api.models import core_v1, meta_v1, storage_v1

CSI = "kubernetes.io/csi"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
FORCE_DETACH_SECONDS = 360.0
OF_THIS_CONTROLLER = re.compile("csi-[0-9a-f]{64}")
"""Attachments with other names are somebody else's, and are let be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A CSI volume that pods on a node use."""

    volume: core_v1.PersistentVolume
    pods: tuple[core_v1.Pod, ...]


@dataclass(frozen=True, slots=True)
class AttachPlan:
    attach: tuple[Wanted, ...]
    blocked: tuple[Wanted, ...]
    """What may be on one node only and is on another."""
    detach: tuple[storage_v1.VolumeAttachment, ...]
    mounted: tuple[storage_v1.VolumeAttachment, ...]
    """Not wanted any more, but the node still has them mounted."""
    reported: tuple[str, ...]
    """What the node's status says is attached, by unique name."""


def attachment_name(handle: str, driver: str, node: str) -> str:
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def name_of(volume: core_v1.PersistentVolume, node: str) -> str:
    source = volume.spec.csi
    assert source is not None
    return attachment_name(source.volume_handle, source.driver, node)


def unique_name(volume: core_v1.PersistentVolume) -> str:
    source = volume.spec.csi
    assert source is not None
    return f"{CSI}/{source.driver}^{source.volume_handle}"


def attachment_for(volume: core_v1.PersistentVolume, node: str) -> storage_v1.VolumeAttachment:
    assert volume.spec.csi is not None
    source = storage_v1.VolumeAttachmentSource(persistent_volume_name=volume.metadata.name)
    spec = storage_v1.VolumeAttachmentSpec(attacher=volume.spec.csi.driver, node_name=node, source=source)
    return storage_v1.VolumeAttachment(metadata=meta_v1.ObjectMeta(name=name_of(volume, node)), spec=spec)


def allows_several_nodes(volume: core_v1.PersistentVolume) -> bool:
    modes = volume.spec.access_modes
    return not modes or "ReadWriteMany" in modes or "ReadOnlyMany" in modes


def is_forced(node: core_v1.Node | None, waited: float) -> bool:
    """Whether a volume is taken from a node that still says it has it mounted."""
    if node is None or any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints):
        return True
    return waited >= FORCE_DETACH_SECONDS and not meta.is_true(node.status, "Ready")


def plan(
    node_name: str,
    wanted: Sequence[Wanted],
    attachments: Sequence[storage_v1.VolumeAttachment],
    elsewhere: Mapping[str, Collection[str]],
    volumes: Mapping[str, core_v1.PersistentVolume],
    in_use: Collection[str],
    forced: Collection[str],
) -> AttachPlan:
    """`attachments` are the node's; `elsewhere` names the other nodes that a volume is attached to, by its name;
    `in_use` are unique names that the node has mounted, `forced` names of attachments that go all the same.
    """
    present = {one.metadata.name: one for one in attachments}
    names = {name_of(one.volume, node_name): one for one in wanted}
    attach, blocked = [], []
    for name, one in names.items():
        others = elsewhere.get(one.volume.metadata.name, ())
        if name in present:
            continue
        if others and not allows_several_nodes(one.volume):
            blocked.append(one)
        else:
            attach.append(one)
    detach: list[storage_v1.VolumeAttachment] = []
    mounted: list[storage_v1.VolumeAttachment] = []
    for name, attachment in present.items():
        if name in names or attachment.metadata.deletion_timestamp is not None:
            continue
        volume = volumes.get(attachment.spec.source.persistent_volume_name or "")
        if not _is_own(name, volume, node_name):
            continue
        held = volume is not None and volume.spec.csi is not None and unique_name(volume) in in_use
        (mounted if held and name not in forced else detach).append(attachment)
    kept = {one.metadata.name for one in mounted} | set(names)
    reported = _reported((one for one in attachments if one.metadata.name in kept), volumes)
    return AttachPlan(tuple(attach), tuple(blocked), tuple(detach), tuple(mounted), reported)


def _is_own(name: str, volume: core_v1.PersistentVolume | None, node: str) -> bool:
    if volume is None or volume.spec.csi is None:
        return OF_THIS_CONTROLLER.fullmatch(name) is not None
    return name_of(volume, node) == name


def _reported(
    attachments: Iterable[storage_v1.VolumeAttachment], volumes: Mapping[str, core_v1.PersistentVolume]
) -> tuple[str, ...]:
    found = set()
    for one in attachments:
        volume = volumes.get(one.spec.source.persistent_volume_name or "")
        attached = one.status.attached and one.metadata.deletion_timestamp is None
        if attached and volume is not None and volume.spec.csi is not None:
            found.add(unique_name(volume))
    return tuple(sorted(found))


def multi_attach(volume: core_v1.PersistentVolume, users: Sequence[str]) -> str:
    """`users` are the pods, all of the claim's namespace, that have the volume on another node."""
    why = "Volume is already exclusively attached to one node and can't be attached to another"
    if users:
        why = f"Volume is already used by pod(s) {', '.join(users)}"
    return f"Multi-Attach error for volume {quoted(volume.metadata.name)} {why}"
