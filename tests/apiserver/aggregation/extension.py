"""A small extension API server with TLS on loopback, and a server before it that aggregates.

It serves `flunders` of wardle.example.com/v1 to whoever shows the front proxy's certificate, and remembers requests.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from apiserver.hook_server import endpoints, pki
from apiserver.serving import Talk, serving
from pybernetes.apiserver.aggregation.controller import Aggregation
from pybernetes.apiserver.auth.pki import Request, serving_context
from pybernetes.apiserver.describe import Description, describe

Document = dict[str, Any]

GROUP, VERSION = "wardle.example.com", "v1"
PATH = f"/apis/{GROUP}/{VERSION}"
NAME = f"{VERSION}.{GROUP}"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
FLUNDERS = {
    "resource": "flunders",
    "responseKind": {"group": "", "version": "", "kind": "Flunder"},
    "scope": "Namespaced",
    "singularResource": "flunder",
    "verbs": ["get", "list", "watch"],
    "subresources": [
        {"subresource": "status", "responseKind": {"group": "", "version": "", "kind": "Flunder"}, "verbs": ["get"]}
    ],
}
RESOURCE_LIST = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["get", "list", "watch"],
        },
        {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}
OPENAPI_V2: Document = {
    "swagger": "2.0",
    "info": {"title": "wardle", "version": "1"},
    "paths": {
        f"{PATH}/flunders": {
            "get": {
                "operationId": "listFlunders",
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/wardle.Flunder"}}},
            }
        },
        "/version": {"get": {"operationId": "version", "responses": {"200": {"description": "OK"}}}},
    },
    "definitions": {
        "wardle.Flunder": {
            "type": "object",
            "properties": {"metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}},
        },
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object"},
        "wardle.Unused": {"type": "string"},
    },
}


@dataclass
class Extension:
    port: int = 0
    aggregates: bool = True
    """Whether it knows the newer form of discovery."""
    garbled: bytes = b""
    """What it says in place of discovery and OpenAPI."""
    status: int = 200
    """Of the group version's own document."""
    asked: list[web.BaseRequest] = field(default_factory=list)

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(incoming)
        peer = incoming.transport.get_extra_info("peercert") if incoming.transport else None
        if not peer or dict(row[0] for row in peer["subject"])["commonName"] != "front-proxy-client":
            return web.Response(status=401)
        if self.garbled and incoming.path != PATH:
            return web.Response(body=self.garbled, headers={"Content-Type": AGGREGATED})
        match incoming.path:
            case "/apis" if self.aggregates:
                version = {"version": VERSION, "resources": [FLUNDERS], "freshness": "Current"}
                document = {"items": [{"metadata": {"name": GROUP}, "versions": [version]}]}
                return _json(document, AGGREGATED)
            case "/apis":
                return web.Response(status=406)
            case path if path == PATH:
                return _json(RESOURCE_LIST, status=self.status)
            case "/openapi/v2":
                return _json(OPENAPI_V2)
            case "/openapi/v3":
                address = {"serverRelativeURL": f"/openapi/v3{PATH}?hash=ABC"}
                return _json({"paths": {PATH.removeprefix("/"): address}})
            case path if path.endswith("/elsewhere"):
                return web.Response(status=302, headers={"Location": "https://elsewhere.example.com/"})
            case path if path.endswith("/talk"):
                return await _talk(incoming)
        if "watch" in incoming.query:
            return await _watch(incoming)
        body = await incoming.read()
        told = {"method": incoming.method, "path": incoming.raw_path, "body": body.decode()}
        return _json(told, headers={"Warning": '299 - "old"', "X-Mine": "yes"})


def _json(
    document: Document, kind: str = "application/json", status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, headers={"Content-Type": kind, **(headers or {})})


async def _watch(incoming: web.BaseRequest) -> web.StreamResponse:
    """An event, and then nothing until the client goes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(incoming)
    await response.write(b'{"type":"ADDED","object":{"kind":"Flunder"}}\n')
    await asyncio.Event().wait()
    return response


async def _talk(incoming: web.BaseRequest) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(incoming)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(f"heard {message.data}")
    return socket


def _tls(names: tuple[str, ...]) -> ssl.SSLContext:
    pair = pki().issue("extension", Request("extension", names=names, server=True))
    return serving_context(pair, pki().front_proxy.ca_file)


@asynccontextmanager
async def extension(names: tuple[str, ...] = ("wardle.default.svc",)) -> AsyncIterator[Extension]:
    served = Extension()
    runner = web.ServerRunner(web.Server(served.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls(names)).start()
    served.port = runner.addresses[0][1]
    try:
        yield served
    finally:
        await runner.cleanup()


@dataclass
class Aggregating(Talk):
    """A talk with a server that aggregates."""

    talk: Talk
    description: Description
    changed: asyncio.Event
    """Set whenever OpenAPI is about to be another."""

    def __post_init__(self) -> None:
        super().__init__(self.talk.assembled)

    async def specs(self) -> Document:
        """The index of OpenAPI v3, once the extension's is in it."""
        while True:
            index: Document = (await self.get("/openapi/v3")).body["paths"]
            if PATH.removeprefix("/") in index:
                return index
            await self.changed.wait()
            self.changed.clear()

    async def condition(self, reason: str, name: str = NAME) -> Document:
        """The condition, once it has this reason."""
        watch = await self.watch(API_SERVICES, fieldSelector=f"metadata.name={name}")
        while True:
            _, service = await watch.next()
            for condition in (service.get("status") or {}).get("conditions", ()):
                if condition["reason"] == reason:
                    return {key: value for key, value in condition.items() if key != "lastTransitionTime"}

    async def register(self, name: str = NAME, **spec: Any) -> None:
        made = await self.post(API_SERVICES, api_service(name, **spec))
        assert made.status == 201, made.message

    async def serve(self, port: int) -> None:
        """The service `wardle`, with an endpoint at ``port``."""
        made = await self.post("/api/v1/namespaces/default/services", service())
        assert made.status == 201, made.message
        await endpoints(self, "wardle", port)


@asynccontextmanager
async def aggregating(**options: Any) -> AsyncIterator[Aggregating]:
    async with serving(**options) as talk:
        description = describe(talk.server, address="127.0.0.1:0", version="v1.36.0")
        changed, invalidate = asyncio.Event(), description.openapi.invalidate

        def tell() -> None:
            invalidate()
            changed.set()

        description.openapi.invalidate = tell  # type: ignore[method-assign]
        aggregation = Aggregation(talk.server, description, pki().front_proxy_client())
        await aggregation.start()
        try:
            yield Aggregating(talk, description, changed)
        finally:
            await aggregation.stop()


def service() -> Document:
    return {"metadata": {"name": "wardle"}, "spec": {"ports": [{"port": 443, "protocol": "TCP"}]}}


def api_service(name: str = NAME, **spec: Any) -> Document:
    version, _, group = name.partition(".")
    whole = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": 2000,
        "versionPriority": 10,
        "service": {"namespace": "default", "name": "wardle"},
        "caBundle": base64.b64encode(pki().ca_pem).decode(),
        **spec,
    }
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }
