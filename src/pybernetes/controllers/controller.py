"""Controllers: make the world as the objects say, again and again, from whatever state it is in.

The contract of `reconcile(key)`
  It is told a key, never what happened: it looks at the informers, decides with a pure `plan`, and acts. It must give
  the same result however often and for whatever reason it is called; keys of objects that no longer exist come too.
  A key is never reconciled twice at once. Different keys are, by `workers` coroutines.
  It runs only after every informer of the controller has its first list.
  Informers lag behind, also behind the controller's own writes: a controller that creates or deletes by number says
  so to `expectations` first and does nothing while they are not satisfied.
How it ends                      What follows
  DONE                           the key's failures are forgotten; it comes back when something changes
  Requeue(after)                 the same, and it comes back after that many seconds
  ApiError, Unreachable,         it comes back after a wait that doubles with each failure in a row, from 5 ms to
  Retry                          1000 s; conflicts are ordinary and logged quietly
  Terminal                       logged as an error; it comes back only when something changes
  any other exception            a defect: reported whole; it comes back as after a failure, so that one bad object
                                 stops neither the others nor itself once it is mended

What makes keys come is declared in `watches`: `For` (the object itself), `Owns` (objects whose controller it is, which
also fulfils expectations), `Maps` (objects that matter to others), `Every` (time).
Controllers that are not a matter of keys override `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, ClassVar, Protocol, TypeVar

import structlog

from pybernetes.api import kinds, meta
from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.client import Client, Informer, Informers, QueueClosed, Unreachable, WorkQueue, key_of
from pybernetes.client.events import EventRecorder
from pybernetes.controllers.expectations import Expectations
from pybernetes.controllers.network_options import NetworkOptions

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do until something changes."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Come back after so many seconds, at least `SOONEST`."""

    after: float


Result = Done | Requeue
DONE = Done()


class Retry(Exception):
    """What was to be done could not be done now; come back with backoff."""


class Terminal(Exception):
    """What was to be done can never be done while the objects stay as they are."""


class DefectReport(Protocol):
    def __call__(self, controller: str, key: Key, error: Exception) -> None: ...


def log_defect(controller: str, key: Key, error: Exception) -> None:
    log.error("defect in controller", controller=controller, key=str(key), exc_info=error)


@dataclass(frozen=True)
class Context:
    """What every controller is given: the world and nothing else of it."""

    client: Client
    informers: Informers
    clock: Clock
    random: Random
    recorder: Callable[[str], EventRecorder]
    report_defect: DefectReport = log_defect
    root_ca: str = ""
    """The certificates by which pods trust the API server, in PEM."""
    network: NetworkOptions = NetworkOptions()
    client_of: Callable[[str], Client] | None = None
    """Whom each controller acts as, by its name; None is all as `client`."""


@dataclass(frozen=True, slots=True)
class For:
    """Every change of an object brings its own key."""

    model: type[Any]

    def connect(self, controller: Controller) -> None:
        controller.informer(self.model).on_change(
            lambda old, new: controller.queue.add(key_of(new if new is not None else old))
        )


OWNED = "controller-uid"
ORPHANS = "orphans-of-namespace"


@dataclass(frozen=True, slots=True)
class Owns:
    """A change of an object brings the key of its controller, if that is of the kind of the first `For`.

    The informer gets the indexes `OWNED` (by the controller's uid) and `ORPHANS` (by namespace).
    """

    model: type[Any]
    expected: bool = True
    """Whether objects of this kind are what the controller's expectations are about."""

    def connect(self, controller: Controller) -> None:
        first = controller.watches[0]
        if not isinstance(first, For):
            raise TypeError(f"{type(controller).__name__}.watches must begin with For(…) to use Owns(…)")
        owner_kind = kinds.info_of(first.model)
        informer = controller.informer(self.model)
        informer.add_index(OWNED, _controller_uid)
        informer.add_index(ORPHANS, _namespace_if_orphan)

        def changed(old: Any | None, new: Any | None) -> None:
            before, after = _owner_key(old, owner_kind.kind), _owner_key(new, owner_kind.kind)
            if self.expected:
                _fulfil(controller.expectations, old, new, before, after)
            for key in {before, after}:
                if key is not None:
                    controller.queue.add(key)

        informer.on_change(changed)


def _fulfil(
    expectations: Expectations, old: Any | None, new: Any | None, before: Key | None, after: Key | None
) -> None:
    """`before` and `after` are the keys of the controllers that the object had and has."""
    if after is not None and new is not None:
        if new.metadata.deletion_timestamp is not None:
            expectations.deletion_observed(after, new.metadata.uid)
        elif old is None:
            expectations.creation_observed(after)
    if before is not None and before != after and old is not None:
        expectations.deletion_observed(before, old.metadata.uid)


