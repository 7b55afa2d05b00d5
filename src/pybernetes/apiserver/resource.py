"""What the API server knows about a kind, declared once per kind.

Guarantees
  A ``Resource`` is a value: it holds names, tables and pure functions, and no state of a running server. What a kind
  must keep while the server runs (address ranges) is built by its ``reservations`` factory, once per server.
  Documents given to hooks are the hook's to change in place, except those called ``old``.

Follows the strategies in pkg/registry and k8s.io/apiserver/pkg/registry/rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from pybernetes.api.clock import Clock
    from pybernetes.api.fields import FieldError
    from pybernetes.api.kinds import KindInfo
    from pybernetes.api.patch.parts import Kind
    from pybernetes.api.patch.pruning import OtherVersion
    from pybernetes.api.schema import Shape
    from pybernetes.apiserver.admission.contract import Judge
    from pybernetes.apiserver.audit.event import Audited
    from pybernetes.apiserver.auth.contract import User
    from pybernetes.apiserver.endpoint import Endpoint
    from pybernetes.apiserver.objects import Form, StoredObject
    from pybernetes.apiserver.options import ServerOptions
    from pybernetes.apiserver.published import Published
    from pybernetes.apiserver.reader import CacheReader
    from pybernetes.apiserver.registry import Registry
    from pybernetes.apiserver.view import View
    from pybernetes.store.contract import Condition, Store, Write

Document = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Context(msgspec.Struct, frozen=True):
    """What a hook may ask about the request it serves."""

    user: User
    now: datetime
    dry_run: bool = False
    manager: str = ""
    """Who is recorded as the manager of the fields that are changed."""
    options: Document | None = None
    """What the client stated beside the object (fieldManager, dryRun …; of a deletion all of DeleteOptions); None for
    the server's own writes."""
    warnings: list[str] = msgspec.field(default_factory=list)
    """Where those who look at the write leave warnings for the client."""
    verb: str = ""
    """How the request is authorized: create, update, patch …; "" for the server's own writes."""
    audited: Audited | None = None
    """Where to say what the audit log shall tell of the write."""
    judge: Judge | None = None
    """Who judges the write instead of the server's admission plugins: for writes that carry out another request."""


Hook = Callable[[Document, Context], None]
UpdateHook = Callable[[Document, Document, Context], None]
"""(new, old, context): completes or resets fields of ``new``; ``old`` is read-only."""

