"""Indexer: the objects an informer knows, by key, by namespace and by whatever a user asks for.

An index is a function from an object to the values under which it is found; it is kept up to date with every change.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from pybernetes.api.meta import Key

T = TypeVar("T")
IndexFunction = Callable[[T], Iterable[str]]


class Indexer(Generic[T]):
    def __init__(self) -> None:
        self._objects: dict[Key, T] = {}
        self._by_namespace: dict[str, dict[Key, T]] = {}
        self._functions: dict[str, IndexFunction[T]] = {}
        self._indexes: dict[str, dict[str, dict[Key, T]]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> T | None:
        return self._objects.get(key)

    def list(self, namespace: str | None = None) -> builtins.list[T]:
        objects = self._objects if namespace is None else self._by_namespace.get(namespace, {})
        return list(objects.values())

    def by_index(self, index: str, value: str) -> builtins.list[T]:
        return list(self._indexes[index].get(value, {}).values())

    def add_index(self, index: str, function: IndexFunction[T]) -> None:
        """Adding an index that exists already changes nothing, so that several users may ask for the same."""
        if index in self._functions:
            return
        self._functions[index] = function
        table = self._indexes[index] = {}
        for key, value in self._objects.items():
            _insert(table, function(value), key, value)

    def put(self, key: Key, value: T) -> T | None:
        """Returns what was there before."""
        old = self._objects.get(key)
        if old is not None:
            self._drop_from_indexes(key, old)
        self._objects[key] = value
        self._by_namespace.setdefault(key.namespace, {})[key] = value
        for index, function in self._functions.items():
            _insert(self._indexes[index], function(value), key, value)
        return old

    def pop(self, key: Key) -> T | None:
        old = self._objects.pop(key, None)
        if old is not None:
            _remove(self._by_namespace, (key.namespace,), key)
            self._drop_from_indexes(key, old)
        return old

    def view(self) -> Mapping[Key, T]:
        return self._objects

    def _drop_from_indexes(self, key: Key, old: T) -> None:
        for index, function in self._functions.items():
            _remove(self._indexes[index], function(old), key)


def _insert(table: dict[str, dict[Key, T]], values: Iterable[str], key: Key, value: T) -> None:
    for name in values:
        table.setdefault(name, {})[key] = value


def _remove(table: dict[str, dict[Key, T]], values: Iterable[str], key: Key) -> None:
    for name in values:
        members = table.get(name)
        if members is not None:
            members.pop(key, None)
            if not members:
                del table[name]
