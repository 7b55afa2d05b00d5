"""Admission: what may change or refuse a write after it is authorized and decoded, before it is stored.

A plugin is a class with a name, the operations and resources it cares about, and one or both of ``mutate`` and
``validate``; it refuses by raising an ``ApiError`` (``errors.forbidden`` for policy). All mutations run before
all validations. Documents it is given as ``old`` are read-only.

A plugin that calls code of the cluster's users (webhooks, mutating policies) answers ``mutate`` with ``Mutated``: when
one of them has changed the object, every plugin gets a second turn, once.

Follows k8s.io/apiserver/pkg/admission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

from pybernetes.api.errors import ApiError
from pybernetes.api.figures import Histogram
from pybernetes.apiserver.admission.figures import ADMIT, FIRST_BOUND, VALIDATE, ChainFigures

if TYPE_CHECKING:
    from pybernetes.apiserver.admission.host import Host
    from pybernetes.apiserver.auth.contract import User
    from pybernetes.apiserver.resource import Context, Document, Resource


class Operation(StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


EVERY_WRITE = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a document is: `Kind("apps", "v1", "Deployment")`."""

    group: str
    version: str
    kind: str


class Attributes(msgspec.Struct, frozen=True):
    """One write as admission sees it.

    ``document`` is None on DELETE, the options of the connection (`PodExecOptions` …) on CONNECT; ``old`` is None on
    CREATE and CONNECT. ``resource`` is the one that the request names, in its version; ``document`` and ``old`` are in
    that version too. ``of_kind`` is what they are where a subresource has a kind of its own (`Scale`, `Binding`).
    ``name`` is "" for an object whose name is still to be generated.
    """

    operation: Operation
    resource: Resource
    namespace: str
    name: str
    context: Context
    document: Document | None = None
    old: Document | None = None
    subresource: str = ""
    of_kind: Kind | None = None

    @property
    def kind(self) -> Kind:
        """The kind of the documents."""
        if self.of_kind is not None:
            return self.of_kind
        info = self.resource.info
        return Kind(info.group, info.version, info.kind)

    @property
    def user(self) -> User:
        return self.context.user

    @property
    def dry_run(self) -> bool:
        return self.context.dry_run

    @property
    def options(self) -> Document | None:
        """As a document (`CreateOptions` …); None on CONNECT and for the server's own writes."""
        stated = self.context.options
        if stated is None or self.operation is Operation.CONNECT:
            return None
        return {"kind": _OPTIONS[self.operation], "apiVersion": "meta.k8s.io/v1", **stated}

    def warn(self, text: str) -> None:
        """Tells the client, whatever becomes of the write."""
        self.context.warnings.append(text)

    def annotate(self, key: str, value: str) -> None:
        """Tells the audit log, where it wants to hear of the write."""
        if self.context.audited is not None:
            self.context.audited.annotate(key, value)

    def annotate_content(self, key: str, value: str) -> None:
        """The same about what was sent, for a log that tells of that, too."""
        if self.context.audited is not None and self.context.audited.tells_requests:
            self.context.audited.annotate(key, value)

    def replace_document(self, new: Document) -> None:
        """The object is ``new`` from now on. Nobody may keep parts of the one before."""
        if self.document is not None and new is not self.document:
            self.document.clear()
            self.document.update(new)


_OPTIONS = {
    Operation.CREATE: "CreateOptions",
    Operation.UPDATE: "UpdateOptions",
    Operation.DELETE: "DeleteOptions",
}


@dataclass(frozen=True, slots=True)
class Mutated:
    """What a plugin has done that may have to be looked at again.

    ``changed``: everyone gets a second turn. ``again`` is this plugin's own second turn, instead of ``mutate``.
    """

    changed: bool
    again: Callable[[], Awaitable[None]]


class Reader(Protocol):
    """What the server knows at this moment, without waiting. Documents are shared: read-only."""

    def get(self, group_resource: str, namespace: str, name: str) -> Document | None: ...

    def labels_of(self, group_resource: str, namespace: str, name: str) -> Mapping[str, str]:
        """Without reading the rest of the object; none where there is no such object."""

    def list(self, group_resource: str, namespace: str = "") -> Iterable[Document]: ...

    def version(self, group_resource: str) -> int:
        """Another number whenever an object of the kind has changed."""


