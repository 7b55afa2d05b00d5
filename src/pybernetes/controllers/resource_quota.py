"""Resource quotas: their status says what is used of what they limit.

Guarantees
  A new limit is counted at once; what goes away is given back at once; every quota is counted again every five minutes,
  and a few seconds after it was charged, so that charges for writes that failed do not stay.
  Only kinds that some quota limits are watched, custom ones included.
Assumes  Admission charges before it writes. A quota that was charged a moment ago is left alone until the informers
must have heard of what it was charged for.
Follows pkg/controller/resourcequota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from pybernetes.api import codec, kinds
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1, resource_v1
from pybernetes.api.quota import EVALUATORS, amounts, evaluator_of, used_of
from pybernetes.api.quota.amounts import Amounts
from pybernetes.api.quota.evaluator import Evaluator
from pybernetes.client import Informer
from pybernetes.client.discovery import discover
from pybernetes.client.resource import ResourceClient
from pybernetes.controllers.controller import DONE, Context, Controller, Every, Requeue, Result, Retry

RESYNC_SECONDS = 300.0
SETTLE_SECONDS = 0.2
RECOUNT_SECONDS = 5.0
REDISCOVER_SECONDS = 30.0
READY_SECONDS = 30.0
_COUNT = "count/"
_ALL = Key("", "")

Document = Mapping[str, Any]


class Counted(msgspec.Struct, kw_only=True):
    """All that is looked at of an object that is only counted."""

    metadata: meta_v1.ObjectMeta = msgspec.field(default_factory=meta_v1.ObjectMeta)


@dataclass(frozen=True, slots=True)
class Plan:
    """The status that a quota should have; None if it has it."""

    status: core_v1.ResourceQuotaStatus | None


def plan(quota: core_v1.ResourceQuota, counted: Amounts) -> Plan:
    """What could not be counted stays as it was."""
    hard, known = amounts.read(quota.spec.hard), amounts.read(quota.status.used)
    used = amounts.masked({**known, **counted}, hard)
    if amounts.read(quota.status.hard) == hard and used == known and (used or not hard):
        return Plan(None)
    return Plan(core_v1.ResourceQuotaStatus(hard=quota.spec.hard, used=amounts.written(used)))


class ResourceQuotaController(Controller):
    name = "resourcequota-controller"
    watches = (Every(RESYNC_SECONDS),)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.quotas = self.informer(core_v1.ResourceQuota)
        self._charged: dict[Key, float] = {}
        self._watched: dict[str, Informer[Any]] = {}
        self._known: dict[str, KindInfo] = {}
        self._discovered = -REDISCOVER_SECONDS
        self.quotas.on_change(self._quota_changed)

    async def reconcile(self, key: Key) -> Result:
        if key == _ALL:
            self._add(self.quotas.list())
            return DONE
        quota = self.quotas.get(key)
        if quota is None:
            self._charged.pop(key, None)
            return DONE
        since = asyncio.get_running_loop().time() - self._charged.get(key, -SETTLE_SECONDS)
        if since < SETTLE_SECONDS:
            return Requeue(SETTLE_SECONDS)
        evaluators, unknown = await self._evaluators(quota.spec.hard)
        await self._apply(quota, plan(quota, self._count(quota, evaluators)))
        return Requeue(REDISCOVER_SECONDS) if unknown else DONE

    async def _apply(self, quota: core_v1.ResourceQuota, plan: Plan) -> None:
        if plan.status is not None:
            await self.client.update_status(msgspec.structs.replace(quota, status=plan.status))

    def _count(self, quota: core_v1.ResourceQuota, evaluators: Iterable[Evaluator]) -> Amounts:
        namespace = quota.metadata.namespace

        def listed(group_resource: str) -> Iterable[Document]:
            return (_document(value) for value in self._watched[group_resource].list(namespace))

        return used_of(codec.to_document(quota.spec), evaluators, listed, self.clock.now())

    async def _evaluators(self, names: Iterable[str]) -> tuple[list[Evaluator], bool]:
        """Those that know the names, with their kinds watched; and whether a name belongs to no known kind."""
        found = {one.group_resource: one for one in EVALUATORS.values() if one.matching(names)}
        unknown = False
        for name in names:
            group_resource = name.removeprefix(_COUNT)
            if group_resource == name or group_resource in found:
                continue
            evaluator = evaluator_of(group_resource)
            if evaluator is not None and await self._info(group_resource) is not None:
                found[group_resource] = evaluator
            else:
                unknown = unknown or evaluator is not None
        for group_resource, evaluator in found.items():
            await self._watch(group_resource, evaluator)
        return list(found.values()), unknown

    async def _info(self, group_resource: str) -> KindInfo | None:
        if group_resource not in self._known:
            now = asyncio.get_running_loop().time()
            if now - self._discovered >= REDISCOVER_SECONDS:
                self._discovered = now
                found = await discover(self.client)
                listable = found.supporting("list", "watch")
                self._known = {one.info.group_resource: one.info for one in listable if one.info.namespaced}
        return self._known.get(group_resource)

    async def _watch(self, group_resource: str, evaluator: Evaluator) -> None:
        informer = self._watched.get(group_resource)
        if informer is None:
            informer = self._watched[group_resource] = self._informer_of(group_resource)
            informer.on_change(lambda old, new: self._used_changed(evaluator, old, new))
        try:
            async with asyncio.timeout(READY_SECONDS):
                await informer.synced()
        except TimeoutError as error:
            raise Retry(f"{group_resource} cannot be listed") from error

    def _informer_of(self, group_resource: str) -> Informer[Any]:
        model = _MODELS.get(group_resource)
        if model is not None:
            return self.context.informers.get(model)
        info = self._known.get(group_resource) or kinds.by_resource("", "v1", group_resource)
        return self.context.informers.of(ResourceClient(self.client.transport, info, Counted))

    def _quota_changed(self, old: core_v1.ResourceQuota | None, new: core_v1.ResourceQuota | None) -> None:
        quota = new or old
        if quota is None:
            return
        key = Key(quota.metadata.namespace, quota.metadata.name)
        if new is None or old is None or new.spec != old.spec or new.status.hard != new.spec.hard:
            self.queue.add(key)
        elif new.status.used != old.status.used:
            self._charged[key] = asyncio.get_running_loop().time()
            self.queue.add_after(key, RECOUNT_SECONDS)

    def _used_changed(self, evaluator: Evaluator, old: Any | None, new: Any | None) -> None:
        value = new if new is not None else old
        if value is None or old is None:
            return
        quotas = self.quotas.list(value.metadata.namespace)
        if quotas and (new is None or _replenishes(evaluator, new, old, self.clock.now())):
            self._add(quota for quota in quotas if evaluator.matching(quota.spec.hard))

    def _add(self, quotas: Iterable[core_v1.ResourceQuota]) -> None:
        for quota in quotas:
            self.queue.add(Key(quota.metadata.namespace, quota.metadata.name))


_MODELS: Mapping[str, type[Any]] = {
    "pods": core_v1.Pod,
    "services": core_v1.Service,
    "persistentvolumeclaims": core_v1.PersistentVolumeClaim,
    "resourcequotas": core_v1.ResourceQuota,
    "resourceclaims.resource.k8s.io": resource_v1.ResourceClaim,
}
"""Kinds whose objects cost more than their number, or that are watched whole in any case."""


def _replenishes(evaluator: Evaluator, new: Any, old: Any, now: datetime) -> bool:
    if isinstance(new, Counted):
        return False
    return evaluator.replenishes(_document(new), _document(old), now)


def _document(value: Any) -> Document:
    return {} if isinstance(value, Counted) else codec.to_document(value)
