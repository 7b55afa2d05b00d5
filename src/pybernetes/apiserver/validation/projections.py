"""Volumes whose files are written from the API: secret, configMap, downwardAPI, projected.

Follows validateProjectedVolumeSource and its neighbours in pkg/apis/core/validation. Cluster trust bundles and pod
certificates are dropped before validation, as their features are off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, required
from pybernetes.api.models.core_v1 import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    KeyToPath,
    ProjectedVolumeSource,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from pybernetes.apiserver.validation.env import VOLUME_FIELDS, check_field_selector, check_resource_field
from pybernetes.apiserver.validation.paths import check_not_reserved, check_projected

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_SHORTEST_TOKEN = 600
_LONGEST_TOKEN = 1 << 32


def _check_mode(mode: int | None, path: FieldPath) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, _MODE)


def _check_item(item: KeyToPath, path: FieldPath) -> Iterator[FieldError]:
    if not item.key:
        yield required(path.key)
    yield from check_projected(item.path, path.path)
    yield from _check_mode(item.mode, path.mode)


def _check_items(items: Sequence[KeyToPath], path: FieldPath) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        yield from _check_item(item, path[index])


def check_secret(source: SecretVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.secret_name:
        yield required(path.secretName)
    yield from _check_mode(source.default_mode, path.defaultMode)
    yield from _check_items(source.items, path.items)


def check_config_map(source: ConfigMapVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.name)
    yield from _check_mode(source.default_mode, path.defaultMode)
    yield from _check_items(source.items, path.items)


def check_downward(source: DownwardAPIVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_mode(source.default_mode, path.defaultMode)
    for file in source.items:
        yield from _check_downward_file(file, path)


def _check_downward_file(file: DownwardAPIVolumeFile, path: FieldPath) -> Iterator[FieldError]:
    """Errors name the volume and not the item, as they always did."""
    yield from check_projected(file.path, path.path)
    if file.field_ref is not None:
        yield from check_field_selector(file.field_ref, path.fieldRef, VOLUME_FIELDS)
        if file.resource_field_ref is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif file.resource_field_ref is not None:
        yield from check_resource_field(file.resource_field_ref, path.resourceFieldRef, in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _check_mode(file.mode, path.mode)


def check_projected_volume(source: ProjectedVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_mode(source.default_mode, path.defaultMode)
    taken: set[str] = set()
    for index, projection in enumerate(source.sources):
        yield from _check_projection(projection, path.sources[index], path, taken)


def _check_projection(
    projection: VolumeProjection, path: FieldPath, at_volume: FieldPath, taken: set[str]
) -> Iterator[FieldError]:
    for name, source in (("secret", projection.secret), ("configMap", projection.config_map)):
        if source is None:
            continue
        at_source = path.child(name)
        if not source.name:
            yield required(at_source.name)
        for index, item in enumerate(source.items):
            yield from _check_item(item, at_source.items[index])
            yield from _take(item.path, source.name or "", at_volume, taken)
    if projection.downward_api is not None:
        for file in projection.downward_api.items:
            yield from _check_downward_file(file, path.downwardAPI)
            yield from _take(file.path, file.path, at_volume, taken)
    if projection.service_account_token is not None:
        yield from _check_token(projection.service_account_token, path.serviceAccountToken, at_volume)
    given = (projection.secret, projection.config_map, projection.downward_api, projection.service_account_token)
    if len(given) - given.count(None) > 1:
        yield forbidden(path, "may not specify more than 1 volume type per source")


def _check_token(token: ServiceAccountTokenProjection, path: FieldPath, at_volume: FieldPath) -> Iterator[FieldError]:
    seconds = token.expiration_seconds or 0
    if seconds < _SHORTEST_TOKEN:
        yield invalid(path.expirationSeconds, seconds, "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST_TOKEN:
        yield invalid(path.expirationSeconds, seconds, "may not specify a duration larger than 2^32 seconds")
    if not token.path:
        yield required(at_volume.path)
    else:
        yield from check_not_reserved(token.path, at_volume.path)


def _take(target: str, shown: str, path: FieldPath, taken: set[str]) -> Iterator[FieldError]:
    if target and target in taken:
        yield invalid(path, shown, "conflicting duplicate paths")
    taken.add(target)
