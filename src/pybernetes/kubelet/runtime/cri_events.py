"""Being told that a container has ended soon after it has, instead of finding out at the kubelet's next listing.

Guarantees  A report comes after the runtime itself says that the container has ended, so that who looks then sees it.
            Where the runtime has no events, running containers are listed every second; after an interruption, once.
            A report may still be missed: the kubelet's own listing stays the truth.
Follows containerd's event service; the interface's own GetContainerEvents is younger than what we support.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import grpc
import grpc.aio
import structlog

from pybernetes.kubelet.runtime import containerd_events_pb2 as pb
from pybernetes.kubelet.runtime.containerd_events_pb2_grpc import EventsStub
from pybernetes.kubelet.runtime.errors import RuntimeFailure

log = structlog.get_logger(__name__)

_FILTER = 'topic=="/tasks/exit",namespace=="k8s.io"'
_AGAIN_AFTER = 1.0
_CATCH_UP_AFTER = 0.2
_LISTING_PERIOD = 1.0
_LOOKS = 20
_BETWEEN_LOOKS = 0.025


class ContainerEvents:
    """Watches the daemon at `channel`.

    `ended_pod` answers the pod's uid once the container has ended, None before; `running` lists the pods' uids by
    container. Both raise `RuntimeFailure` when the daemon cannot be asked.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        ended_pod: Callable[[str], Awaitable[str | None]],
        running: Callable[[], Awaitable[dict[str, str]]],
    ) -> None:
        self._stub: Any = EventsStub(channel)  # type: ignore[no-untyped-call]
        self._ended_pod = ended_pod
        self._running = running
        self._known: dict[str, str] = {}
        self._handlers: list[Callable[[str], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._looking: set[asyncio.Task[None]] = set()

    def on_end(self, handler: Callable[[str], None]) -> None:
        self._handlers.append(handler)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="container events")

    async def close(self) -> None:
        tasks = [*self._looking, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._spawn(self._catch_up())
            try:
                async for identifier in self._exits():
                    self._spawn(self._report(identifier))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    log.info("this runtime has no containerd events; its containers are listed every second")
                    await self._list_for_ever()
            await asyncio.sleep(_AGAIN_AFTER)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _exits(self) -> AsyncIterator[str]:
        async for envelope in self._stub.Subscribe(pb.SubscribeRequest(filters=[_FILTER])):
            event = pb.TaskExit.FromString(envelope.event.value)
            if event.id in ("", event.container_id):
                yield event.container_id

    async def _report(self, identifier: str) -> None:
        for _ in range(_LOOKS):
            uid = await self._ended_pod(identifier)
            if uid is not None:
                self._tell(uid)
                return
            await asyncio.sleep(_BETWEEN_LOOKS)

    async def _catch_up(self) -> None:
        """What ended while nobody listened. The subscription has stood for a moment by then."""
        await asyncio.sleep(_CATCH_UP_AFTER)
        await self._list()

    async def _list_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_LISTING_PERIOD)
            await self._list()

    async def _list(self) -> None:
        try:
            running = await self._running()
        except RuntimeFailure as failure:
            log.debug("running containers could not be listed", error=str(failure))
            return
        for uid in {uid for identifier, uid in self._known.items() if identifier not in running}:
            self._tell(uid)
        self._known = running

    def _tell(self, uid: str) -> None:
        for handler in self._handlers:
            handler(uid)
