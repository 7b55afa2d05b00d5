"""DeviceClass: a kind of device that claims may ask for.

Follows pkg/registry/resource/deviceclass and ValidateDeviceClass in pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.resource_v1 import DeviceClass
from pybernetes.api.resource_names import is_extended
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource, spec_changed
from pybernetes.apiserver.validation.collections import check_list
from pybernetes.apiserver.validation.device_claim import (
    MOST_CONFIGURATIONS,
    check_configuration,
    check_selectors,
)
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update


def validate(device_class: DeviceClass) -> Iterator[FieldError]:
    yield from check_metadata(device_class.metadata, is_dns_subdomain, namespaced=False)
    yield from _check_spec(device_class, None)


def validate_update(new: DeviceClass, old: DeviceClass) -> Iterator[FieldError]:
    yield from check_metadata(new.metadata, is_dns_subdomain, namespaced=False)
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new, old)


def _check_spec(new: DeviceClass, old: DeviceClass | None) -> Iterator[FieldError]:
    spec = new.spec
    yield from check_selectors(spec.selectors, at.spec.selectors)
    stored = old is not None and old.spec.config == spec.config
    yield from check_list(
        spec.config,
        at.spec.config,
        lambda configuration, path: check_configuration(configuration.opaque, path, stored=stored),
        most=MOST_CONFIGURATIONS,
    )
    name = spec.extended_resource_name
    if name is not None and not is_extended(name):
        yield invalid(at.spec.extendedResourceName, name, "must be a valid extended resource name")


DEVICE_CLASSES = Resource(
    info=info_of(DeviceClass),
    returns_deleted=True,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    generation=spec_changed,
    columns=(NAME, AGE),
)

RESOURCES = (DEVICE_CLASSES,)
