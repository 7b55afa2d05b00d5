"""Who a container runs as and what it may: pod and container security contexts in the runtime's words.

Guarantees  Pure. The container's own setting wins over its pod's. `check_non_root` refuses before anything is made.
Follows     pkg/kubelet/kuberuntime/security_context.go and pkg/securitycontext.
"""

from __future__ import annotations

from pathlib import Path

from pybernetes.api.models.core_v1 import Container, Pod, PodSecurityContext, SeccompProfile, SecurityContext

from . import runtime
from .env import ConfigError
from .runtime import Capabilities, ContainerSecurity, Image, NamespaceMode, NamespaceOptions, SandboxSecurity

NO_POD = PodSecurityContext()
NO_CONTAINER = SecurityContext()

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)


def namespaces_of(pod: Pod, target: str = "") -> NamespaceOptions:
    """`target` is the container whose processes an ephemeral container wants to see."""
    spec = pod.spec
    pid = NamespaceMode.CONTAINER
    if spec.host_pid:
        pid = NamespaceMode.NODE
    elif spec.share_process_namespace:
        pid = NamespaceMode.POD
    elif target:
        pid = NamespaceMode.TARGET
    return NamespaceOptions(
        network=NamespaceMode.NODE if spec.host_network else NamespaceMode.POD,
        pid=pid,
        ipc=NamespaceMode.NODE if spec.host_ipc else NamespaceMode.POD,
        target=target if pid is NamespaceMode.TARGET else "",
    )


def of_sandbox(pod: Pod, seccomp_root: Path) -> SandboxSecurity:
    context = pod.spec.security_context or NO_POD
    return SandboxSecurity(
        namespaces=namespaces_of(pod),
        privileged=any(
            (c.security_context or NO_CONTAINER).privileged
            for c in (*(pod.spec.containers or ()), *(pod.spec.init_containers or ()))
        ),
        run_as_user=context.run_as_user,
        run_as_group=context.run_as_group if context.run_as_user is not None else None,
        supplemental_groups=_groups(context),
        strict_groups=wants_strict_groups(pod),
        seccomp=runtime.SeccompProfile("RuntimeDefault"),
        selinux=_selinux(context, NO_CONTAINER),
    )


def of_container(
    pod: Pod, container: Container, image: Image | None, seccomp_root: Path, target: str = ""
) -> ContainerSecurity:
    of_pod = pod.spec.security_context or NO_POD
    own = container.security_context or NO_CONTAINER
    user = run_as_user(of_pod, own)
    name = image.username if user is None and image is not None and image.uid is None else ""
    if user is None and image is not None:
        user = image.uid
    unmasked = own.proc_mount == "Unmasked"
    group = own.run_as_group if own.run_as_group is not None else of_pod.run_as_group
    return ContainerSecurity(
        namespaces=namespaces_of(pod, target),
        privileged=bool(own.privileged),
        read_only_root=bool(own.read_only_root_filesystem),
        run_as_user=user,
        run_as_username=name,
        run_as_group=group if user is not None or name else None,
        supplemental_groups=_groups(of_pod),
        strict_groups=wants_strict_groups(pod),
        no_new_privileges=_no_new_privileges(own),
        capabilities=_capabilities(own),
        seccomp=_seccomp(own.seccomp_profile or of_pod.seccomp_profile, seccomp_root),
        apparmor=_apparmor(of_pod, own),
        selinux=_selinux(of_pod, own),
        masked_paths=() if unmasked else None,
        read_only_paths=() if unmasked else None,
    )


def run_as_user(of_pod: PodSecurityContext, own: SecurityContext) -> int | None:
    return own.run_as_user if own.run_as_user is not None else of_pod.run_as_user


def check_non_root(pod: Pod, container: Container, image: Image | None) -> None:
    """Raises ConfigError when runAsNonRoot is asked for and the container would be root, or might be."""
    of_pod = pod.spec.security_context or NO_POD
    own = container.security_context or NO_CONTAINER
    required = own.run_as_non_root if own.run_as_non_root is not None else of_pod.run_as_non_root
    if not required:
        return
    whose = f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
    user = run_as_user(of_pod, own)
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {whose}")
        return
    if image is None:
        return
    if image.uid == 0 or (image.uid is None and not image.username):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {whose}")
    if image.uid is None:
        what = f"image has non-numeric user ({image.username}), cannot verify user is non-root"
        raise ConfigError(f"container has runAsNonRoot and {what} {whose}")


def forbidden_sysctl(pod: Pod, allowed: tuple[str, ...]) -> str | None:
    """Why the node does not take the pod's sysctls."""
    for sysctl in (pod.spec.security_context or NO_POD).sysctls or ():
        name = sysctl.name.replace("/", ".")
        if pod.spec.host_network and name.startswith("net."):
            return f'forbidden sysctl: "{sysctl.name}" not allowed with host net enabled'
        if pod.spec.host_ipc and name.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")):
            return f'forbidden sysctl: "{sysctl.name}" not allowed with host ipc enabled'
        if name not in SAFE_SYSCTLS and not any(_covers(pattern, name) for pattern in allowed):
            return f'forbidden sysctl: "{sysctl.name}" not allowlisted'
    return None


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def wants_strict_groups(pod: Pod) -> bool:
    """Without the groups that the image gives the user."""
    return (pod.spec.security_context or NO_POD).supplemental_groups_policy == "Strict"


def _groups(context: PodSecurityContext) -> tuple[int, ...]:
    groups = list(context.supplemental_groups or ())
    if context.fs_group is not None and context.fs_group not in groups:
        groups.append(context.fs_group)
    return tuple(groups)


def _no_new_privileges(own: SecurityContext) -> bool:
    return own.allow_privilege_escalation is False and not own.privileged


def _capabilities(own: SecurityContext) -> Capabilities:
    if own.capabilities is None:
        return Capabilities()
    return Capabilities(tuple(own.capabilities.add or ()), tuple(own.capabilities.drop or ()))


def _seccomp(profile: SeccompProfile | None, root: Path) -> runtime.SeccompProfile:
    if profile is None:
        return runtime.SeccompProfile()
    path = str(root / (profile.localhost_profile or "")) if profile.type == "Localhost" else ""
    return runtime.SeccompProfile(profile.type, path)


def _apparmor(of_pod: PodSecurityContext, own: SecurityContext) -> runtime.SeccompProfile | None:
    profile = own.app_armor_profile or of_pod.app_armor_profile
    return None if profile is None else runtime.SeccompProfile(profile.type, profile.localhost_profile or "")


def _selinux(of_pod: PodSecurityContext, own: SecurityContext) -> runtime.SELinuxOptions | None:
    options = own.se_linux_options or of_pod.se_linux_options
    if options is None:
        return None
    return runtime.SELinuxOptions(options.user or "", options.role or "", options.type or "", options.level or "")
