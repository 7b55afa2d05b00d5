"""VolumeRestrictions, NodeVolumeLimits, VolumeZone and VolumeBinding.

``reject`` says why a pod gets no node whatever the node is like; None where nodes are asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api import quantity
from pybernetes.api.models import core_v1
from scheduler.reference.node_affinity import selects
from scheduler.reference.world import Cluster, Verdict, picks

BOUND = "pv.kubernetes.io/bind-completed"
SELECTED = "volume.kubernetes.io/selected-node"
OLD_LABELS = ("failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region")
LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class VolumeRestrictions:
    def reject(self, pod: core_v1.Pod, cluster: Cluster) -> str | None:
        for name in claim_names(pod):
            if cluster.claim(pod.metadata.namespace, name) is None:
                return f'persistentvolumeclaim "{name}" not found'
        return None

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        held = [volume for other in cluster.pods_on(node) for volume in other.spec.volumes]
        if any(_clash(one, other) for one in pod.spec.volumes for other in held):
            return Verdict(("node(s) had no available disk",))
        for claim in claims(pod, cluster):
            known = [one for somewhere in cluster.nodes for one in cluster.pods_on(somewhere)]
            users = [one for one in known if claim in claims(one, cluster)]
            if "ReadWriteOncePod" in claim.spec.access_modes and users:
                words = "PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
                return Verdict((f"node(s) unavailable due to {words}",))
        return None


def _clash(one: core_v1.Volume, other: core_v1.Volume) -> bool:
    if (disk := one.gce_persistent_disk) and (held := other.gce_persistent_disk):
        return disk.pd_name == held.pd_name and not (disk.read_only and held.read_only)
    if (block := one.aws_elastic_block_store) and (taken := other.aws_elastic_block_store):
        return block.volume_id == taken.volume_id
    return False


class NodeVolumeLimits:
    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        for name in claim_names(pod):
            if cluster.claim(pod.metadata.namespace, name) is None:
                why = f'looking up PVC {pod.metadata.namespace}/{name}: persistentvolumeclaim "{name}" not found'
                return Verdict((why,), hopeless=True)
        limits = {
            driver.name: driver.allocatable.count
            for one in cluster.csi_nodes
            if one.metadata.name == node.metadata.name
            for driver in one.spec.drivers
            if driver.allocatable is not None and driver.allocatable.count is not None
        }
        used = {volume for other in cluster.pods_on(node) for volume in _csi_volumes(other, cluster)}
        attached = {
            (one.spec.attacher, volume.spec.csi.volume_handle)
            for one in cluster.attachments
            if one.spec.node_name == node.metadata.name
            and (volume := cluster.volume(one.spec.source.persistent_volume_name or "")) is not None
            and volume.spec.csi is not None
        }
        new = set(_csi_volumes(pod, cluster)) - used
        for driver, most in limits.items():
            wanted = sum(one[0] == driver for one in new)
            if wanted and wanted + sum(one[0] == driver for one in used | attached) > most:
                return Verdict(("node(s) exceed max volume count",))
        return None


def _csi_volumes(pod: core_v1.Pod, cluster: Cluster) -> Iterator[tuple[str, str]]:
    for claim in claims(pod, cluster):
        volume = cluster.volume(claim.spec.volume_name)
        if volume is None:
            known = cluster.storage_class(claim.spec.storage_class_name or "")
            if known is not None and known.provisioner:
                yield known.provisioner, f"of {claim.metadata.name}"
        elif volume.spec.csi is not None:
            yield volume.spec.csi.driver, volume.spec.csi.volume_handle


class VolumeZone:
    def reject(self, pod: core_v1.Pod, cluster: Cluster) -> str | None:
        for name in claim_names(pod):
            claim = cluster.claim(pod.metadata.namespace, name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim.spec.volume_name:
                if cluster.volume(claim.spec.volume_name) is None:
                    return f'persistentvolume "{claim.spec.volume_name}" not found'
                continue
            wanted = claim.spec.storage_class_name
            if not wanted:
                return "PersistentVolumeClaim had no pv name and storageClass name"
            known = cluster.storage_class(wanted)
            if known is None:
                return f'storageclass.storage.k8s.io "{wanted}" not found'
            if known.volume_binding_mode != "WaitForFirstConsumer":
                return "PersistentVolume had no name"
        return None

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        here = node.metadata.labels
        if not any(key in here for key in (*OLD_LABELS, *LABELS)):
            return None
        for claim in claims(pod, cluster):
            volume = cluster.volume(claim.spec.volume_name)
            for key, zones in _zones(volume) if volume is not None else ():
                value = here.get(key)
                if value is None and key in OLD_LABELS:
                    value = here.get(LABELS[OLD_LABELS.index(key)])
                if value not in zones:
                    return Verdict(("node(s) had no available volume zone",), hopeless=True)
        return None


def _zones(volume: core_v1.PersistentVolume) -> Iterator[tuple[str, list[str]]]:
    for key in (*OLD_LABELS, *LABELS):
        zones = [one.strip() for one in volume.metadata.labels.get(key, "").split("__")]
        if all(zones):
            yield key, zones


class VolumeBinding:
    def reject(self, pod: core_v1.Pod, cluster: Cluster) -> str | None:
        for name in claim_names(pod):
            claim = cluster.claim(pod.metadata.namespace, name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim.status.phase == "Lost":
                volume = claim.spec.volume_name
                return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
        for claim in claims(pod, cluster):
            if not is_bound(claim) and (claim.spec.volume_name or not self._waits(claim, cluster)):
                return "pod has unbound immediate PersistentVolumeClaims"
        return None

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        reasons = []
        bound = [one for one in claims(pod, cluster) if is_bound(one)]
        delayed = [one for one in claims(pod, cluster) if not is_bound(one)]
        first_trouble = next(filter(None, (self._trouble(one, node, cluster) for one in bound)), "")
        if "affinity" in first_trouble:
            reasons.append(first_trouble)
        if not self._finds_volumes(delayed, node, cluster):
            reasons.append("node(s) didn't find available persistent volumes to bind")
        if "non-existent" in first_trouble:
            reasons.append(first_trouble)
        return Verdict(tuple(reasons), hopeless=True) if reasons else None

    def _trouble(self, claim: core_v1.PersistentVolumeClaim, node: core_v1.Node, cluster: Cluster) -> str:
        volume = cluster.volume(claim.spec.volume_name)
        if volume is None:
            return "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
        return "" if _reaches(volume, node) else "node(s) didn't match PersistentVolume's node affinity"

    def _finds_volumes(
        self, delayed: list[core_v1.PersistentVolumeClaim], node: core_v1.Node, cluster: Cluster
    ) -> bool:
        taken: list[core_v1.PersistentVolume] = []
        for claim in sorted(delayed, key=_size_wanted):
            if (selected := claim.metadata.annotations.get(SELECTED)) is not None and selected != node.metadata.name:
                return False
            free = [one for one in cluster.volumes if one not in taken and _would_do(one, claim, node)]
            if selected is None and free:
                taken.append(min(free, key=lambda one: quantity.parse(one.spec.capacity["storage"])))
            elif not self._may_provision(claim, node, cluster):
                return False
        return True

    def _may_provision(self, claim: core_v1.PersistentVolumeClaim, node: core_v1.Node, cluster: Cluster) -> bool:
        known = cluster.storage_class(claim.spec.storage_class_name or "")
        if known is None or known.provisioner in ("", "kubernetes.io/no-provisioner"):
            return False
        terms = known.allowed_topologies
        return not terms or any(
            all(node.metadata.labels.get(one.key) in one.values for one in term.match_label_expressions)
            for term in terms
        )

    def _waits(self, claim: core_v1.PersistentVolumeClaim, cluster: Cluster) -> bool:
        known = cluster.storage_class(claim.spec.storage_class_name or "")
        return known is not None and known.volume_binding_mode == "WaitForFirstConsumer"


def _size_wanted(claim: core_v1.PersistentVolumeClaim) -> quantity.Quantity:
    return quantity.parse(claim.spec.resources.requests["storage"])


def _would_do(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim, node: core_v1.Node) -> bool:
    return (
        volume.spec.claim_ref is None
        and volume.status.phase == "Available"
        and volume.spec.storage_class_name == claim.spec.storage_class_name
        and quantity.parse(volume.spec.capacity["storage"]) >= _size_wanted(claim)
        and set(claim.spec.access_modes) <= set(volume.spec.access_modes)
        and (claim.spec.selector is None or picks(claim.spec.selector, volume.metadata.labels))
        and _reaches(volume, node)
    )


def _reaches(volume: core_v1.PersistentVolume, node: core_v1.Node) -> bool:
    affinity = volume.spec.node_affinity
    return affinity is None or affinity.required is None or selects(affinity.required, node)


def is_bound(claim: core_v1.PersistentVolumeClaim) -> bool:
    return bool(claim.spec.volume_name) and BOUND in claim.metadata.annotations


def claim_names(pod: core_v1.Pod) -> list[str]:
    return [one.persistent_volume_claim.claim_name for one in pod.spec.volumes if one.persistent_volume_claim]


def claims(pod: core_v1.Pod, cluster: Cluster) -> list[core_v1.PersistentVolumeClaim]:
    found = (cluster.claim(pod.metadata.namespace, name) for name in claim_names(pod))
    return [one for one in found if one is not None]
