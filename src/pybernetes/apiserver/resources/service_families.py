"""The address families of a service: what it says, what follows from its addresses and from what the cluster has.

Follows initIPFamilyFields in pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, at, invalid
from pybernetes.api.models.core_v1 import ServiceSpec
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.service_addresses import family_of
from pybernetes.apiserver.resources.service_rules import HEADLESS, is_headless, is_proxied, needs_cluster_ip
from pybernetes.apiserver.validation.service_addresses import check_cluster_ips

SINGLE = "SingleStack"
PREFERRED = "PreferDualStack"
REQUIRED = "RequireDualStack"
_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def settle_families(service: Document, old: Document | None, configured: Sequence[str]) -> None:
    """Fills `ipFamilyPolicy` and `ipFamilies` in; ``configured`` are the cluster's families. Raises 422."""
    spec, before = service["spec"], old["spec"] if old is not None else None
    if not needs_cluster_ip(spec) or (before is not None and keeps_preference(spec, before)):
        return
    spec.setdefault("ipFamilyPolicy", _implied_policy(spec, before))
    _refuse(service, check_cluster_ips(_model(spec), _model(before)))
    _refuse(service, _settle_with_addresses(spec, before, configured))
    if is_headless(spec) and not spec.get("selector"):
        _add_other(spec, configured[0])
        return
    _refuse(service, _not_configured(spec, configured))
    if len(configured) > 1:
        _add_other(spec, configured[0])
    elif not spec.get("ipFamilies"):
        spec["ipFamilies"] = [configured[0]]


def _implied_policy(spec: Document, before: Document | None) -> str:
    if before is not None and before.get("ipFamilyPolicy"):
        return str(before["ipFamilyPolicy"])
    return REQUIRED if is_headless(spec) and not spec.get("selector") else SINGLE


def keeps_preference(spec: Document, before: Document) -> bool:
    """Services that prefer two families do not get or lose one because the cluster has changed."""
    policies = {spec.get("ipFamilyPolicy"), before.get("ipFamilyPolicy", PREFERRED)}
    alike = all(spec.get(name) == before.get(name) for name in ("type", "clusterIPs", "ipFamilies"))
    return alike and is_proxied(spec) and policies == {PREFERRED}


def _settle_with_addresses(spec: Document, before: Document | None, configured: Sequence[str]) -> Iterator[FieldError]:
    policy = spec["ipFamilyPolicy"]
    at_policy = at.spec.ipFamilyPolicy
    if before is not None:
        yield from _reduced(spec, before)
    if policy == SINGLE:
        wanted = "must be 'RequireDualStack' or 'PreferDualStack' when multiple "
        if len(spec.get("clusterIPs") or ()) == 2:
            yield invalid(at_policy, policy, wanted + "cluster IPs are specified")
        if len(spec.get("ipFamilies") or ()) == 2:
            yield invalid(at_policy, policy, wanted + "IP families are specified")
    addresses = spec.get("clusterIPs") or []
    for index, address in enumerate(addresses):
        if address == HEADLESS:
            break
        families, family = spec.get("ipFamilies") or [], family_of(address)
        if index < len(families):
            continue
        if family in configured:
            spec["ipFamilies"] = [*families, family]
        else:
            yield invalid(at.spec.clusterIPs[index], addresses, f"{family} is not configured on this cluster")


def _reduced(spec: Document, before: Document) -> Iterator[FieldError]:
    """The second address or family goes with the policy, and only with it."""
    policy = spec["ipFamilyPolicy"]
    for name, what in (("clusterIPs", "secondary cluster IP"), ("ipFamilies", "secondary IP family")):
        now, then = spec.get(name) or [], before.get(name) or []
        if policy == SINGLE:
            if now == then and len(now) > 1:
                spec[name] = now[:1]
        elif now and len(now) < len(then):
            yield invalid(at.spec.ipFamilyPolicy, policy, f"must be 'SingleStack' to release the {what}")


def _not_configured(spec: Document, configured: Sequence[str]) -> Iterator[FieldError]:
    if spec["ipFamilyPolicy"] == REQUIRED and len(configured) < 2:
        yield invalid(at.spec.ipFamilyPolicy, REQUIRED, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in configured:
            yield invalid(at.spec.ipFamilies[index], family, "not configured on this cluster")


def _add_other(spec: Document, default: str) -> None:
    families = spec.get("ipFamilies") or [default]
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1:
        families = [*families, _OTHER[families[0]]]
    spec["ipFamilies"] = families


def _refuse(service: Document, problems: Iterator[FieldError]) -> None:
    if found := list(problems):
        raise errors.invalid("", "Service", service["metadata"].get("name", ""), found)


def _model(spec: Document | None) -> ServiceSpec:
    return ServiceSpec() if spec is None else msgspec.convert(spec, ServiceSpec)