@dataclass(frozen=True, slots=True)
class Maps:
    """A change of an object brings the keys that a function of the controller and the object names.

    It is asked about the object as it was and as it is.
    """

    model: type[Any]
    function: Callable[[Any, Any], Iterable[Key]]

    def connect(self, controller: Controller) -> None:
        def changed(old: Any | None, new: Any | None) -> None:
            for value in (old, new):
                if value is not None:
                    for key in self.function(controller, value):
                        controller.queue.add(key)

        controller.informer(self.model).on_change(changed)


@dataclass(frozen=True, slots=True)
class Every:
    """A key comes at once and then every so many seconds after it was last done."""

    seconds: float
    key: Key = Key("", "")

    def connect(self, controller: Controller) -> None:
        controller.periodic[self.key] = self.seconds


@dataclass(frozen=True, slots=True)
class Reads:
    """The controller looks at these objects; their changes bring no key."""

    model: type[Any]

    def connect(self, controller: Controller) -> None:
        controller.informer(self.model)


Watch = For | Owns | Maps | Every | Reads


SOONEST = 0.001
"""Seconds: what is left of a wait after rounding may be too little for any clock to see it pass."""


class Controller:
    name: ClassVar[str]
    """Upstream's name, as in `--controllers`."""

    component: ClassVar[str] = ""
    """Who speaks in events, where upstream does not use the controller's name for that."""

    watches: ClassVar[Sequence[Watch]] = ()
    workers: ClassVar[int] = 5
    enabled_by_default: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = context.client_of(self.name) if context.client_of is not None else context.client
        self.clock = context.clock
        self.random = context.random
        self.recorder = context.recorder(self.component or self.name)
        self.queue: WorkQueue[Key] = WorkQueue()
        self.last_errors: dict[Key, str] = {}
        """Why the keys that fail at present failed last."""
        self.expectations = Expectations(context.clock)
        self.periodic: dict[Key, float] = {}
        self.informers: list[Informer[Any]] = []
        for watch in self.watches:
            watch.connect(self)

    async def reconcile(self, key: Key) -> Result:
        raise NotImplementedError(f"{type(self).__name__}.reconcile")

    def informer(self, model: type[T]) -> Informer[T]:
        """The shared informer of a kind; `run` waits for its first list."""
        informer = self.context.informers.get(model)
        if informer not in self.informers:
            self.informers.append(informer)
        return informer

    def now(self) -> datetime:
        """The time as the API writes it, in whole seconds."""
        return self.clock.now().replace(microsecond=0)

    async def run(self) -> None:
        await self.ready()
        for key in self.periodic:
            self.queue.add(key)
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self.workers):
                    tasks.create_task(self._work(), name=f"{self.name}:{number}")
        finally:
            self.queue.close()

    async def ready(self) -> None:
        """Returns when it may begin."""
        for informer in self.informers:
            await informer.synced()

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while True:
            try:
                key = await self.queue.get()
            except QueueClosed:
                return
            try:
                await self._reconcile_one(key)
            finally:
                self.queue.done(key)
            if task.cancelling():
                # A call that failed while it was cancelled must not let a former leader go on.
                raise asyncio.CancelledError

    async def _reconcile_one(self, key: Key) -> None:
        try:
            result = await self.reconcile(key)
        except (ApiError, Unreachable, Retry) as error:
            level = log.debug if isinstance(error, ApiError) and error.code in (404, 409) else log.warning
            level("reconcile failed", controller=self.name, key=str(key), error=str(error))
            self._failed(key, error)
        except Terminal as error:
            log.error("reconcile gave up", controller=self.name, key=str(key), error=str(error))
            self._forget(key)
        except Exception as error:  # noqa: BLE001 - a defect in one reconcile must not end the others
            self.context.report_defect(self.name, key, error)
            self._failed(key, error)
        else:
            self._forget(key)
            if isinstance(result, Requeue):
                self.queue.add_after(key, max(result.after, SOONEST))
            if key in self.periodic:
                self.queue.add_after(key, self.periodic[key])

    def _failed(self, key: Key, error: Exception) -> None:
        self.last_errors[key] = str(error) or type(error).__name__
        self.queue.add_rate_limited(key)

    def _forget(self, key: Key) -> None:
        self.last_errors.pop(key, None)
        self.queue.forget(key)


def _controller_uid(value: Any) -> Iterable[str]:
    owner = meta.controller_of(value)
    return (owner.uid,) if owner is not None else ()


def _namespace_if_orphan(value: Any) -> Iterable[str]:
    return (value.metadata.namespace,) if meta.controller_of(value) is None else ()


def _owner_key(value: Any | None, kind: str) -> Key | None:
    if value is None:
        return None
    owner = meta.controller_of(value)
    if owner is None or owner.kind != kind:
        return None
    return Key(value.metadata.namespace, owner.name)
