"""What upstream calls the events that bring pods into the scheduler's queues, as metrics tell them.

Follows ClusterEvent.Label in k8s.io/kube-scheduler/framework and pkg/scheduler/framework/events.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.scheduler.framework import ClusterEvent

POD_CAME, POD_CHANGED = "UnschedulablePodAdd", "UnschedulablePodUpdate"
ATTEMPT_FAILED = "ScheduleAttemptFailure"
BACKOFF_COMPLETE = "BackoffComplete"
UNSCHEDULABLE_TIMEOUT = "UnschedulableTimeout"

NAMES: Mapping[ClusterEvent, str] = {
    ClusterEvent.NODE_ADDED: "NodeAdd",
    ClusterEvent.NODE_REMOVED: "NodeDelete",
    ClusterEvent.NODE_ALLOCATABLE_CHANGED: "NodeUpdateNodeAllocatable",
    ClusterEvent.NODE_LABELS_CHANGED: "NodeUpdateNodeLabel",
    ClusterEvent.NODE_TAINTS_CHANGED: "NodeUpdateNodeTaint",
    ClusterEvent.NODE_FEATURES_CHANGED: "NodeUpdateNodeDeclaredFeature",
    ClusterEvent.POD_ASSIGNED: "AssignedPodAdd",
    ClusterEvent.POD_REMOVED: "AssignedPodDelete",
    ClusterEvent.POD_LABELS_CHANGED: "AssignedPodUpdatePodLabel",
    ClusterEvent.POD_SPEC_CHANGED: "AssignedPodUpdate",
    ClusterEvent.NAMESPACE_CHANGED: "NamespaceUpdate",
    ClusterEvent.CLAIM_CHANGED: "PersistentVolumeClaimUpdate",
    ClusterEvent.VOLUME_CHANGED: "PersistentVolumeUpdate",
    ClusterEvent.STORAGE_CLASS_ADDED: "storage.k8s.io/StorageClassAdd",
    ClusterEvent.CSI_NODE_CHANGED: "storage.k8s.io/CSINodeUpdate",
    ClusterEvent.ATTACHMENT_REMOVED: "storage.k8s.io/VolumeAttachmentDelete",
    ClusterEvent.CAPACITY_CHANGED: "storage.k8s.io/CSIStorageCapacityUpdate",
    ClusterEvent.CSI_DRIVER_CHANGED: "storage.k8s.io/CSIDriverUpdate",
    ClusterEvent.RESOURCE_CLAIM_CHANGED: "resource.k8s.io/ResourceClaimUpdate",
    ClusterEvent.DEVICE_CLASS_CHANGED: "resource.k8s.io/DeviceClassUpdate",
    ClusterEvent.RESOURCE_SLICE_CHANGED: "resource.k8s.io/ResourceSliceUpdate",
    ClusterEvent.POD_GROUP_CHANGED: "scheduling.k8s.io/PodGroupUpdate",
    ClusterEvent.POD_ADDED: POD_CAME,
}
