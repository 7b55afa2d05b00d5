"""pods/log, pods/exec, pods/attach and pods/portforward: handed to the kubelet of the pod's node.

The kubelet speaks the streaming protocols itself (WebSocket channels, SPDY, SPDY in WebSocket): their bytes pass
through. Logs may also be read over a WebSocket (`binary.k8s.io`, `base64.binary.k8s.io`).

Follows pkg/registry/core/pod/rest.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.answers import error_answer
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.proxy.backend import Backend, Declined, Target, pieces_of, wants_upgrade
from pybernetes.apiserver.proxy.locate import (
    Document,
    check_log_options,
    kubelet_address,
    log_path,
    node_of,
    port_forward_path,
    stream_path,
)
from pybernetes.apiserver.routes import Call, Handler, Routes

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_request import BaseRequest

# What comes of aiohttp is loaded with the first connection that is upgraded.

Admit = Callable[[Call], Awaitable[Mapping[str, Sequence[str]]]]
LOG_PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io")
_PLAIN = {"Content-Type": "text/plain"}


class PodStreams:
    """``admit`` lets a connection be made, and says with which query."""

    def __init__(self, reader: Reader, kubelets: Backend, admit: Admit) -> None:
        self._reader = reader
        self._kubelets = kubelets
        self._admit = admit

    def register(self, routes: Routes) -> None:
        routes.subresource("", "pods", "log", self.log)
        for operation in ("exec", "attach"):
            routes.subresource("", "pods", operation, self._streaming(operation))
        routes.subresource("", "pods", "portforward", self.port_forward)

    async def log(self, call: Call) -> ApiResponse:
        _require_method(call, "GET")
        check_log_options(call.info.name, call.request.query)
        pod = self._pod(call)
        path = log_path(pod, call.request.query)
        if not (pod.get("spec") or {}).get("nodeName"):
            return ApiResponse(204)
        target = self._target(pod, path)
        if wants_upgrade(call.request.headers):
            return upgraded(lambda incoming: self._log_over_websocket(incoming, target))
        answer = await self._kubelets.request("GET", target, {})
        if answer.status != 200:
            raise _kubelet_error(answer.status, await answer.text(), target)
        return ApiResponse(200, pieces_of(answer), _PLAIN.copy())

    async def port_forward(self, call: Call) -> ApiResponse:
        _require_method(call, "GET", "POST")
        query = await self._admit(call)
        pod = self._pod(call)
        return self._upgrade(call.request, self._target(pod, port_forward_path(pod, query)))

    def _streaming(self, operation: str) -> Handler:
        async def handle(call: Call) -> ApiResponse:
            _require_method(call, "GET", "POST")
            query = await self._admit(call)
            pod = self._pod(call)
            return self._upgrade(call.request, self._target(pod, stream_path(operation, pod, query)))

        return handle

    def _upgrade(self, request: ApiRequest, target: Target) -> ApiResponse:
        if not wants_upgrade(request.headers):
            raise errors.bad_request("Upgrade request required")
        return upgraded(lambda incoming: join(request, incoming, self._kubelets, target))

    def _pod(self, call: Call) -> Document:
        pod = self._reader.get("pods", call.info.namespace, call.info.name)
        if pod is None:
            raise errors.not_found("pods", call.info.name)
        return pod

    def _target(self, pod: Document, path: str) -> Target:
        name = node_of(pod)
        node = self._reader.get("nodes", "", name)
        if node is None:
            raise errors.not_found("nodes", name)
        return Target("https", kubelet_address(node), path)

    async def _log_over_websocket(self, incoming: BaseRequest, target: Target) -> web.StreamResponse:
        from aiohttp import WSCloseCode

        from pybernetes.apiserver import silent

        answer = await self._kubelets.request("GET", target, {})
        if answer.status != 200:
            raise _kubelet_error(answer.status, await answer.text(), target)
        socket = silent.WebSocket(protocols=LOG_PROTOCOLS)
        await socket.prepare(incoming)
        async for piece in pieces_of(answer):
            if socket.ws_protocol == "base64.binary.k8s.io":
                await socket.send_str(base64.b64encode(piece).decode("ascii"))
            else:
                await socket.send_bytes(piece)
        await socket.close(code=WSCloseCode.OK)
        return socket


async def join(request: ApiRequest, incoming: BaseRequest, backend: Backend, target: Target) -> web.StreamResponse:
    """Upgrade at the backend, then at the client, and let them talk; or pass on the backend's refusal."""
    from pybernetes.apiserver import silent
    from pybernetes.apiserver.proxy.splice import splice

    outcome = await backend.upgrade(request.method, target, request.headers)
    if isinstance(outcome, Declined):
        return silent.Whole(status=outcome.status, body=outcome.body, headers={"Content-Type": outcome.content_type})
    return await splice(incoming, outcome)


def upgraded(act: Callable[[BaseRequest], Awaitable[web.StreamResponse]]) -> ApiResponse:
    """An answer that takes over the connection; what goes wrong before that is answered as a Status."""

    async def take(incoming: BaseRequest) -> web.StreamResponse:
        from pybernetes.apiserver import silent

        try:
            return await act(incoming)
        except errors.ApiError as error:
            answer = error_answer(ApiRequest("GET", incoming.path), error)
            return silent.Whole(status=answer.status, body=answer.content, headers=answer.headers)

    return ApiResponse(101, upgrade=take)


def _require_method(call: Call, *methods: str) -> None:
    if call.request.method not in methods:
        raise errors.method_not_allowed()


def _kubelet_error(status: int, text: str, target: Target) -> errors.ApiError:
    message = text.strip() or f"the kubelet at {target.address} answered {status}"
    if status in (400, 404):
        return errors.bad_request(message) if status == 400 else errors.ApiError(404, "NotFound", message, {})
    return errors.internal_error(message)
