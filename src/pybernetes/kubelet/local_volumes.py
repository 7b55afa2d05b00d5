"""Directories of nodes as persistent volumes: the provisioner `pybernetes.io/node-local`.

Whoever has the directories acts: it runs beside the kubelet, makes the directory of a claim whose pod was given this
node, offers it as a `local` volume that only this node reaches, and takes directory and volume away when the claim has
gone. Controllers could do neither on another machine, and a kubelet's own identity may only read what its pods use.

Guarantees
  The directory is there before the volume, and goes before it.
  Nothing is removed but directories made here, and host paths below /tmp whose reclaim policy says so.
Capacity is what the claim asked for; nothing holds pods to it.
Not built: access from several nodes, raw block volumes, copies of other volumes; the claim's event says so.
Follows the external provisioners of CSI drivers that run on each node (kubernetes-csi/external-provisioner).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Protocol

import msgspec
import structlog

from pybernetes.api import meta, storage
from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1, storage_v1
from pybernetes.client import Client, Informers, Unreachable, WorkQueue, key_of
from pybernetes.client.events import NORMAL, WARNING, EventBroadcaster

log = structlog.get_logger(__name__)

CLASS_NAME = "local"
NODE = "pybernetes.io/node"
"""On a volume: the node that has its directory."""
FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
HOSTNAME = "kubernetes.io/hostname"


def node_local_class() -> storage_v1.StorageClass:
    """The default class of a new cluster."""
    return storage_v1.StorageClass(
        metadata=meta_v1.ObjectMeta(name=CLASS_NAME, annotations={storage.DEFAULT_CLASS: "true"}),
        provisioner=storage.NODE_LOCAL,
        reclaim_policy="Delete",
        volume_binding_mode=storage.WAIT_FOR_FIRST_CONSUMER,
        allow_volume_expansion=True,
    )


class Directories(Protocol):
    def make(self, path: Path) -> None: ...

    def remove(self, path: Path) -> None:
        """Missing ones are gone already."""


class RealDirectories:
    def make(self, path: Path) -> None:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        path.mkdir(exist_ok=True)
        # Containers of any user write here.
        path.chmod(0o777)

    def remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class PretendedDirectories:
    """Of nodes where nothing really runs."""

    def make(self, path: Path) -> None:
        pass

    def remove(self, path: Path) -> None:
        pass


def why_not_provisioned(claim: core_v1.PersistentVolumeClaim, known: storage_v1.StorageClass) -> str:
    """Empty when a directory will do."""
    several = [mode for mode in claim.spec.access_modes if mode in ("ReadWriteMany", "ReadOnlyMany")]
    if several:
        return f"node-local volumes are reached from one node only: access mode {several[0]} is not supported"
    if claim.spec.volume_mode == "Block":
        return "raw block volumes are not built"
    if claim.spec.data_source is not None or claim.spec.data_source_ref is not None:
        return "volumes made from other volumes or snapshots are not built"
    if known.mount_options:
        options = " ".join(known.mount_options)
        return (
            "Mount options are not supported by the provisioner but StorageClass "
            f'"{known.metadata.name}" has mount options [{options}]'
        )
    return ""


def volume_for(
    claim: core_v1.PersistentVolumeClaim, known: storage_v1.StorageClass, node: core_v1.Node, path: Path
) -> core_v1.PersistentVolume:
    policy = known.reclaim_policy or "Delete"
    hostname = node.metadata.labels.get(HOSTNAME, node.metadata.name)
    here = core_v1.NodeSelectorRequirement(key=HOSTNAME, operator="In", values=[hostname])
    selector = core_v1.NodeSelector(node_selector_terms=[core_v1.NodeSelectorTerm(match_expressions=[here])])
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(
            name=name_for(claim),
            annotations={storage.PROVISIONED_BY: storage.NODE_LOCAL, NODE: node.metadata.name},
            finalizers=[FINALIZER] if policy == "Delete" else [],
        ),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": claim.spec.resources.requests.get("storage", "0")},
            access_modes=list(claim.spec.access_modes),
            claim_ref=meta.object_reference(claim),
            persistent_volume_reclaim_policy=policy,
            storage_class_name=known.metadata.name,
            volume_mode="Filesystem",
            local=core_v1.LocalVolumeSource(path=str(path)),
            node_affinity=core_v1.VolumeNodeAffinity(required=selector),
        ),
    )


def name_for(claim: core_v1.PersistentVolumeClaim) -> str:
    return f"pvc-{claim.metadata.uid}"


def is_temporary(path: str) -> bool:
    """Whether a host path may be removed with its volume."""
    return path.startswith("/tmp/") and ".." not in Path(path).parts and len(Path(path).parts) > 2


class LocalVolumes:
    """`await run()` until cancelled. `is_ours` says of which nodes the directories are here."""

    def __init__(
        self,
        client: Client,
        root: Path,
        directories: Directories,
        is_ours: Callable[[str], bool],
        clock: Clock,
        random: Random,
        informers: Informers | None = None,
    ) -> None:
        self._client = client
        self._root = root
        self._directories = directories
        self._is_ours = is_ours
        self._random = random
        self._own_informers = Informers(client, random) if informers is None else None
        shared = informers or self._own_informers
        assert shared is not None
        self._claims = shared.get(core_v1.PersistentVolumeClaim)
        self._volumes = shared.get(core_v1.PersistentVolume)
        self._classes = shared.get(storage_v1.StorageClass)
        self._events = EventBroadcaster(client, clock, random)
        self._recorder = self._events.recorder(storage.NODE_LOCAL)
        self._queue: WorkQueue[Key] = WorkQueue()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._own_informers is not None:
                tasks.create_task(self._own_informers.run(), name="local volumes' informers")
            tasks.create_task(self._events.run(), name="local volumes' events")
            for informer in (self._claims, self._volumes, self._classes):
                await informer.synced()
            self._claims.on_change(self._changed)
            self._volumes.on_change(self._changed)
            await self._work()

    def _changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await (self._claim(key) if key.namespace else self._volume(key))
            except (ApiError, Unreachable, OSError) as error:
                log.warning("a local volume has to wait", key=str(key), error=str(error))
                self._queue.add_rate_limited(key)
            except Exception:
                # One bad object must not end the node.
                log.exception("defect in local volumes", key=str(key))
                self._queue.add_rate_limited(key)
            else:
                self._queue.forget(key)
            finally:
                self._queue.done(key)

    # ---- claims

    async def _claim(self, key: Key) -> None:
        claim = self._claims.get(key)
        if claim is None or claim.spec.volume_name or claim.metadata.deletion_timestamp is not None:
            return
        if claim.metadata.annotations.get(storage.STORAGE_PROVISIONER) != storage.NODE_LOCAL:
            return
        known = self._classes.get(Key("", storage.class_of_claim(claim)))
        if known is None:
            return
        node = claim.metadata.annotations.get(storage.SELECTED_NODE)
        if node is None and not storage.waits_for_consumer(known):
            await self._select_node(claim)
        elif node is not None and self._is_ours(node):
            await self._provision(claim, known, node)

    async def _select_node(self, claim: core_v1.PersistentVolumeClaim) -> None:
        """Nobody will: of several who try, the one whose write comes first has it."""
        nodes = (await self._client.list(core_v1.Node)).items
        ready = [one.metadata.name for one in nodes if meta.is_true(one.status, "Ready")]
        ours = sorted(name for name in ready if self._is_ours(name))
        if ours:
            metadata = storage.with_annotation(claim.metadata, storage.SELECTED_NODE, self._random.choice(ours))
            await self._client.update(msgspec.structs.replace(claim, metadata=metadata))

    async def _provision(
        self, claim: core_v1.PersistentVolumeClaim, known: storage_v1.StorageClass, node_name: str
    ) -> None:
        name = name_for(claim)
        if self._volumes.get(Key("", name)) is not None:
            return
        why = why_not_provisioned(claim, known)
        if why:
            message = f'failed to provision volume with StorageClass "{known.metadata.name}": {why}'
            self._recorder.event(claim, WARNING, "ProvisioningFailed", message)
            return
        node = await self._node(node_name)
        if node is None:
            await self._choose_again(claim, node_name)
            return
        about = f'External provisioner is provisioning volume for claim "{key_of(claim)}"'
        self._recorder.event(claim, NORMAL, "Provisioning", about)
        path = self._root / name
        await asyncio.to_thread(self._directories.make, path)
        try:
            await self._client.create(volume_for(claim, known, node, path))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        self._recorder.event(claim, NORMAL, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")

    async def _node(self, name: str) -> core_v1.Node | None:
        try:
            return await self._client.get(core_v1.Node, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _choose_again(self, claim: core_v1.PersistentVolumeClaim, gone: str) -> None:
        """The scheduler picks another node for its pod when the claim no longer names one."""
        message = f'failed to get target node: node "{gone}" not found'
        self._recorder.event(claim, WARNING, "ProvisioningFailed", message)
        annotations = {key: one for key, one in claim.metadata.annotations.items() if key != storage.SELECTED_NODE}
        metadata = msgspec.structs.replace(claim.metadata, annotations=annotations)
        await self._client.update(msgspec.structs.replace(claim, metadata=metadata))

    # ---- volumes

    async def _volume(self, key: Key) -> None:
        volume = self._volumes.get(key)
        if volume is None:
            return
        path = self._path_of(volume)
        if path is None:
            return
        if volume.spec.persistent_volume_reclaim_policy != "Delete":
            await self._let_go(volume)
        elif volume.status.phase in ("Released", "Failed"):
            await self._delete(volume, path)

    def _path_of(self, volume: core_v1.PersistentVolume) -> Path | None:
        """None: it is not ours to remove."""
        provisioner = volume.metadata.annotations.get(storage.PROVISIONED_BY)
        if provisioner == storage.NODE_LOCAL and volume.spec.local is not None:
            path = Path(volume.spec.local.path)
            is_here = self._is_ours(volume.metadata.annotations.get(NODE, "")) and path.parent == self._root
            return path if is_here else None
        if provisioner is None and volume.spec.host_path is not None and is_temporary(volume.spec.host_path.path):
            return Path(volume.spec.host_path.path)
        return None

    async def _delete(self, volume: core_v1.PersistentVolume, path: Path) -> None:
        try:
            await asyncio.to_thread(self._directories.remove, path)
        except OSError as error:
            self._recorder.event(volume, WARNING, "VolumeFailedDelete", str(error))
            raise
        metadata = volume.metadata
        if metadata.deletion_timestamp is None:
            try:
                await self._client.delete(core_v1.PersistentVolume, metadata.name, uid=metadata.uid)
            except ApiError as error:
                if error.code != 404:
                    raise
            # Its finalizer comes off when the informer shows that it is to go.
        else:
            await self._let_go(volume)

    async def _let_go(self, volume: core_v1.PersistentVolume) -> None:
        left = [one for one in volume.metadata.finalizers if one != FINALIZER]
        if len(left) != len(volume.metadata.finalizers):
            metadata = msgspec.structs.replace(volume.metadata, finalizers=left)
            await self._client.update(msgspec.structs.replace(volume, metadata=metadata))
