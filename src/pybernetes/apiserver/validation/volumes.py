"""The volumes of a pod.

Follows ValidateVolumes in pkg/apis/core/validation; drivers that only exist outside the tree are checked for their
required fields alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EphemeralVolumeSource,
    HostPathVolumeSource,
    ImageVolumeSource,
    KeyToPath,
    NFSVolumeSource,
    PersistentVolumeClaimVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
    Volume,
    VolumeProjection,
)
from pybernetes.apiserver.validation.env import VOLUME_FIELDS, check_field_selector, check_resource_field
from pybernetes.apiserver.validation.paths import check_no_backsteps, check_projected

_USUAL_MODE = 0o644
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_ONLY_ONE = "may not specify more than 1 volume type"


# The name in JSON and the attribute of each kind of volume, in the order of checking.
SOURCES = (
    ("emptyDir", "empty_dir"),
    *(
        (field.encode_name, field.name)
        for field in msgspec.structs.fields(Volume)
        if field.name not in ("name", "empty_dir")
    ),
)
_NAMES = tuple(name for name, _ in SOURCES)
_sources_of = attrgetter(*(attribute for _, attribute in SOURCES))


def check_volumes(volumes: Sequence[Volume], path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        each = path[index]
        yield from _check_source(volume, each)
        if not volume.name:
            yield required(each.name)
            continue
        for message in is_dns_label(volume.name):
            yield invalid(each.name, volume.name, message)
        if volume.name in names:
            yield duplicate(each.name, volume.name)
        names.add(volume.name)


def _check_source(volume: Volume, path: FieldPath) -> Iterator[FieldError]:
    sources = _sources_of(volume)
    given = tuple(zip(compress(_NAMES, sources), filter(None, sources), strict=True))
    if not given:
        yield required(path, "must specify a volume type")
        return
    name, source = given[0]
    check = _CHECKS.get(name)
    if check is not None:
        yield from check(source, getattr(path, name))
    else:
        yield from check_required_fields(name, source, getattr(path, name))
    for extra, _ in given[1:]:
        yield forbidden(getattr(path, extra), _ONLY_ONE)


_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "csi": ("driver",),
    "gitRepo": ("repository",),
    "azureFile": ("secretName", "shareName"),
    "azureDisk": ("diskName", "diskURI"),
    "flexVolume": ("driver",),
    "vsphereVolume": ("volumePath",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "portworxVolume": ("volumeID",),
    "photonPersistentDisk": ("pdID",),
}


def check_required_fields(name: str, source: msgspec.Struct, path: FieldPath) -> Iterator[FieldError]:
    wanted = _REQUIRED.get(name, ())
    for field in msgspec.structs.fields(source):
        if field.encode_name in wanted and not getattr(source, field.name):
            yield required(path.child(field.encode_name))


def _check_mode(mode: int | None, path: FieldPath) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, _MODE)


def _check_items(items: Sequence[KeyToPath], path: FieldPath) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        each = path[index]
        if not item.key:
            yield required(each.key)
        yield from check_projected(item.path, each.path)
        yield from _check_mode(item.mode, each.mode)


def _check_secret(source: SecretVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.secret_name:
        yield required(path.secretName)
    yield from _check_mode(source.default_mode, path.defaultMode)
    yield from _check_items(source.items, path.items)


def _check_config_map(source: ConfigMapVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.name)
    yield from _check_mode(source.default_mode, path.defaultMode)
    yield from _check_items(source.items, path.items)


def _check_downward_file(item: DownwardAPIVolumeFile, path: FieldPath) -> Iterator[FieldError]:
    yield from check_projected(item.path, path.path)
    if item.field_ref is not None:
        yield from check_field_selector(item.field_ref, path.fieldRef, VOLUME_FIELDS)
        if item.resource_field_ref is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.resource_field_ref is not None:
        yield from check_resource_field(item.resource_field_ref, path.resourceFieldRef, in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _check_mode(item.mode, path.mode)


def _check_downward(source: DownwardAPIVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_mode(source.default_mode, path.defaultMode)
    for index, item in enumerate(source.items):
        yield from _check_downward_file(item, path.items[index])


def _check_empty_dir(source: EmptyDirVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if source.size_limit is not None and source.size_limit.startswith("-"):
        yield forbidden(path.sizeLimit, "SizeLimit field must be a valid resource quantity")


def _check_host_path(source: HostPathVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.path:
        yield required(path.path)
        return
    yield from check_no_backsteps(source.path, path.path)
    if source.type is not None and source.type not in HOST_PATH_TYPES:
        yield not_supported(path.type, source.type, HOST_PATH_TYPES)


def _check_nfs(source: NFSVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.server:
        yield required(path.server)
    if not source.path:
        yield required(path.path)
    elif not source.path.startswith("/"):
        yield invalid(path.path, source.path, "must be an absolute path")


def _check_claim(source: PersistentVolumeClaimVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.claim_name:
        yield required(path.claimName)


def _check_ephemeral(source: EphemeralVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if source.volume_claim_template is None:
        yield required(path.volumeClaimTemplate)


def _check_image(source: ImageVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.reference:
        yield required(path.reference)
    if source.pull_policy not in ("Always", "IfNotPresent", "Never"):
        yield not_supported(path.pullPolicy, source.pull_policy or "", ("Always", "IfNotPresent", "Never"))


def _check_projected_volume(source: ProjectedVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if source.default_mode != _USUAL_MODE:
        yield from _check_mode(source.default_mode, path.defaultMode)
    taken: dict[str, str] = {}
    for index, projection in enumerate(source.sources):
        each = path.sources[index]
        yield from _check_projection(projection, each, taken)


def _check_projection(projection: VolumeProjection, path: FieldPath, taken: dict[str, str]) -> Iterator[FieldError]:
    count = 0
    for name, source in (("secret", projection.secret), ("configMap", projection.config_map)):
        if source is None:
            continue
        count += 1
        at = getattr(path, name)
        if count > 1:
            yield forbidden(at, _ONLY_ONE)
            continue
        if not source.name:
            yield required(at.name)
        if source.items:
            yield from _check_items(source.items, at.items)
        for item in source.items:
            yield from _take(taken, item.path, source.name or "", path)
    if projection.downward_api is not None:
        count += 1
        if count > 1:
            yield forbidden(path.downwardAPI, _ONLY_ONE)
        else:
            for index, file in enumerate(projection.downward_api.items):
                yield from _check_downward_file(file, path.downwardAPI.items[index])
                yield from _take(taken, file.path, "downwardAPI", path)
    if (token := projection.service_account_token) is not None:
        count += 1
        if count > 1:
            yield forbidden(path.serviceAccountToken, _ONLY_ONE)
        else:
            seconds = token.expiration_seconds
            if seconds is not None and seconds < 600:
                yield invalid(
                    path.serviceAccountToken.expirationSeconds,
                    seconds,
                    "may not specify a duration less than 10 minutes",
                )
            if seconds is not None and seconds > 1 << 32:
                yield invalid(
                    path.serviceAccountToken.expirationSeconds,
                    seconds,
                    "may not specify a duration larger than 2^32 seconds",
                )
            yield from check_projected(token.path, path.serviceAccountToken.path)
            yield from _take(taken, token.path, "serviceAccountToken", path)
    count += projection.cluster_trust_bundle is not None
    count += projection.pod_certificate is not None
    if count == 0:
        yield required(path)


def _take(taken: dict[str, str], target: str, owner: str, path: FieldPath) -> Iterator[FieldError]:
    if target and target in taken:
        yield invalid(path, target, f"conflicting duplicate paths: {taken[target]}, {owner}")
    taken[target] = owner


_CHECKS: Mapping[str, Callable[[Any, FieldPath], Iterator[FieldError]]] = {
    "secret": _check_secret,
    "configMap": _check_config_map,
    "downwardAPI": _check_downward,
    "emptyDir": _check_empty_dir,
    "hostPath": _check_host_path,
    "nfs": _check_nfs,
    "persistentVolumeClaim": _check_claim,
    "ephemeral": _check_ephemeral,
    "image": _check_image,
    "projected": _check_projected_volume,
}
