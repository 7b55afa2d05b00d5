"""Share: informers that several components of one process have together, each asking as if they were its own.

A kind is watched once and its objects are in memory once. Who asks for a part of a kind by a field selector gets a
`Selected` over the whole: that must be what others need anyway, or the part alone would be less.

Guarantees  A component waits for what it asked for and for nothing else: a kind that cannot be listed holds up only
            those who need it. Handlers of a `Selected` hear what a watch with the selector would tell: an object that
            is no longer selected is gone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random
from typing import Any, TypeVar

from pybernetes.api.selectors import FieldSelector
from pybernetes.client.informer import Informer, Informers
from pybernetes.client.objects import key_of
from pybernetes.client.resource import ResourceClient

T = TypeVar("T")


class Share(Informers):
    """`run` belongs to whoever runs the informers that are shared; here it only waits."""

    def __init__(self, whole: Informers) -> None:
        super().__init__(whole.client, whole.random)
        self._whole = whole

    def of(
        self,
        client: ResourceClient[T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Informer[T]:
        identity = (client.info.api_version, client.info.plural, client.type, namespace, label_selector, field_selector)
        found = self._informers.get(identity)
        if found is None:
            if field_selector and namespace is None and label_selector is None:
                found = Selected(self._whole.of(client), client, self.random, field_selector)
            else:
                found = self._whole.of(
                    client, namespace=namespace, label_selector=label_selector, field_selector=field_selector
                )
            self._informers[identity] = found
        return found

    @property
    def has_synced(self) -> bool:
        return not self._whole.is_running or all(informer.has_synced for informer in self._informers.values())

    async def run(self) -> None:
        await self.forever()


class Selected(Informer[T]):
    """Those objects of an informer that a field selector takes. It shares them and watches nothing itself."""

    def __init__(self, whole: Informer[T], client: ResourceClient[T], random: Random, selector: str) -> None:
        super().__init__(client, random, field_selector=selector)
        self._whole = whole
        self._selector = FieldSelector.parse(selector)
        whole.on_change(self._changed)

    @property
    def has_synced(self) -> bool:
        return self._whole.has_synced

    async def synced(self) -> None:
        await self._whole.synced()

    async def run(self) -> None:
        await self.synced()

    def _changed(self, old: T | None, new: T | None) -> None:
        if new is not None and self._selector.matches(lambda field: field_of(new, field)):
            self._put(key_of(new), new)
        else:
            gone = new if new is not None else old
            assert gone is not None
            self._remove(key_of(gone), gone)


def field_of(value: Any, path: str) -> str:
    """What a model has under a selectable field's name, as a text: `status.phase`."""
    for name in _attributes(path):
        value = getattr(value, name)
    return str(value or "")


@lru_cache(maxsize=64)
def _attributes(path: str) -> tuple[str, ...]:
    return tuple(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in path.split("."))
