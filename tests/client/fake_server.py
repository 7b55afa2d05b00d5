"""A small API server for the client's own tests: objects in a dictionary, versions, watches, and faults on request."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from pybernetes.client import Request


@dataclass
class Answer:
    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)


def status(code: int, reason: str, message: str = "") -> Answer:
    document = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message or reason}
    return Answer(code, json.dumps(document).encode())


class FakeServer:
    """Serves any collection by its path: no validation, no defaults."""

    def __init__(self) -> None:
        self.version = 0
        self.oldest = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, str, str, dict[str, Any]]] = []
        self.watchers: list[tuple[str, asyncio.Queue[bytes | None]]] = []
        self.requests: list[Request] = []
        self.faults: deque[Answer | Exception] = deque()

    async def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.faults:
            fault = self.faults.popleft()
            if isinstance(fault, Exception):
                raise fault
            return fault
        if request.method == "GET" and request.query.get("watch"):
            return self._watch(request)
        return getattr(self, f"_{request.method.lower()}")(request)

    def put(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        known = path in self.objects
        namespace = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""
        metadata = {**document.get("metadata", {}), "name": path.rsplit("/", 1)[1], "namespace": namespace}
        metadata["resourceVersion"] = str(self.version)
        metadata.setdefault("uid", self.objects.get(path, {}).get("metadata", {}).get("uid") or f"uid-{self.version}")
        stored = self.objects[path] = {**document, "metadata": metadata}
        self._tell("MODIFIED" if known else "ADDED", path, stored)
        return stored

    def remove(self, path: str) -> None:
        self.version += 1
        gone = self.objects.pop(path)
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
        self._tell("DELETED", path, gone)

    def bookmark(self) -> None:
        self.version += 1
        for _, queue in self.watchers:
            queue.put_nowait(_line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(self.version)}}))

    def break_watches(self) -> None:
        for _, queue in self.watchers:
            queue.put_nowait(None)
        self.watchers.clear()

    def forget_history(self) -> None:
        self.oldest = self.version
        self.history.clear()

    def _tell(self, type: str, path: str, document: dict[str, Any]) -> None:
        self.history.append((self.version, type, path, document))
        for prefix, queue in self.watchers:
            if _within(path, prefix):
                queue.put_nowait(_line(type, document))

    def _get(self, request: Request) -> Answer:
        if request.path in self.objects:
            return Answer(200, json.dumps(self.objects[request.path]).encode())
        if _is_collection(request.path):
            items = [value for path, value in self.objects.items() if _within(path, request.path)]
            listed = {"metadata": {"resourceVersion": str(self.version)}, "items": items}
            return Answer(200, json.dumps(listed).encode())
        return status(404, "NotFound")

    def _post(self, request: Request) -> Answer:
        document = json.loads(request.body)
        metadata = document["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}{self.version}"
        path = f"{request.path}/{name}"
        if path in self.objects:
            return status(409, "AlreadyExists")
        return Answer(201, json.dumps(self.put(path, document)).encode())

    def _put(self, request: Request) -> Answer:
        document = json.loads(request.body)
        path = request.path.removesuffix("/status")
        present = self.objects.get(path)
        if present is None:
            return status(404, "NotFound")
        if document["metadata"].get("resourceVersion") not in (None, present["metadata"]["resourceVersion"]):
            return status(409, "Conflict")
        return Answer(200, json.dumps(self.put(path, document)).encode())

    def _patch(self, request: Request) -> Answer:
        present = self.objects.get(request.path)
        if present is None:
            return status(404, "NotFound")
        return Answer(200, json.dumps(self.put(request.path, {**present, **json.loads(request.body)})).encode())

    def _delete(self, request: Request) -> Answer:
        if request.path not in self.objects:
            return status(404, "NotFound")
        self.remove(request.path)
        return Answer(200, b'{"kind":"Status","status":"Success"}')

    def _watch(self, request: Request) -> Answer:
        after = int(request.query.get("resourceVersion") or 0)
        if after < self.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            return Answer(200, _once(_line("ERROR", gone)))
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for version, type, path, document in self.history:
            if version > after and _within(path, request.path):
                queue.put_nowait(_line(type, document))
        self.watchers.append((request.path, queue))
        return Answer(200, _drain(queue))


async def _once(line: bytes) -> AsyncIterator[bytes]:
    yield line


async def _drain(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (line := await queue.get()) is not None:
        yield line


def _line(type: str, document: dict[str, Any]) -> bytes:
    return json.dumps({"type": type, "object": document}).encode() + b"\n"


def _is_collection(path: str) -> bool:
    parts = path.split("/")[3:] if path.startswith("/api/") else path.split("/")[4:]
    return len(parts) in (1, 3)


def _within(path: str, collection: str) -> bool:
    if path.rsplit("/", 1)[0] == collection:
        return True
    root, _, plural = collection.rpartition("/")
    return path.startswith(f"{root}/namespaces/") and path.split("/")[-2] == plural
