"""Requests to a group version that another server serves: passed on with the user's name, and the answer back.

Follows pkg/apiserver/handler_proxy.go of kube-aggregator and k8s.io/apimachinery/pkg/util/proxy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from multidict import CIMultiDict

from pybernetes.api import errors
from pybernetes.apiserver.aggregation.dialing import Dialer, identity
from pybernetes.apiserver.http import ApiRequest, ApiResponse, text_response
from pybernetes.apiserver.proxy.backend import Added, Target, Upgraded, forwarded, passed_on, wants_upgrade
from pybernetes.apiserver.routes import Call

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_request import BaseRequest

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
        return ApiResponse(101, upgrade=lambda incoming: _upgrade(incoming, request, dialer, target, added))
    limit = DISCOVERY_SECONDS if _is_discovery(call) else None
    try:
        async with asyncio.timeout(limit):
            return await _relay(request, dialer, target, added)
    except errors.ApiError as error:
        return text_response(f"error trying to reach service: {dialer.wording(error, target)}\n", 503)
    except TimeoutError:
        return text_response("error trying to reach service: context deadline exceeded\n", 503)


async def _relay(request: ApiRequest, dialer: Dialer, target: Target, added: Added) -> ApiResponse:
    """A server may not send clients elsewhere: they would take their credentials there."""
    answer = await dialer.backend.request(request.method, target, forwarded(request.headers, added), request.body)
    if 300 <= answer.status < 400 and answer.headers.get("Location"):
        answer.close()
        return text_response("the backend attempted to redirect this request, which is not permitted", 502)
    return await passed_on(answer, request.method)


async def _upgrade(
    incoming: BaseRequest, request: ApiRequest, dialer: Dialer, target: Target, added: Added
) -> web.StreamResponse:
    from pybernetes.apiserver import silent
    from pybernetes.apiserver.proxy.splice import splice

    try:
        outcome = await dialer.backend.upgrade(request.method, target, request.headers, added)
    except errors.ApiError as error:
        return silent.Whole(status=503, text=f"{dialer.wording(error, target)}\n")
    if isinstance(outcome, Upgraded):
        return await splice(incoming, outcome)
    if outcome.status < 400:
        return silent.Whole(status=503, text=f"invalid upgrade response: status code {outcome.status}\n")
    return silent.Whole(status=outcome.status, body=outcome.body, headers={"Content-Type": outcome.content_type})


def unavailable() -> ApiResponse:
    return text_response(_UNAVAILABLE, 503)


def _is_discovery(call: Call) -> bool:
    return not call.info.is_resource and len(call.info.path.strip("/").split("/")) == 3


def _path(request: ApiRequest) -> str:
    query = urlencode([(name, value) for name in sorted(request.query) for value in request.query[name]])
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
