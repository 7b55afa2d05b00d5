"""A container's environment: envFrom, env with valueFrom, `$(VAR)` expansion, and the variables of services.

Guarantees  Later declarations win; env wins over envFrom; both win over service variables. A missing reference that
            is not optional raises `ConfigError`, whose text becomes the message of CreateContainerConfigError.
Follows     pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables) and pkg/kubelet/envvars.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import (
    ConfigMap,
    Container,
    EnvFromSource,
    EnvVar,
    FileKeySelector,
    Pod,
    Secret,
    Service,
)

from . import downward, env_files, expansion

ReadFile = Callable[[str, str], str]
"""The text of a volume's file by its path, which cannot lead out of the volume; OSError or ValueError without one."""


class ConfigError(Exception):
    """The container cannot be configured as its pod asks."""


class Objects(Protocol):
    """Where config maps and secrets come from; raises ApiError when there is none."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap: ...

    async def secret(self, namespace: str, name: str) -> Secret: ...


@dataclass(frozen=True, slots=True)
class EnvContext:
    """What a pod's variables may refer to besides the pod itself."""

    services: Mapping[str, str]
    allocatable: Mapping[str, str]
    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    read_file: ReadFile | None = None
    """Reads a file of one of the pod's volumes; None where volumes have no files."""


async def environment(pod: Pod, container: Container, objects: Objects, context: EnvContext) -> dict[str, str]:
    """Every variable of the container, in the order in which it was declared."""
    own: dict[str, str] = {}
    for source in container.env_from or ():
        for key, value in (await _from_source(pod, source, objects)).items():
            own[(source.prefix or "") + key] = value
    look_up = expansion.from_mappings(own, context.services)
    for variable in container.env or ():
        found = await _value_of(pod, container, variable, objects, context, look_up)
        if found is not None:
            own[variable.name] = found
    return {**own, **{name: value for name, value in context.services.items() if name not in own}}


async def _value_of(
    pod: Pod, container: Container, variable: EnvVar, objects: Objects, context: EnvContext, look_up: expansion.Lookup
) -> str | None:
    """None when the reference is optional and leads nowhere."""
    if variable.value_from is None:
        return expansion.expand(variable.value or "", look_up)
    source = variable.value_from
    try:
        if source.field_ref is not None:
            return downward.field_text(pod, source.field_ref.field_path, context.host_ips, context.pod_ips)
        if source.resource_field_ref is not None:
            ref = source.resource_field_ref
            target = downward.container_named(pod, ref.container_name) if ref.container_name else container
            return downward.resource_text(ref, target, context.allocatable)
    except downward.UnknownField as error:
        raise ConfigError(str(error)) from error
    namespace = pod.metadata.namespace or ""
    if source.config_map_key_ref is not None:
        key_ref = source.config_map_key_ref
        return await _key(objects, "ConfigMap", namespace, key_ref.name or "", key_ref.key, bool(key_ref.optional))
    if source.secret_key_ref is not None:
        secret_ref = source.secret_key_ref
        return await _key(
            objects, "Secret", namespace, secret_ref.name or "", secret_ref.key, bool(secret_ref.optional)
        )
    if source.file_key_ref is not None:
        return _from_file(pod, source.file_key_ref, context.read_file)
    raise ConfigError(f"environment variable {variable.name} has a source of a kind that this node does not know")


def _from_file(pod: Pod, ref: FileKeySelector, read: ReadFile | None) -> str | None:
    if read is None:
        return None
    if all(volume.name != ref.volume_name for volume in pod.spec.volumes):
        raise ConfigError(f'cannot find the volume "{ref.volume_name}" referenced by FileKeyRef')
    try:
        value = env_files.value_of(read(ref.volume_name, ref.path), ref.key)
    except (OSError, ValueError) as error:
        raise ConfigError("couldn't parse env file") from error
    if value or ref.optional:
        return value or None
    raise ConfigError(f'environment variable key "{ref.key}" not found in file "{ref.path}"')


async def _key(objects: Objects, kind: str, namespace: str, name: str, key: str, optional: bool) -> str | None:
    values = await _data(objects, kind, namespace, name, optional)
    if values is not None and key in values:
        return values[key]
    if optional:
        return None
    raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")


async def _from_source(pod: Pod, source: EnvFromSource, objects: Objects) -> Mapping[str, str]:
    namespace = pod.metadata.namespace or ""
    if source.config_map_ref is not None:
        ref = source.config_map_ref
        return await _data(objects, "ConfigMap", namespace, ref.name or "", bool(ref.optional)) or {}
    if source.secret_ref is not None:
        secret = source.secret_ref
        return await _data(objects, "Secret", namespace, secret.name or "", bool(secret.optional)) or {}
    return {}


async def _data(objects: Objects, kind: str, namespace: str, name: str, optional: bool) -> Mapping[str, str] | None:
    """The text values of a config map or secret; None if it is missing and may be."""
    try:
        if kind == "ConfigMap":
            return (await objects.config_map(namespace, name)).data or {}
        data = (await objects.secret(namespace, name)).data or {}
        return {key: secret_bytes(value).decode("utf-8", "surrogateescape") for key, value in data.items()}
    except ApiError as error:
        if error.code != 404:
            raise
        if optional:
            return None
        raise ConfigError(f'{kind.lower()} "{name}" not found') from error


def secret_bytes(value: str | bytes) -> bytes:
    """A secret's value as bytes, whether the model decoded its base64 or left it as text."""
    return value if isinstance(value, bytes) else base64.b64decode(value)


def service_variables(services: Iterable[Service], namespace: str, links: bool) -> dict[str, str]:
    """Variables for the `kubernetes` service, and with `links` for every service of the pod's namespace."""
    variables: dict[str, str] = {}
    for service in services:
        master = service.metadata.namespace == "default" and service.metadata.name == "kubernetes"
        if master or (links and service.metadata.namespace == namespace):
            if master and f"{_variable_name('kubernetes')}_SERVICE_HOST" in variables:
                continue
            variables.update(_of_service(service))
    return variables


def _of_service(service: Service) -> dict[str, str]:
    address = service.spec.cluster_ip
    ports = service.spec.ports or ()
    if not address or address == "None" or not ports:
        return {}
    prefix = _variable_name(service.metadata.name or "")
    host = f"[{address}]" if ":" in address else address
    variables = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            variables[f"{prefix}_SERVICE_PORT_{_variable_name(port.name)}"] = str(port.port)
    for index, port in enumerate(ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        if index == 0:
            variables[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        variables |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port.port),
            f"{link}_ADDR": address,
        }
    return variables


def _variable_name(name: str) -> str:
    return name.upper().replace("-", "_")
