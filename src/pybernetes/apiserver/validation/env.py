"""Environment variables and what they take their values from.

Follows validateEnv and validateEnvFrom in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    invalid,
    is_config_key,
    is_dns_label,
    is_dns_subdomain,
    is_relaxed_env_name,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import (
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
)
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.paths import check_no_backsteps

ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_FIELDS = frozenset(
    (*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.hostNetwork")
)
CONTAINER_RESOURCE_FIELDS = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVIDED = {
    "cpu": (("1m", "1"), "1m and 1", "cpu"),
    "memory": (_BYTE_DIVISORS, ", ".join(_BYTE_DIVISORS), "memory"),
    "ephemeral-storage": (_BYTE_DIVISORS, ", ".join(_BYTE_DIVISORS), "local ephemeral storage"),
    "hugepages": (_BYTE_DIVISORS, ", ".join(_BYTE_DIVISORS), "hugepages"),
}
"""Resource → the divisors it can have, and how they and it are called."""
_HUGEPAGES = ("requests.hugepages-", "limits.hugepages-")
_ONE_OF = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_MORE_THAN_ONE = "may not have more than one field specified at a time"


def check_env(variables: Sequence[EnvVar], path: FieldPath) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        if not variable.name:
            yield required(path[index].name)
        else:
            yield from (invalid(path[index].name, variable.name, m) for m in is_relaxed_env_name(variable.name))
        if variable.value_from is not None:
            yield from _check_source(variable, variable.value_from, path[index].valueFrom)


def _check_source(variable: EnvVar, source: EnvVarSource, path: FieldPath) -> Iterator[FieldError]:
    count = 0
    if source.field_ref is not None:
        count += 1
        yield from check_field_selector(source.field_ref, path.fieldRef, ENV_FIELDS)
    if source.resource_field_ref is not None:
        count += 1
        yield from check_resource_field(source.resource_field_ref, path.resourceFieldRef, in_volume=False)
    for name, reference in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if reference is not None:
            count += 1
            yield from check_reference_name(reference.name, getattr(path, name).name)
            yield from check_key(reference.key, getattr(path, name).key)
    if source.file_key_ref is not None:
        count += 1
        yield from _check_file_key(source.file_key_ref, path.fileKeyRef)
    if count == 0:
        yield invalid(path, "", _ONE_OF)
    elif variable.value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(path, "", _MORE_THAN_ONE)


def _check_file_key(selector: FileKeySelector, path: FieldPath) -> Iterator[FieldError]:
    if not selector.key:
        yield required(path.key)
    else:
        yield from (invalid(path.key, selector.key, message) for message in is_relaxed_env_name(selector.key))
    if not selector.volume_name:
        yield required(path.volumeName)
    else:
        messages = is_dns_label(selector.volume_name)
        yield from (invalid(path.volumeName, selector.volume_name, message) for message in messages)
    if not selector.path:
        yield required(path.path)
    else:
        yield from check_no_backsteps(selector.path, path.path)


def check_reference_name(name: str | None, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, name or "", message) for message in is_dns_subdomain(name or ""))


def check_key(key: str, path: FieldPath) -> Iterator[FieldError]:
    if not key:
        yield required(path)
    else:
        yield from (invalid(path, key, message) for message in is_config_key(key))


def check_field_selector(
    selector: ObjectFieldSelector, path: FieldPath, supported: Sequence[str]
) -> Iterator[FieldError]:
    if not selector.api_version:
        yield required(path.apiVersion)
    elif not selector.field_path:
        yield required(path.fieldPath)
    elif selector.api_version != "v1":
        message = f"error converting fieldPath: unsupported pod version: {selector.api_version}"
        yield invalid(path.fieldPath, selector.field_path, message)
    elif selector.field_path.endswith("']") and "['" in selector.field_path:
        field, _, key = selector.field_path[:-2].partition("['")
        if field not in ("metadata.annotations", "metadata.labels"):
            message = f"error converting fieldPath: field label does not support subscript: {selector.field_path}"
            yield invalid(path.fieldPath, selector.field_path, message)
        else:
            subscript = key.lower() if field == "metadata.annotations" else key
            yield from (invalid(path, subscript, message) for message in label_key_messages(subscript))
    elif selector.field_path not in _KNOWN_FIELDS:
        message = f"error converting fieldPath: field label not supported: {selector.field_path}"
        yield invalid(path.fieldPath, selector.field_path, message)
    elif selector.field_path not in supported:
        yield not_supported(path.fieldPath, selector.field_path, supported)


def check_resource_field(selector: ResourceFieldSelector, path: FieldPath, *, in_volume: bool) -> Iterator[FieldError]:
    if in_volume and not selector.container_name:
        yield required(path.containerName)
    elif not selector.resource:
        yield required(path.resource)
    elif selector.resource not in CONTAINER_RESOURCE_FIELDS and not selector.resource.startswith(_HUGEPAGES):
        yield not_supported(path.resource, selector.resource, CONTAINER_RESOURCE_FIELDS)
    divisor = selector.divisor or "0"
    if divisor == "0":
        return
    kind = selector.resource.partition(".")[2] if selector.resource in CONTAINER_RESOURCE_FIELDS else ""
    if selector.resource.startswith(_HUGEPAGES):
        kind = "hugepages"
    if kind in _DIVIDED and divisor not in _DIVIDED[kind][0]:
        _, values, name = _DIVIDED[kind]
        message = f"only divisor's values {values} are supported with the {name} resource"
        yield invalid(path.divisor, selector.resource, message)


def check_env_from(sources: Sequence[EnvFromSource], path: FieldPath) -> Iterator[FieldError]:
    for index, source in enumerate(sources):
        each = path[index]
        if source.prefix:
            yield from (invalid(each.prefix, source.prefix, message) for message in is_relaxed_env_name(source.prefix))
        given = [
            (name, reference)
            for name, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref))
            if reference is not None
        ]
        for name, reference in given:
            if not reference.name:
                yield required(getattr(each, name).name)
            else:
                yield from check_reference_name(reference.name, getattr(each, name).name)
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", _MORE_THAN_ONE)
