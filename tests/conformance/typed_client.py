"""A client as client-go's typed ones are: objects in protobuf both ways, patches in JSON, watches in frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from pybernetes.api import kinds
from pybernetes.api.errors import ApiError
from pybernetes.api.kinds import KindInfo
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.protobuf import MEDIA_TYPE, decode_body
from pybernetes.apiserver.protobuf.bodies import body_of, whole
from pybernetes.apiserver.protobuf.decode import decode_message
from pybernetes.apiserver.protobuf.messages import MAGIC
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.watching import WatchStream

Document = dict[str, Any]

ACCEPT = f"{MEDIA_TYPE},application/json"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class TypedClient:
    """`client.of("apps", "v1", "daemonsets", "default")` are a kind's verbs in a namespace, or everywhere."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def of(self, group: str, version: str, plural: str, namespace: str | None = "default") -> Verbs:
        return Verbs(self, kinds.by_resource(group, version, plural), namespace)

    async def send(
        self, method: str, path: str, body: bytes = b"", content: str = "", query: Mapping[str, str] | None = None
    ) -> ApiResponse:
        headers = {"accept": ACCEPT, **({"content-type": content} if content else {})}
        stated = {name: [value] for name, value in (query or {}).items()}
        return await self.server.handle(ApiRequest(method, path, stated, headers, body))

    async def call(
        self, method: str, path: str, body: Document | None = None, query: Mapping[str, str] | None = None
    ) -> Document:
        """Raises ApiError for a refusal."""
        raw = b"" if body is None else body_of(body)
        return _document(await self.send(method, path, raw, MEDIA_TYPE if raw else "", query))

    async def discovered(self, path: str) -> Document:
        """A discovery document, as it is read first of all."""
        answer = await self.server.handle(ApiRequest("GET", path, {}, {"accept": "application/json"}, b""))
        assert answer.status == 200
        found: Document = orjson.loads(answer.content)
        return found


class Verbs:
    def __init__(self, client: TypedClient, info: KindInfo, namespace: str | None) -> None:
        self._client = client
        self.info = info
        self._namespace = namespace if info.namespaced else None

    def path(self, name: str | None = None, subresource: str | None = None) -> str:
        return self.info.path(self._namespace, name, subresource)

    async def create(self, document: Document, name: str | None = None, subresource: str | None = None) -> Document:
        return await self._client.call("POST", self.path(name, subresource), self._stated(document))

    async def get(self, name: str, subresource: str | None = None) -> Document:
        return await self._client.call("GET", self.path(name, subresource))

    async def list(self, labels: str = "") -> list[Document]:
        found = await self._client.call("GET", self.path(), None, {"labelSelector": labels} if labels else None)
        items: list[Document] = found.get("items", [])
        return items

    async def page(self, **query: str) -> Document:
        """A list with its metadata."""
        return await self._client.call("GET", self.path(), query=query)

    async def update(self, document: Document, subresource: str | None = None) -> Document:
        name = document["metadata"]["name"]
        return await self._client.call("PUT", self.path(name, subresource), self._stated(document))

    async def patch(self, name: str, patch: Any, content: str = STRATEGIC, subresource: str | None = None) -> Document:
        raw = orjson.dumps(patch)
        return _document(await self._client.send("PATCH", self.path(name, subresource), raw, content))

    async def delete(self, name: str, **options: Any) -> Document:
        return await self._client.call("DELETE", self.path(name), _delete_options(options))

    async def delete_collection(self, labels: str = "", **options: Any) -> Document:
        selected = {"labelSelector": labels} if labels else {}
        return await self._client.call("DELETE", self.path(), _delete_options(options), selected)

    async def watch(self, labels: str = "", version: str = "") -> Watching:
        """With a version what comes after it; without, first what there is."""
        query = {"watch": "true", "labelSelector": labels, "resourceVersion": version}
        stated = {name: value for name, value in query.items() if value}
        answer = await self._client.send("GET", self.path(), query=stated)
        assert isinstance(answer.body, WatchStream), answer.content
        return Watching(answer.body)

    def _stated(self, document: Document) -> Document:
        return {"apiVersion": self.info.api_version, "kind": self.info.kind, **document}


class Watching:
    """Events of a watch; `async with` closes it."""

    def __init__(self, stream: WatchStream) -> None:
        self._stream = stream
        self._rest = b""

    async def __aenter__(self) -> Watching:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    async def next(self) -> tuple[str, Document]:
        if not self._rest:
            self._rest = await anext(self._stream)
        size = int.from_bytes(self._rest[:4])
        frame, self._rest = self._rest[4 : 4 + size], self._rest[4 + size :]
        return _type_of(frame), decode_body(frame[frame.index(MAGIC) :])

    async def until(self, type: str, holds: Callable[[Document], bool] = lambda _: True) -> Document:
        """The object of the first event of a type that is as it is waited for."""
        while True:
            told, document = await self.next()
            if told == type and holds(document):
                return document


def _type_of(frame: bytes) -> str:
    """The first field of an event is its type."""
    return frame[2 : 2 + frame[1]].decode()


def _document(answer: ApiResponse) -> Document:
    raw = answer.content
    document: Document = _decoded(raw) if raw.startswith(MAGIC) else orjson.loads(raw)
    if answer.status >= 400:
        raise ApiError.from_status(answer.status, document)
    return document


def _decoded(raw: bytes) -> Document:
    """An object or a list: behind the prefix is what it is called (1), and its message (2)."""
    envelope = dict(_members(raw[len(MAGIC) :]))
    api_version, kind = (value.decode() for _, value in _members(envelope[1]))
    if not kind.endswith("List"):
        return decode_body(raw)
    parts = list(_members(envelope[2]))
    metadata = decode_message("meta_v1.ListMeta", dict(parts)[1])
    items = [value for number, value in parts if number == 2]
    return {
        "kind": kind,
        "metadata": metadata,
        "items": [decode_body(whole(api_version, kind.removesuffix("List"), item)) for item in items],
    }


def _members(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message that has none but those with a length."""
    position = 0
    while position < len(message):
        number, position = message[position] >> 3, position + 1
        size = shift = 0
        while True:
            byte, position = message[position], position + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield number, message[position : position + size]
        position += size


def _delete_options(options: Mapping[str, Any]) -> Document:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **options}


def condition(document: Document, type: str) -> Document | None:
    """Of an object's status."""
    found = (one for one in document.get("status", {}).get("conditions", []) if one["type"] == type)
    return next(found, None)


def is_true(document: Document, type: str) -> bool:
    return (condition(document, type) or {}).get("status") == "True"
