"""What pod groups and the templates of workloads share: how pods of a group are scheduled.

Follows pkg/apis/scheduling/v1alpha2/zz_generated.validations.go with the features that are off in v1.36 off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns_label, is_dns_subdomain, required
from pybernetes.api.models.scheduling_v1alpha2 import PodGroupSchedulingPolicy
from pybernetes.apiserver.resource import Document

IMMUTABLE = "field is immutable"
_OFF = ("schedulingConstraints", "resourceClaims", "disruptionMode", "priorityClassName", "priority")


def drop_what_is_off(spec: Document) -> None:
    """Features that are off: TopologyAwareWorkloadScheduling, DRAWorkloadResourceClaims, WorkloadAwarePreemption."""
    for field in _OFF:
        spec.pop(field, None)


def check_policy(policy: PodGroupSchedulingPolicy, path: FieldPath) -> Iterator[FieldError]:
    members = ("`basic`", "`gang`")
    if policy.basic is None and policy.gang is None:
        yield invalid(path, "", f"must specify one of: {', '.join(members)}")
    elif policy.basic is not None and policy.gang is not None:
        yield invalid(path, "{basic, gang}", f"must specify exactly one of: {', '.join(members)}")
    if policy.gang is not None:
        if not policy.gang.min_count:
            yield required(path.gang.minCount)
        elif policy.gang.min_count < 1:
            yield invalid(path.gang.minCount, policy.gang.min_count, "must be greater than or equal to 1")


def check_name(name: str, is_name: Callable[[str], list[str]], path: FieldPath) -> Iterator[FieldError]:
    """It must be given, and be such a name."""
    if not name:
        yield required(path)
        return
    yield from (invalid(path, name, message) for message in is_name(name))


def check_short_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    return check_name(name, is_dns_label, path)


def check_long_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    return check_name(name, is_dns_subdomain, path)
