"""PriorityClass: a name for how much a pod matters.

Follows pkg/apis/scheduling/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, forbidden, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.scheduling_v1 import PriorityClass
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import number_column, text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PREFIX = "system-"
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_POLICIES = ("PreemptLowerPriority", "Never")


def validate(priority_class: PriorityClass) -> Iterator[FieldError]:
    yield from check_metadata(priority_class.metadata, is_dns_subdomain, namespaced=False)
    name, value = priority_class.metadata.name, priority_class.value
    if name.startswith(SYSTEM_PREFIX):
        if wrong := _wrong_with_system_class(priority_class):
            reserved = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only"
            yield forbidden(at.metadata.name, f"{reserved}. error: {wrong}")
    elif value > HIGHEST_USER_PRIORITY:
        message = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        yield forbidden(at.value, message)
    policy = priority_class.preemption_policy
    if policy == "":
        yield required(at.preemptionPolicy)
    elif policy is not None and policy not in _POLICIES:
        yield not_supported(at.preemptionPolicy, policy, _POLICIES)


def _wrong_with_system_class(priority_class: PriorityClass) -> str:
    name = priority_class.metadata.name
    if name not in SYSTEM_CLASSES:
        return f"{name} is not a known system priority class"
    if priority_class.value != SYSTEM_CLASSES[name]:
        return f"value of {name} PriorityClass must be {SYSTEM_CLASSES[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if priority_class.global_default else ""


def fill(priority_class: Document) -> None:
    """Only what is absent: an empty text is a mistake."""
    priority_class.setdefault("preemptionPolicy", "PreemptLowerPriority")


def validate_update(new: PriorityClass, old: PriorityClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.value != old.value:
        yield forbidden(at.value, "may not be changed in an update.")
    yield from check_unchanged(new.preemption_policy, old.preemption_policy, at.preemptionPolicy)


PRIORITY_CLASSES = Resource(
    info=info_of(PriorityClass),
    short_names=("pc",),
    defaults=fill,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    generation=lambda new, old: False,
    kept=dict.fromkeys(SYSTEM_CLASSES, "this is a system priority class and cannot be deleted"),
    columns=(
        NAME,
        number_column("Value", "value"),
        Column("Global-Default", lambda document, now: bool(document.get("globalDefault")), "boolean"),
        AGE,
        text_column("PreemptionPolicy", "preemptionPolicy"),
    ),
)

RESOURCES = (PRIORITY_CLASSES,)
