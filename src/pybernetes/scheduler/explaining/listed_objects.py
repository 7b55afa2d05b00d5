"""ListedObjects: a plain list of objects that speaks like informers: ``Feed`` reads it as it reads a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from pybernetes.api.meta import Key
from pybernetes.client import Informers

T = TypeVar("T")
Handler = Callable[[T | None, T | None], None]


class ListedKind(Generic[T]):
    """What of an informer is used: handlers hear of every object once, in the order of the list."""

    def __init__(self) -> None:
        self._handlers: list[Handler[T]] = []
        self._objects: dict[Key, T] = {}

    def on_change(self, handler: Handler[T]) -> None:
        self._handlers.append(handler)

    def get(self, key: Key) -> T | None:
        return self._objects.get(key)

    def list(self, namespace: str | None = None) -> list[T]:
        return [one for key, one in self._objects.items() if namespace is None or key.namespace == namespace]

    def tell(self, one: T) -> None:
        metadata = cast(Any, one).metadata
        self._objects[Key(metadata.namespace, metadata.name)] = one
        for handler in self._handlers:
            handler(None, one)


class ListedObjects:
    def __init__(self) -> None:
        self._kinds: dict[type[Any], ListedKind[Any]] = {}

    @property
    def informers(self) -> Informers:
        return cast(Informers, self)

    def get(self, model: type[T], **scope: Any) -> ListedKind[T]:
        return self._kinds.setdefault(model, ListedKind())

    def tell(self, objects: Iterable[Any]) -> None:
        """Kinds that nobody asked for are passed over."""
        for one in objects:
            kind = self._kinds.get(type(one))
            if kind is not None:
                kind.tell(one)
