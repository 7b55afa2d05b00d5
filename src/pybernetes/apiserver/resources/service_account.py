"""ServiceAccount: an identity for what runs in pods.

Follows pkg/registry/core/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ServiceAccount
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource, SpecialSubresource
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update


def validate(account: ServiceAccount) -> Iterator[FieldError]:
    yield from check_metadata(account.metadata, is_dns_subdomain)


def validate_update(new: ServiceAccount, old: ServiceAccount) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)


SERVICE_ACCOUNTS = Resource(
    info=info_of(ServiceAccount),
    returns_deleted=True,
    short_names=("sa",),
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, AGE),
    subresources=(SpecialSubresource("token", ("create",), ("authentication.k8s.io", "v1", "TokenRequest")),),
)

RESOURCES = (SERVICE_ACCOUNTS,)
