"""LeaderElector: of several processes, one at a time does the work.

A Lease object names the holder. The holder renews it every `retry` seconds; others look as often, and take it when it
has not changed for `lease` seconds of their own clock, so that the clocks of machines need not agree.

Guarantees
  The work is cancelled when the lease could not be renewed for `renew` seconds, which is before anyone else may
  take it. Ended in an orderly way, the lease is given back at once.
Assumes  Work that is cancelled stops within `lease - renew` seconds.
Follows client-go tools/leaderelection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import structlog

from pybernetes.api import meta
from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.models import coordination_v1
from pybernetes.client.client import Client
from pybernetes.client.transport import Unreachable

log = structlog.get_logger(__name__)

JITTER = 1.2


class LeadershipLost(Exception):
    """The lease could not be renewed in time; another process may hold it now."""

    def __init__(self, name: str) -> None:
        super().__init__(f"leader election lost: lease {name}")


@dataclass(frozen=True, slots=True)
class Timing:
    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0
    release: float = 2.0


class LeaderElector:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        random: Random,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        timing: Timing | None = None,
    ) -> None:
        self.identity = identity
        self._leases = client.of(coordination_v1.Lease)
        self._clock = clock
        self._random = random
        self._name = name
        self._namespace = namespace
        self._timing = timing or Timing()
        self._observed: tuple[str, Any] | None = None
        self._observed_at = 0.0

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, then work as long as it is held. Raises LeadershipLost when it is not any more."""
        await self._acquire()
        log.info("became leader", lease=self._name, identity=self.identity)
        working = asyncio.ensure_future(work())
        renewing = asyncio.ensure_future(self._renew_until_lost())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return
            renewing.result()
        finally:
            lost = renewing.done()
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            if not lost:
                await self._release()

    async def _acquire(self) -> None:
        while not await self._try_hold():  # noqa: ASYNC110 - another process's lease tells nobody when it ends
            await asyncio.sleep(self._timing.retry * (1 + JITTER * self._random.random()))

    async def _renew_until_lost(self) -> None:
        while True:
            await asyncio.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(self._timing.renew):
                    while not await self._try_hold():  # noqa: ASYNC110
                        await asyncio.sleep(self._timing.retry)
            except TimeoutError:
                raise LeadershipLost(self._name) from None

    async def _try_hold(self) -> bool:
        try:
            return await self._hold()
        except ApiError as error:
            log.debug("lease not taken", lease=self._name, error=str(error))
        except Unreachable as error:
            log.debug("lease not reached", lease=self._name, error=str(error))
        return False

    async def _hold(self) -> bool:
        now = meta.format_micro_time(self._clock.now())
        try:
            lease = await self._leases.get(self._name, self._namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._leases.create(self._lease(None, now))
            return True
        if not self._may_take(lease):
            return False
        await self._leases.update(self._lease(lease, now))
        return True

    def _may_take(self, lease: coordination_v1.Lease) -> bool:
        holder = lease.spec.holder_identity or "" if lease.spec else ""
        if holder in ("", self.identity):
            return True
        seen = (holder, lease.spec.renew_time if lease.spec else None)
        if seen != self._observed:
            self._observed, self._observed_at = seen, self._clock.monotonic()
        return self._clock.monotonic() - self._observed_at >= self._timing.lease

    def _lease(self, old: coordination_v1.Lease | None, now: str) -> coordination_v1.Lease:
        spec = old.spec if old is not None and old.spec is not None else coordination_v1.LeaseSpec()
        kept = spec.holder_identity == self.identity
        transitions = spec.lease_transitions or 0
        new_spec = msgspec.structs.replace(
            spec,
            holder_identity=self.identity,
            lease_duration_seconds=int(self._timing.lease),
            acquire_time=spec.acquire_time if kept else now,
            renew_time=now,
            lease_transitions=transitions if kept or old is None else transitions + 1,
        )
        lease = old if old is not None else coordination_v1.Lease()
        metadata = msgspec.structs.replace(lease.metadata, name=self._name, namespace=self._namespace)
        return msgspec.structs.replace(lease, metadata=metadata, spec=new_spec)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._timing.release):
                await self._give_back()
        except (ApiError, Unreachable, TimeoutError) as error:
            log.debug("lease not given back", lease=self._name, error=str(error) or type(error).__name__)

    async def _give_back(self) -> None:
        lease = await self._leases.get(self._name, self._namespace)
        if lease.spec is None or lease.spec.holder_identity != self.identity:
            return
        spec = msgspec.structs.replace(lease.spec, holder_identity="", lease_duration_seconds=1)
        await self._leases.update(msgspec.structs.replace(lease, spec=spec))
