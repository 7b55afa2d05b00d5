"""Which handler a request goes to, and what is said to one that nobody serves.

Guarantees
  A path that leads nowhere is told from one that does not take the method (405), and that before a client is told that
  nothing it accepts is served. What is said about an unknown path
  differs as upstream's does: a Status below the groups it was built with, plain text everywhere else.

Follows  the paths that k8s.io/apiserver/pkg/endpoints/installer.go registers, matched as go-restful matches them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.api import errors
from pybernetes.api.fields import is_path_segment, quoted
from pybernetes.apiserver.endpoint import Endpoint
from pybernetes.apiserver.http import ApiRequest, ApiResponse, no_such_page
from pybernetes.apiserver.negotiation import require_acceptable
from pybernetes.apiserver.request_info import RequestInfo
from pybernetes.apiserver.routes import Call, Handler, Routes

_COLLECTION = frozenset({"list", "watch", "create", "deletecollection"})
_EVERYWHERE = frozenset({"list", "watch"})
"""What a namespaced kind is asked for without a namespace."""
_ITEM = frozenset({"get", "update", "patch", "delete", "watch"})
_ROUTED = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OPEN_ENDED = frozenset({"proxy"})
"""Subresources that take any path behind them."""
_PASSED_ON = frozenset({"log", "exec", "attach", "portforward", "proxy"})
"""Those whose answers have whatever type another has given them."""

Endpoints = Mapping[tuple[str, str, str], Endpoint]


class Routing:
    """``builtin`` are the groups whose unknown paths are answered with a Status."""

    def __init__(self, routes: Routes, endpoints: Endpoints, builtin: frozenset[str]) -> None:
        self._routes = routes
        self._endpoints = endpoints
        self._builtin = builtin

    def handler(self, info: RequestInfo, request: ApiRequest) -> Handler:
        """Raises 404 and 405."""
        if not info.is_resource:
            return self._routes.of_path(info.path) or _no_page
        if self._routes.elsewhere and (info.group, info.version) in self._routes.elsewhere:
            return self._routes.elsewhere[info.group, info.version]
        endpoint = self._endpoints.get((info.group, info.version, info.resource))
        if endpoint is None:
            return self._of_nobody(info, request)
        if info.path.startswith("//"):
            return _no_page
        if info.verb == "watch" and request.method not in ("GET", "HEAD"):
            raise errors.method_not_allowed()
        if (info.name[:1] == "." or "%" in info.name) and (info.subresource or request.method in _ON_ITEMS):
            _check_name(info.name)
        if endpoint.resource.custom is not None:
            return endpoint.handler(info.verb, info.subresource) or _no_page
        if not _fits(info, endpoint) or (len(info.parts) > 3 and info.subresource not in _OPEN_ENDED):
            raise errors.path_not_found()
        found = self._of_endpoint(endpoint, info, request)
        if info.group in self._builtin and info.subresource not in _PASSED_ON:
            require_acceptable(request, info.verb)
        return found

    def _of_endpoint(self, endpoint: Endpoint, info: RequestInfo, request: ApiRequest) -> Handler:
        if info.subresource:
            return self._of_subresource(endpoint, info, request)
        everywhere = endpoint.info.namespaced and not info.placed
        allowed = _ITEM if info.name else _EVERYWHERE if everywhere else _COLLECTION
        handler = endpoint.handler(info.verb, "") if info.verb in allowed and request.method in _ROUTED else None
        if handler is None:
            raise self._not_allowed(endpoint, info)
        return handler

    def _of_subresource(self, endpoint: Endpoint, info: RequestInfo, request: ApiRequest) -> Handler:
        special = self._routes.of_subresource(info.group, info.resource, info.subresource)
        declared = endpoint.resource.subresource(info.subresource)
        if special is None and declared is None:
            raise errors.path_not_found()
        if not info.name:
            raise errors.bad_request("name must be provided")
        if special is not None:
            return special
        handler = endpoint.handler(info.verb, info.subresource) if request.method in _ROUTED else None
        if handler is None:
            raise self._not_allowed(endpoint, info)
        return handler

    def _of_nobody(self, info: RequestInfo, request: ApiRequest) -> Handler:
        found = self._routes.of_resource(info.group, info.version, info.resource)
        found = found or self._routes.of_group(info.group, info.version)
        if found is not None:
            return found
        if info.group in self._builtin:
            raise errors.path_not_found()
        return _no_page

    def _not_allowed(self, endpoint: Endpoint, info: RequestInfo) -> errors.ApiError:
        if info.group in self._builtin:
            return errors.method_not_allowed()
        return errors.method_not_supported(endpoint.info.group_resource, info.verb)


_ON_ITEMS = frozenset(("GET", "PUT", "PATCH", "DELETE"))


def _check_name(name: str) -> None:
    """Raises 400 for what cannot be part of a key."""
    wrong = is_path_segment(name)
    if wrong:
        raise errors.bad_request(f"Name parameter invalid: {quoted(name)}: {';'.join(wrong)}")


def _fits(info: RequestInfo, endpoint: Endpoint) -> bool:
    """Whether the path has a namespace exactly where the kind has one."""
    if info.verb == "proxy":
        return False
    return info.placed or not info.name if endpoint.info.namespaced else not info.placed


async def _no_page(call: Call) -> ApiResponse:
    return no_such_page()
