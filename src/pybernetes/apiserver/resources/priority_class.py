"""PriorityClass: a name for how much a pod matters.

Follows pkg/apis/scheduling/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, forbidden, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.scheduling_v1 import PriorityClass
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource
from pybernetes.apiserver.resources.cells import number_column, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PREFIX = "system-"
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_POLICIES = ("Never", "PreemptLowerPriority")


def validate(priority_class: PriorityClass) -> Iterator[FieldError]:
    yield from check_metadata(priority_class.metadata, is_dns_subdomain, namespaced=False)
    name, value = priority_class.metadata.name, priority_class.value
    if name.startswith(SYSTEM_PREFIX):
        if SYSTEM_CLASSES.get(name) != value or priority_class.global_default:
            reserved = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only"
            yield forbidden(at.metadata.name, f"{reserved}. error: priority class {name} is not a known system class")
    elif value > HIGHEST_USER_PRIORITY:
        message = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        yield forbidden(at.value, message)
    policy = priority_class.preemption_policy
    if not policy:
        yield required(at.preemptionPolicy)
    elif policy not in _POLICIES:
        yield not_supported(at.preemptionPolicy, policy, _POLICIES)


def validate_update(new: PriorityClass, old: PriorityClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.value != old.value:
        yield forbidden(at.value, "may not be changed in an update.")
    yield from check_unchanged(new.preemption_policy, old.preemption_policy, at.preemptionPolicy)


PRIORITY_CLASSES = Resource(
    info=info_of(PriorityClass),
    short_names=("pc",),
    defaults=compile_defaults({"preemptionPolicy": "PreemptLowerPriority"}),
    validate=validate,
    validate_update=validate_update,
    generation=lambda new, old: False,
    columns=(
        NAME,
        number_column("Value", "value"),
        Column("Global-Default", lambda document, now: bool(document.get("globalDefault")), "boolean"),
        AGE,
        text_column("PreemptionPolicy", "preemptionPolicy"),
    ),
)

RESOURCES = (PRIORITY_CLASSES,)
