"""The served resources as discovery sees them: plain values, gathered from declared kinds and from virtual groups.

Groups are in upstream's order of priority, versions from the most to the least stable, as upstream's kube-aggregator
sorts them (pkg/controlplane/apiserver/aggregator.go, apimachinery's version.CompareKubeAwareVersionStrings).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from pybernetes.apiserver.resource import Resource, ScaleSubresource, SpecialSubresource, Subresource

GROUP_ORDER = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)

_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")
_STABILITY = {None: 2, "beta": 1, "alpha": 0}


@dataclass(frozen=True, slots=True)
class Kind:
    group: str
    version: str
    kind: str


@dataclass(frozen=True, slots=True)
class ServedSubresource:
    name: str
    kind: Kind
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServedResource:
    """A resource of one group and version. `kind` differs in group or version from it only where it is borrowed."""

    plural: str
    singular: str
    namespaced: bool
    kind: Kind
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[ServedSubresource, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedVersion:
    group: str
    version: str
    resources: tuple[ServedResource, ...]

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


@dataclass(frozen=True, slots=True)
class ServedGroup:
    """`versions` begin with the preferred one."""

    group: str
    versions: tuple[ServedVersion, ...] = field(default=())


def of_resources(resources: Iterable[Resource]) -> list[ServedVersion]:
    """Declared kinds by group and version, each sorted by name as upstream lists them."""
    found: dict[tuple[str, str], list[ServedResource]] = {}
    for resource in resources:
        found.setdefault((resource.info.group, resource.info.version), []).append(_served(resource))
    return [
        ServedVersion(group, version, tuple(sorted(served, key=lambda one: one.plural)))
        for (group, version), served in found.items()
    ]


def groups_of(versions: Iterable[ServedVersion]) -> tuple[ServedGroup, ...]:
    """Versions put together by group, in the order in which they are told."""
    merged: dict[tuple[str, str], dict[str, ServedResource]] = {}
    for version in versions:
        resources = merged.setdefault((version.group, version.version), {})
        resources.update({one.plural: one for one in version.resources})
    ordered = sorted(
        (ServedVersion(group, version, tuple(found.values())) for (group, version), found in merged.items()),
        key=lambda one: (_group_rank(one.group), one.group, version_rank(one.version)),
    )
    return tuple(ServedGroup(group, tuple(found)) for group, found in groupby(ordered, key=lambda one: one.group))


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts v2 before v1 before v1beta2 before v1alpha1 before anything else."""
    match = _VERSION.match(version)
    if match is None:
        return (1, 0, 0, version)
    major, stage, minor = match.groups()
    return (-_STABILITY[stage], -int(major), -int(minor or 0), "")


def _group_rank(group: str) -> int:
    return GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER)


def _served(resource: Resource) -> ServedResource:
    info = resource.info
    kind = Kind(info.group, info.version, info.kind)
    return ServedResource(
        plural=info.plural,
        singular=resource.singular,
        namespaced=info.namespaced,
        kind=kind,
        verbs=tuple(sorted(resource.verbs)),
        short_names=tuple(resource.short_names),
        categories=tuple(resource.categories),
        subresources=tuple(
            ServedSubresource(one.name, _subresource_kind(one, kind), tuple(sorted(one.verbs)))
            for one in sorted(resource.subresources, key=lambda one: one.name)
        ),
    )


def _subresource_kind(subresource: Subresource, parent: Kind) -> Kind:
    if isinstance(subresource, ScaleSubresource):
        return Kind("autoscaling", "v1", "Scale")
    if isinstance(subresource, SpecialSubresource) and subresource.kind[2]:
        return Kind(*subresource.kind)
    return parent
