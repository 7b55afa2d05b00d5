"""The labels and annotations by which a kubelet recognises its sandboxes and containers after a restart.

Names follow pkg/kubelet/kuberuntime/labels.go and staging/src/k8s.io/kubelet/pkg/types/labels.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"

CONTAINER_HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
PRE_STOP_HANDLER = "io.kubernetes.container.preStopHandler"
CONTAINER_PORTS = "io.kubernetes.container.ports"
POD_DELETION_GRACE_PERIOD = "io.kubernetes.pod.deletionGracePeriod"
POD_TERMINATION_GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"

CONFIG_SEEN = "kubernetes.io/config.seen"
CONFIG_SOURCE = "kubernetes.io/config.source"

DEFAULT_LOG_ROOT = Path("/var/log/pods")
DEFAULT_LOG_LINKS = Path("/var/log/containers")


def sandbox_labels(name: str, namespace: str, uid: str, pod_labels: Mapping[str, str]) -> dict[str, str]:
    return {**pod_labels, POD_NAME: name, POD_NAMESPACE: namespace, POD_UID: uid}


def container_labels(name: str, namespace: str, uid: str, container: str) -> dict[str, str]:
    return {POD_NAME: name, POD_NAMESPACE: namespace, POD_UID: uid, CONTAINER_NAME: container}


def pod_log_directory(namespace: str, name: str, uid: str, root: Path = DEFAULT_LOG_ROOT) -> Path:
    return root / f"{namespace}_{name}_{uid}"


def container_log_path(container: str, restart_count: int) -> str:
    """Relative to the pod's log directory."""
    return f"{container}/{restart_count}.log"


def log_link_name(namespace: str, pod: str, container: str, container_id: str) -> str:
    """The link under /var/log/containers that points to the container's log."""
    return f"{pod}_{namespace}_{container}-{container_id}.log"