class Plugin:
    """Base of all plugins. ``resources`` are group resources (`pods`, `deployments.apps`), empty for all of them."""

    name: str
    operations: frozenset[Operation] = EVERY_WRITE
    resources: frozenset[str] = frozenset()
    subresources: frozenset[str] = frozenset({""})
    needs: str = ""
    """A group resource: as long as there is no object of it, the plugin has nothing to do and is not asked."""

    @classmethod
    def build(cls, host: Host) -> Self:
        """The plugin of one server. One that needs something of the server takes it from ``host``."""
        return cls()

    async def mutate(self, attributes: Attributes) -> Mutated | None:
        """Completes ``attributes.document`` in place."""

    async def validate(self, attributes: Attributes) -> None:
        """Raises to refuse."""

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return (
            operation in self.operations
            and (not self.resources or group_resource in self.resources)
            and subresource in self.subresources
        )

    def mutates(self, operation: Operation, group_resource: str) -> bool:
        """Of the writes that it handles; for a plugin whose two methods are about different ones."""
        return type(self).mutate is not Plugin.mutate

    def validates(self, operation: Operation, group_resource: str) -> bool:
        return type(self).validate is not Plugin.validate


class ReadingPlugin(Plugin):
    """A plugin that needs nothing of the server but what it knows."""

    @classmethod
    def build(cls, host: Host) -> Self:
        return cls(host.reader)

    def __init__(self, reader: Reader) -> None:
        self._reader = reader


class Judge(Protocol):
    """Who looks at a write: first completes it, then may refuse what has come of it."""

    async def mutate(self, attributes: Attributes) -> None: ...

    async def validate(self, attributes: Attributes) -> None: ...


class Judged:
    """For what carries out a request that has been judged already."""

    async def mutate(self, attributes: Attributes) -> None:
        return

    async def validate(self, attributes: Attributes) -> None:
        return


JUDGED = Judged()


Timed = tuple[Plugin, Histogram]
"""A plugin, and how long it has taken to let writes through."""


def _spent(seconds: Histogram, since: float) -> float:
    """Nearly all plugins are done before the first bound."""
    now = perf_counter()
    taken = now - since
    if taken < FIRST_BOUND:
        seconds.counts[0] += 1
        seconds.total += taken
    else:
        seconds.observe(taken)
    return now


class Chain:
    """Plugins in order. Which of them care about a kind of write is worked out once."""

    def __init__(self, plugins: Sequence[Plugin] = (), has_any: Callable[[str], bool] = lambda kind: True) -> None:
        """``has_any``: whether there is an object of a group resource."""
        self._has_any = has_any
        self.use(plugins)

    def use(self, plugins: Sequence[Plugin]) -> None:
        """Replaces the plugins."""
        self.plugins = tuple(plugins)
        self._mutating: dict[tuple[Operation, str, str], tuple[Timed, ...]] = {}
        self._validating: dict[tuple[Operation, str, str], tuple[Timed, ...]] = {}
        self.figures = ChainFigures()

    async def mutate(self, attributes: Attributes) -> None:
        timed = self._of(self._mutating, ADMIT, attributes)
        began = at = perf_counter()
        outcomes: list[Mutated | None] = []
        try:
            for plugin, seconds in timed:
                if plugin.needs and not self._has_any(plugin.needs):
                    seconds.counts[0] += 1
                    outcomes.append(None)
                    continue
                outcomes.append(await plugin.mutate(attributes))
                at = _spent(seconds, at)
            if any(outcomes) and any(outcome.changed for outcome in outcomes if outcome is not None):
                for (plugin, seconds), outcome in zip(timed, outcomes, strict=True):
                    await (plugin.mutate(attributes) if outcome is None else outcome.again())
                    at = _spent(seconds, at)
        except ApiError:
            self.figures.refused(ADMIT, attributes.operation, plugin.name, began, at)
            raise
        self.figures.passed(ADMIT, attributes.operation, began, at)

    async def validate(self, attributes: Attributes) -> None:
        began = at = perf_counter()
        try:
            for plugin, seconds in self._of(self._validating, VALIDATE, attributes):
                if plugin.needs and not self._has_any(plugin.needs):
                    seconds.counts[0] += 1
                    continue
                await plugin.validate(attributes)
                at = _spent(seconds, at)
        except ApiError:
            self.figures.refused(VALIDATE, attributes.operation, plugin.name, began, at)
            raise
        self.figures.passed(VALIDATE, attributes.operation, began, at)

    async def admit(self, attributes: Attributes) -> None:
        """Both, one after the other: for what is not stored (connections, reviews, bindings)."""
        await self.mutate(attributes)
        await self.validate(attributes)

    def _of(
        self, known: dict[tuple[Operation, str, str], tuple[Timed, ...]], step: str, attributes: Attributes
    ) -> tuple[Timed, ...]:
        group_resource = attributes.resource.info.group_resource
        key = (attributes.operation, group_resource, attributes.subresource)
        found = known.get(key)
        if found is None:
            found = known[key] = tuple(
                (plugin, self.figures.plugin(plugin.name, step, attributes.operation))
                for plugin in self.plugins
                if plugin.handles(*key) and (plugin.mutates if step == ADMIT else plugin.validates)(*key[:2])
            )
        return found
