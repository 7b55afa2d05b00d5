"""What is accepted of a service and yet worth a word.

Follows pkg/api/service/warnings.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import at, quoted
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.addresses import cidr_warnings, ip_warnings
from pybernetes.apiserver.validation.service import HINTS_ANNOTATION, MODE_ANNOTATION

_PATH = at.spec
_OLD_DISTRIBUTION, _NEW_DISTRIBUTION = "PreferClose", "PreferSameZone"


def service_warnings(service: Document) -> Iterator[str]:
    spec = service["spec"]
    if HINTS_ANNOTATION in (service["metadata"].get("annotations") or {}):
        yield f"annotation {HINTS_ANNOTATION} is deprecated, please use {MODE_ANNOTATION} instead"
    if spec.get("clusterIP") not in (None, "", "None"):
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            yield from ip_warnings(address, _PATH.clusterIPs[index])
    headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == "None"
    if headless:
        yield from _ignored_of_headless(spec)
    yield from _about_addresses(spec, headless=headless)
    named = spec.get("type") == "ExternalName"
    if named and spec.get("externalIPs"):
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if not named and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == _OLD_DISTRIBUTION:
        yield f'spec.trafficDistribution: "{_OLD_DISTRIBUTION}" is deprecated; use {quoted(_NEW_DISTRIBUTION)}'


def _ignored_of_headless(spec: Document) -> Iterator[str]:
    ignored = (
        ("loadBalancerIP", bool(spec.get("loadBalancerIP"))),
        ("externalIPs", bool(spec.get("externalIPs"))),
        ("SessionAffinity", spec.get("sessionAffinity") != "None"),
    )
    yield from (f"spec.{name} is ignored for headless services" for name, is_set in ignored if is_set)


def _about_addresses(spec: Document, *, headless: bool) -> Iterator[str]:
    external = spec.get("externalIPs") or ()
    for index, address in enumerate(external):
        yield from ip_warnings(address, _PATH.externalIPs[index])
    if external and not headless and spec.get("type") != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("loadBalancerIP"):
        yield from ip_warnings(spec["loadBalancerIP"], _PATH.loadBalancerIP)
    for index, cidr in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from cidr_warnings(cidr, _PATH.loadBalancerSourceRanges[index])


def status_warnings(service: Document) -> Iterator[str]:
    balanced = (service["status"].get("loadBalancer") or {}).get("ingress") or ()
    for index, one in enumerate(balanced):
        yield from ip_warnings(one.get("ip", ""), at.status.loadBalancer.ingress[index])
