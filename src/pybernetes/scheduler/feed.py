"""Feed: turns what informers tell into the scheduler's state, queue and wake-up events."""

from __future__ import annotations

from typing import Any, TypeVar

from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1, policy_v1, storage_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import Informers
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.framework import ClusterEvent
from pybernetes.scheduler.pod_info import DEFAULT_SCHEDULER, PodInfo, pod_info
from pybernetes.scheduler.queue import SchedulingQueue
from pybernetes.scheduler.workloads import Workloads

K = TypeVar("K")
V = TypeVar("V")
LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed"


class Feed:
    def __init__(
        self,
        informers: Informers,
        state: ClusterState,
        workloads: Workloads,
        queue: SchedulingQueue,
        scheduler_names: frozenset[str],
    ) -> None:
        self._state = state
        self._workloads = workloads
        self._queue = queue
        self._scheduler_names = scheduler_names
        informers.get(core_v1.Node).on_change(self._node)
        informers.get(core_v1.Namespace).on_change(self._namespace)
        informers.get(core_v1.Service).on_change(self._service)
        informers.get(core_v1.ReplicationController).on_change(self._replication_controller)
        informers.get(apps_v1.ReplicaSet).on_change(self._owner)
        informers.get(apps_v1.StatefulSet).on_change(self._owner)
        informers.get(policy_v1.PodDisruptionBudget).on_change(self._budget)
        informers.get(core_v1.PersistentVolumeClaim).on_change(self._claim)
        informers.get(core_v1.PersistentVolume).on_change(self._volume)
        informers.get(storage_v1.StorageClass).on_change(self._storage_class)
        informers.get(storage_v1.CSINode).on_change(self._csi_node)
        informers.get(storage_v1.CSIDriver).on_change(self._csi_driver)
        informers.get(storage_v1.VolumeAttachment).on_change(self._attachment)
        informers.get(core_v1.Pod, field_selector=LIVE_PODS).on_change(self._pod)

    def _node(self, old: core_v1.Node | None, new: core_v1.Node | None) -> None:
        if new is None:
            assert old is not None
            self._state.remove_node(old.metadata.name)
            self._queue.move(ClusterEvent.NODE_REMOVED, old, None)
            return
        if old is not None and not node_events(old, new):
            if old.status.images != new.status.images:
                self._state.set_node(new)
            return
        self._state.set_node(new)
        for event in (ClusterEvent.NODE_ADDED,) if old is None else node_events(old, new):
            self._queue.move(event, old, new)

    def _namespace(self, old: core_v1.Namespace | None, new: core_v1.Namespace | None) -> None:
        if old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        namespace = new or old
        assert namespace is not None
        self._state.set_namespace(namespace.metadata.name, new.metadata.labels if new else None)
        self._queue.move(ClusterEvent.NAMESPACE_CHANGED)

    def _service(self, old: core_v1.Service | None, new: core_v1.Service | None) -> None:
        service = new or old
        assert service is not None
        selector = new.spec.selector if new else None
        self._workloads.set_service(service.metadata.namespace, service.metadata.name, selector)

    def _replication_controller(
        self, old: core_v1.ReplicationController | None, new: core_v1.ReplicationController | None
    ) -> None:
        if new is not None:
            self._workloads.set_owner(new.metadata.uid, LabelSelector.from_map(new.spec.selector))
        elif old is not None:
            self._workloads.set_owner(old.metadata.uid, None)

    def _owner(self, old: Any, new: Any) -> None:
        """A ReplicaSet or StatefulSet."""
        if new is not None:
            if old is None or old.spec.selector != new.spec.selector:
                self._workloads.set_owner(new.metadata.uid, LabelSelector.from_model(new.spec.selector))
        else:
            self._workloads.set_owner(old.metadata.uid, None)

    def _budget(self, old: policy_v1.PodDisruptionBudget | None, new: policy_v1.PodDisruptionBudget | None) -> None:
        budget = new or old
        assert budget is not None
        self._state.budgets.set(Key(budget.metadata.namespace, budget.metadata.name), new)

    def _claim(self, old: core_v1.PersistentVolumeClaim | None, new: core_v1.PersistentVolumeClaim | None) -> None:
        claim = new or old
        assert claim is not None
        key = Key(claim.metadata.namespace, claim.metadata.name)
        _keep(self._state.storage.claims, key, new)
        self._state.storage.wake(key)
        if new is not None:
            self._queue.move(ClusterEvent.CLAIM_CHANGED, old, new)

    def _volume(self, old: core_v1.PersistentVolume | None, new: core_v1.PersistentVolume | None) -> None:
        volume = new or old
        assert volume is not None
        _keep(self._state.storage.volumes, volume.metadata.name, new)
        self._state.storage.wake(Key("", volume.metadata.name))
        if (reference := volume.spec.claim_ref) is not None:
            self._state.storage.wake(Key(reference.namespace, reference.name))
        if new is not None:
            self._queue.move(ClusterEvent.VOLUME_CHANGED, old, new)

    def _storage_class(self, old: storage_v1.StorageClass | None, new: storage_v1.StorageClass | None) -> None:
        storage_class = new or old
        assert storage_class is not None
        _keep(self._state.storage.classes, storage_class.metadata.name, new)
        if old is None:
            self._queue.move(ClusterEvent.STORAGE_CLASS_ADDED, old, new)

    def _csi_node(self, old: storage_v1.CSINode | None, new: storage_v1.CSINode | None) -> None:
        node = new or old
        assert node is not None
        _keep(self._state.storage.csi_nodes, node.metadata.name, new)
        if new is not None:
            self._queue.move(ClusterEvent.CSI_NODE_CHANGED, old, new)

    def _csi_driver(self, old: storage_v1.CSIDriver | None, new: storage_v1.CSIDriver | None) -> None:
        driver = new or old
        assert driver is not None
        _keep(self._state.storage.csi_drivers, driver.metadata.name, new)

    def _attachment(self, old: storage_v1.VolumeAttachment | None, new: storage_v1.VolumeAttachment | None) -> None:
        self._state.storage.set_attachment(old, new)
        if new is None:
            self._queue.move(ClusterEvent.ATTACHMENT_REMOVED, old, None)

    def _pod(self, old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        if new is None:
            assert old is not None
            self._forget_pod(old)
        elif new.spec.node_name:
            self._placed_pod(old, new)
        elif self._is_ours(new):
            self._waiting_pod(old, pod_info(new))
        else:
            self._queue.remove(_key(new))

    def _waiting_pod(self, old: core_v1.Pod | None, pod: PodInfo) -> None:
        """What this scheduler has promised a moment ago stands until the API server tells of another promise."""
        if old is None:
            self._queue.move(ClusterEvent.POD_ADDED, None, pod)
        self._queue.update(pod)
        if self._state.is_placed(pod.key):
            # Where it is going is counted already.
            return
        if node := pod.pod.status.nominated_node_name:
            self._state.nominations.nominate(pod, node)
        elif old is not None and old.status.nominated_node_name:
            self._state.nominations.remove(pod.key)

    def _forget_pod(self, pod: core_v1.Pod) -> None:
        key = _key(pod)
        self._queue.remove(key)
        self._state.nominations.remove(key)
        if (placed := self._state.placed(key)) is not None:
            self._state.remove_pod(key)
            self._state.storage.wake(key)
            self._queue.move(ClusterEvent.POD_REMOVED, placed, None)

    def _placed_pod(self, old: core_v1.Pod | None, new: core_v1.Pod) -> None:
        key = _key(new)
        self._queue.remove(key)
        self._state.nominations.remove(key)
        known, info = self._state.placed(key), pod_info(new)
        self._state.set_pod(info, new.spec.node_name)
        if known is None or (old is not None and not old.spec.node_name):
            self._queue.move(ClusterEvent.POD_ASSIGNED, None, info)
            return
        if known.labels != info.labels:
            self._queue.move(ClusterEvent.POD_LABELS_CHANGED, known, info)
        if any(amount > info.requests.get(name, 0) for name, amount in known.requests.items()):
            self._queue.move(ClusterEvent.POD_SPEC_CHANGED, known, info)

    def _is_ours(self, pod: core_v1.Pod) -> bool:
        """Pods that are being deleted wait for nobody."""
        return (
            pod.spec.scheduler_name or DEFAULT_SCHEDULER
        ) in self._scheduler_names and pod.metadata.deletion_timestamp is None


def node_events(old: core_v1.Node, new: core_v1.Node) -> list[ClusterEvent]:
    """What of a node's change may matter to a waiting pod; heartbeats do not."""
    events = []
    if old.status.allocatable != new.status.allocatable:
        events.append(ClusterEvent.NODE_ALLOCATABLE_CHANGED)
    if old.metadata.labels != new.metadata.labels:
        events.append(ClusterEvent.NODE_LABELS_CHANGED)
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        events.append(ClusterEvent.NODE_TAINTS_CHANGED)
    if old.status.declared_features != new.status.declared_features:
        events.append(ClusterEvent.NODE_FEATURES_CHANGED)
    return events


def _keep(table: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _key(pod: core_v1.Pod) -> Key:
    return Key(pod.metadata.namespace, pod.metadata.name)
