"""WaitingPods: pods that have their node and are not bound yet, because a Permit plugin wants them to wait.

Guarantees  A pod goes on when every plugin that made it wait has allowed it, and is rejected by the first that rejects
            it or whose time is over. What is said about a pod that waits no longer is passed over.

Follows pkg/scheduler/framework/runtime/waiting_pods_map.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from pybernetes.scheduler.pod_info import PodInfo

LONGEST = 15 * 60.0


class NotPermitted(Exception):
    """A Permit plugin does not let the pod onto its node; ``str`` is why."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(reason)
        self.plugin = plugin


class WaitingPod:
    """``plugins`` are those that made it wait, with the seconds that each gives it."""

    def __init__(self, pod: PodInfo, node: str, plugins: Mapping[str, float]) -> None:
        self.pod = pod
        self.node = node
        loop = asyncio.get_running_loop()
        self._verdict: asyncio.Future[None] = loop.create_future()
        self._timers = {
            plugin: loop.call_later(min(seconds, LONGEST), self._expire, plugin, seconds)
            for plugin, seconds in plugins.items()
        }

    @property
    def pending(self) -> tuple[str, ...]:
        """The plugins that have not allowed it yet."""
        return tuple(self._timers)

    def allow(self, plugin: str) -> None:
        timer = self._timers.pop(plugin, None)
        if timer is not None:
            timer.cancel()
        if not self._timers and not self._verdict.done():
            self._verdict.set_result(None)

    def reject(self, plugin: str, reason: str) -> None:
        for timer in self._timers.values():
            timer.cancel()
        if not self._verdict.done():
            self._verdict.set_exception(NotPermitted(plugin, reason))

    def when_decided(self, callback: Callable[[], None]) -> None:
        self._verdict.add_done_callback(lambda _: callback())

    async def verdict(self) -> None:
        """Returns when the pod may go on. Raises NotPermitted."""
        await self._verdict

    def _expire(self, plugin: str, seconds: float) -> None:
        self.reject(plugin, f"rejected due to timeout after waiting {seconds:g}s at plugin {plugin}")


class WaitingPods:
    def __init__(self) -> None:
        self._by_uid: dict[str, WaitingPod] = {}

    def __iter__(self) -> Iterator[WaitingPod]:
        return iter(list(self._by_uid.values()))

    def __len__(self) -> int:
        return len(self._by_uid)

    def get(self, uid: str) -> WaitingPod | None:
        return self._by_uid.get(uid)

    def add(self, one: WaitingPod) -> None:
        """Until it waits no longer."""
        self._by_uid[one.pod.pod.metadata.uid] = one
        one.when_decided(lambda: self._remove(one))

    def _remove(self, one: WaitingPod) -> None:
        uid = one.pod.pod.metadata.uid
        if self._by_uid.get(uid) is one:
            del self._by_uid[uid]
