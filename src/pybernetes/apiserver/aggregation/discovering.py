"""What the server behind an APIService tells of its resources: all at once, or group version by group version.

Follows pkg/apiserver/handler_discovery.go of kube-aggregator, and ConvertGroupVersionIntoToDiscovery in
k8s.io/apiserver/pkg/endpoints/installer.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api.models.meta_v1 import APIResource, APIResourceList
from pybernetes.apiserver.aggregation.dialing import AGGREGATOR, Answer, Dialer, NoAnswer, decode_answer
from pybernetes.apiserver.aggregation.records import Remote
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.http import JSON
from pybernetes.apiserver.resource import Document

_FORM = "g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_ACCEPT = ",".join(f"{JSON};{_FORM.format(version)}" for version in ("v2", "v2beta1"))
_READER = User("system:kube-aggregator")
"""Who asks in the older form."""
ANSWER_SECONDS = 5.0


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Subresource(msgspec.Struct, rename="camel"):
    subresource: str = ""
    response_kind: _Kind | None = None
    verbs: list[str] | None = None


class _Resource(msgspec.Struct, rename="camel"):
    resource: str = ""
    response_kind: _Kind | None = None
    scope: str = ""
    singular_resource: str = ""
    verbs: list[str] | None = None
    short_names: list[str] | None = None
    categories: list[str] | None = None
    subresources: list[_Subresource] | None = None


class _Version(msgspec.Struct):
    version: str = ""
    resources: list[_Resource] = []


class _Metadata(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    versions: list[_Version] = []


class _Groups(msgspec.Struct):
    """What of apidiscovery.k8s.io's list is told on."""

    items: list[_Group] = []


@dataclass(frozen=True, slots=True)
class Told:
    """``version`` is the group version as apidiscovery.k8s.io has it; empty if the server does not list it."""

    version: Mapping[str, Any]
    etag: str = ""


async def discover(dialer: Dialer, remote: Remote, before: Told | None) -> Told:
    """Raises ``NoAnswer``."""
    known = {"If-None-Match": before.etag} if before is not None and before.etag else {}
    answer = await dialer.ask("/apis", AGGREGATOR, {"Accept": _ACCEPT, **known}, ANSWER_SECONDS)
    if answer.status == 304 and before is not None:
        return before
    if answer.status == 503:
        raise NoAnswer("the service answered 503")
    if answer.status == 200 and "as=APIGroupDiscoveryList" in answer.headers.get("Content-Type", ""):
        return Told(_find(answer, remote), answer.headers.get("ETag", ""))
    answer = await dialer.ask(remote.path, _READER, {"Accept": JSON}, ANSWER_SECONDS)
    if answer.status != 200:
        raise NoAnswer(f"failed to download legacy discovery for {remote.path}: {answer.status}")
    rows = decode_answer(answer, APIResourceList, "discovery").resources
    return Told({"resources": from_resource_list(rows)})


def _find(answer: Answer, remote: Remote) -> Document:
    for group in decode_answer(answer, _Groups, "discovery").items:
        if group.metadata.name == remote.group:
            for version in group.versions:
                if version.version == remote.version:
                    return {"resources": [_told(one) for one in version.resources]}
    return {}


def _told(row: _Resource) -> Document:
    """Clients expect every kind to be told."""
    told: Document = {
        "resource": row.resource,
        "responseKind": _kind(row.response_kind),
        "scope": row.scope,
        "singularResource": row.singular_resource,
        "verbs": row.verbs or [],
    }
    for name, values in (("shortNames", row.short_names), ("categories", row.categories)):
        if values:
            told[name] = values
    if row.subresources:
        told["subresources"] = [
            {"subresource": one.subresource, "responseKind": _kind(one.response_kind), "verbs": one.verbs or []}
            for one in row.subresources
        ]
    return told


def from_resource_list(rows: Sequence[APIResource]) -> list[Document]:
    """The older form's rows in the newer one; a subresource without its resource gets one."""
    found: dict[str, Document] = {}
    for row in rows:
        if "/" not in row.name:
            found[row.name] = _resource(row)
    for row in rows:
        name, slash, sub = row.name.partition("/")
        if slash:
            parent = found.setdefault(name, {"resource": name, "responseKind": _kind(None), "scope": _scope(row)})
            kind = _kind(_Kind(row.group, row.version, row.kind) if row.kind else None)
            one = {"subresource": sub, "responseKind": kind, "verbs": row.verbs}
            parent.setdefault("subresources", []).append(one)
    return list(found.values())


def _resource(row: APIResource) -> Document:
    told: Document = {
        "resource": row.name,
        "responseKind": _kind(_Kind(row.group, row.version, row.kind)),
        "scope": _scope(row),
        "singularResource": row.singular_name,
        "verbs": row.verbs,
    }
    for name, values in (("shortNames", row.short_names), ("categories", row.categories)):
        if values:
            told[name] = values
    return told


def _kind(kind: _Kind | None) -> Document:
    kind = kind or _Kind()
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _scope(row: APIResource) -> str:
    return "Namespaced" if row.namespaced else "Cluster"
