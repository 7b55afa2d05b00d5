"""What a pod asks for as a whole: claims to devices, and resources that its containers share.

Follows validatePodResourceClaims and validatePodResources in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    required,
)
from pybernetes.api.models.core_v1 import Container, PodResourceClaim, PodSpec, ResourceRequirements
from pybernetes.api.resource_names import HUGEPAGES
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.resources import check_pod_resource_name, check_requirements

_ONE_OF = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
_AT_MOST_ONE = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"

Amounts = dict[str, quantity.Quantity]


def check_pod_claims(claims: Sequence[PodResourceClaim], path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, claim in enumerate(claims):
        each = path[index]
        if not claim.name:
            yield required(each.name)
        elif claim.name in names:
            yield duplicate(each.name, claim.name)
        else:
            yield from (invalid(each.name, claim.name, message) for message in is_dns_label(claim.name))
            names.add(claim.name)
        named, template = claim.resource_claim_name, claim.resource_claim_template_name
        if named is not None and template is not None:
            yield invalid(each, internal_form(claim), _AT_MOST_ONE)
        if named is None and template is None:
            yield invalid(each, internal_form(claim), _ONE_OF)
        for name, value in (("resourceClaimName", named), ("resourceClaimTemplateName", template)):
            if value is not None:
                yield from (invalid(each.child(name), value, message) for message in is_dns_subdomain(value))


def check_pod_resources(
    resources: ResourceRequirements, spec: PodSpec, path: FieldPath, claims: frozenset[str]
) -> Iterator[FieldError]:
    if spec.os is not None and spec.os.name == "windows":
        yield forbidden(path, "may not be set for a windows pod")
        return
    if resources.claims:
        yield forbidden(path.claims, "claims may not be set for Resources at pod-level")
    yield from check_requirements(resources, path, check_pod_resource_name, claims)
    yield from _check_consistency(resources, spec, path)


def _check_consistency(resources: ResourceRequirements, spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    """What the containers ask for together fits into what the pod asks for."""
    for name, amount in _together(spec, "requests").items():
        asked = resources.requests.get(name)
        if asked is not None and amount > quantity.parse(asked):
            message = f"must be greater than or equal to aggregate container requests of {amount}"
            yield invalid(path.requests[name], asked, message)
    for name, amount in _together(spec, "limits").items():
        limit = resources.limits.get(name)
        if name.startswith(HUGEPAGES) and limit is not None and amount > quantity.parse(limit):
            message = f"must be greater than or equal to aggregate container limits of {amount}"
            yield invalid(path.limits[name], limit, message)
    for index, container in enumerate(spec.containers):
        for name, own in container.resources.limits.items():
            limit = resources.limits.get(name)
            if limit is not None and quantity.parse(own) > quantity.parse(limit):
                message = f"must be less than or equal to pod limits of {limit}"
                yield invalid(path.containers[index][name].limits, own, message)


def _together(spec: PodSpec, table: str) -> Amounts:
    """The most that is needed at any time: sidecars stay, other init containers run one by one."""
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            sidecars = _sum((sidecars, _amounts(container, table)))
            needed = sidecars
        else:
            needed = _sum((sidecars, _amounts(container, table)))
        most = _greater(most, needed)
    return _greater(most, _sum((sidecars, *(_amounts(container, table) for container in spec.containers))))


def _amounts(container: Container, table: str) -> Amounts:
    return {name: quantity.parse(text) for name, text in getattr(container.resources, table).items()}


def _sum(all_amounts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for amounts in all_amounts:
        for name, amount in amounts.items():
            total[name] = total[name] + amount if name in total else amount
    return total


def _greater(one: Amounts, other: Amounts) -> Amounts:
    return {
        name: max(amounts[name] for amounts in (one, other) if name in amounts) for name in one.keys() | other.keys()
    }
