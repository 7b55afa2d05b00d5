"""The cluster IPs and address families of a service, and how they may change.

Follows ValidateServiceClusterIPsRelatedFields and validateUpgradeDowngrade… in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, at, duplicate, invalid, not_supported, required
from pybernetes.api.models.core_v1 import ServiceSpec
from pybernetes.apiserver.validation.addresses import check_ip_or_known

FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_FIXED = "may not change once set"
_ADDRESSES = at.spec.clusterIPs
_FAMILIES = at.spec.ipFamilies


def is_headless(spec: ServiceSpec) -> bool:
    return spec.cluster_ips == ["None"]


def check_cluster_ips(spec: ServiceSpec, old: ServiceSpec) -> Iterator[FieldError]:
    """``old`` is an empty one for a service that is made: what the service had may stay."""
    if spec.type == "ExternalName":
        return
    addresses = spec.cluster_ips
    if spec.cluster_ip and not addresses:
        yield required(_ADDRESSES)
    elif spec.cluster_ip and addresses[0] != spec.cluster_ip:
        yield invalid(_ADDRESSES, addresses, "first value must match `clusterIP`")
    elif addresses and not spec.cluster_ip:
        yield invalid(_ADDRESSES, addresses, "must be empty when `clusterIP` is not specified")
    yield from _check_families(spec)
    well_formed = True
    for index in range(len(addresses)):
        problems = list(_check_address(addresses, index, old))
        well_formed = well_formed and not problems
        yield from problems
    if len(addresses) > 2:
        yield invalid(_ADDRESSES, addresses, "may only hold up to 2 values")
    if well_formed:
        yield from _check_together(spec)


def _check_families(spec: ServiceSpec) -> Iterator[FieldError]:
    for index, family in enumerate(spec.ip_families):
        if family not in FAMILIES:
            yield not_supported(_FAMILIES[index], family, FAMILIES)
        if family in spec.ip_families[:index]:
            yield duplicate(_FAMILIES[index], family)
    if spec.ip_family_policy is not None and spec.ip_family_policy not in FAMILY_POLICIES:
        yield not_supported(at.spec.ipFamilyPolicy, spec.ip_family_policy, FAMILY_POLICIES)


def _check_address(addresses: list[str], index: int, old: ServiceSpec) -> Iterator[FieldError]:
    address = addresses[index]
    if index == 0 and address == "None":
        if len(addresses) > 1:
            yield invalid(_ADDRESSES, addresses, "'None' must be the first and only value")
        return
    yield from check_ip_or_known(address, _ADDRESSES[index], old.cluster_ips)


def _check_together(spec: ServiceSpec) -> Iterator[FieldError]:
    addresses = spec.cluster_ips
    if len(addresses) > 1 and len({":" in address for address in addresses}) == 1:
        yield invalid(_ADDRESSES, addresses, "may specify no more than one IP for each IP family")
    if is_headless(spec):
        return
    for index, (address, family) in enumerate(zip(addresses, spec.ip_families, strict=False)):
        if family in FAMILIES and (family == "IPv6") != (":" in address):
            message = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield invalid(_ADDRESSES[index], address, message)


def check_addresses_update(new: ServiceSpec, old: ServiceSpec) -> Iterator[FieldError]:
    """A second address or family may come and go; the first one stays."""
    if "ExternalName" in (new.type, old.type):
        return
    if not (is_headless(new) and is_headless(old)):
        yield from _check_addresses_kept(new, old)
    if not (is_headless(new) or is_headless(old)):
        yield from _check_families_kept(new, old)


def _check_addresses_kept(new: ServiceSpec, old: ServiceSpec) -> Iterator[FieldError]:
    before, after = old.cluster_ips, new.cluster_ips
    if len(before) == len(after):
        for index, address in enumerate(before):
            if address != after[index]:
                yield invalid(_ADDRESSES[index], after, _FIXED)
        return
    if before and not after:
        yield invalid(_ADDRESSES[0], after, "primary clusterIP can not be unset")
    elif before and after[0] != before[0]:
        yield invalid(_ADDRESSES[0], after, _FIXED)
    if len(before) > len(after) == 1:
        yield from _check_released(new, "clusterIP")


def _check_families_kept(new: ServiceSpec, old: ServiceSpec) -> Iterator[FieldError]:
    before, after = old.ip_families, new.ip_families
    path: FieldPath = _FAMILIES[0]
    if len(before) == len(after):
        yield from (invalid(path, after, _FIXED) for index, family in enumerate(before) if family != after[index])
        return
    if len(before) > len(after) and not new.cluster_ips:
        yield invalid(path, after, "primary ipFamily can not be unset")
    if before and after and after[0] != before[0]:
        yield invalid(path, new.cluster_ips, _FIXED)
    if len(before) > len(after) == 1:
        yield from _check_released(new, "ipFamily")


def _check_released(new: ServiceSpec, what: str) -> Iterator[FieldError]:
    if new.ip_family_policy != "SingleStack":
        message = f"must be set to 'SingleStack' when releasing the secondary {what}"
        yield invalid(at.spec.ipFamilyPolicy, new.ip_family_policy, message)
