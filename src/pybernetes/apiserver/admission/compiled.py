"""What the objects of a kind come to (webhooks, policies), worked out once until one of them changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.resource import Document

T = TypeVar("T")


class Compiled(Generic[T]):
    """``now`` costs a comparison as long as nothing has changed."""

    def __init__(self, reader: Reader, group_resource: str, compile: Callable[[Iterable[Document]], T]) -> None:
        self._reader = reader
        self._group_resource = group_resource
        self._compile = compile
        self._version = -1
        self._value: T

    def now(self) -> T:
        version = self._reader.version(self._group_resource)
        if version != self._version:
            self._value = self._compile(self._reader.list(self._group_resource))
            self._version = version
        return self._value
