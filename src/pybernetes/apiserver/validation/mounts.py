"""Where containers see the pod's volumes: mounts and block devices.

Follows ValidateVolumeMounts and ValidateVolumeDevices in pkg/apis/core/validation, whose errors about a mount's
further fields name the list and not the mount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, not_found, not_supported, required
from pybernetes.api.models.core_v1 import Container, EphemeralContainer, Volume, VolumeMount
from pybernetes.apiserver.validation.paths import check_descending, check_no_backsteps

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_BLOCK_ONLY = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
_UNIQUE = "must be unique"


def check_mounts(
    container: Container | EphemeralContainer, path: FieldPath, volumes: Mapping[str, Volume]
) -> Iterator[FieldError]:
    devices = {device.name: device.device_path for device in container.volume_devices}
    taken: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        each = path[index]
        if not mount.name:
            yield required(each.name)
        if mount.name not in volumes:
            yield not_found(each.name, mount.name)
        if not mount.mount_path:
            yield required(each.mountPath)
        if mount.mount_path in taken:
            yield invalid(each.mountPath, mount.mount_path, _UNIQUE)
        taken.add(mount.mount_path)
        if mount.name in devices:
            yield invalid(each.name, mount.name, "must not already exist in volumeDevices")
        if mount.mount_path in devices.values():
            yield invalid(each.mountPath, mount.mount_path, "must not already exist as a path in volumeDevices")
        yield from _check_sub_path(mount, each, path)
        if mount.mount_propagation is not None:
            yield from _check_propagation(mount.mount_propagation, container, path.mountPropagation)
        if mount.recursive_read_only is not None:
            yield from _check_recursive(mount, mount.recursive_read_only, path.recursiveReadOnly)


def _check_sub_path(mount: VolumeMount, each: FieldPath, path: FieldPath) -> Iterator[FieldError]:
    if mount.sub_path:
        yield from check_descending(mount.sub_path, path.subPath)
    if mount.sub_path_expr:
        if mount.sub_path:
            yield invalid(each.subPathExpr, mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
        yield from check_descending(mount.sub_path_expr, path.subPathExpr)


def _check_propagation(
    propagation: str, container: Container | EphemeralContainer, path: FieldPath
) -> Iterator[FieldError]:
    if propagation not in PROPAGATIONS:
        yield not_supported(path, propagation, PROPAGATIONS)
    privileged = container.security_context is not None and container.security_context.privileged
    if propagation == "Bidirectional" and not privileged:
        yield forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _check_recursive(mount: VolumeMount, recursive: str, path: FieldPath) -> Iterator[FieldError]:
    if recursive not in _RECURSIVE:
        yield not_supported(path, recursive, _RECURSIVE)
    elif recursive != "Disabled":
        if not mount.read_only:
            yield forbidden(path, "may only be specified when readOnly is true")
        if mount.mount_propagation not in (None, "None"):
            yield forbidden(path, "may only be specified when mountPropagation is None or not specified")


def check_devices(
    container: Container | EphemeralContainer, path: FieldPath, volumes: Mapping[str, Volume]
) -> Iterator[FieldError]:
    mounts = {mount.name: mount.mount_path for mount in container.volume_mounts}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.volume_devices):
        each = path[index]
        name, device_path = device.name, device.device_path
        if not name:
            yield required(each.name)
        if name in names:
            yield invalid(each.name, name, _UNIQUE)
        volume = volumes.get(name)
        if volume is None:
            yield not_found(each.name, name)
        elif volume.persistent_volume_claim is None and volume.ephemeral is None:
            yield invalid(each.name, name, _BLOCK_ONLY)
        if not device_path:
            yield required(each.devicePath)
        if device_path in paths:
            yield invalid(each.devicePath, device_path, _UNIQUE)
        if any(check_no_backsteps(device_path, each.devicePath)):
            yield invalid(each.devicePath, device_path, "can not contain backsteps ('..')")
        else:
            paths.add(device_path)
        if name in mounts:
            yield invalid(each.name, name, "must not already exist in volumeMounts")
        if device_path in mounts.values():
            yield invalid(each.devicePath, device_path, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)
