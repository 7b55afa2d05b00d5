"""Containers: ordinary, init and ephemeral.

Follows validateContainerCommon, validateInitContainers and validateEphemeralContainers in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_port_name,
    not_found,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import (
    Container,
    ContainerPort,
    EphemeralContainer,
    PodSpec,
    Volume,
    VolumeDevice,
    VolumeMount,
)
from pybernetes.apiserver.validation.env import check_env, check_env_from
from pybernetes.apiserver.validation.paths import check_descending
from pybernetes.apiserver.validation.probes import (
    PORT_RANGE,
    check_lifecycle,
    check_liveness,
    check_readiness,
)
from pybernetes.apiserver.validation.resources import check_requirements
from pybernetes.apiserver.validation.security import check_security_context
from pybernetes.apiserver.validation.simple import check_ip

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
TERMINATION_POLICIES = ("File", "FallbackToLogsOnError")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What containers need to know of the pod they are in."""

    spec: PodSpec
    volumes: Mapping[str, Volume]
    in_template: bool

    @property
    def grace_period(self) -> int | None:
        return self.spec.termination_grace_period_seconds


def check_containers(pod: PodFacts, path: FieldPath) -> Iterator[FieldError]:
    spec = pod.spec
    at_containers = path.containers
    names: set[str] = set()
    if not spec.containers:
        yield required(at_containers)
    for index, container in enumerate(spec.containers):
        each = at_containers[index]
        yield from _check_common(container, each, pod)
        if container.name in names:
            yield duplicate(each.name, container.name)
        names.add(container.name)
        yield from _check_life(container, each, pod)
    yield from _check_host_ports(spec.containers, at_containers)
    if spec.init_containers:
        yield from _check_init_containers(pod, path.initContainers, names)
    if spec.ephemeral_containers:
        yield from _check_ephemeral_containers(pod, path.ephemeralContainers, names)
    if spec.host_network:
        yield from _check_host_network(pod, path)


def _check_life(container: Container, path: FieldPath, pod: PodFacts) -> Iterator[FieldError]:
    """Hooks and probes."""
    if container.lifecycle is not None:
        yield from check_lifecycle(container.lifecycle, path.lifecycle, pod.grace_period)
    if container.liveness_probe is not None:
        yield from check_liveness(container.liveness_probe, path.livenessProbe)
    if container.readiness_probe is not None:
        yield from check_readiness(container.readiness_probe, path.readinessProbe)
    if container.startup_probe is not None:
        yield from check_liveness(container.startup_probe, path.startupProbe)


def _check_init_containers(pod: PodFacts, path: FieldPath, names: set[str]) -> Iterator[FieldError]:
    for index, container in enumerate(pod.spec.init_containers):
        each = path[index]
        yield from _check_common(container, each, pod)
        if container.name in names:
            yield duplicate(each.name, container.name)
        names.add(container.name)
        sidecar = container.restart_policy == "Always"
        if sidecar:
            yield from _check_life(container, each, pod)
        else:
            for name, value in (
                ("lifecycle", container.lifecycle),
                ("livenessProbe", container.liveness_probe),
                ("readinessProbe", container.readiness_probe),
                ("startupProbe", container.startup_probe),
            ):
                if value is not None:
                    yield forbidden(getattr(each, name), _ONLY_SIDECARS)
        yield from _check_host_ports([container], path)


