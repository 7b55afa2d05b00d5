"""A server in memory and a short way to talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from pybernetes.apiserver.assembly import Assembled, assemble
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.watching import WatchStream
from pybernetes.store.contract import Store
from pybernetes.store.memory import MemoryStore

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Answer:
    status: int
    response: ApiResponse

    @property
    def body(self) -> Any:
        return orjson.loads(self.response.content)

    @property
    def message(self) -> str:
        return str(self.body["message"])

    @property
    def version(self) -> str:
        return str(self.body["metadata"]["resourceVersion"])


class Talk:
    """`await talk.get("/api/v1/…", watch="1")`; bodies are documents."""

    def __init__(self, assembled: Assembled) -> None:
        self.assembled = assembled
        self.server = assembled.server

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        stated = {name: [value] for name, value in (query or {}).items()}
        response = await self.server.handle(ApiRequest(method, path, stated, dict(headers or {}), raw))
        return Answer(response.status, response)

    async def get(self, path: str, accept: str = "application/json", **query: str) -> Answer:
        return await self.send("GET", path, headers={"accept": accept}, query=query)

    async def post(self, path: str, body: Any, **query: str) -> Answer:
        return await self.send("POST", path, body, query=query)

    async def put(self, path: str, body: Any, **query: str) -> Answer:
        return await self.send("PUT", path, body, query=query)

    async def patch(self, path: str, body: Any, kind: str = MERGE_PATCH, **query: str) -> Answer:
        return await self.send("PATCH", path, body, {"content-type": kind}, query)

    async def delete(self, path: str, body: Any = None, **query: str) -> Answer:
        return await self.send("DELETE", path, body, query=query)

    async def watch(self, path: str, accept: str = "application/json", **query: str) -> Watching:
        answer = await self.get(path, accept, watch="1", **query)
        assert answer.status == 200, answer.message
        assert isinstance(answer.response.body, WatchStream)
        return Watching(answer.response.body)


class Watching:
    def __init__(self, stream: WatchStream) -> None:
        self.stream = stream
        self._lines: list[bytes] = []

    async def next(self) -> tuple[str, Any]:
        while not self._lines:
            self._lines = (await anext(self.stream)).splitlines()
        event = orjson.loads(self._lines.pop(0))
        return event["type"], event["object"]

    async def names(self, count: int) -> list[tuple[str, str]]:
        """The next events' types and the names of their objects."""
        found = []
        for _ in range(count):
            type_, object_ = await self.next()
            found.append((type_, object_["metadata"]["name"]))
        return found


def config_map(name: str, labels: Mapping[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "busybox"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


@asynccontextmanager
async def serving(store: Store | None = None, **options: Any) -> AsyncIterator[Talk]:
    assembled = assemble(store or MemoryStore(), random=Random(7), **options)
    await assembled.start()
    talk = Talk(assembled)
    made = await talk.post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    assert made.status == 201, made.message
    try:
        yield talk
    finally:
        await assembled.stop()
