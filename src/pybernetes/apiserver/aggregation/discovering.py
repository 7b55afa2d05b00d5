"""What the server behind an APIService tells of its resources: all at once, or group version by group version.

Follows pkg/apiserver/handler_discovery.go of kube-aggregator, and ConvertGroupVersionIntoToDiscovery in
k8s.io/apiserver/pkg/endpoints/installer.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pybernetes.apiserver.aggregation.dialing import AGGREGATOR, Answer, Dialer, NoAnswer
from pybernetes.apiserver.aggregation.records import Remote
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.http import JSON
from pybernetes.apiserver.resource import Document

_FORM = "g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_ACCEPT = ",".join(f"{JSON};{_FORM.format(version)}" for version in ("v2", "v2beta1"))
_READER = User("system:kube-aggregator")
"""Who asks in the older form."""
ANSWER_SECONDS = 5.0


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
        return Told(_find(_read(answer), remote), answer.headers.get("ETag", ""))
    answer = await dialer.ask(remote.path, _READER, {"Accept": JSON}, ANSWER_SECONDS)
    if answer.status != 200:
        raise NoAnswer(f"failed to download legacy discovery for {remote.path}: {answer.status}")
    return Told({"resources": from_resource_list(_read(answer).get("resources") or ())})


def _read(answer: Answer) -> Document:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise NoAnswer(f"the server's discovery is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise NoAnswer("the server's discovery is no object")
    return document


def _find(document: Document, remote: Remote) -> Document:
    for group in document.get("items") or ():
        if (group.get("metadata") or {}).get("name") == remote.group:
            for version in group.get("versions") or ():
                if version.get("version") == remote.version:
                    return {"resources": [_complete(one) for one in version.get("resources") or ()]}
    return {}


def _complete(row: Document) -> Document:
    """Clients expect every kind to be told."""
    completed = {"singularResource": "", "responseKind": _kind({}), **row}
    completed["subresources"] = [{"responseKind": _kind({}), **one} for one in row.get("subresources") or ()]
    if not completed["subresources"]:
        del completed["subresources"]
    return completed


def from_resource_list(rows: Sequence[Document]) -> list[Document]:
    """The older form's rows in the newer one; a subresource without its resource gets one."""
    found: dict[str, Document] = {}
    for row in rows:
        if "/" not in row["name"]:
            found[row["name"]] = _resource(row)
    for row in rows:
        name, slash, sub = row["name"].partition("/")
        if slash:
            parent = found.setdefault(name, {"resource": name, "responseKind": _kind({}), "scope": _scope(row)})
            kind = _kind(row) if row.get("kind") else _kind({})
            one = {"subresource": sub, "responseKind": kind, "verbs": row.get("verbs") or []}
            parent.setdefault("subresources", []).append(one)
    return list(found.values())


def _resource(row: Document) -> Document:
    told = {
        "resource": row["name"],
        "responseKind": _kind(row),
        "scope": _scope(row),
        "singularResource": row.get("singularName", ""),
        "verbs": row.get("verbs") or [],
    }
    for name in ("shortNames", "categories"):
        if row.get(name):
            told[name] = row[name]
    return told


def _kind(row: Document) -> Document:
    return {"group": row.get("group", ""), "version": row.get("version", ""), "kind": row.get("kind", "")}


def _scope(row: Document) -> str:
    return "Namespaced" if row.get("namespaced") else "Cluster"
