"""Requests to a group version that another server serves: passed on with the user's name, and the answer back.

Follows pkg/apiserver/handler_proxy.go of kube-aggregator and k8s.io/apimachinery/pkg/util/proxy.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote, urlencode

from multidict import CIMultiDict

from pybernetes.api import errors
from pybernetes.apiserver.aggregation.dialing import Dialer, identity
from pybernetes.apiserver.http import ApiRequest, ApiResponse, text_response
from pybernetes.apiserver.proxy.backend import Target, wants_upgrade
from pybernetes.apiserver.proxy.pods import join, upgraded
from pybernetes.apiserver.routes import Call

DISCOVERY_SECONDS = 5.0
_SAFE = "/:@!$&'()*+,;=~"
_UNAVAILABLE = "service unavailable\n"


async def pass_on(call: Call, dialer: Dialer) -> ApiResponse:
    try:
        target = dialer.target(_path(call.request))
    except errors.ApiError:
        return text_response(_UNAVAILABLE, 503)
    request, added = call.request, _added(call, target)
    if wants_upgrade(request.headers):
        return upgraded(lambda incoming: join(request, incoming, dialer.backend, target, added))
    limit = DISCOVERY_SECONDS if _is_discovery(call) else None
    try:
        async with asyncio.timeout(limit):
            return await dialer.backend.relay(request.method, target, request.headers, request.body, added)
    except errors.ApiError as error:
        return text_response(f"error trying to reach service: {dialer.wording(error, target)}\n", 503)
    except TimeoutError:
        return text_response("error trying to reach service: context deadline exceeded\n", 503)


def unavailable() -> ApiResponse:
    return text_response(_UNAVAILABLE, 503)


def _is_discovery(call: Call) -> bool:
    return not call.info.is_resource and len(call.info.path.strip("/").split("/")) == 3


def _path(request: ApiRequest) -> str:
    query = urlencode(sorted((name, value) for name, values in request.query.items() for value in values))
    return quote(request.path, safe=_SAFE) + (f"?{query}" if query else "")


def _added(call: Call, target: Target) -> CIMultiDict[str]:
    """Who the client is, and where the request came from."""
    request = call.request
    passed = [value for value in (request.headers.get("x-forwarded-for", ""), request.remote) if value]
    added = CIMultiDict(
        {
            "X-Forwarded-For": ", ".join(passed),
            "X-Forwarded-Uri": request.path,
            "X-Forwarded-Host": str(target.address),
            "X-Forwarded-Proto": target.scheme,
            "Audit-Id": request.audit_id,
        }
    )
    added.extend(identity(call.user))
    return added