Validate = Callable[[Any], Iterable["FieldError"]]
"""Given the model of the new object."""
ValidateUpdate = Callable[[Any, Any], Iterable["FieldError"]]
"""Given the models of the new object and of the old one; runs after ``validate`` of the new one, unless the kind
``judges_updates_alone``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. ``extract`` gives a JSON value; columns of priority 1 show in wide output only.

    One without a name has cells and no definition.
    ``type`` and ``format`` are those of OpenAPI: string, integer, number, boolean, date; format `name` marks the name.
    """

    name: str
    extract: Callable[[Document, datetime], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class StatusSubresource:
    """GET, PUT and PATCH of `/status`: takes ``status`` of what is sent, all else but metadata stays.

    ``prepare(new, old, context)`` runs after that; of metadata what is sent is taken, unless it says otherwise
    (``rules.keep_metadata``). ``complete(document)`` makes of what is sent what upstream reads, before it is managed.
    """

    prepare: UpdateHook | None = None
    complete: Callable[[Document], None] | None = None
    validate: ValidateUpdate | None = None
    warnings: Callable[[Document], Iterable[str]] | None = None
    name: str = "status"
    verbs: tuple[str, ...] = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class ScaleSubresource:
    """`/scale` as autoscaling/v1 Scale. ``selector(document)`` is the text form of the pods' selector."""

    selector: Callable[[Document], str]
    replicas: str = "spec.replicas"
    current: str = "status.replicas"
    judged_whole: bool = False
    """What the number may be is judged with the object, not as a Scale."""
    name: str = "scale"
    verbs: tuple[str, ...] = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class SpecialSubresource:
    """A subresource with its own handler, found in the server's table by (group, resource, name).

    ``kind`` is (group, version, kind) as discovery shows it. ``parent_update`` marks one that is the parent object with
    its own rule of what an update may change (`/finalize`, `/resize`, `/ephemeralcontainers`, `/approval`): the generic
    storage serves get, update and patch by that rule, ``validate`` included.
    """

    name: str
    verbs: tuple[str, ...]
    kind: tuple[str, str, str] = ("", "", "")
    parent_update: UpdateHook | None = None
    validate: ValidateUpdate | None = None


Subresource = StatusSubresource | ScaleSubresource | SpecialSubresource


class Reservation(Protocol):
    """Something taken for a write that is under way: either ``confirm`` or ``cancel`` ends it."""

    @property
    def require(self) -> Iterable[Condition]:
        """What must hold in the store besides the conditions of the write itself."""

    @property
    def write(self) -> Iterable[Write]:
        """What goes into the store in the same transaction."""

    def overtaken(self, failed: Condition) -> bool:
        """The store has refused. If it was for one of ``require``: whether something else was taken, filled into the
        object, so that the write can be made again. Raises ``errors.invalid`` when nothing else will do."""

    def confirm(self) -> None: ...
    def cancel(self) -> None: ...


class NothingReserved:
    require: tuple[Condition, ...] = ()
    write: tuple[Write, ...] = ()

    def overtaken(self, failed: Condition) -> bool:
        return False

    def confirm(self) -> None:
        return

    def cancel(self) -> None:
        return


NOTHING_RESERVED = NothingReserved()


class Reservations(Protocol):
    """Values that no two objects may share (cluster IPs, node ports), kept while the server runs."""

    async def start(self) -> None:
        """Learns from the store what is taken."""

    def reserve(self, new: Document, old: Document | None, context: Context) -> Reservation:
        """Takes what ``new`` asks for, filling it into ``new``; ``old`` is None on create. Comes before the kind's own
        preparation and validation, as upstream's BeginCreate and BeginUpdate.

        Raises ``errors.invalid`` (or internal_error when a range is full)."""

    async def removal(self, old: Document) -> Sequence[Write]:
        """What goes from the store with the object, in the same transaction."""

    def release(self, old: Document) -> None:
        """The object is gone."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """What a server lends to the stateful parts of kinds."""

    store: Store
    reader: CacheReader
    random: Random
    options: ServerOptions


@dataclass(frozen=True, slots=True)
class Stored:
    """A kind kept in the form of another version or group: `events.k8s.io/v1` Events are stored as `v1` Events."""

    info: KindInfo
    from_storage: Callable[[Document], Document]
    to_storage: Callable[[Document], Document]
    rules: Resource | None = None
    """The resource in whose form, the stored one, objects are prepared and judged; None: each version has its own
    rules."""


class Custom(Protocol):
    """What a kind needs that has no generated facts, and whose objects are stored in several versions."""

    @property
    def shape(self) -> Shape: ...

    @property
    def structure(self) -> Kind:
        """How its objects are taken apart by server-side apply."""

    @property
    def other_versions(self) -> Mapping[str, OtherVersion]:
        """As which managers may have seen its objects; by apiVersion."""

    @property
    def form(self) -> Form:
        """How its objects look as bytes in the version they are stored in."""

    @property
    def published(self) -> Published:
        """What OpenAPI says of it."""

    @property
    def stored_info(self) -> KindInfo:
        """The version that objects are stored in."""

    @property
    def advertised_verbs(self) -> tuple[str, ...]:
        """The verbs that discovery tells of."""

    def view(self, resource: Resource) -> View: ...

    def endpoint(self, registry: Registry, clock: Clock, random: Random, options: ServerOptions) -> Endpoint: ...

    async def prepare(self, found: Iterable[StoredObject]) -> None:
        """Before any of these objects is read: what takes waiting (a webhook's conversion) is done here."""

    def read(self, stored: StoredObject) -> Document:
        """In the served version, a document of the caller's own."""

    async def write(self, document: Document) -> Document:
        """In the version it is stored in."""

    async def is_outdated(self, stored: StoredObject, document: Document) -> bool:
        """Whether the same object, as a document of the served version, would be stored otherwise today."""


Grace = Callable[[Document, int | None], int]
"""(document, seconds asked for or None) → seconds until the object may go; 0 removes it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    info: KindInfo
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    list_kind: str = ""
    verbs: tuple[str, ...] = ALL_VERBS

    storage: str = ""
    """The path under /registry/; the plural if empty."""
    stored: Stored | None = None
    custom: Custom | None = None
    """For a kind that was defined while the server runs."""

    defaults: Callable[[Document], None] | None = None
    drops: Callable[[Document], None] | None = None
    """Takes away fields of features that are off, from what is stored: who stated them manages them all the same."""

    validate: Validate | None = None
    validate_update: ValidateUpdate | None = None
    judges_updates_alone: bool = False
    """``validate_update`` is the whole rule of an update: ``validate`` is not asked (it judges creations only)."""

    common_metadata: bool = False
    """The kind's own rules do not look at metadata: it is judged as that of any object, on creation only when there is
    nothing else wrong."""

    prepare_create: Hook | None = None
    """After defaulting and before admission: resets what clients may not set (status is reset already)."""
    prepare_update: UpdateHook | None = None
    """The same for updates (status is restored already)."""
    null_lists: tuple[str, ...] = ()
    """Lists that stand as null in what is stored and sent when they are empty (``empty_lists``)."""
    initial_status: Callable[[Document], Document | None] | None = None
    """The status of a new object of a kind with a status subresource; `{}` without a rule, absent if it gives None."""
    warnings: Callable[[Document], Iterable[str]] | None = None
    """What writing it is warned of, once it is found right and before others judge it."""
    deprecation: str = ""
    """What every request for the kind is warned of, for a version that is going."""
    update_warnings: Callable[[Document, Document], Iterable[str]] | None = None
    """(new, old): what updates are warned of instead of ``warnings``."""
    reservations: Callable[[Facilities], Reservations] | None = None

    generation: Callable[[Document, Document], bool] | None = None
    """(new, old) → whether the change raises metadata.generation (``spec_changed``); None: the kind keeps none."""

    compared_exactly: str = ""
    """The field whose empty lists and maps raise the generation when they are stated: upstream takes one for another
    value than none."""

    columns: Sequence[Column] = ()
    row_order: Callable[[Document], Any] | None = None
    """The sort key of a table's rows, for kinds that are not shown in the order of their keys."""
    selectable: Mapping[str, Callable[[Document], str]] = field(default_factory=dict)
    """Field selectors beyond metadata.name and metadata.namespace: path → its text in a document."""
    refuses_field: Callable[[str], str] = "field label not supported: {}".format
    """The message about a path that is not selectable, for kinds that have selectable ones."""
    dispatch: tuple[str, ...] = ()
    """Selectable fields that many watchers select one value of (spec.nodeName): events are handed out by them."""
    subresources: Sequence[Subresource] = ()

    grace: Grace | None = None
    """None: the object goes at once."""
    held: Callable[[Document], bool] | None = None
    """What keeps a deleted object besides metadata.finalizers (a namespace's spec.finalizers)."""
    on_marked: Callable[[Document], None] | None = None
    """Completes the object when a deletion marks it (a namespace's phase); may replace parts, not change them."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Objects that cannot be deleted one by one, and why."""
    returns_deleted: bool = False
    """DELETE answers with the object instead of a Status."""
    orphans_by_default: bool = False
    """DELETE without options keeps the dependents (ReplicationController and batch/v1 Job)."""
    allows_create_on_update: bool = False
    patience: float = 0.0
    """Seconds that an update may wait to become durable with others: where many come and none is in a hurry."""
    allows_unconditional_update: bool = True

    def __post_init__(self) -> None:
        if not self.singular:
            object.__setattr__(self, "singular", self.info.kind.lower())
        if not self.list_kind:
            object.__setattr__(self, "list_kind", self.info.list_kind)
        if not self.storage:
            object.__setattr__(self, "storage", self.info.plural)

    def unknown_field(self, path: str) -> str:
        """What to say to who selects by it."""
        if self.selectable or self.custom is not None:
            return self.refuses_field(path)
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    def subresource(self, name: str) -> Subresource | None:
        return next((one for one in self.subresources if one.name == name), None)

    @property
    def rules(self) -> Resource:
        """What prepares and judges its objects: itself, unless they are judged in the version they are stored in."""
        return (self.stored.rules if self.stored else None) or self

    @property
    def has_status(self) -> bool:
        return self.subresource("status") is not None


def no_warnings(new: Document, old: Document) -> Iterable[str]:
    """Of an update."""
    return ()


def spec_changed(new: Document, old: Document) -> bool:
    """The usual generation rule."""
    return bool(new.get("spec") != old.get("spec"))
