"""The values that pass between kubelet and container runtime: frozen, complete, without behaviour.

Names follow the Container Runtime Interface v1; what is optional there has the same meaning of "not given" here
(None, "" or an empty tuple). Times are aware datetimes in UTC, or None where the runtime says "never".
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class NamespaceMode(enum.IntEnum):
    """Which namespace a container joins: the pod's, its own, the node's, or another container's."""

    POD = 0
    CONTAINER = 1
    NODE = 2
    TARGET = 3


class SandboxState(enum.IntEnum):
    READY = 0
    NOT_READY = 1


class ContainerState(enum.IntEnum):
    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


class MountPropagation(enum.IntEnum):
    PRIVATE = 0
    HOST_TO_CONTAINER = 1
    BIDIRECTIONAL = 2


class Stream(enum.Enum):
    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class DnsConfig:
    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortMapping:
    container_port: int
    host_port: int
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class NamespaceOptions:
    """`target` is the container id that TARGET mode of `pid` refers to."""

    network: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD
    target: str = ""


@dataclass(frozen=True, slots=True)
class SeccompProfile:
    """`kind` is RuntimeDefault, Unconfined or Localhost (then `path` is the profile's file on the node)."""

    kind: str = "Unconfined"
    path: str = ""


@dataclass(frozen=True, slots=True)
class SELinuxOptions:
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SandboxSecurity:
    namespaces: NamespaceOptions = NamespaceOptions()
    privileged: bool = False
    read_only_root: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    strict_groups: bool = False
    seccomp: SeccompProfile = SeccompProfile("RuntimeDefault")
    selinux: SELinuxOptions | None = None


@dataclass(frozen=True, slots=True)
class ContainerSecurity:
    """`masked_paths`/`read_only_paths` are None for the runtime's defaults, () for procMount Unmasked."""

    namespaces: NamespaceOptions = NamespaceOptions()
    privileged: bool = False
    read_only_root: bool = False
    run_as_user: int | None = None
    run_as_username: str = ""
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    strict_groups: bool = False
    no_new_privileges: bool = False
    capabilities: Capabilities = Capabilities()
    seccomp: SeccompProfile = SeccompProfile()
    apparmor: SeccompProfile | None = None
    selinux: SELinuxOptions | None = None
    masked_paths: tuple[str, ...] | None = None
    read_only_paths: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class HugepageLimit:
    page_size: str
    limit: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Linux cgroup settings in the kernel's units; 0 is "not set". `unified` is cgroup v2 file → value."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit: int = 0
    memory_swap_limit: int = 0
    oom_score_adj: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    hugepages: tuple[HugepageLimit, ...] = ()
    unified: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    host_path: str
    container_path: str
    read_only: bool = False
    propagation: MountPropagation = MountPropagation.PRIVATE
    selinux_relabel: bool = False
    recursive_read_only: bool = False


@dataclass(frozen=True, slots=True)
class FilesystemMount:
    """What to give to mount(2), with options as mount(8) has them."""

    kind: str
    source: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    host_path: str
    container_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """`log_directory` is the pod's log folder on the node; `cgroup_parent` the pod's cgroup, "" for the runtime's."""

    name: str
    namespace: str
    uid: str
    attempt: int = 0
    hostname: str = ""
    log_directory: str = ""
    dns: DnsConfig | None = None
    ports: tuple[PortMapping, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cgroup_parent: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    security: SandboxSecurity = SandboxSecurity()
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """`command`/`args` replace the image's entrypoint/cmd; `log_path` is relative to the sandbox's `log_directory`."""

    name: str
    image: str
    attempt: int = 0
    user_image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: Resources = field(default_factory=Resources)
    security: ContainerSecurity = ContainerSecurity()


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str = ""
    password: str = ""
    auth: str = ""
    server: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """`runtime_version` as a node reports it is `<name>://<version>`: see `Version.reported`."""

    name: str
    version: str
    api_version: str = "v1"

    @property
    def reported(self) -> str:
        return f"{self.name}://{self.version}"


@dataclass(frozen=True, slots=True)
class RuntimeHandler:
    name: str
    recursive_read_only: bool | None = None
    user_namespaces: bool | None = None


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Empty problems mean ready, otherwise the text says why not; what a runtime does not tell of itself is None."""

    runtime_problem: str = ""
    network_problem: str = ""
    handlers: tuple[RuntimeHandler, ...] = ()
    strict_groups: bool | None = None

    @property
    def ready(self) -> bool:
        return not self.runtime_problem and not self.network_problem


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    state: SandboxState
    created_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    runtime_handler: str = ""


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """`ips` is empty for a pod on the node's network and for a sandbox that is not ready."""

    sandbox: Sandbox
    ips: tuple[str, ...] = ()
    namespaces: NamespaceOptions = NamespaceOptions()

    @property
    def ip(self) -> str:
        return self.ips[0] if self.ips else ""


@dataclass(frozen=True, slots=True)
class Container:
    """`image` is what was asked for, `image_ref` the image's digest reference or id as pods report it in `imageID`."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: datetime
    image: str = ""
    image_ref: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerUser:
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """`reason` is the runtime's: Completed, Error, OOMKilled, ContainerCannotRun …; `log_path` is absolute."""

    id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_ref: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    log_path: str = ""
    resources: Resources | None = None
    user: ContainerUser | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """`uid`/`username` is the user that the image runs as when a pod does not say (for runAsNonRoot)."""

    id: str
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    size: int = 0
    uid: int | None = None
    username: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class FilesystemUsage:
    timestamp: datetime
    mountpoint: str
    used_bytes: int
    inodes_used: int


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """Counters of one container at `timestamp`; a part is None where the runtime does not tell it."""

    id: str
    name: str
    timestamp: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cpu_usage_core_nanoseconds: int | None = None
    memory_working_set_bytes: int | None = None
    memory_usage_bytes: int | None = None
    memory_available_bytes: int | None = None
    memory_rss_bytes: int | None = None
    memory_page_faults: int | None = None
    memory_major_page_faults: int | None = None
    writable_layer: FilesystemUsage | None = None


@dataclass(frozen=True, slots=True)
class ExecResult:
    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How an exec ended. `error` is "" unless the session itself failed (then the exit code means nothing)."""

    exit_code: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    stream: Stream
    data: bytes
