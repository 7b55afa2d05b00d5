"""A server with TLS on loopback that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from apiserver.serving import Talk
from pybernetes.apiserver.auth.pki import Pki, Request, serving_context
from pybernetes.store.contract import Put

Document = dict[str, Any]
Respond = Callable[[str, Document], Document | Awaitable[Document] | web.StreamResponse]


@cache
def pki() -> Pki:
    return Pki(Path(tempfile.mkdtemp(prefix="p8s-hooks-")))


@dataclass
class HookServer:
    """`respond(path, review)` gives the response of an AdmissionReview, a whole document with `kind`, or an answer."""

    respond: Respond
    url: str = ""
    port: int = 0
    asked: list[tuple[str, Document]] = field(default_factory=list)
    seen: list[web.BaseRequest] = field(default_factory=list)

    @property
    def authority(self) -> str:
        return base64.b64encode(pki().ca_pem).decode()

    def config(self, path: str = "/", **more: Any) -> Document:
        return {"url": self.url + path, "caBundle": self.authority, **more}

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        body = await incoming.read()
        document = orjson.loads(body) if body else {}
        self.asked.append((incoming.path, document))
        self.seen.append(incoming)
        response = self.respond(incoming.path, document)
        if isinstance(response, Awaitable) and not isinstance(response, web.StreamResponse):
            response = await response
        if isinstance(response, web.StreamResponse):
            return response
        if "kind" not in response:
            uid = document.get("request", {}).get("uid", "")
            response = {
                "apiVersion": document.get("apiVersion"),
                "kind": "AdmissionReview",
                "response": {"uid": uid, **response},
            }
        return web.Response(body=orjson.dumps(response), content_type="application/json")


@asynccontextmanager
async def hook_server(
    respond: Respond,
    names: tuple[str, ...] = ("127.0.0.1", "*.default.svc"),
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
) -> AsyncIterator[HookServer]:
    if tls is None:
        pair = pki().issue("hook", Request("hook", names=names, server=True))
        tls = serving_context(pair, pki().ca_file)
    hooks = HookServer(respond)
    runner = web.ServerRunner(web.Server(hooks.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, address, 0, ssl_context=tls)
    await site.start()
    hooks.port = runner.addresses[0][1]
    hooks.url = f"https://{address}:{hooks.port}"
    try:
        yield hooks
    finally:
        await runner.cleanup()


async def endpoints(talk: Talk, service: str, port: int) -> None:
    """Endpoints of a service: one that is not ready, and one on this machine, which only the store itself takes."""
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service,
            "namespace": "default",
            "uid": "1",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port}],
        "endpoints": [
            {"addresses": ["127.0.0.9"], "conditions": {"ready": False}},
            {"addresses": ["127.0.0.1"]},
        ],
    }
    key = f"/registry/endpointslices/default/{service}"
    outcome = await talk.server.store.transact(require=(), write=(Put(key, orjson.dumps(slice_)),))
    await talk.server.watch_cache.at_least(outcome.revision)


def patch_of(*operations: Document) -> Document:
    """The part of a response that changes the object."""
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(operations)).decode()}


def webhook(config: Document, name: str = "one.example.com", **more: Any) -> Document:
    rule = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["configmaps"]}
    return {
        "name": name,
        "clientConfig": config,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }


def rule(*resources: str, operations: tuple[str, ...] = ("*",), group: str = "*", version: str = "*") -> Document:
    return {
        "operations": list(operations),
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": list(resources),
    }
