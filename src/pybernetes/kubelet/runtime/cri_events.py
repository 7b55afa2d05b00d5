"""Being told at once that a container has ended, instead of finding out at the next listing.

Guarantees  A report comes after the runtime itself says that the container has ended, so that who looks then sees it.
            Reports may be missed (a restart of the daemon, another runtime than containerd): listing stays the truth.
Follows containerd's event service; the interface's own GetContainerEvents is younger than what we support.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import structlog

from pybernetes.kubelet.runtime import containerd_events_pb2 as pb
from pybernetes.kubelet.runtime.containerd_events_pb2_grpc import EventsStub

log = structlog.get_logger(__name__)

_FILTER = 'topic=="/tasks/exit",namespace=="k8s.io"'
_AGAIN_AFTER = 1.0
_LOOKS = 20
_BETWEEN_LOOKS = 0.025


class ContainerEvents:
    """Watches the daemon at `channel`. `ended_pod` answers the pod's uid once the container has ended, None before."""

    def __init__(self, channel: grpc.aio.Channel, ended_pod: Callable[[str], Awaitable[str | None]]) -> None:
        self._stub: Any = EventsStub(channel)  # type: ignore[no-untyped-call]
        self._ended_pod = ended_pod
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
            try:
                async for identifier in self._exits():
                    look = asyncio.create_task(self._report(identifier))
                    self._looking.add(look)
                    look.add_done_callback(self._looking.discard)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    log.info("this runtime has no containerd events; ends of containers are found by listing")
                    return
            await asyncio.sleep(_AGAIN_AFTER)

    async def _exits(self) -> AsyncIterator[str]:
        async for envelope in self._stub.Subscribe(pb.SubscribeRequest(filters=[_FILTER])):
            event = pb.TaskExit.FromString(envelope.event.value)
            if event.id in ("", event.container_id):
                yield event.container_id

    async def _report(self, identifier: str) -> None:
        for _ in range(_LOOKS):
            uid = await self._ended_pod(identifier)
            if uid is not None:
                for handler in self._handlers:
                    handler(uid)
                return
            await asyncio.sleep(_BETWEEN_LOOKS)
