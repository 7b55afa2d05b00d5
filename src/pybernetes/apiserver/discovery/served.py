"""The served resources as discovery sees them: plain values, gathered from declared kinds and from virtual groups.

Groups and versions are in the order of their priorities and, where these are equal, groups by name and versions from
the most to the least stable, as upstream sorts them (k8s.io/apiserver/pkg/endpoints/discovery/aggregated,
apimachinery's version.CompareKubeAwareVersionStrings).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from typing import Any

from pybernetes.apiserver.discovery.priorities import FIRST, Priority, priority_of
from pybernetes.apiserver.published import Published
from pybernetes.apiserver.resource import Resource, ScaleSubresource, SpecialSubresource, Subresource

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
    published: Published | None = None
    returns_deleted: bool = False
    """What OpenAPI says of it, for a kind without generated facts."""
    storage_hash: str = ""
    """Stands for the group, version and kind that objects are stored as; empty where nothing is stored."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """``priority`` is that of upstream's table where nothing else is said. ``registered`` is what its APIService says,
    which counts in `/apis` and `/apis/GROUP`; False if there should be one and is not: then `/apis` leaves it out.

    ``remote`` is what another server tells of a group version that it serves, as apidiscovery.k8s.io/v2 has it; there
    are no ``resources`` then. ``current`` is False while that server does not answer. Without resources of either kind
    a version is registered, and nobody serves it.
    """

    group: str
    version: str
    resources: tuple[ServedResource, ...]
    priority: Priority | None = None
    registered: Priority | bool = True
    current: bool = True
    remote: Mapping[str, Any] | None = None

    @property
    def rank(self) -> Priority:
        return self.priority or priority_of(self.group, self.version)

    @property
    def registered_rank(self) -> Priority:
        return self.rank if isinstance(self.registered, bool) else self.registered

    @property
    def is_served(self) -> bool:
        return bool(self.resources) or self.remote is not None

    @property
    def is_custom(self) -> bool:
        """Whether everything that is served of it was defined by users."""
        return bool(self.resources) and all(resource.published is not None for resource in self.resources)

    @property
    def name(self) -> str:
        """That of its APIService."""
        return f"{self.version}.{self.group}"

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
    merged: dict[tuple[str, str], ServedVersion] = {}
    for version in versions:
        key = (version.group, version.version)
        merged[key] = _joined(merged[key], version) if key in merged else version
    priorities = group_priorities(merged.values())
    ordered = sorted(
        merged.values(),
        key=lambda one: (-priorities[one.group], one.group, -one.rank.version, version_rank(one.version)),
    )
    return tuple(ServedGroup(group, tuple(found)) for group, found in groupby(ordered, key=lambda one: one.group))


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts v2 before v1 before v1beta2 before v1alpha1 before anything else."""
    match = _VERSION.match(version)
    if match is None:
        return (1, 0, 0, version)
    major, stage, minor = match.groups()
    return (-_STABILITY[stage], -int(major), -int(minor or 0), "")


def _joined(one: ServedVersion, other: ServedVersion) -> ServedVersion:
    resources = {resource.plural: resource for resource in (*one.resources, *other.resources)}
    return replace(one, resources=tuple(resources[plural] for plural in sorted(resources)))


def group_priorities(versions: Iterable[ServedVersion]) -> dict[str, int]:
    """A group's is the highest that any of its versions has."""
    found: dict[str, int] = {}
    for one in versions:
        found[one.group] = max(found.get(one.group, 0), one.rank.group)
    return found


def as_registered(groups: Iterable[ServedGroup]) -> list[ServedGroup]:
    """As `/apis` lists them: groups of equal priority by the names of their APIServices, which begin with the version.

    Follows SortedByGroupAndVersion in pkg/apis/apiregistration/v1/helper of kube-aggregator.
    """

    def first(group: ServedGroup) -> tuple[bool, int, str]:
        priority, name = min((-one.registered_rank.group, one.name) for one in group.versions)
        return (group.group != FIRST, priority, name)

    def place(version: ServedVersion) -> tuple[int, tuple[int, int, int, str]]:
        return (-version.registered_rank.version, version_rank(version.version))

    return sorted((ServedGroup(one.group, tuple(sorted(one.versions, key=place))) for one in groups), key=first)


_HASHED_AS = {
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): "v1beta1",
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): "v1beta1",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "v1beta1",
}
"""Kinds that upstream keeps in an older version than the preferred one."""


def storage_hash(group: str, version: str, kind: str) -> str:
    """As StorageVersionHash in k8s.io/apiserver/pkg/endpoints/discovery."""
    version = _HASHED_AS.get((group, kind), version)
    return b64encode(sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()


def _served(resource: Resource) -> ServedResource:
    info = resource.info
    kind = Kind(info.group, info.version, info.kind)
    stored = resource.stored.info if resource.stored else info
    if resource.custom is not None:
        stored = resource.custom.stored_info
    return ServedResource(
        plural=info.plural,
        singular=resource.singular,
        namespaced=info.namespaced,
        kind=kind,
        verbs=resource.custom.advertised_verbs if resource.custom is not None else tuple(sorted(resource.verbs)),
        short_names=tuple(resource.short_names),
        categories=tuple(resource.categories),
        subresources=tuple(
            ServedSubresource(one.name, _subresource_kind(one, kind), tuple(sorted(one.verbs)))
            for one in _told(resource)
        ),
        published=resource.custom.published if resource.custom is not None else None,
        returns_deleted=resource.returns_deleted,
        storage_hash=storage_hash(stored.group, stored.version, stored.kind),
    )


def _told(resource: Resource) -> Iterable[Subresource]:
    """Subresources by name; those of custom kinds as upstream lists them, the status first."""
    if resource.custom is not None:
        return resource.subresources
    return sorted(resource.subresources, key=lambda one: one.name)


def _subresource_kind(subresource: Subresource, parent: Kind) -> Kind:
    if isinstance(subresource, ScaleSubresource):
        return Kind("autoscaling", "v1", "Scale")
    if isinstance(subresource, SpecialSubresource) and subresource.kind[2]:
        return Kind(*subresource.kind)
    return parent
