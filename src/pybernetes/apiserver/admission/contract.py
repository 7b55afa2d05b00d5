"""Admission: what may change or refuse a write after it is authorized and decoded, before it is stored.

A plugin is a class with a name, the operations and resources it cares about, and one or both of ``mutate`` and
``validate``; it refuses by raising an ``ApiError`` (``errors.forbidden`` for policy). All mutations run before
all validations. Documents it is given as ``old`` are read-only.

Follows k8s.io/apiserver/pkg/admission.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pybernetes.apiserver.resource import Context, Document, Resource


class Operation(StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


EVERY_WRITE = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})


@dataclass(frozen=True, slots=True)
class Attributes:
    """``document`` is None on DELETE and CONNECT, ``old`` on CREATE."""

    operation: Operation
    resource: Resource
    namespace: str
    name: str
    context: Context
    document: Document | None = None
    old: Document | None = None
    subresource: str = ""


class Reader(Protocol):
    """What the server knows at this moment, without waiting. Documents are shared: read-only."""

    def get(self, group_resource: str, namespace: str, name: str) -> Document | None: ...

    def list(self, group_resource: str, namespace: str = "") -> Iterable[Document]: ...


class Plugin:
    """Base of all plugins. ``resources`` are group resources (`pods`, `deployments.apps`), empty for all of them."""

    name: str
    operations: frozenset[Operation] = EVERY_WRITE
    resources: frozenset[str] = frozenset()
    subresources: frozenset[str] = frozenset({""})

    async def mutate(self, attributes: Attributes) -> None:
        """Completes ``attributes.document`` in place."""

    async def validate(self, attributes: Attributes) -> None:
        """Raises to refuse."""

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return (
            operation in self.operations
            and (not self.resources or group_resource in self.resources)
            and subresource in self.subresources
        )


class Chain:
    """Plugins in order. Which of them care about a kind of write is worked out once."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self.use(plugins)

    def use(self, plugins: Sequence[Plugin]) -> None:
        """Replaces the plugins."""
        self.plugins = tuple(plugins)
        self._mutating: dict[tuple[Operation, str, str], tuple[Plugin, ...]] = {}
        self._validating: dict[tuple[Operation, str, str], tuple[Plugin, ...]] = {}

    async def mutate(self, attributes: Attributes) -> None:
        for plugin in self._of(self._mutating, "mutate", attributes):
            await plugin.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for plugin in self._of(self._validating, "validate", attributes):
            await plugin.validate(attributes)

    def _of(
        self, known: dict[tuple[Operation, str, str], tuple[Plugin, ...]], method: str, attributes: Attributes
    ) -> tuple[Plugin, ...]:
        group_resource = attributes.resource.info.group_resource
        key = (attributes.operation, group_resource, attributes.subresource)
        found = known.get(key)
        if found is None:
            found = known[key] = tuple(
                plugin
                for plugin in self.plugins
                if plugin.handles(*key) and getattr(type(plugin), method) is not getattr(Plugin, method)
            )
        return found