def _check_ephemeral_containers(pod: PodFacts, path: FieldPath, names: set[str]) -> Iterator[FieldError]:
    targets = {container.name for container in pod.spec.containers}
    for index, container in enumerate(pod.spec.ephemeral_containers):
        each = path[index]
        yield from _check_common(container, each, pod)
        if container.name in names:
            yield duplicate(each.name, container.name)
        names.add(container.name)
        for name, value in (
            ("ports", container.ports),
            ("lifecycle", container.lifecycle),
            ("livenessProbe", container.liveness_probe),
            ("readinessProbe", container.readiness_probe),
            ("startupProbe", container.startup_probe),
            ("restartPolicy", container.restart_policy),
        ):
            if value:
                yield forbidden(getattr(each, name), _NOT_EPHEMERAL)
        if container.resources is not None and (container.resources.limits or container.resources.requests):
            yield forbidden(each.resources, _NOT_EPHEMERAL)
        for position, mount in enumerate(container.volume_mounts):
            if mount.sub_path:
                yield forbidden(each.volumeMounts[position].subPath, _NOT_EPHEMERAL)
            if mount.sub_path_expr:
                yield forbidden(each.volumeMounts[position].subPathExpr, _NOT_EPHEMERAL)
        if container.target_container_name and container.target_container_name not in targets:
            yield not_found(each.targetContainerName, container.target_container_name)


def _check_common(container: Container | EphemeralContainer, path: FieldPath, pod: PodFacts) -> Iterator[FieldError]:
    if not container.name:
        yield required(path.name)
    else:
        for message in is_dns_label(container.name):
            yield invalid(path.name, container.name, message)
    if not container.image:
        yield required(path.image)
    elif not pod.in_template and container.image != container.image.strip():
        yield invalid(path.image, container.image, "must not have leading or trailing whitespace")
    message_policy = container.termination_message_policy
    if not message_policy:
        yield required(path.terminationMessagePolicy)
    elif message_policy not in TERMINATION_POLICIES:
        yield not_supported(path.terminationMessagePolicy, message_policy, TERMINATION_POLICIES)
    restart_policy = container.restart_policy
    if restart_policy is not None and restart_policy not in ("Always", "OnFailure", "Never"):
        yield not_supported(path.restartPolicy, restart_policy, ("Always", "OnFailure", "Never"))
    if container.ports:
        yield from _check_ports(container.ports, path.ports)
    if container.env:
        yield from check_env(container.env, path.env)
    if container.env_from:
        yield from check_env_from(container.env_from, path.envFrom)
    if container.volume_mounts:
        yield from _check_mounts(container, path.volumeMounts, pod)
    if container.volume_devices:
        yield from _check_devices(container.volume_devices, path.volumeDevices, pod)
    if not container.image_pull_policy:
        yield required(path.imagePullPolicy)
    elif container.image_pull_policy not in PULL_POLICIES:
        yield not_supported(path.imagePullPolicy, container.image_pull_policy, PULL_POLICIES)
    if container.resources.requests or container.resources.limits:
        yield from check_requirements(container.resources, path.resources)
    if container.resize_policy:
        yield from _check_resize_policy(container, path.resizePolicy, pod)
    if (context := container.security_context) is not None:
        host_users = pod.spec.host_users is not False
        yield from check_security_context(context, path.securityContext, host_users=host_users)


def _check_resize_policy(
    container: Container | EphemeralContainer, path: FieldPath, pod: PodFacts
) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, policy in enumerate(container.resize_policy):
        if policy.resource_name in names:
            yield duplicate(path[index], policy.resource_name)
        names.add(policy.resource_name)
        for value, allowed in (
            (policy.resource_name, ("cpu", "memory")),
            (policy.restart_policy, ("NotRequired", "RestartContainer")),
        ):
            if not value:
                yield required(path)
            elif value not in allowed:
                yield not_supported(path, value, allowed)
        if pod.spec.restart_policy == "Never" and policy.restart_policy != "NotRequired":
            yield invalid(path, policy.restart_policy, "must be 'NotRequired' when `restartPolicy` is 'Never'")


