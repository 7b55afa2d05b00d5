"""Which cluster uses the kubelet's well-known directories.

Tools and tests look for pods under /var/lib/kubelet and for logs under /var/log/pods. The first cluster on a machine
gets them and says so in a file; another one, or one beside a foreign kubelet, keeps them in its data directory.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pybernetes.cli.layout import Layout, Settings

KUBELET_ROOT = Path("/var/lib/kubelet")
POD_LOGS = Path("/var/log/pods")
CONTAINER_LOGS = Path("/var/log/containers")
CLAIM = "pybernetes-cluster"


def claim(layout: Layout, settings: Settings) -> Settings:
    """The settings with the directories that this cluster shall use from now on."""
    if settings.runtime != "containerd":
        root = layout.root
        return settings.with_(kubelet_root=str(root / "kubelet"), pod_logs=str(root / "pod-logs"), container_logs="")
    if _is_free(layout.root):
        KUBELET_ROOT.mkdir(parents=True, exist_ok=True)
        (KUBELET_ROOT / CLAIM).write_text(f"{layout.root}\n")
        return settings.with_(
            kubelet_root=str(KUBELET_ROOT), pod_logs=str(POD_LOGS), container_logs=str(CONTAINER_LOGS)
        )
    root = layout.root
    return settings.with_(
        kubelet_root=str(root / "kubelet"), pod_logs=str(root / "pod-logs"), container_logs=str(root / "container-logs")
    )


def release(settings: Settings, root: Path) -> None:
    """Removes what the cluster kept in the well-known directories, if they were its own."""
    if _owner() != root or settings.kubelet_root != str(KUBELET_ROOT):
        return
    for directory in (KUBELET_ROOT, POD_LOGS, CONTAINER_LOGS):
        shutil.rmtree(directory, ignore_errors=True)


def _is_free(root: Path) -> bool:
    owner = _owner()
    if owner is not None:
        return owner == root or not (owner / "cluster.json").exists()
    return not KUBELET_ROOT.exists() or not any(KUBELET_ROOT.iterdir())


def _owner() -> Path | None:
    try:
        return Path((KUBELET_ROOT / CLAIM).read_text().strip())
    except FileNotFoundError:
        return None
