"""What a path asks for: verb, group, version, namespace, resource, name and subresource.

Follows NewRequestInfo in k8s.io/apiserver/pkg/endpoints/request/requestinfo.go:
`/api/{version}/…` and `/apis/{group}/{version}/…` are about resources, every other path is not.
"""

from __future__ import annotations

import msgspec

from pybernetes.apiserver.http import ApiRequest

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_SPECIAL_VERBS = frozenset({"proxy", "watch"})
INDETERMINATE = ""
"""The verb of a path that begins a request for a resource and does not name one."""
_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class RequestInfo(msgspec.Struct, frozen=True):
    """``parts`` is what follows the namespace: resource, name, subresource, and any further path of a proxy."""

    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    parts: tuple[str, ...] = ()
    placed: bool = False
    """Whether the resource was asked for below a namespace."""

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


def parse(request: ApiRequest) -> RequestInfo:
    """Also kept in ``request.info``, so that nobody parses twice."""
    if request.info is None:
        request.info = _parse(request)
    return request.info


def _parse(request: ApiRequest) -> RequestInfo:
    path = request.path
    split = path.strip("/").split("/")
    if split[0] == "api" and len(split) >= 3:
        group, version, rest = "", split[1], split[2:]
    elif split[0] == "apis" and len(split) >= 4:
        group, version, rest = split[1], split[2], split[3:]
    else:
        return RequestInfo(path, request.method.lower())
    return _resource_info(request, group, version, rest)


def _resource_info(request: ApiRequest, group: str, version: str, rest: list[str]) -> RequestInfo:
    verb = _VERBS.get(request.method, "")
    if rest[0] in _SPECIAL_VERBS:
        if len(rest) == 1:
            return RequestInfo(request.path, INDETERMINATE)
        verb, rest = rest[0], rest[1:]
    namespace, placed = "", False
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest, placed = rest[2:], True
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 and verb != "proxy" else ""
    if not name:
        verb = _collection_verb(request, verb)
    return RequestInfo(
        request.path, verb, True, group, version, namespace, rest[0], name, subresource, tuple(rest), placed
    )


def _collection_verb(request: ApiRequest, verb: str) -> str:
    if verb == "get":
        return "watch" if request.flag("watch") else "list"
    return "deletecollection" if verb == "delete" else verb
