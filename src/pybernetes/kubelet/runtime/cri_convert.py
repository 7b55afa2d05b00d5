"""Pure translation between the kubelet's values (`types.py`) and the messages of the Container Runtime Interface."""

from __future__ import annotations

from datetime import UTC, datetime

from pybernetes.kubelet.runtime import cri_v1_pb2 as pb
from pybernetes.kubelet.runtime import types as t

_EPOCH = datetime.fromtimestamp(0, UTC)
_PROFILES = {
    "RuntimeDefault": pb.SecurityProfile.RuntimeDefault,
    "Unconfined": pb.SecurityProfile.Unconfined,
    "Localhost": pb.SecurityProfile.Localhost,
}
_MODES = {
    t.NamespaceMode.POD: pb.POD,
    t.NamespaceMode.CONTAINER: pb.CONTAINER,
    t.NamespaceMode.NODE: pb.NODE,
    t.NamespaceMode.TARGET: pb.TARGET,
}
_PROPAGATION = {
    t.MountPropagation.PRIVATE: pb.PROPAGATION_PRIVATE,
    t.MountPropagation.HOST_TO_CONTAINER: pb.PROPAGATION_HOST_TO_CONTAINER,
    t.MountPropagation.BIDIRECTIONAL: pb.PROPAGATION_BIDIRECTIONAL,
}
_PROTOCOLS = {"TCP": pb.TCP, "UDP": pb.UDP, "SCTP": pb.SCTP}


