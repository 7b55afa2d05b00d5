"""NodeVolumeLimits: a node attaches only so many volumes of a CSI driver as its CSINode says.

Volumes of in-tree types count only through the CSI volumes that they have become. Follows nodevolumelimits/csi.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.api.storage import class_of_claim
from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.plugins.volume_restrictions import is_claim_of
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.storage import StorageObjects

REASON = "node(s) exceed max volume count"
UNLIMITED = 1 << 31
Attached = dict[str, str]
"""The driver of each volume, by a name that is the volume's alone."""


class NodeVolumeLimits:
    name = "NodeVolumeLimits"
    scope = Scope.CLUSTER
    wakes_on = frozenset(
        (
            ClusterEvent.CSI_NODE_CHANGED,
            ClusterEvent.POD_REMOVED,
            ClusterEvent.CLAIM_CHANGED,
            ClusterEvent.ATTACHMENT_REMOVED,
        )
    )

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._storage = state.storage

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A limit rose, a pod with claims went, or a claim of the pod is there."""
        match change.event:
            case ClusterEvent.CLAIM_CHANGED:
                return is_claim_of(pod, change.new)
            case ClusterEvent.POD_REMOVED:
                return bool(change.old.claims)
            case ClusterEvent.CSI_NODE_CHANGED:
                before = _limits(change.old) if change.old is not None else None
                now = _limits(change.new)
                return before is None or any(now.get(name, UNLIMITED) > most for name, most in before.items())
        return True

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.claims)

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        for name in pod.claims:
            if Key(pod.namespace, name) not in self._storage.claims:
                missing = f'looking up PVC {pod.namespace}/{name}: persistentvolumeclaim "{name}" not found'
                return (Refusal(nodes.present[rows], missing, Code.UNRESOLVABLE),)
        wanted = dict(_volumes_of(pod, self._storage))
        full = [
            row
            for name, csi_node in self._storage.csi_nodes.items()
            if (row := nodes.row(name)) is not None and self._exceeds(wanted, row, name, csi_node)
        ]
        return (Refusal(nodes.mask_of(full)[rows], REASON),) if full else ()

    def _exceeds(self, wanted: Attached, row: int, node: str, csi_node: storage_v1.CSINode) -> bool:
        limits = _limits(csi_node)
        if not any(driver in limits for driver in wanted.values()):
            return False
        used: Attached = {}
        for user in self._state.placed_volumes.on(row):
            used.update(_volumes_of(user, self._storage))
        present = Counter({**self._attached(node), **used}.values())
        # As upstream counts: a volume that is attached, but that no pod uses any more, counts beside the pod's own.
        further = Counter(driver for volume, driver in wanted.items() if volume not in used)
        return any(present[driver] + count > limits[driver] for driver, count in further.items() if driver in limits)

    def _attached(self, node: str) -> Attached:
        attached: Attached = {}
        for attachment in self._storage.attachments_of(node):
            source = self._storage.volumes.get(attachment.spec.source.persistent_volume_name or "")
            if attachment.spec.attacher and source is not None and source.spec.csi is not None:
                driver = attachment.spec.attacher
                attached[f"{driver}/{source.spec.csi.volume_handle}"] = driver
        return attached


def _limits(csi_node: storage_v1.CSINode) -> dict[str, int]:
    """How many volumes of a driver the node attaches, for drivers that say so."""
    return {
        driver.name: driver.allocatable.count
        for driver in csi_node.spec.drivers
        if driver.allocatable is not None and driver.allocatable.count is not None
    }


def _volumes_of(pod: PodInfo, storage: StorageObjects) -> Iterator[tuple[str, str]]:
    for name in pod.claims:
        claim = storage.claims.get(Key(pod.namespace, name))
        if claim is None:
            continue
        volume = storage.volumes.get(claim.spec.volume_name)
        if volume is None:
            driver = _driver_by_class(claim, storage)
            if driver:
                yield f"{driver}/claim:{pod.namespace}/{name}", driver
        elif volume.spec.csi is not None:
            yield f"{volume.spec.csi.driver}/{volume.spec.csi.volume_handle}", volume.spec.csi.driver


def _driver_by_class(claim: core_v1.PersistentVolumeClaim, storage: StorageObjects) -> str:
    """Who will provision a claim that has no volume yet."""
    storage_class = storage.classes.get(class_of_claim(claim))
    return "" if storage_class is None or storage_class.provisioner.startswith(_IN_TREE) else storage_class.provisioner


_IN_TREE = "kubernetes.io/"
