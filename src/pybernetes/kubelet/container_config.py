"""From a pod's declaration to what the runtime is told: the sandbox's and the containers' configurations.

Guarantees  Pure: everything that had to be asked for (environment, volumes, image) comes in as values.
Follows     pkg/kubelet/kuberuntime (generatePodSandboxConfig, generateContainerConfig) and
            pkg/kubelet/kubelet_pods.go (makeMounts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pybernetes.api.models.core_v1 import Container, Pod, VolumeMount

from . import expansion, hosts, plan, resources, security
from .configuration import NodeConfiguration
from .dns import Resolver
from .runtime import (
    ContainerConfig,
    DnsConfig,
    Image,
    Mount,
    MountPropagation,
    PortMapping,
    Resources,
    RuntimeHandler,
    SandboxConfig,
    labels,
)

_PROPAGATION = {
    "HostToContainer": MountPropagation.HOST_TO_CONTAINER,
    "Bidirectional": MountPropagation.BIDIRECTIONAL,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found out for one container before it is made."""

    image: str
    image_info: Image | None
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    target: str = ""


def sandbox_config(
    pod: Pod, node: NodeConfiguration, attempt: int, resolver: Resolver, cgroup_parent: str
) -> SandboxConfig:
    name, namespace, uid = pod.metadata.name or "", pod.metadata.namespace or "", pod.metadata.uid or ""
    context = pod.spec.security_context or security.NO_POD
    wanted = resources.of_pod(pod)
    return SandboxConfig(
        name=name,
        namespace=namespace,
        uid=uid,
        attempt=attempt,
        hostname=sandbox_hostname(pod, node),
        log_directory=str(node.paths.logs(namespace, name, uid)),
        dns=DnsConfig(resolver.servers, resolver.searches, resolver.options),
        ports=() if pod.spec.host_network else tuple(_ports(pod)),
        labels=labels.sandbox_labels(name, namespace, uid, pod.metadata.labels or {}),
        annotations=dict(pod.metadata.annotations or {}) | {labels.CONFIG_SOURCE: "api"},
        cgroup_parent=cgroup_parent,
        sysctls={sysctl.name.replace("/", "."): sysctl.value for sysctl in context.sysctls or ()},
        security=security.of_sandbox(pod, node.root / "seccomp"),
        resources=Resources(
            cpu_period=resources.QUOTA_PERIOD,
            cpu_quota=wanted.cpu_quota or 0,
            cpu_shares=resources.cpu_shares(wanted.cpu_milli),
            memory_limit=wanted.memory_limit or 0,
        ),
    )


def sandbox_hostname(pod: Pod, node: NodeConfiguration) -> str:
    """Nothing for a pod on the node's network, which has the node's name."""
    if pod.spec.host_network:
        return ""
    hostname = hosts.hostname_of(pod, node.hostname or node.name)
    domain = hosts.domain_of(pod, node.cluster_domain)
    if pod.spec.set_hostname_as_fqdn and domain:
        full = f"{hostname}.{domain}"
        if len(full) > 64:
            length = f"(64 characters is the max, {len(full)} characters requested)"
            what = "failed to construct FQDN from pod hostname and cluster domain"
            raise ValueError(f"{what}, FQDN {full} is too long {length}")
        return full
    return hostname


def _ports(pod: Pod) -> list[PortMapping]:
    sidecars = [c for c in pod.spec.init_containers or () if c.restart_policy == "Always"]
    return [
        PortMapping(port.container_port, port.host_port, port.protocol or "TCP", port.host_ip or "")
        for container in (*(pod.spec.containers or ()), *sidecars)
        for port in container.ports or ()
        if port.host_port
    ]


def container_config(
    pod: Pod, container: Container, node: NodeConfiguration, prepared: Prepared, restart_count: int, node_memory: int
) -> ContainerConfig:
    look_up = expansion.from_mappings(prepared.environment)
    name, namespace, uid = pod.metadata.name or "", pod.metadata.namespace or "", pod.metadata.uid or ""
    return ContainerConfig(
        name=container.name,
        image=prepared.image,
        attempt=restart_count,
        user_image=container.image or "",
        command=tuple(expansion.expand_all(container.command or (), look_up)),
        args=tuple(expansion.expand_all(container.args or (), look_up)),
        working_dir=container.working_dir or "",
        env=tuple(prepared.environment.items()),
        mounts=prepared.mounts,
        labels=labels.container_labels(name, namespace, uid, container.name),
        annotations=_annotations(pod, container, restart_count),
        log_path=labels.container_log_path(container.name, restart_count),
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdin_once),
        tty=bool(container.tty),
        resources=resources.of_container(pod, container, node_memory),
        security=security.of_container(pod, container, prepared.image_info, node.root / "seccomp", prepared.target),
    )


def _annotations(pod: Pod, container: Container, restart_count: int) -> dict[str, str]:
    """What a restarted kubelet must know of the container even when its pod is gone from the API."""
    found = {
        labels.CONTAINER_HASH: plan.container_hash(container),
        labels.RESTART_COUNT: str(restart_count),
        labels.TERMINATION_MESSAGE_PATH: container.termination_message_path or "",
        labels.TERMINATION_MESSAGE_POLICY: container.termination_message_policy or "File",
    }
    if pod.spec.termination_grace_period_seconds is not None:
        found[labels.POD_TERMINATION_GRACE_PERIOD] = str(pod.spec.termination_grace_period_seconds)
    if container.lifecycle is not None and container.lifecycle.pre_stop is not None:
        found[labels.PRE_STOP_HANDLER] = msgspec.json.encode(container.lifecycle.pre_stop).decode()
    return found


def mount_of(path: Path, container_path: str, read_only: bool, propagation: str | None) -> Mount:
    return Mount(
        host_path=str(path),
        container_path=container_path if container_path.startswith("/") else f"/{container_path}",
        read_only=read_only,
        propagation=_PROPAGATION.get(propagation or "", MountPropagation.PRIVATE),
    )


def recursively_read_only(wanted: VolumeMount, handler: RuntimeHandler) -> bool:
    return wanted.recursive_read_only in ("Enabled", "IfPossible") and bool(handler.recursive_read_only)


def ephemeral_as_container(pod: Pod, name: str) -> Container:
    """An ephemeral container read as an ordinary one: their common fields are the same."""
    for ephemeral in pod.spec.ephemeral_containers or ():
        if ephemeral.name == name:
            shared = set(Container.__struct_fields__) & set(ephemeral.__struct_fields__)
            return Container(**{field: getattr(ephemeral, field) for field in shared})
    raise LookupError(f"no ephemeral container {name}")


def container_named(pod: Pod, name: str) -> Container:
    for container in [*pod.spec.containers, *pod.spec.init_containers]:
        if container.name == name:
            return container
    return ephemeral_as_container(pod, name)
