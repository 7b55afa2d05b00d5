"""Objects as the watch cache knows them, for admission and other parts of the server that must not wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.objects import NO_LABELS, StoredObject
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.watch_cache import WatchCache


class CacheReader:
    """Guarantees  What this process has written shows at once: a key that the cache lacks is asked of the store."""

    def __init__(self, watch_cache: WatchCache) -> None:
        self._watch_cache = watch_cache
        self._kinds: dict[str, KindCache] = {}

    def know(self, group_resource: str, kind: KindCache) -> None:
        self._kinds[group_resource] = kind

    def forget(self, group_resource: str) -> None:
        self._kinds.pop(group_resource, None)

    def get(self, group_resource: str, namespace: str, name: str) -> Document | None:
        found = self._find(group_resource, namespace, name)
        return None if found is None else found.document

    def labels_of(self, group_resource: str, namespace: str, name: str) -> Mapping[str, str]:
        """Without reading the rest of the object; none where there is no such object."""
        found = self._find(group_resource, namespace, name)
        return NO_LABELS if found is None else found.labels

    def _find(self, group_resource: str, namespace: str, name: str) -> StoredObject | None:
        kind = self._kinds.get(group_resource)
        if kind is None:
            return None
        key = f"{kind.prefix}{namespace}/{name}" if namespace else kind.prefix + name
        found: StoredObject | None = kind.objects.get(key)
        return self._watch_cache.read_through(kind, key) if found is None else found

    def list(self, group_resource: str, namespace: str = "") -> Iterator[Document]:
        kind = self._kinds.get(group_resource)
        if kind is None or not kind.objects:
            return iter(())
        found: list[StoredObject] = list(kind.under(namespace))
        return (stored.document for stored in found)

    def has_any(self, group_resource: str) -> bool:
        kind = self._kinds.get(group_resource)
        return kind is not None and bool(kind.objects)

    def version(self, group_resource: str) -> int:
        """Another number whenever an object of the kind has changed."""
        kind = self._kinds.get(group_resource)
        return 0 if kind is None else kind.version

    def serves(self, group_resource: str) -> bool:
        return group_resource in self._kinds
