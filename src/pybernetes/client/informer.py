"""Informer: a local, indexed, live copy of a collection, and calls when it changes.

Guarantees
  `on_change(old, new)` is called for each change, one after another, in the order of the server for each object;
  `old` is None for an object not known before and `new` is None for one that is gone.
  When a handler is called, `get`, `list` and the indexes already show `new`, or something newer.
  A handler added late is first called for every known object.
  After a gap (a relist) handlers hear the difference: changes in between may have been folded into one, and a
  deletion may be heard of late, with the last state known. An object that was deleted and made again under the same
  name is heard of as a deletion and a creation, because its uid differs.
Assumes
  Objects are shared: whoever changes one changes it for all. `MutationDetector` proves in tests that nobody does.
  A handler is quick and does not raise; one that raises ends the informer, and with it the component.
The copy lags behind the server, and behind this process's own writes.
Follows client-go tools/cache/shared_informer.go.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable
from random import Random
from typing import Any, Generic, TypeVar

from pybernetes.api import kinds
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import Key
from pybernetes.client.client import Client
from pybernetes.client.indexer import Indexer, IndexFunction
from pybernetes.client.mutation import MutationDetector
from pybernetes.client.objects import ObjectList, WatchEvent, WatchType, key_of, resource_version_of, uid_of
from pybernetes.client.reflector import Reflector
from pybernetes.client.resource import ResourceClient

T = TypeVar("T")
LISTS_AT_ONCE = 8
"""More would only make connections, and hold more lists in memory: the server answers them one after another."""

Handler = Callable[[T | None, T | None], None]


class Informer(Generic[T]):
    def __init__(
        self, client: ResourceClient[T], random: Random, detector: MutationDetector | None = None, **scope: Any
    ):
        self.info: KindInfo = client.info
        self._indexer: Indexer[T] = Indexer()
        self._handlers: list[Handler[T]] = []
        self._listed = asyncio.Event()
        self._detector = detector
        self._reflector = Reflector(client, self, random, **scope)

    async def run(self) -> None:
        await self._reflector.run()

    @property
    def has_synced(self) -> bool:
        """Whether the first list is known and every handler has heard of it."""
        return self._listed.is_set()

    async def synced(self) -> None:
        await self._listed.wait()

    @property
    def version(self) -> int:
        """How far it has come: what happened up to this resource version is known. 0 while that cannot be said."""
        return self._reflector.version

    def get(self, key: Key) -> T | None:
        return self._indexer.get(key)

    def list(self, namespace: str | None = None) -> builtins.list[T]:
        return self._indexer.list(namespace)

    def by_index(self, index: str, value: str) -> builtins.list[T]:
        return self._indexer.by_index(index, value)

    def add_index(self, index: str, function: IndexFunction[T]) -> None:
        self._indexer.add_index(index, function)

    def __len__(self) -> int:
        return len(self._indexer)

    def on_change(self, handler: Handler[T]) -> None:
        self._handlers.append(handler)
        for value in self._indexer.list():
            handler(None, value)

    def replace(self, listed: ObjectList[T]) -> None:
        """The reflector's: the collection is exactly this now."""
        present = {key_of(value): value for value in listed.items}
        for key in [key for key in self._indexer.view() if key not in present]:
            self._remove(key)
        for key, value in present.items():
            self._put(key, value)
        self._listed.set()

    def change(self, event: WatchEvent[T]) -> None:
        """The reflector's: one object changed."""
        key = key_of(event.object)
        if event.type is WatchType.DELETED:
            self._remove(key, event.object)
        else:
            self._put(key, event.object)

    def _put(self, key: Key, value: T) -> None:
        known = self._indexer.get(key)
        if known is not None:
            if resource_version_of(known) == resource_version_of(value):
                return
            if uid_of(known) != uid_of(value):
                self._remove(key)
        old = self._indexer.put(key, value)
        if self._detector is not None:
            self._detector.arrived(key, value)
        self._tell(old, value)

    def _remove(self, key: Key, last: T | None = None) -> None:
        old = self._indexer.pop(key)
        if self._detector is not None:
            self._detector.left(key)
        if old is not None:
            self._tell(last if last is not None else old, None)

    def _tell(self, old: T | None, new: T | None) -> None:
        for handler in self._handlers:
            handler(old, new)


class Informers:
    """One informer for each kind and scope, shared by all who ask; those asked for later start at once."""

    def __init__(self, client: Client, random: Random) -> None:
        self.client = client
        self.random = random
        self._informers: dict[object, Informer[Any]] = {}
        self._listing = asyncio.Semaphore(LISTS_AT_ONCE)
        self._tasks: asyncio.TaskGroup | None = None

    def get(
        self,
        model: type[T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Informer[T]:
        return self.of(
            self.client.of(model), namespace=namespace, label_selector=label_selector, field_selector=field_selector
        )

    def of(
        self,
        client: ResourceClient[T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Informer[T]:
        """An informer over whatever a resource client decodes to: documents, or a part of a model."""
        scope = {"namespace": namespace, "label_selector": label_selector, "field_selector": field_selector}
        identity = (client.info.api_version, client.info.plural, client.type, *scope.values())
        found = self._informers.get(identity)
        if found is None:
            detection = self.client.detection
            detector = detection.detector() if detection else None
            found = Informer(client, self.random, detector, **scope, listing=self._listing)
            self._informers[identity] = found
            self._start(found)
        return found

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for informer in self._informers.values():
                self._start(informer)
            await self.forever()

    async def forever(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()

    def known(self, info: KindInfo) -> Informer[Any] | None:
        """The informer that has the whole of all objects of a kind, if somebody asked for one."""
        try:
            model = kinds.by_resource(info.group, info.version, info.plural).model
        except LookupError:
            return None
        return self._informers.get((info.api_version, info.plural, model, None, None, None))

    @property
    def is_running(self) -> bool:
        return self._tasks is not None

    @property
    def has_synced(self) -> bool:
        """Whether every informer knows its first list, once they run."""
        return not self.is_running or all(informer.has_synced for informer in self._informers.values())

    async def synced(self) -> None:
        for informer in tuple(self._informers.values()):
            await informer.synced()

    def _start(self, informer: Informer[Any]) -> None:
        if self._tasks is not None:
            self._tasks.create_task(informer.run(), name=f"informer:{informer.info.plural}")
