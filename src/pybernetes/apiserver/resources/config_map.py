"""ConfigMap: key-value pairs that pods read as files or as environment.

Follows pkg/registry/core/configmap and ValidateConfigMap in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    at,
    forbidden,
    invalid,
    is_config_key,
    is_dns_subdomain,
    too_long,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ConfigMap
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.sizes import base64_size

MAXIMUM_SIZE = 1024 * 1024
FROZEN = "field is immutable when `immutable` is set"


def _data_count(document: Document, now: datetime) -> int:
    return len(document.get("data") or ()) + len(document.get("binaryData") or ())


def validate(config_map: ConfigMap) -> Iterator[FieldError]:
    yield from check_metadata(config_map.metadata, is_dns_subdomain)
    size = 0
    for key, text in config_map.data.items():
        for message in is_config_key(key):
            yield invalid(at.data[key], key, message)
        if key in config_map.binary_data:
            yield invalid(at.data[key], key, "duplicate of key present in binaryData")
        size += len(text) if text.isascii() else len(text.encode())
    for key, encoded in config_map.binary_data.items():
        for message in is_config_key(key):
            yield invalid(at.binaryData[key], key, message)
        size += base64_size(encoded)
    if size > MAXIMUM_SIZE:
        yield too_long("[]", "", MAXIMUM_SIZE)


def validate_update(new: ConfigMap, old: ConfigMap) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if old.immutable:
        yield from _check_frozen(new, old)
    yield from validate(new)


def _check_frozen(new: ConfigMap, old: ConfigMap) -> Iterator[FieldError]:
    if not new.immutable:
        yield forbidden(at.immutable, FROZEN)
    if new.data != old.data:
        yield forbidden(at.data, FROZEN)
    if new.binary_data != old.binary_data:
        yield forbidden(at.binaryData, FROZEN)


CONFIG_MAPS = Resource(
    info=info_of(ConfigMap),
    short_names=("cm",),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, Column("Data", _data_count), AGE),
)

RESOURCES = (CONFIG_MAPS,)
