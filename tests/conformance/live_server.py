"""A server over TLS, spoken to as client-go does (typed kinds in protobuf), and webhooks behind services of it."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from aiohttp import web

from apiserver.hook_server import HookServer, Respond, hook_server, patch_of
from pybernetes.apiserver.protobuf import MEDIA_TYPE, decode_body
from pybernetes.apiserver.protobuf.bodies import body_of
from pybernetes.apiserver.protobuf.messages import MAGIC

Document = dict[str, Any]

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
UNWANTED = "the configmap contains unwanted key and value"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Said:
    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        return str(self.document["message"])

    @property
    def reason(self) -> str:
        return str(self.document["reason"])


class Live:
    """`namespace` is the test's own: labelled with its name, which is unique."""

    def __init__(self, http: httpx.AsyncClient, namespace: str) -> None:
        self.http = http
        self.namespace = namespace
        self.core = f"/api/v1/namespaces/{namespace}"

    async def send(
        self, method: str, path: str, body: Any = None, content: str = JSON, accept: str = JSON, **query: str
    ) -> Said:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, **({"Content-Type": content} if raw else {})}
        answer = await self.http.request(method, path, content=raw, headers=headers, params=query or None)
        return Said(answer.status_code, _read(answer.content), answer.headers)

    async def typed(self, method: str, path: str, body: Document | None = None, **query: str) -> Said:
        raw = None if body is None else body_of(body)
        return await self.send(method, path, raw, MEDIA_TYPE, f"{MEDIA_TYPE},{JSON}", **query)

    async def get(self, path: str, **query: str) -> Document:
        return _fine(await self.send("GET", path, **query))

    async def items(self, path: str, **query: str) -> list[Document]:
        found: list[Document] = (await self.get(path, **query))["items"]
        return found

    async def create(self, path: str, body: Document, **query: str) -> Document:
        """As a typed client does where the kind is built in."""
        send = self.send if is_custom(body) else self.typed
        return _fine(await send("POST", path, body, **query))

    async def replace(self, path: str, body: Document, **query: str) -> Document:
        send = self.send if is_custom(body) else self.typed
        return _fine(await send("PUT", path, body, **query))

    async def patch(self, path: str, body: Any, content: str = MERGE, **query: str) -> Document:
        return _fine(await self.send("PATCH", path, body, content, **query))

    async def delete(self, path: str, **query: str) -> Document:
        options = body_of({"apiVersion": "v1", "kind": "DeleteOptions"})
        return _fine(await self.send("DELETE", path, options, MEDIA_TYPE, **query))

    async def define(self, definition: Document) -> Document:
        """Waits until it is served."""
        name = definition["metadata"]["name"]
        await self.create(DEFINITIONS, definition)
        return await self.until(f"{DEFINITIONS}/{name}", lambda one: _condition(one, "Established") == "True")

    def custom(self, definition: Document, version: str = "v1") -> str:
        """Where the objects of the test's own namespace are."""
        spec = definition["spec"]
        return f"/apis/{spec['group']}/{version}/namespaces/{self.namespace}/{spec['names']['plural']}"

    async def until(self, path: str, holds: Callable[[Document], bool]) -> Document:
        """The object, by watching it, once it is as it is waited for."""
        folder, _, name = path.rpartition("/")
        async with self.watch(folder, fieldSelector=f"metadata.name={name}") as events:
            async for type, document in events:
                assert type != "ERROR", document
                if holds(document):
                    return document
        raise AssertionError("the watch ended")

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[tuple[str, Document]]]:
        headers = {"Accept": JSON}
        async with self.http.stream("GET", path, headers=headers, params={"watch": "true", **query}) as answer:
            if answer.status_code != 200:
                raise AssertionError((await answer.aread()).decode())
            yield _events(answer)

    async def service(self, name: str, hooks: HookServer) -> Document:
        """A service whose endpoint is the webhook server; the `service` of a clientConfig that leads there."""
        metadata = {"name": name, "namespace": self.namespace}
        spec = {"ports": [{"protocol": "TCP", "port": 8443, "targetPort": hooks.port}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        await self.create(f"{self.core}/services", service)
        labelled = {**metadata, "labels": {"kubernetes.io/service-name": name}}
        endpoints = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": labelled,
            "addressType": "IPv4",
            "ports": [{"name": "", "protocol": "TCP", "port": hooks.port}],
            "endpoints": [{"addresses": [own_address()], "conditions": {"ready": True}}],
        }
        await self.create(f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices", endpoints)
        return {"name": name, "namespace": self.namespace, "port": 8443}

    @asynccontextmanager
    async def hooks(self, respond: Respond, name: str = "e2e-test-webhook") -> AsyncIterator[Hooks]:
        names = (f"{name}.{self.namespace}.svc",)
        async with hook_server(respond, names, address=own_address()) as server:
            yield Hooks(self, server, await self.service(name, server))

    @asynccontextmanager
    async def registered(self, kind: str, name: str, *webhooks: Document) -> AsyncIterator[str]:
        """A configuration while the block lasts; its path. `kind` is Mutating or Validating."""
        path = f"{HOOKS}/{kind.lower()}webhookconfigurations"
        await self.create(path, configuration(kind, name, *webhooks))
        try:
            yield f"{path}/{name}"
        finally:
            await self.typed("DELETE", f"{path}/{name}")


@dataclass(frozen=True)
class Hooks:
    live: Live
    server: HookServer
    service: Document

    def at(self, path: str, *rules: Document, **more: Any) -> Document:
        """A webhook that is asked at a path of the service, about what is done in the test's own namespace."""
        own = {"matchLabels": {self.live.namespace: "true"}}
        return {
            "name": f"{path.strip('/')}.k8s.io",
            "clientConfig": {"service": {**self.service, "path": path}, "caBundle": self.server.authority},
            "rules": list(rules),
            "sideEffects": "None",
            "admissionReviewVersions": ["v1", "v1beta1"],
            "namespaceSelector": own,
            **more,
        }


def configuration(kind: str, name: str, *webhooks: Document, labels: Mapping[str, str] | None = None) -> Document:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "webhooks": list(webhooks),
    }


OPEN: Document = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name: str, schema: Document = OPEN, *, storage: bool = True, **more: Any) -> Document:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def definition(group: str, kind: str, *versions: Document, **spec: Any) -> Document:
    """Of a namespaced kind, in v1 unless versions are given."""
    singular = kind.lower()
    names = {"plural": f"{singular}s", "singular": singular, "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": list(versions) or [version("v1")],
            **spec,
        },
    }