def time_of(nanoseconds: int) -> datetime | None:
    """None for zero, which the interface uses for "never"."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC) if nanoseconds else None


def _time(nanoseconds: int) -> datetime:
    return time_of(nanoseconds) or _EPOCH


# ---- to the runtime ----------------------------------------------------------------------------------------------


def sandbox_config(config: t.SandboxConfig) -> pb.PodSandboxConfig:
    message = pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(
            name=config.name, uid=config.uid, namespace=config.namespace, attempt=config.attempt
        ),
        # On the node's network a pod has the node's hostname, and runtimes refuse to set another.
        hostname="" if config.security.namespaces.network is t.NamespaceMode.NODE else config.hostname,
        log_directory=config.log_directory,
        port_mappings=[_port_mapping(port) for port in config.ports],
        labels=config.labels,
        annotations=config.annotations,
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=config.cgroup_parent,
            security_context=_sandbox_security(config.security),
            sysctls=config.sysctls,
        ),
    )
    if config.dns is not None:
        message.dns_config.CopyFrom(
            pb.DNSConfig(servers=config.dns.servers, searches=config.dns.searches, options=config.dns.options)
        )
    if config.resources is not None:
        message.linux.resources.CopyFrom(resources(config.resources))
    return message


def _port_mapping(port: t.PortMapping) -> pb.PortMapping:
    return pb.PortMapping(
        protocol=_PROTOCOLS[port.protocol],
        container_port=port.container_port,
        host_port=port.host_port,
        host_ip=port.host_ip,
    )


def _sandbox_security(security: t.SandboxSecurity) -> pb.LinuxSandboxSecurityContext:
    message = pb.LinuxSandboxSecurityContext(
        namespace_options=_namespaces(security.namespaces),
        readonly_rootfs=security.read_only_root,
        supplemental_groups=security.supplemental_groups,
        supplemental_groups_policy=pb.Strict if security.strict_groups else pb.Merge,
        privileged=security.privileged,
        seccomp=_profile(security.seccomp),
        run_as_user=_optional(security.run_as_user),
        run_as_group=_optional(security.run_as_group),
    )
    if security.selinux is not None:
        message.selinux_options.CopyFrom(_selinux(security.selinux))
    return message


def container_config(config: t.ContainerConfig) -> pb.ContainerConfig:
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=image_spec(config.image, config.user_image),
        command=config.command,
        args=config.args,
        working_dir=config.working_dir,
        envs=[pb.KeyValue(key=key, value=value) for key, value in config.env],
        mounts=[_mount(mount) for mount in config.mounts],
        devices=[
            pb.Device(container_path=d.container_path, host_path=d.host_path, permissions=d.permissions)
            for d in config.devices
        ],
        labels=config.labels,
        annotations=config.annotations,
        log_path=config.log_path,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=pb.LinuxContainerConfig(
            resources=resources(config.resources), security_context=_container_security(config.security)
        ),
    )


def _mount(mount: t.Mount) -> pb.Mount:
    return pb.Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.read_only,
        recursive_read_only=mount.recursive_read_only,
        selinux_relabel=mount.selinux_relabel,
        propagation=_PROPAGATION[mount.propagation],
    )


DEFAULT_MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
DEFAULT_READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def _container_security(security: t.ContainerSecurity) -> pb.LinuxContainerSecurityContext:
    masked, read_only = security.masked_paths, security.read_only_paths
    message = pb.LinuxContainerSecurityContext(
        capabilities=pb.Capability(
            add_capabilities=security.capabilities.add, drop_capabilities=security.capabilities.drop
        ),
        privileged=security.privileged,
        namespace_options=_namespaces(security.namespaces),
        run_as_user=_optional(security.run_as_user),
        run_as_username=security.run_as_username,
        run_as_group=_optional(security.run_as_group),
        readonly_rootfs=security.read_only_root,
        supplemental_groups=security.supplemental_groups,
        supplemental_groups_policy=pb.Strict if security.strict_groups else pb.Merge,
        no_new_privs=security.no_new_privileges,
        masked_paths=DEFAULT_MASKED_PATHS if masked is None else masked,
        readonly_paths=DEFAULT_READ_ONLY_PATHS if read_only is None else read_only,
        seccomp=_profile(security.seccomp),
    )
    if security.apparmor is not None:
        message.apparmor.CopyFrom(_profile(security.apparmor))
    if security.selinux is not None:
        message.selinux_options.CopyFrom(_selinux(security.selinux))
    return message


def _namespaces(options: t.NamespaceOptions) -> pb.NamespaceOption:
    return pb.NamespaceOption(
        network=_MODES[options.network],
        pid=_MODES[options.pid],
        ipc=_MODES[options.ipc],
        target_id=options.target,
    )


def _profile(profile: t.SeccompProfile) -> pb.SecurityProfile:
    return pb.SecurityProfile(profile_type=_PROFILES[profile.kind], localhost_ref=profile.path)


def _selinux(options: t.SELinuxOptions) -> pb.SELinuxOption:
    return pb.SELinuxOption(user=options.user, role=options.role, type=options.type, level=options.level)


def _optional(value: int | None) -> pb.Int64Value | None:
    return None if value is None else pb.Int64Value(value=value)


def resources(values: t.Resources) -> pb.LinuxContainerResources:
    return pb.LinuxContainerResources(
        cpu_period=values.cpu_period,
        cpu_quota=values.cpu_quota,
        cpu_shares=values.cpu_shares,
        memory_limit_in_bytes=values.memory_limit,
        memory_swap_limit_in_bytes=values.memory_swap_limit,
        oom_score_adj=values.oom_score_adj,
        cpuset_cpus=values.cpuset_cpus,
        cpuset_mems=values.cpuset_mems,
        hugepage_limits=[pb.HugepageLimit(page_size=h.page_size, limit=h.limit) for h in values.hugepages],
        unified=values.unified,
    )


def image_spec(image: str, user_image: str = "") -> pb.ImageSpec:
    return pb.ImageSpec(image=image, user_specified_image=user_image)


def credentials(values: t.Credentials) -> pb.AuthConfig:
    return pb.AuthConfig(
        username=values.username,
        password=values.password,
        auth=values.auth,
        server_address=values.server,
        identity_token=values.identity_token,
        registry_token=values.registry_token,
    )


# ---- from the runtime --------------------------------------------------------------------------------------------


def sandbox(message: pb.PodSandbox | pb.PodSandboxStatus) -> t.Sandbox:
    return t.Sandbox(
        id=message.id,
        name=message.metadata.name,
        namespace=message.metadata.namespace,
        uid=message.metadata.uid,
        attempt=message.metadata.attempt,
        state=t.SandboxState(message.state),
        created_at=_time(message.created_at),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        runtime_handler=message.runtime_handler,
    )


def sandbox_status(message: pb.PodSandboxStatus) -> t.SandboxStatus:
    network = message.network
    ips = (network.ip, *(extra.ip for extra in network.additional_ips))
    options = message.linux.namespaces.options
    return t.SandboxStatus(
        sandbox=sandbox(message),
        ips=tuple(ip for ip in ips if ip),
        namespaces=t.NamespaceOptions(
            network=t.NamespaceMode(options.network),
            pid=t.NamespaceMode(options.pid),
            ipc=t.NamespaceMode(options.ipc),
            target=options.target_id,
        ),
    )


def container(message: pb.Container) -> t.Container:
    return t.Container(
        id=message.id,
        sandbox_id=message.pod_sandbox_id,
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        state=t.ContainerState(message.state),
        created_at=_time(message.created_at),
        image=message.image.user_specified_image or message.image.image,
        image_ref=message.image_ref,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )


def _started(message: pb.ContainerStatus) -> datetime | None:
    """A container that ended without having run was started at the epoch, as clients of upstream see it."""
    return _time(message.started_at) if message.state == pb.CONTAINER_EXITED else time_of(message.started_at)


def container_status(message: pb.ContainerStatus) -> t.ContainerStatus:
    return t.ContainerStatus(
        id=message.id,
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        state=t.ContainerState(message.state),
        created_at=_time(message.created_at),
        started_at=_started(message),
        finished_at=time_of(message.finished_at),
        exit_code=message.exit_code,
        reason=message.reason,
        message=message.message,
        image=message.image.image,
        image_ref=message.image_ref,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        mounts=tuple(_mount_status(mount) for mount in message.mounts),
        log_path=message.log_path,
        resources=_resources(message.resources.linux) if message.resources.HasField("linux") else None,
        user=_user(message.user.linux) if message.user.HasField("linux") else None,
    )


def _user(message: pb.LinuxContainerUser) -> t.ContainerUser:
    return t.ContainerUser(message.uid, message.gid, tuple(message.supplemental_groups))


def _mount_status(message: pb.Mount) -> t.Mount:
    return t.Mount(
        host_path=message.host_path,
        container_path=message.container_path,
        read_only=message.readonly,
        propagation=t.MountPropagation(message.propagation),
        selinux_relabel=message.selinux_relabel,
    )


def _resources(message: pb.LinuxContainerResources) -> t.Resources:
    return t.Resources(
        cpu_period=message.cpu_period,
        cpu_quota=message.cpu_quota,
        cpu_shares=message.cpu_shares,
        memory_limit=message.memory_limit_in_bytes,
        memory_swap_limit=message.memory_swap_limit_in_bytes,
        oom_score_adj=message.oom_score_adj,
        cpuset_cpus=message.cpuset_cpus,
        cpuset_mems=message.cpuset_mems,
        hugepages=tuple(t.HugepageLimit(h.page_size, h.limit) for h in message.hugepage_limits),
        unified=dict(message.unified),
    )


def image(message: pb.Image) -> t.Image:
    return t.Image(
        id=message.id,
        repo_tags=tuple(message.repo_tags),
        repo_digests=tuple(message.repo_digests),
        size=message.size,
        uid=message.uid.value if message.HasField("uid") else None,
        username=message.username,
        pinned=message.pinned,
    )


def filesystem(message: pb.FilesystemUsage) -> t.FilesystemUsage:
    return t.FilesystemUsage(
        timestamp=_time(message.timestamp),
        mountpoint=message.fs_id.mountpoint,
        used_bytes=message.used_bytes.value,
        inodes_used=message.inodes_used.value,
    )


def container_stats(message: pb.ContainerStats) -> t.ContainerStats:
    cpu, memory = message.cpu, message.memory

    def number(part: pb.CpuUsage | pb.MemoryUsage, name: str) -> int | None:
        return int(getattr(part, name).value) if part.HasField(name) else None

    return t.ContainerStats(
        id=message.attributes.id,
        name=message.attributes.metadata.name,
        timestamp=_time(cpu.timestamp or memory.timestamp),
        labels=dict(message.attributes.labels),
        annotations=dict(message.attributes.annotations),
        cpu_usage_core_nanoseconds=number(cpu, "usage_core_nano_seconds"),
        memory_working_set_bytes=number(memory, "working_set_bytes"),
        memory_usage_bytes=number(memory, "usage_bytes"),
        memory_available_bytes=number(memory, "available_bytes"),
        memory_rss_bytes=number(memory, "rss_bytes"),
        memory_page_faults=number(memory, "page_faults"),
        memory_major_page_faults=number(memory, "major_page_faults"),
        writable_layer=filesystem(message.writable_layer) if message.HasField("writable_layer") else None,
    )


def runtime_status(message: pb.StatusResponse) -> t.RuntimeStatus:
    problems = {
        condition.type: f"{condition.reason}: {condition.message}".strip(": ") or "not ready"
        for condition in message.status.conditions
        if not condition.status
    }
    return t.RuntimeStatus(
        runtime_problem=problems.get("RuntimeReady", ""),
        network_problem=problems.get("NetworkReady", ""),
        handlers=tuple(_handler(handler) for handler in message.runtime_handlers),
        strict_groups=message.features.supplemental_groups_policy if message.HasField("features") else None,
    )


def _handler(message: pb.RuntimeHandler) -> t.RuntimeHandler:
    if not message.HasField("features"):
        return t.RuntimeHandler(message.name)
    features = message.features
    return t.RuntimeHandler(message.name, features.recursive_read_only_mounts, features.user_namespaces)
