"""What a claim for storage costs, in all and by storage class.

Follows pkg/quota/v1/evaluator/core/persistent_volume_claims.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pybernetes.api.quantity import Quantity, of_value, parse
from pybernetes.api.quota.amounts import ONE, Amounts
from pybernetes.api.quota.evaluator import Document, ScopedEvaluator, count_name
from pybernetes.api.quota.scopes import VOLUME_ATTRIBUTES_CLASS, Scope

CLAIMS, STORAGE = "persistentvolumeclaims", "requests.storage"
_OF_CLASS = ".storageclass.storage.k8s.io/"
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


class ClaimEvaluator(ScopedEvaluator):
    def __init__(self) -> None:
        super().__init__(CLAIMS)

    def handles(self, operation: str, subresource: str, new: Document, old: Document | None) -> bool:
        if subresource == "status":
            return old is not None and _replenishes(new, old)
        return not subresource

    def matching(self, names: Iterable[str]) -> list[str]:
        ends = (_OF_CLASS + CLAIMS, _OF_CLASS + STORAGE)
        whole = (count_name(CLAIMS), CLAIMS, STORAGE)
        return sorted(name for name in names if name in whole or name.endswith(ends))

    def is_in(self, scope: Scope, document: Document) -> bool:
        return scope.name == VOLUME_ATTRIBUTES_CLASS and scope.holds_for(attributes_classes(document))

    def usage(self, document: Document, now: datetime) -> Amounts:
        storage_class, storage = class_of(document), _storage(document)
        result = {CLAIMS: ONE, count_name(CLAIMS): ONE}
        if storage_class:
            result[storage_class + _OF_CLASS + CLAIMS] = ONE
        if storage is not None:
            result[STORAGE] = storage
            if storage_class:
                result[storage_class + _OF_CLASS + STORAGE] = storage
        return result

    def replenishes(self, new: Document, old: Document, now: datetime) -> bool:
        return _replenishes(new, old)


def class_of(claim: Document) -> str:
    """The name of its storage class; "" for none."""
    annotations = (claim.get("metadata") or {}).get("annotations") or {}
    return annotations.get(_CLASS_ANNOTATION) or (claim.get("spec") or {}).get("storageClassName") or ""


def attributes_classes(claim: Document) -> set[str]:
    """Every volume attributes class that the claim asks for, has, or is moving to."""
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    names = (
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return {name for name in names if name}


def _storage(claim: Document) -> Quantity | None:
    """Whole bytes, or what the volume has been grown to if that is more."""
    asked = ((claim.get("spec") or {}).get("resources") or {}).get("requests", {}).get("storage")
    if asked is None:
        return None
    allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
    wanted = parse(asked)
    if allocated is not None:
        wanted = max(wanted, parse(allocated))
    return of_value(wanted.value(), wanted.format)


def _replenishes(new: Document, old: Document) -> bool:
    def allocated(claim: Document) -> object:
        return ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")

    return allocated(new) != allocated(old) or attributes_classes(new) != attributes_classes(old)
