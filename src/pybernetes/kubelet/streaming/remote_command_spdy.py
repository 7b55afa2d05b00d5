"""Exec and attach towards clients that speak SPDY: a `Session` of the runtime bridged to streams.

Older kubectl and programs built on older client libraries speak it. Every stream has a header that says which of
error, stdin, stdout, stderr and resize it is. Follows staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand.
"""

from __future__ import annotations

import asyncio
import contextlib

from pybernetes.api.streams import channels, spdy
from pybernetes.api.streams.channels import Protocol
from pybernetes.kubelet.runtime import Session, Stream
from pybernetes.kubelet.streaming.cri_streams import Wanted
from pybernetes.kubelet.streaming.multiplexer import (
    ConnectionEnded,
    MultiplexedStream,
    Multiplexer,
    SocketCarrier,
    StreamRefused,
)
from pybernetes.kubelet.streaming.remote_command import status_document

PROTOCOLS = (Protocol.V4.value, Protocol.V3.value, Protocol.V2.value, Protocol.BINARY.value)
"""The best first."""
_STREAMS_WITHIN = 30.0


async def serve(carrier: SocketCarrier, protocol: Protocol, session: Session, wanted: Wanted) -> None:
    """Carry the session until it or the connection ends."""
    async with Multiplexer(carrier, spdy.Side.SERVER) as connection:
        try:
            async with asyncio.timeout(_STREAMS_WITHIN):
                streams = await _streams(connection, _names(protocol, wanted))
        except TimeoutError:
            await session.close()
            return
        try:
            await _converse(connection, protocol, session, streams)
        finally:
            await session.close()


def _names(protocol: Protocol, wanted: Wanted) -> set[str]:
    """Which streams the client opens."""
    resizes = protocol in (Protocol.V4, Protocol.V3)
    asked = {
        "error": True,
        "stdin": wanted.stdin,
        "stdout": wanted.stdout,
        "stderr": wanted.stderr,
        "resize": wanted.tty and resizes,
    }
    return {name for name, is_asked in asked.items() if is_asked}


async def _streams(connection: Multiplexer, names: set[str]) -> dict[str, MultiplexedStream]:
    streams: dict[str, MultiplexedStream] = {}
    while streams.keys() != names:
        stream = await connection.next_stream()
        if stream is None:
            break
        name = stream.headers.get("streamtype", "")
        if name in names:
            streams[name] = stream
        else:
            await stream.reset(spdy.ResetReason.REFUSED_STREAM)
    return streams


async def _converse(
    connection: Multiplexer, protocol: Protocol, session: Session, streams: dict[str, MultiplexedStream]
) -> None:
    sending = asyncio.create_task(_send(protocol, session, streams))
    gone = asyncio.create_task(connection.next_stream())
    helpers = [gone]
    if "stdin" in streams:
        helpers.append(asyncio.create_task(_feed(session, streams["stdin"])))
    if "resize" in streams:
        helpers.append(asyncio.create_task(_resize(session, streams["resize"])))
    try:
        await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, *helpers):
            task.cancel()
        await asyncio.gather(sending, *helpers, return_exceptions=True)


async def _send(protocol: Protocol, session: Session, streams: dict[str, MultiplexedStream]) -> None:
    with contextlib.suppress(ConnectionEnded):
        async for output in session.output():
            if output.stream.value in streams:
                await streams[output.stream.value].write(output.data)
        for kind in Stream:
            if kind.value in streams:
                await streams[kind.value].close_write()
        closing = channels.error_payload(status_document(await session.status()), protocol)
        if closing is not None and "error" in streams:
            await streams["error"].write(closing)
        for stream in streams.values():
            await stream.close_write()


async def _feed(session: Session, stdin: MultiplexedStream) -> None:
    with contextlib.suppress(StreamRefused):
        while data := await stdin.read():
            await session.write(data)
    await session.close_stdin()


async def _resize(session: Session, resize: MultiplexedStream) -> None:
    with contextlib.suppress(StreamRefused, channels.ChannelError):
        while data := await resize.read():
            size = channels.decode_resize(data.splitlines()[-1])
            await session.resize(size.width, size.height)
