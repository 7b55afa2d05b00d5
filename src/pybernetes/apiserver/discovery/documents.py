"""Discovery documents, built from what is served: the older form (a document per level) and the aggregated one. Pure.

Follows k8s.io/apiserver/pkg/endpoints/discovery and the API group apidiscovery.k8s.io.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pybernetes.apiserver.discovery.served import Kind, ServedGroup, ServedResource, ServedSubresource, ServedVersion

Document = dict[str, Any]


def api_versions(core: ServedGroup | None, server_address: str) -> Document:
    """`/api`"""
    return {
        "kind": "APIVersions",
        "versions": [version.version for version in core.versions] if core else [],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def group_list(groups: Sequence[ServedGroup]) -> Document:
    """`/apis`"""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in groups if group.group]}


def group(served: ServedGroup) -> Document:
    """`/apis/GROUP`"""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(served)}


def resource_list(version: ServedVersion) -> Document:
    """`/api/v1`, `/apis/GROUP/VERSION`"""
    rows: list[Document] = []
    for resource in version.resources:
        rows.append(_resource(resource, version))
        rows += [_subresource(one, resource, version) for one in resource.subresources]
    named = {"apiVersion": "v1"} if version.group else {}
    return {"kind": "APIResourceList", **named, "groupVersion": version.group_version, "resources": rows}


def aggregated(groups: Sequence[ServedGroup], api_version: str) -> Document:
    """`/api` or `/apis` with everything below; `api_version` is that of apidiscovery.k8s.io asked for."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": api_version,
        "metadata": {},
        "items": [
            {
                "metadata": {"name": one.group} if one.group else {},
                "versions": [_aggregated_version(version) for version in one.versions if version.is_served],
            }
            for one in groups
            if any(version.is_served for version in one.versions)
        ],
    }


def _group(served: ServedGroup) -> Document:
    versions = [{"groupVersion": one.group_version, "version": one.version} for one in served.versions]
    return {"name": served.group, "versions": versions, "preferredVersion": versions[0]}


def _resource(resource: ServedResource, version: ServedVersion) -> Document:
    row: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        **_borrowed(resource.kind, version),
        "kind": resource.kind.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.storage_hash:
        row["storageVersionHash"] = resource.storage_hash
    return row


def _subresource(one: ServedSubresource, resource: ServedResource, version: ServedVersion) -> Document:
    return {
        "name": f"{resource.plural}/{one.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        **_borrowed(one.kind, version),
        "kind": one.kind.kind,
        "verbs": list(one.verbs),
    }


def _borrowed(kind: Kind, version: ServedVersion) -> Document:
    if (kind.group, kind.version) == (version.group, version.version):
        return {}
    return {"group": kind.group, "version": kind.version}


def _aggregated_version(version: ServedVersion) -> Document:
    if version.remote is not None:
        return {**version.remote, "version": version.version, "freshness": _freshness(version)}
    return {
        "version": version.version,
        "resources": [_aggregated_resource(resource, version) for resource in version.resources],
        "freshness": _freshness(version),
    }


def _freshness(version: ServedVersion) -> str:
    return "Current" if version.current else "Stale"


def _aggregated_resource(resource: ServedResource, version: ServedVersion) -> Document:
    row: Document = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource.kind, resource, version),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.subresources:
        row["subresources"] = [
            {
                "subresource": one.name,
                "responseKind": _response_kind(one.kind, resource, version),
                "verbs": list(one.verbs),
            }
            for one in resource.subresources
        ]
    return row


def _response_kind(kind: Kind, resource: ServedResource, version: ServedVersion) -> Document:
    """Group and version are told of kinds that users defined, and where they are not those that the resource is listed
    under."""
    if resource.published is not None:
        return {"group": kind.group, "version": kind.version, "kind": kind.kind}
    borrowed = _borrowed(kind, version) or {"group": "", "version": ""}
    return {**borrowed, "kind": kind.kind}
