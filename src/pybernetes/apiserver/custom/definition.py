"""A stored CustomResourceDefinition, as far as serving it goes; and the conditions in its status.

Follows pkg/apihelpers of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pybernetes.apiserver.resource import Document

GROUP = "apiextensions.k8s.io"
PLURAL = "customresourcedefinitions"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until its instances are gone."""


class ConditionType(StrEnum):
    NAMES_ACCEPTED = "NamesAccepted"
    ESTABLISHED = "Established"
    NON_STRUCTURAL = "NonStructuralSchema"
    APPROVED = "KubernetesAPIApprovalPolicyConformant"
    TERMINATING = "Terminating"


@dataclass(frozen=True, slots=True)
class Condition:
    type: ConditionType
    status: str
    reason: str
    message: str


def condition(definition: Document, type_: ConditionType) -> Mapping[str, str] | None:
    conditions: Sequence[Mapping[str, str]] = (definition.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == type_), None)


def is_true(definition: Document, type_: ConditionType) -> bool:
    found = condition(definition, type_)
    return found is not None and found.get("status") == "True"


def with_condition(status: Document, made: Condition, now: str) -> Document:
    """The status with a condition put in, or in place of the one of its type."""
    row = {"type": made.type.value, "status": made.status, "lastTransitionTime": now}
    row |= {"reason": made.reason, "message": made.message}
    conditions = list(status.get("conditions") or ())
    for index, one in enumerate(conditions):
        if one.get("type") == made.type:
            if one.get("status") == made.status and one.get("lastTransitionTime"):
                row["lastTransitionTime"] = one["lastTransitionTime"]
            conditions[index] = {**one, **row}
            break
    else:
        conditions.append(row)
    return {**status, "conditions": conditions}


def without_condition(status: Document, type_: ConditionType) -> Document:
    kept = [one for one in status.get("conditions") or () if one.get("type") != type_]
    return {**status, "conditions": kept}


@dataclass(frozen=True)
class CustomKind:
    """What a definition asks to be served: its accepted names and its versions."""

    uid: str
    generation: int
    group: str
    namespaced: bool
    names: Mapping[str, Any]
    versions: Sequence[Document]
    conversion: Document
    preserves_unknown: bool
    terminating: bool

    @classmethod
    def of(cls, definition: Document) -> CustomKind:
        metadata, spec = definition["metadata"], definition["spec"]
        return cls(
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            group=spec["group"],
            namespaced=spec["scope"] == "Namespaced",
            names=definition["status"]["acceptedNames"],
            versions=spec["versions"],
            conversion=spec.get("conversion") or {"strategy": "None"},
            preserves_unknown=bool(spec.get("preserveUnknownFields")),
            terminating=is_true(definition, ConditionType.TERMINATING),
        )

    @property
    def stored_version(self) -> str:
        return next(str(one["name"]) for one in self.versions if one.get("storage"))

    @property
    def storage(self) -> str:
        """The folder of its objects in the store."""
        return f"{self.group}/{self.names['plural']}"


def is_served(definition: Document) -> bool:
    accepted = is_true(definition, ConditionType.NAMES_ACCEPTED) or is_true(definition, ConditionType.ESTABLISHED)
    names = (definition.get("status") or {}).get("acceptedNames") or {}
    return accepted and all(names.get(name) for name in ("plural", "singular", "kind", "listKind"))


def schema_of(version: Document) -> Document | None:
    schema: Document | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema
