"""What a node is told about itself, and where its files live.

Guarantees  Every path below a node's root is made here, so that tests and several nodes on one machine only change
            `root`.
Follows     pkg/kubelet/apis/config and pkg/kubelet/kubelet_getters.go for names and layout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KUBELET_VERSION = "v1.36.0"


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that the node registers with."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class NodeConfiguration:
    """One node's settings; `None` for a measured value means "ask the machine"."""

    name: str
    addresses: tuple[str, ...] = ("127.0.0.1",)
    external_addresses: tuple[str, ...] = ()
    hostname: str | None = None
    root: Path = Path("/var/lib/kubelet")
    pod_logs: Path = Path("/var/log/pods")
    container_logs: Path | None = Path("/var/log/containers")
    pod_links: Path | None = None
    log_links: Path | None = None
    """Where links lead to the pods' directories and logs, when these are not where tools look for them."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    capacity: Mapping[str, str] | None = None
    reserved: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = 110
    pod_cidr: str | None = None
    provider_id: str | None = None
    cluster_dns: tuple[str, ...] = ("10.96.0.10",)
    cluster_domain: str = "cluster.local"
    resolver_file: Path = Path("/etc/resolv.conf")
    hosts_file: Path = Path("/etc/hosts")
    port: int = 10250
    cgroup_root: str = "/"
    manage_cgroups: bool = True
    """Without root or with a hollow runtime there are no cgroups to manage."""
    privileged_mounts: bool = True
    """Whether tmpfs and bind mounts may be made; without root, plain directories stand in."""
    register: bool = True
    version: str = KUBELET_VERSION
    lease_seconds: int = 40
    lease_renewal: float = 10.0
    status_period: float = 300.0
    status_check: float = 10.0
    relist_period: float = 1.0
    sync_period: float = 60.0
    housekeeping_period: float = 60.0
    eviction_period: float = 10.0
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    max_dead_containers_per_container: int = 1
    image_gc_high_percent: int | None = None
    """Unused images are removed when their disk is fuller than this; None never removes any."""
    image_gc_low_percent: int = 80

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", self.name):
            raise ValueError(f"{self.name!r} is not a node name (lower case letters, digits, '-' and '.')")

    @property
    def paths(self) -> Paths:
        return Paths(self.root, self.pod_logs, self.pod_links)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the files of a pod are, by the pod's uid."""

    root: Path
    pod_logs: Path
    pod_links: Path | None = None

    @property
    def pods(self) -> Path:
        return self.root / "pods"

    def pod(self, uid: str) -> Path:
        return self.pods / uid

    def volume(self, uid: str, plugin: str, name: str) -> Path:
        return self.pod(uid) / "volumes" / plugin.replace("/", "~") / name

    def subpath(self, uid: str, volume: str, container: str, index: int) -> Path:
        return self.pod(uid) / "volume-subpaths" / volume / container / str(index)

    def hosts(self, uid: str) -> Path:
        return self.pod(uid) / "etc-hosts"

    def container(self, uid: str, container: str) -> Path:
        return self.pod(uid) / "containers" / container

    def logs(self, namespace: str, name: str, uid: str) -> Path:
        return self.pod_logs / f"{namespace}_{name}_{uid}"
