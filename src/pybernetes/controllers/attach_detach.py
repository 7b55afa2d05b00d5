"""CSI volumes are attached to the nodes whose pods use them, by VolumeAttachments that their drivers fulfil.

Guarantees
  A volume that only one node may have is never attached to a second one.
  Nothing is detached that a node says it has mounted, unless it is out of service or has been silent for 6 minutes.
  A node's status no longer says that a volume is attached before it is detached.
Other kinds of volumes are not attached: hostPath and local ones need nothing, those that were built into Kubernetes
once (awsElasticBlockStore and the like) are not built, and the kubelet says so to their pods.
Keys are nodes. Follows pkg/controller/volume/attachdetach; `attach_plan` decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from pybernetes.api import storage
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.client import key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.attach_plan import (
    FORCE_DETACH_SECONDS,
    AttachPlan,
    Wanted,
    allows_several_nodes,
    attachment_for,
    is_forced,
    multi_attach,
    name_of,
    plan,
    unique_name,
)
from pybernetes.controllers.claim_users import USERS, claims_of_pod, is_over
from pybernetes.controllers.controller import DONE, Context, Controller, Maps, Requeue, Result, Retry

ATTACHING = "attaching-pods-of-node"
OF_NODE = "attachments-of-node"
OF_VOLUME = "attachments-of-volume"
MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"


def node_of_pod(_: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    if pod.spec.node_name and any(True for _ in storage.claims_of(pod)):
        yield Key("", pod.spec.node_name)


def node_of_attachment(controller: Controller, attachment: storage_v1.VolumeAttachment) -> Iterable[Key]:
    """Its node, and those that wait for the same volume to come free."""
    yield Key("", attachment.spec.node_name)
    volume = controller.informer(core_v1.PersistentVolume).get(
        Key("", attachment.spec.source.persistent_volume_name or "")
    )
    if volume is not None and volume.spec.claim_ref is not None:
        yield from _nodes_using(controller, Key(volume.spec.claim_ref.namespace, volume.spec.claim_ref.name))


def nodes_of_claim(controller: Controller, claim: core_v1.PersistentVolumeClaim) -> Iterable[Key]:
    return _nodes_using(controller, key_of(claim))


def _nodes_using(controller: Controller, claim: Key) -> Iterable[Key]:
    for pod in controller.informer(core_v1.Pod).by_index(USERS, str(claim)):
        yield from node_of_pod(controller, pod)


def with_volumes(controller: Controller, node: core_v1.Node) -> Iterable[Key]:
    pods = controller.informer(core_v1.Pod)
    if node.status.volumes_attached or node.status.volumes_in_use or pods.by_index(ATTACHING, node.metadata.name):
        yield key_of(node)


def nodes_of_volume(controller: Controller, volume: core_v1.PersistentVolume) -> Iterable[Key]:
    """The informer may show a volume after the claim that is bound to it."""
    reference = volume.spec.claim_ref
    return _nodes_using(controller, Key(reference.namespace, reference.name)) if reference is not None else ()


def nodes_of_driver(controller: Controller, driver: storage_v1.CSIDriver) -> Iterable[Key]:
    for volume in controller.informer(core_v1.PersistentVolume).list():
        if volume.spec.csi is not None and volume.spec.csi.driver == driver.metadata.name:
            yield from nodes_of_volume(controller, volume)


def _attaching(pod: core_v1.Pod) -> Iterable[str]:
    return () if is_over(pod) or not any(True for _ in storage.claims_of(pod)) else (pod.spec.node_name,)


class AttachDetachController(Controller):
    name = "persistentvolume-attach-detach-controller"
    watches = (
        Maps(core_v1.Pod, node_of_pod),
        Maps(storage_v1.VolumeAttachment, node_of_attachment),
        Maps(core_v1.PersistentVolumeClaim, nodes_of_claim),
        Maps(core_v1.Node, with_volumes),
        Maps(core_v1.PersistentVolume, nodes_of_volume),
        Maps(storage_v1.CSIDriver, nodes_of_driver),
    )

    def __init__(self, context: Context) -> None:
        self.pods = context.informers.get(core_v1.Pod)
        self.attachments = context.informers.get(storage_v1.VolumeAttachment)
        self.pods.add_index(USERS, claims_of_pod)
        self.pods.add_index(ATTACHING, _attaching)
        self.attachments.add_index(OF_NODE, lambda one: (one.spec.node_name,))
        self.attachments.add_index(OF_VOLUME, lambda one: (one.spec.source.persistent_volume_name or "",))
        super().__init__(context)
        self.recorder = context.recorder("attachdetach-controller")
        self.volumes = self.informer(core_v1.PersistentVolume)
        self._unwanted_since: dict[str, float] = {}
        self._placed: dict[str, str] = {}
        """The node of each volume for one node only, from the decision until the informer shows the attachment."""
        self.attachments.on_change(self._attachment_shown)

    async def reconcile(self, key: Key) -> Result:
        node = self.informer(core_v1.Node).get(key)
        if node is not None and node.metadata.annotations.get(MANAGED) != "true":
            return DONE
        attachments = self.attachments.by_index(OF_NODE, key.name)
        wanted = self._wanted(key.name) if node is not None else []
        await self._give_up_places(key.name, {one.volume.metadata.name for one in wanted})
        if not wanted and not attachments and (node is None or not node.status.volumes_attached):
            return DONE
        planned = self._plan(key.name, node, wanted, attachments)
        for one in planned.blocked:
            self._tell_blocked(one, key.name)
        self._tell_failures(wanted, attachments)
        if node is not None:
            await self._report(node, wanted, planned)
        for attachment in planned.detach:
            await self._detach(attachment)
        for one in planned.attach:
            await self._attach(one, key.name)
        return Requeue(FORCE_DETACH_SECONDS) if planned.mounted else DONE

    def _plan(
        self,
        name: str,
        node: core_v1.Node | None,
        wanted: Sequence[Wanted],
        attachments: Sequence[storage_v1.VolumeAttachment],
    ) -> AttachPlan:
        elsewhere = {one.volume.metadata.name: self._other_nodes(one.volume, name) for one in wanted}
        volumes = {volume.metadata.name: volume for volume in map(self._volume_of, attachments) if volume is not None}
        in_use = node.status.volumes_in_use if node is not None else ()
        names = {name_of(one.volume, name) for one in wanted}
        forced = [
            one.metadata.name
            for one in attachments
            if is_forced(node, self._unwanted_for(one.metadata.name, is_wanted=one.metadata.name in names))
        ]
        return plan(name, wanted, attachments, elsewhere, volumes, in_use, forced)

    def _unwanted_for(self, attachment: str, *, is_wanted: bool) -> float:
        if is_wanted:
            self._unwanted_since.pop(attachment, None)
            return 0.0
        now = self.clock.monotonic()
        return now - self._unwanted_since.setdefault(attachment, now)

    def _wanted(self, node: str) -> list[Wanted]:
        users: dict[str, list[core_v1.Pod]] = defaultdict(list)
        for pod in self.pods.by_index(ATTACHING, node):
            for name in storage.claims_of(pod):
                claim = self.informer(core_v1.PersistentVolumeClaim).get(Key(pod.metadata.namespace, name))
                if claim is not None and storage.is_fully_bound(claim):
                    users[claim.spec.volume_name].append(pod)
        found = []
        for volume_name, pods in users.items():
            volume = self.volumes.get(Key("", volume_name))
            if volume is not None and self._is_attachable(volume):
                found.append(Wanted(volume, tuple(pods)))
        return found

    def _is_attachable(self, volume: core_v1.PersistentVolume) -> bool:
        if volume.spec.csi is None:
            return False
        driver = self.informer(storage_v1.CSIDriver).get(Key("", volume.spec.csi.driver))
        return driver is None or driver.spec.attach_required is not False

    def _volume_of(self, attachment: storage_v1.VolumeAttachment) -> core_v1.PersistentVolume | None:
        return self.volumes.get(Key("", attachment.spec.source.persistent_volume_name or ""))

    def _other_nodes(self, volume: core_v1.PersistentVolume, node: str) -> set[str]:
        found = self.attachments.by_index(OF_VOLUME, volume.metadata.name)
        placed = self._placed.get(volume.metadata.name)
        there = {one.spec.node_name for one in found}
        return (there if placed is None else there | {placed}) - {node}

    def _attachment_shown(self, _: storage_v1.VolumeAttachment | None, new: storage_v1.VolumeAttachment | None) -> None:
        name = new.spec.source.persistent_volume_name or "" if new is not None else ""
        if new is not None and self._placed.get(name) == new.spec.node_name:
            del self._placed[name]

    async def _give_up_places(self, node: str, wanted: Collection[str]) -> None:
        """Those of attachments that are not wanted any more and were never made."""
        for name in [name for name, place in self._placed.items() if place == node and name not in wanted]:
            volume = self.volumes.get(Key("", name))
            if volume is None or not await self._is_made(name_of(volume, node)):
                del self._placed[name]
            if volume is not None:
                for key in nodes_of_volume(self, volume):
                    self.queue.add(key)

    async def _is_made(self, attachment: str) -> bool:
        try:
            await self.client.get(storage_v1.VolumeAttachment, attachment)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    # ---- what is done

    async def _attach(self, one: Wanted, node: str) -> None:
        if not allows_several_nodes(one.volume):
            if self._other_nodes(one.volume, node):
                raise Retry(f"{one.volume.metadata.name} is just being attached to another node")
            self._placed[one.volume.metadata.name] = node
        try:
            await self.client.create(attachment_for(one.volume, node))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                message = f'AttachVolume.Attach failed for volume "{one.volume.metadata.name}" : {error}'
                for pod in one.pods:
                    self.recorder.event(pod, WARNING, "FailedAttachVolume", message)
                raise

    async def _detach(self, attachment: storage_v1.VolumeAttachment) -> None:
        self._unwanted_since.pop(attachment.metadata.name, None)
        try:
            await self.client.delete(storage_v1.VolumeAttachment, attachment.metadata.name, uid=attachment.metadata.uid)
        except ApiError as error:
            if error.code != 404:
                raise

    async def _report(self, node: core_v1.Node, wanted: Sequence[Wanted], planned: AttachPlan) -> None:
        """What is attached, in the node's status: the kubelet waits for it."""
        before = {one.name for one in node.status.volumes_attached}
        if before == set(planned.reported):
            return
        attached = [{"name": name, "devicePath": ""} for name in planned.reported]
        status = {"status": {"volumesAttached": attached}}
        await self.client.patch(core_v1.Node, node.metadata.name, None, status, subresource="status")
        for one in wanted:
            if unique_name(one.volume) in set(planned.reported) - before:
                message = f'AttachVolume.Attach succeeded for volume "{one.volume.metadata.name}" '
                for pod in one.pods:
                    self.recorder.event(pod, NORMAL, "SuccessfulAttachVolume", message)

    def _tell_failures(self, wanted: Sequence[Wanted], attachments: Sequence[storage_v1.VolumeAttachment]) -> None:
        errors = {
            one.spec.source.persistent_volume_name: one.status.attach_error.message
            for one in attachments
            if not one.status.attached and one.status.attach_error is not None
        }
        for each in wanted:
            name = each.volume.metadata.name
            if name in errors:
                message = f'AttachVolume.Attach failed for volume "{name}" : {errors[name]}'
                for pod in each.pods:
                    self.recorder.event(pod, WARNING, "FailedAttachVolume", message)

    def _tell_blocked(self, one: Wanted, node: str) -> None:
        reference = one.volume.spec.claim_ref
        claim = str(Key(reference.namespace, reference.name)) if reference is not None else ""
        there = self._other_nodes(one.volume, node)
        users = [pod for pod in self.pods.by_index(USERS, claim) if pod.spec.node_name in there and not is_over(pod)]
        message = multi_attach(one.volume, sorted(pod.metadata.name for pod in users))
        for pod in one.pods:
            self.recorder.event(pod, WARNING, "FailedAttachVolume", message)
