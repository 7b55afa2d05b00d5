"""A world for controllers: a server, two managers of which one leads, and a bad connection between them.

Nodes and pods are what `hands` does with them: there is neither scheduler nor kubelet.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar, cast

import msgspec
import orjson

from controllers.convergence.trouble import Fate, Trouble, Weather
from pybernetes.api import codec, kinds
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import Client, PatchType, key_of
from pybernetes.client.leader import LeaderElector, LeadershipLost, Timing
from pybernetes.controllers import CONTROLLERS, ControllerManager, select
from pybernetes.controllers.network_options import NetworkOptions
from pybernetes.store.contract import Change, Committed, Condition, Refused, Write
from pybernetes.store.memory import MemoryStore
from pybernetes.testing.control_plane import direct_transport, start_server
from pybernetes.testing.loop import LoopClock, virtual_loop

T = TypeVar("T")

LEASE = "/registry/leases/kube-system/kube-controller-manager"
UNHURRIED = Timing(lease=24.0, renew=12.0, retry=8.0)
MANAGERS = 2
CALLS_TO_LIVE = (8, 16, 24, 40, 80, 200)
QUIET, PATIENCE, ROUNDS = 1100.0, 10_000.0, 600
"""Longer than any wait of a controller: after five minutes expectations lapse, back-off ends at 1000 s."""


@dataclass(frozen=True, slots=True)
class Step:
    """One committed change: what an object was and what it became."""

    old: Any | None
    new: Any | None


class ObservedStore(MemoryStore):
    """Tells of each change at the moment it is committed, before anybody can see it."""

    def __init__(self, observe: Callable[[Change], None]) -> None:
        super().__init__()
        self._observe = observe

    async def transact(
        self, *, require: Sequence[Condition] = (), write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
        outcome = await super().transact(require=require, write=write, within=within)
        if isinstance(outcome, Committed):
            for change in outcome.changes:
                self._observe(change)
        return outcome


@dataclass(eq=False)
class World:
    random: Random
    controllers: Sequence[str]
    network: NetworkOptions = NetworkOptions()
    leases: Timing = UNHURRIED
    observers: list[Callable[[World, Step], None]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    slack: int = 0
    """By how much a history has confused who owns what: labels that were changed under a controller's feet."""

    def __post_init__(self) -> None:
        self.clock = LoopClock()
        self.store = ObservedStore(self._observe)
        self.weather = Weather(Random(self.random.random()))
        self.kinds: dict[type[Any], dict[str, Any]] = defaultdict(dict)
        self.changed_at = 0.0
        self.defects: list[Exception] = []
        self._lives: dict[int, asyncio.Task[None]] = {}
        self._births = 0
        self._holder = ""

    @property
    def allowance(self) -> int:
        return self.slack + self.weather.lost_creates

    def all(self, model: type[T]) -> list[T]:
        """As stored now."""
        return list(self.kinds[model].values())

    def pick(self, model: type[T]) -> T | None:
        """One of them that is not being deleted."""
        present = [one for one in self.all(model) if cast(Any, one).metadata.deletion_timestamp is None]
        return self.random.choice(present) if present else None

    def get(self, model: type[T], name: str, namespace: str = "default") -> T | None:
        return next((one for one in self.all(model) if key_of(cast(Any, one)) == Key(namespace, name)), None)

    async def create(self, model: type[T], name: str, namespace: str = "default", **content: Any) -> None:
        """Nothing, if the name is taken or the namespace is ending."""
        info = kinds.info_of(model)
        metadata = {
            "name": name,
            **({"namespace": namespace} if info.namespaced else {}),
            **content.pop("metadata", {}),
        }
        try:
            await self.client.create(msgspec.convert({**content, "metadata": metadata}, model))
        except ApiError as error:
            if error.code not in (403, 404, 409):
                raise

    async def patch(self, value: Any, patch: dict[str, Any], *, status: bool = False) -> None:
        """Merged into an object; nothing, if it is gone or was changed at the same time."""
        key = key_of(value)
        part = "status" if status else None
        body = {"metadata": {"uid": value.metadata.uid}, **({"status": patch} if status else patch)}
        try:
            await self.client.patch(type(value), key.name, key.namespace, body, PatchType.MERGE, subresource=part)
        except ApiError as error:
            if error.code not in (403, 404, 409):
                raise

    async def delete(self, value: Any, *, grace: int | None = None, propagation: str | None = None) -> None:
        key = key_of(value)
        try:
            await self.client.delete(
                type(value),
                key.name,
                key.namespace,
                uid=value.metadata.uid,
                grace_period=grace,
                propagation=propagation,
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def rest(self, drive: Callable[[World], Any]) -> None:
        """Returns when nothing has changed for `QUIET` seconds, though `drive` did what there was to do."""
        began = self.clock.monotonic()
        rounds = 0
        while True:
            moved = await drive(self)
            self.check()
            rounds += 1
            now = self.clock.monotonic()
            if not moved and now - self.changed_at > QUIET:
                return
            if now - began > PATIENCE or rounds > ROUNDS:
                recent = self.weather.writes.most_common(5)
                raise AssertionError(f"things still change after {now - began:.0f} s: {recent}")
            await self.clock.advance(1.0 if moved else 50.0)

    def complain(self, text: str) -> None:
        self.complaints.append(f"at {self.clock.monotonic():.2f} s: {text}")

    def check(self) -> None:
        if self.defects:
            raise ExceptionGroup("defects in controllers", self.defects)
        assert not self.complaints, "\n".join(self.complaints[:10])

    def _observe(self, change: Change) -> None:
        key = change.entry.key
        if key == LEASE and change.entry.value:
            self._note_holder(change.entry.value)
        if not key.startswith("/registry/") or key.startswith(("/registry/leases/", "/registry/events/")):
            return
        self.changed_at = self.clock.monotonic()
        model = _model_of(change.entry.value or (change.previous.value if change.previous else b"{}"))
        if model is None:
            return
        stored = self.kinds[model]
        old = stored.pop(key, None)
        new = codec.decode(model, change.entry.value) if change.entry.value else None
        if new is not None:
            stored[key] = new
        for observer in self.observers:
            observer(self, Step(old, new))

    def _note_holder(self, lease: bytes) -> None:
        holder = orjson.loads(lease)["spec"].get("holderIdentity", "")
        if holder and self._holder and holder != self._holder:
            self.weather.troubles["takeover"] += 1
        self._holder = holder or self._holder

    async def start(self) -> None:
        self.plane = await start_server(self.store, self.clock, Random(0))
        self.client = Client(direct_transport(self.plane.server))
        for number in range(MANAGERS):
            self._born(number)

    async def stop(self) -> None:
        for task in self._lives.values():
            task.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)
        await self.plane.stop()
        await self.store.close()
        await virtual_loop().idle()

    def _born(self, number: int) -> None:
        self._lives[number] = asyncio.create_task(self._live(number), name=f"manager:{number}")

    async def _live(self, number: int) -> None:
        """One life after another; each ends after some calls, in the midst of whatever it does."""
        while True:
            life = asyncio.create_task(self._one_life(number), name=f"life:{number}")
            try:
                await life
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    life.cancel()
                    await asyncio.gather(life, return_exceptions=True)
                    raise
            except LeadershipLost:
                pass
            await asyncio.sleep(self.random.uniform(0, 20))

    async def _one_life(self, number: int) -> None:
        random = Random(self.random.random())
        me = asyncio.current_task()
        assert me is not None
        self._births += 1
        trouble = Trouble(
            self.client.transport,
            self.weather,
            calls_to_live=random.choice(CALLS_TO_LIVE) + random.randrange(12),
            fate=random.choice((Fate.CRASH, Fate.CRASH, Fate.LEAVE, Fate.CUT_OFF)),
            end=me.cancel,
        )
        client = Client(trouble)
        identity = f"{number}-{self._births}"
        elector = LeaderElector(
            client, self.clock, random, name="kube-controller-manager", identity=identity, timing=self.leases
        )
        manager = ControllerManager(
            client,
            self.clock,
            random,
            select(CONTROLLERS, self.controllers),
            elector=elector,
            report_defect=lambda controller, key, error: self.defects.append(error),
            root_ca="hollow",
            network=self.network,
        )
        try:
            await manager.run()
        except BaseExceptionGroup as group:
            lost = group.subgroup(LeadershipLost)
            if lost is None:
                raise
            raise LeadershipLost("kube-controller-manager") from group


def _model_of(value: bytes) -> type[Any] | None:
    document = orjson.loads(value)
    if "apiVersion" not in document:
        return None
    try:
        return kinds.by_api_version(document["apiVersion"], document["kind"]).model
    except KeyError:
        return None


@asynccontextmanager
async def world(
    seed: int,
    controllers: Sequence[str],
    network: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    leases: Timing = UNHURRIED,
) -> AsyncIterator[World]:
    made = World(Random(seed), controllers, network, leases)
    await made.start()
    try:
        await made.create(core_v1.Namespace, "default")
        await made.create(core_v1.ServiceAccount, "default")
        yield made
    finally:
        await made.stop()