@asynccontextmanager
async def live(kubeconfig: Path) -> AsyncIterator[Live]:
    cluster, user = _credentials(kubeconfig)
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    made = httpx.AsyncClient(
        base_url=cluster["server"], verify=_trust(cluster, user, kubeconfig.parent), headers=headers, timeout=400
    )
    async with made as http:
        unique = f"t-{uuid.uuid4().hex[:8]}"
        own = Live(http, unique)
        metadata = {"name": unique, "labels": {unique: "true"}}
        await own.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await own.create(f"{own.core}/serviceaccounts", account)
        yield own
        await own.delete(f"/api/v1/namespaces/{unique}")


def _credentials(kubeconfig: Path) -> tuple[Document, Document]:
    config = yaml.safe_load(kubeconfig.read_text())
    return config["clusters"][0]["cluster"], config["users"][0]["user"]


def own_address() -> str:
    """An address of this machine that endpoints may have; loopback ones are refused. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found: str = probe.getsockname()[0]
        return found


def is_custom(body: Document) -> bool:
    group = str(body["apiVersion"]).rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def _trust(cluster: Document, user: Document, directory: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if "certificate-authority-data" in cluster:
        context.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "client-certificate-data" in user:
        pair = directory / "client.pem"
        pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context.load_cert_chain(pair)
    return context


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Document]]:
    async for line in answer.aiter_lines():
        event = json.loads(line)
        yield event["type"], event["object"]


def _read(content: bytes) -> Any:
    if content.startswith(MAGIC):
        return decode_body(content)
    try:
        return json.loads(content)
    except ValueError:
        return content.decode()


def _fine(said: Said) -> Document:
    assert said.status < 300, said.document
    document: Document = said.document
    return document


def _condition(document: Document, type: str) -> str:
    conditions = document.get("status", {}).get("conditions") or ()
    return next((one["status"] for one in conditions if one["type"] == type), "")


# ---- what the webhooks answer


def respond(path: str, review: Document) -> Any:
    """What is asked of whom is said by the path."""
    request = review.get("request", {})
    document = request.get("object") or request.get("oldObject") or {}
    data = document.get("data") or {}
    match path:
        case "/always-deny":
            return denied("this webhook denies all requests")
        case "/configmaps" | "/custom-resource":
            return denied(UNWANTED) if data.get("webhook-e2e-test") == "webhook-disallow" else {"allowed": True}
        case "/pods":
            return about_pod(document)
        case "/pods/attach":
            return denied(f"attaching to pod '{request['name']}' is not allowed")
        case "/crd":
            refused = "webhook-e2e-test" in (document["metadata"].get("labels") or {})
            return denied("the custom resource definition contains unwanted label") if refused else {"allowed": True}
        case "/mutating-configmaps" | "/mutating-custom-resource":
            return marked(data)
        case "/mutating-pods":
            container = {"name": "webhook-added-init-container", "image": "webhook-added-image", "resources": {}}
            return patch_of({"op": "add", "path": "/spec/initContainers", "value": [container]})
        case "/add-label":
            return patch_of({"op": "add", "path": "/metadata/labels", "value": {"added-label": "yes"}})
        case "/slow":
            return answer_late(review, 1.2)
        case _:
            raise AssertionError(path)


def denied(message: str) -> Document:
    return {"allowed": False, "status": {"message": message, "reason": message}}


def marked(data: Document) -> Document:
    """The first stage marks what begins, the second what the first has marked."""
    made = [
        {"op": "add", "path": f"/data/mutation-stage-{stage}", "value": "yes"}
        for stage, asked in (("1", "mutation-start"), ("2", "mutation-stage-1"))
        if data.get(asked) == "yes" and f"mutation-stage-{stage}" not in data
    ]
    return patch_of(*made[:1]) if made else {"allowed": True}


def about_pod(document: Document) -> Any:
    if "webhook-hangs" in document["metadata"]["name"]:
        return answer_late({}, 20)
    unwanted = [
        why
        for why, found in (
            ("the pod contains unwanted container name", document["spec"]["containers"][0]["name"]),
            ("the pod contains unwanted label", (document["metadata"].get("labels") or {}).get("webhook-e2e-test")),
        )
        if found == "webhook-disallow"
    ]
    return denied("; ".join(unwanted)) if unwanted else {"allowed": True}


async def answer_late(review: Document, seconds: float) -> web.StreamResponse:
    await asyncio.sleep(seconds)
    response = {"uid": review["request"]["uid"], "allowed": True}
    return web.json_response({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Document:
    metadata = {"name": name, "labels": labels or {}}
    data = {key.replace("_", "-"): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def refused(api: Live, method: str, path: str, body: Document, *texts: str, content: str = "") -> None:
    said = await (api.send(method, path, body, content) if content else api.typed(method, path, body))
    assert said.status >= 400
    for text in texts:
        assert text in said.message
