"""ServiceAccount: an identity for what runs in pods.

Follows pkg/registry/core/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ServiceAccount
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Context, Document, Resource, SpecialSubresource
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update

MOUNTABLE_ONLY = "kubernetes.io/enforce-mountable-secrets"
_MOUNTABLE_WARNING = (
    f"metadata.annotations[{MOUNTABLE_ONLY}]: deprecated in v1.32+; "
    "prefer separate namespaces to isolate access to mounted secrets"
)


def validate(account: ServiceAccount) -> Iterator[FieldError]:
    yield from check_metadata(account.metadata, is_dns_subdomain)


def validate_update(new: ServiceAccount, old: ServiceAccount) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)


def prepare_create(account: Document, context: Context) -> None:
    _clean_references(account)
    if MOUNTABLE_ONLY in (account["metadata"].get("annotations") or {}):
        context.warnings.append(_MOUNTABLE_WARNING)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    """Warns who sets the annotation, not who leaves it."""
    _clean_references(new)
    annotations, before = (one["metadata"].get("annotations") or {} for one in (new, old))
    if MOUNTABLE_ONLY in annotations and MOUNTABLE_ONLY not in before:
        context.warnings.append(_MOUNTABLE_WARNING)


def _clean_references(account: Document) -> None:
    """Of references to secrets only the name is kept."""
    if account.get("secrets"):
        account["secrets"] = [{"name": one["name"]} if one.get("name") else {} for one in account["secrets"]]


SERVICE_ACCOUNTS = Resource(
    info=info_of(ServiceAccount),
    returns_deleted=True,
    short_names=("sa",),
    validate=validate,
    validate_update=validate_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    columns=(NAME, AGE),
    subresources=(SpecialSubresource("token", ("create",), ("authentication.k8s.io", "v1", "TokenRequest")),),
)

RESOURCES = (SERVICE_ACCOUNTS,)
