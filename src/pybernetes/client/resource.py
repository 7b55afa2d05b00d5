"""ResourceClient: the verbs of one kind, on models or on documents.

Every call returns the decoded object or raises `ApiError` (the server's refusal) or `Unreachable` (no answer).
Objects go out and come in as bytes of JSON and are decoded once, straight into the wanted type.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from pybernetes.api import codec
from pybernetes.api.kinds import KindInfo
from pybernetes.client.objects import Document, ObjectList, PatchType, WatchEvent, decode_list, encode, key_of
from pybernetes.client.retry import IDEMPOTENT, send_with_retries
from pybernetes.client.shared_reading import LISTS
from pybernetes.client.transport import Request, Transport
from pybernetes.client.watching import WatchDecoder, error_of

T = TypeVar("T")

BOOKMARK_PATIENCE = 180.0
"""A server that was asked for bookmarks sends one about each minute."""

JSON_HEADERS: Mapping[str, str] = {"Accept": "application/json", "Content-Type": "application/json"}


class ResourceClient(Generic[T]):
    def __init__(self, transport: Transport, info: KindInfo, type_: type[T]) -> None:
        self.info = info
        self.type = type_
        self._transport = transport
        # mypy cannot apply a generic Struct to a type held in a variable.
        self._list_type: type[ObjectList[T]] = ObjectList[type_]  # type: ignore[valid-type]

    async def get(self, name: str, namespace: str | None = None, *, subresource: str | None = None) -> T:
        return codec.decode(self.type, await self._call("GET", self._path(namespace, name, subresource)))

    async def list(
        self,
        namespace: str | None = None,
        *,
        label_selector: object | None = None,
        field_selector: object | None = None,
        limit: int | None = None,
        continue_: str | None = None,
        resource_version: str | None = None,
        resource_version_match: str | None = None,
        read_only: bool = False,
    ) -> ObjectList[T]:
        """``read_only``: nobody will change the objects, so that they may share parts (see `shared_reading`)."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=limit,
            resourceVersion=resource_version,
            resourceVersionMatch=resource_version_match,
            **{"continue": continue_},
        )
        data = await self._call("GET", self._path(namespace), query)
        if read_only and (shared := LISTS.get(self.type)) is not None:
            try:
                return shared(data)
            except msgspec.ValidationError:
                pass  # One object that is not as it should be: the usual way finds which.
        return decode_list(self._list_type, self.type, data)

    async def pages(self, namespace: str | None = None, *, limit: int = 500, **options: Any) -> AsyncIterator[T]:
        """Every object, page by page, all from one version."""
        token: str | None = None
        while True:
            page = await self.list(namespace, limit=limit, continue_=token, **options)
            for item in page.items:
                yield item
            token = page.continue_
            if not token:
                return

    async def create(self, value: T, namespace: str | None = None, *, dry_run: bool = False) -> T:
        path = self._path(namespace or key_of(value).namespace)
        query = _query(dryRun="All" if dry_run else None)
        return codec.decode(self.type, await self._call("POST", path, query, encode(value)))

    async def update(self, value: T, *, subresource: str | None = None) -> T:
        key = key_of(value)
        path = self._path(key.namespace, key.name, subresource)
        return codec.decode(self.type, await self._call("PUT", path, body=encode(value)))

    async def update_status(self, value: T) -> T:
        return await self.update(value, subresource="status")

    async def patch(
        self,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes,
        kind: PatchType = PatchType.MERGE,
        *,
        subresource: str | None = None,
        field_manager: str | None = None,
        force: bool | None = None,
    ) -> T:
        query = _query(fieldManager=field_manager, force=None if force is None else str(force).lower())
        body = patch if isinstance(patch, bytes) else encode(patch)
        path = self._path(namespace, name, subresource)
        return codec.decode(self.type, await self._call("PATCH", path, query, body, content_type=kind))

    async def delete(
        self,
        name: str,
        namespace: str | None = None,
        *,
        grace_period: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Document:
        """The deleted object, the object that is now being deleted, or a Status."""
        body = encode(_delete_options(grace_period, propagation, uid, resource_version))
        return _document(await self._call("DELETE", self._path(namespace, name), body=body))

    async def delete_collection(
        self,
        namespace: str | None = None,
        *,
        label_selector: object | None = None,
        field_selector: object | None = None,
        grace_period: int | None = None,
        propagation: str | None = None,
    ) -> None:
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        body = encode(_delete_options(grace_period, propagation, None, None))
        await self._call("DELETE", self._path(namespace), query, body)

    async def post(self, name: str, namespace: str | None, *, subresource: str, body: object) -> Document:
        return _document(await self._call("POST", self._path(namespace, name, subresource), body=encode(body)))

    async def act(self, name: str, namespace: str | None, *, subresource: str, body: object) -> None:
        """As `post`, for whoever needs not read what the server answers when it has done it."""
        await self._call("POST", self._path(namespace, name, subresource), body=encode(body))

    async def watch(
        self,
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
        label_selector: object | None = None,
        field_selector: object | None = None,
        bookmarks: bool = False,
        timeout: int | None = None,
        read_only: bool = False,
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """Changes as they happen, until the server ends the watch. Raises ApiError of code 410 when too old.

        ``read_only`` as in `list`.
        """
        query = _query(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            allowWatchBookmarks="true" if bookmarks else None,
            timeoutSeconds=timeout,
        )
        decoder = WatchDecoder(self.type, read_only=read_only)
        patience = BOOKMARK_PATIENCE if bookmarks else None
        request = Request("GET", self._path(namespace), query, JSON_HEADERS, patience=patience)
        async with self._transport.stream(request) as stream:
            if stream.status != 200:
                raise error_of(stream.status, await stream.read())
            async for chunk in stream.chunks:
                for event in decoder.feed(chunk):
                    yield event

    def _path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        return self.info.path(namespace or None, name, subresource)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        content_type: str | None = None,
    ) -> bytes:
        headers = JSON_HEADERS if content_type is None else {**JSON_HEADERS, "Content-Type": content_type}
        return await call(self._transport, Request(method, path, query or {}, headers, body))


async def call(transport: Transport, request: Request) -> bytes:
    """The body of a successful answer; any other answer is raised."""
    if request.method in IDEMPOTENT:
        response = await send_with_retries(transport, request)
    else:
        response = await transport.send(request)
    if response.status >= 300:
        raise error_of(response.status, response.body)
    return response.body


def _query(**values: object | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None and value != ""}


def _delete_options(
    grace_period: int | None, propagation: str | None, uid: str | None, resource_version: str | None
) -> Document:
    options: Document = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if grace_period is not None:
        options["gracePeriodSeconds"] = grace_period
    if propagation is not None:
        options["propagationPolicy"] = propagation
    preconditions = {name: value for name, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
    if preconditions:
        options["preconditions"] = preconditions
    return options


def _document(body: bytes) -> Document:
    return codec.decode(Document, body) if body else {}
