"""Client: the one way from a component to the API server.

Typed verbs take and give models; `dynamic` gives the same verbs on documents, for kinds known only from discovery.
Refusals are `api.errors.ApiError`; a call that got no answer raises `Unreachable`. Only calls that may safely be
repeated are, and only as the server asks (see `retry`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pybernetes.api import kinds
from pybernetes.api.kinds import KindInfo
from pybernetes.client import kubeconfig
from pybernetes.client.http import HttpTransport
from pybernetes.client.mutation import MutationDetection
from pybernetes.client.objects import Document, ObjectList, PatchType, WatchEvent
from pybernetes.client.resource import JSON_HEADERS, ResourceClient, call
from pybernetes.client.transport import Request, Response, Transport

T = TypeVar("T")


class Client:
    def __init__(self, transport: Transport, *, detection: MutationDetection | None = None) -> None:
        """With `detection`, all objects that informers share are watched for changes in place."""
        self.transport = transport
        self.detection = detection
        self._typed: dict[type, ResourceClient[Any]] = {}

    @classmethod
    def from_kubeconfig(cls, path: Path | str, *, context: str | None = None, user_agent: str = "pybernetes") -> Client:
        return cls(HttpTransport(kubeconfig.load(path, context=context, user_agent=user_agent)))

    @classmethod
    def in_cluster(cls, *, user_agent: str = "pybernetes") -> Client:
        return cls(HttpTransport(kubeconfig.in_cluster(user_agent=user_agent)))

    def of(self, model: type[T]) -> ResourceClient[T]:
        """The verbs of one kind."""
        found = self._typed.get(model)
        if found is None:
            found = self._typed[model] = ResourceClient(self.transport, kinds.info_of(model), model)
        return found

    def dynamic(self, info: KindInfo) -> ResourceClient[Document]:
        """The verbs of a kind that has no model here, on documents."""
        return ResourceClient(self.transport, info, dict[str, Any])

    async def get(self, model: type[T], name: str, namespace: str | None = None) -> T:
        return await self.of(model).get(name, namespace)

    async def list(
        self,
        model: type[T],
        namespace: str | None = None,
        *,
        label_selector: object | None = None,
        field_selector: object | None = None,
        limit: int | None = None,
        continue_: str | None = None,
        resource_version: str | None = None,
    ) -> ObjectList[T]:
        return await self.of(model).list(
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            continue_=continue_,
            resource_version=resource_version,
        )

    async def create(self, value: T, namespace: str | None = None, *, dry_run: bool = False) -> T:
        return await self.of(type(value)).create(value, namespace, dry_run=dry_run)

    async def update(self, value: T) -> T:
        return await self.of(type(value)).update(value)

    async def update_status(self, value: T) -> T:
        return await self.of(type(value)).update_status(value)

    async def patch(
        self,
        model: type[T],
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes,
        kind: PatchType = PatchType.MERGE,
        *,
        subresource: str | None = None,
    ) -> T:
        return await self.of(model).patch(name, namespace, patch, kind, subresource=subresource)

    async def delete(
        self,
        model: type[T],
        name: str,
        namespace: str | None = None,
        *,
        grace_period: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Document:
        return await self.of(model).delete(
            name,
            namespace,
            grace_period=grace_period,
            propagation=propagation,
            uid=uid,
            resource_version=resource_version,
        )

    async def delete_collection(
        self,
        model: type[T],
        namespace: str | None = None,
        *,
        label_selector: object | None = None,
        field_selector: object | None = None,
        grace_period: int | None = None,
        propagation: str | None = None,
    ) -> None:
        await self.of(model).delete_collection(
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            grace_period=grace_period,
            propagation=propagation,
        )

    def watch(
        self,
        model: type[T],
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
        label_selector: object | None = None,
        field_selector: object | None = None,
        bookmarks: bool = False,
        timeout: int | None = None,
    ) -> AsyncGenerator[WatchEvent[T], None]:
        return self.of(model).watch(
            namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
            bookmarks=bookmarks,
            timeout=timeout,
        )

    async def post(
        self, model: type[T], name: str, namespace: str | None = None, *, subresource: str, body: object
    ) -> Document:
        """An action on an object: `binding`, `eviction`, `token` …"""
        return await self.of(model).post(name, namespace, subresource=subresource, body=body)

    async def raw(self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> Response:
        """Whatever the server answers to a request of the caller's making; refusals are not raised."""
        return await self.transport.send(Request(method, path, query or {}, JSON_HEADERS, body))

    async def document(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """A JSON document at a path, such as discovery's."""
        return msgspec.json.decode(await call(self.transport, Request("GET", path, query or {}, JSON_HEADERS)))

    async def close(self) -> None:
        await self.transport.close()