def _check_ports(ports: Sequence[ContainerPort], path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        each = path[index]
        if port.name:
            messages = is_port_name(port.name)
            yield from (invalid(each.name, port.name, message) for message in messages)
            if not messages and port.name in names:
                yield duplicate(each.name, port.name)
            names.add(port.name)
        if not port.container_port:
            yield required(each.containerPort)
        elif not 1 <= port.container_port <= 65535:
            yield invalid(each.containerPort, port.container_port, PORT_RANGE)
        if port.host_port and not 1 <= port.host_port <= 65535:
            yield invalid(each.hostPort, port.host_port, PORT_RANGE)
        if port.host_ip:
            yield from check_ip(port.host_ip, each.hostIP)
        if not port.protocol:
            yield required(each.protocol)
        elif port.protocol not in PROTOCOLS:
            yield not_supported(each.protocol, port.protocol, PROTOCOLS)


def _check_host_ports(containers: Sequence[Container], path: FieldPath) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.ports):
            if not port.host_port:
                continue
            identity = f"{port.protocol}/{port.host_ip or ''}/{port.host_port}"
            if identity in taken:
                yield duplicate(path[index].ports[position].hostPort, identity)
            taken.add(identity)


def _check_host_network(pod: PodFacts, path: FieldPath) -> Iterator[FieldError]:
    """In a template the host's port may be left out: it is filled in when the pod is made."""
    for index, container in enumerate(pod.spec.containers):
        for position, port in enumerate(container.ports):
            given = not pod.in_template or port.host_port
            if given and port.host_port != port.container_port:
                message = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(path.containers[index].ports[position].hostPort, port.host_port, message)


def _check_mounts(container: Container | EphemeralContainer, path: FieldPath, pod: PodFacts) -> Iterator[FieldError]:
    mounts: Sequence[VolumeMount] = container.volume_mounts
    devices = {device.device_path for device in container.volume_devices}
    blocks = {device.name for device in container.volume_devices}
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        each = path[index]
        if not mount.name:
            yield required(each.name)
        if mount.name not in pod.volumes:
            yield not_found(each.name, mount.name)
        if not mount.mount_path:
            yield required(each.mountPath)
        elif mount.mount_path in taken:
            yield invalid(each.mountPath, mount.mount_path, "must be unique")
        if mount.mount_path in devices:
            yield invalid(each.mountPath, mount.mount_path, "must not already exist as a path in volumeDevices")
        taken.add(mount.mount_path)
        if mount.name in blocks:
            yield invalid(each.name, mount.name, "must not already exist in volumeDevices")
        if mount.sub_path:
            yield from check_descending(mount.sub_path, path.subPath)
        if mount.sub_path_expr:
            if mount.sub_path:
                message = "subPathExpr and subPath are mutually exclusive"
                yield invalid(each.subPathExpr, mount.sub_path_expr, message)
            yield from check_descending(mount.sub_path_expr, path.subPathExpr)
        yield from _check_propagation(mount, container, path)
        recursive = mount.recursive_read_only
        if recursive is not None:
            if recursive not in ("Disabled", "Enabled", "IfPossible"):
                yield not_supported(path.recursiveReadOnly, recursive, ("Disabled", "Enabled", "IfPossible"))
            elif recursive != "Disabled" and not mount.read_only:
                yield forbidden(path.recursiveReadOnly, "may only be specified when readOnly is true")


def _check_propagation(
    mount: VolumeMount, container: Container | EphemeralContainer, path: FieldPath
) -> Iterator[FieldError]:
    propagation = mount.mount_propagation
    if propagation is None:
        return
    if propagation not in PROPAGATIONS:
        yield not_supported(path.mountPropagation, propagation, PROPAGATIONS)
    privileged = container.security_context is not None and container.security_context.privileged
    if propagation == "Bidirectional" and not privileged:
        message = "Bidirectional mount propagation is available only to privileged containers"
        yield forbidden(path.mountPropagation, message)


def _check_devices(devices: Sequence[VolumeDevice], path: FieldPath, pod: PodFacts) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, device in enumerate(devices):
        each = path[index]
        if not device.name:
            yield required(each.name)
        elif device.name in names:
            yield invalid(each.name, device.name, "must be unique")
        names.add(device.name)
        volume = pod.volumes.get(device.name)
        if volume is None:
            yield not_found(each.name, device.name)
        elif volume.persistent_volume_claim is None and volume.ephemeral is None:
            message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield invalid(each.name, device.name, message)
        if not device.device_path:
            yield required(each.devicePath)
        else:
            yield from check_descending(device.device_path.lstrip("/"), each.devicePath)
