"""ResourceQuota: a namespace holds no more than its quotas say.

Guarantees
  What a write uses is written into the status of every quota that counts it before the write itself is made, at the
  revision it was judged by: two writes never both take the last of something, on whichever server they arrive.
  Writes of one namespace that come together are charged together. A dry run is judged and charges nothing.
  A write that fails later has charged too much until the quota controller has counted again.

Follows k8s.io/apiserver/pkg/admission/plugin/resourcequota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.quota import amounts, evaluator_of
from pybernetes.api.quota.evaluator import Evaluator
from pybernetes.api.quota.scopes import Scope
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import ConfigurationError, Host
from pybernetes.apiserver.admission.quota_check import Exceeded, Limited, Quota, Uncovered, Write, charged
from pybernetes.apiserver.admission.quota_store import QuotaStore
from pybernetes.apiserver.admission.refusal import failed, forbidden
from pybernetes.apiserver.resource import Document

QUOTAS = "resourcequotas"
MOST_RACES = 3
_CONFIGURATIONS = {
    ("apiserver.config.k8s.io/v1", "ResourceQuotaConfiguration"),
    ("resourcequota.admission.k8s.io/v1", "Configuration"),
    ("resourcequota.admission.k8s.io/v1beta1", "Configuration"),
    ("resourcequota.admission.k8s.io/v1alpha1", "Configuration"),
}


@dataclass(eq=False, slots=True)
class Charge:
    """One write that waits for its answer."""

    attributes: Attributes
    write: Write
    error: errors.ApiError | None = None


@dataclass(slots=True)
class Line:
    """The writes of a namespace that wait; who holds the lock charges for all of them."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: dict[Charge, None] = field(default_factory=dict)


class ResourceQuota(Plugin):
    name = "ResourceQuota"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    subresources = frozenset({"", "resize", "status"})

    @classmethod
    def build(cls, host: Host) -> ResourceQuota:
        store = QuotaStore(host.registry("", "v1", QUOTAS), host.clock)
        return cls(host.reader, store, host.clock, tuple(read_limited(host.configuration)))

    def __init__(self, reader: Reader, store: QuotaStore, clock: Clock, limited: Sequence[Limited] = ()) -> None:
        self._reader = reader
        self._store = store
        self._clock = clock
        self._limited = limited
        self.needs = "" if limited else QUOTAS
        self._lines: dict[str, Line] = {}

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        if group_resource == "namespaces" or evaluator_of(group_resource) is None:
            return False
        return super().handles(operation, group_resource, subresource)

    async def validate(self, attributes: Attributes) -> None:
        if not attributes.namespace or attributes.document is None:
            return
        if not self._limited and not any(True for _ in self._reader.list(QUOTAS, attributes.namespace)):
            return
        evaluator = evaluator_of(attributes.resource.info.group_resource)
        if evaluator is None or not evaluator.handles(
            attributes.operation, attributes.subresource, attributes.document, attributes.old
        ):
            return
        await self._charge(Charge(attributes, self._write(evaluator, attributes, attributes.document)))

    def _write(self, evaluator: Evaluator, attributes: Attributes, new: Document) -> Write:
        is_fact = attributes.subresource == "status"
        return Write(evaluator, new, attributes.old, self._clock.now(), may_exceed=is_fact)

    async def _charge(self, charge: Charge) -> None:
        namespace = charge.attributes.namespace
        line = self._lines.setdefault(namespace, Line())
        line.waiting[charge] = None
        try:
            async with line.lock:
                if charge in line.waiting:
                    await self._settle(namespace, line)
        finally:
            line.waiting.pop(charge, None)
            if not line.waiting and self._lines.get(namespace) is line:
                del self._lines[namespace]
        if charge.error is not None:
            raise charge.error

    async def _settle(self, namespace: str, line: Line) -> None:
        """Every waiting charge gets its answer, or stays waiting if this is interrupted."""
        batch = tuple(line.waiting)
        names = tuple(one["metadata"]["name"] for one in self._reader.list(QUOTAS, namespace))
        await self._settle_in(namespace, names, batch)
        for charge in batch:
            line.waiting.pop(charge, None)

    async def _settle_in(self, namespace: str, names: Iterable[str], batch: Sequence[Charge]) -> None:
        failure: errors.ApiError | None = None
        unpaid = batch
        for _ in range(MOST_RACES + 1):
            before = await self._store.read(namespace, names)
            after, unpaid = self._judge(before, unpaid)
            lost: list[str] = []
            for old, new in zip(before, after, strict=True):
                if amounts.without_zeros(old.used) == amounts.without_zeros(new.used):
                    continue
                failure = await self._store.write(namespace, new)
                if failure is not None:
                    lost.append(new.name)
            if not lost:
                return
            names = lost
        for charge in unpaid:
            charge.error = failure

    def _judge(self, quotas: Sequence[Quota], batch: Sequence[Charge]) -> tuple[Sequence[Quota], list[Charge]]:
        """The quotas after all that fit, and the charges that depend on their being written."""
        unpaid: list[Charge] = []
        for charge in batch:
            try:
                after = charged(quotas, charge.write, self._limited)
            except Exceeded as error:
                charge.error = forbidden(charge.attributes, str(error))
            except Uncovered as error:
                charge.error = failed(str(error))
            else:
                if not charge.attributes.dry_run and after != tuple(quotas):
                    quotas = after
                    unpaid.append(charge)
        return quotas, unpaid


def read_limited(configuration: Mapping[str, object] | None) -> Iterable[Limited]:
    """Raises ConfigurationError."""
    if configuration is None:
        return
    stated = (configuration.get("apiVersion"), configuration.get("kind"))
    if stated not in _CONFIGURATIONS:
        raise ConfigurationError(f'no kind "{stated[1]}" is registered for version "{stated[0]}"')
    rows = configuration.get("limitedResources") or ()
    if not isinstance(rows, list):
        raise ConfigurationError("limitedResources must be a list")
    for row in rows:
        if not row.get("resource"):
            raise ConfigurationError("limitedResources[].resource: Required value")
        group = row.get("apiGroup", "")
        resource = f"{row['resource']}.{group}" if group else row["resource"]
        scopes = tuple(Scope.of(one) for one in row.get("matchScopes") or ())
        yield Limited(resource, tuple(row.get("matchContains") or ()), scopes)
