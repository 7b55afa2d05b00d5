"""Port-forward towards the client, in both forms that clients speak over a WebSocket.

Today's is a tunnel: SPDY frames in binary messages, a pair of streams (error, data) for each connection. The older
one has two channels (data, error) for each port that the query names, one connection per port.
Guarantees  A connection that fails is told on its error stream and harms no other.
Follows staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from pybernetes.api.streams import channels, spdy
from pybernetes.api.streams.channels import Frame, Protocol
from pybernetes.kubelet.runtime import Connection, PortForward, RuntimeFailure
from pybernetes.kubelet.streaming.multiplexer import (
    Carrier,
    ConnectionEnded,
    MultiplexedStream,
    Multiplexer,
    StreamRefused,
)
from pybernetes.kubelet.streaming.remote_command import send_frame

PROTOCOL = "portforward.k8s.io"
"""The stream protocol's name, for clients that speak SPDY without a tunnel."""
_MAX_MESSAGE = 16 * 1024 * 1024


class WebSocketCarrier:
    """SPDY frames in the binary messages of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type is not WSMsgType.TEXT:
                return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close()


def accept() -> web.WebSocketResponse:
    names = [channels.PORT_FORWARD_TUNNEL, Protocol.V4.value, Protocol.V4_BASE64.value]
    return web.WebSocketResponse(protocols=names, max_msg_size=_MAX_MESSAGE, compress=False)


async def serve(socket: web.WebSocketResponse, forward: PortForward, ports: Sequence[int]) -> None:
    """Carry connections over the (prepared) socket until the client leaves. `ports` counts for the older form only."""
    try:
        if socket.ws_protocol == channels.PORT_FORWARD_TUNNEL:
            await serve_tunnel(WebSocketCarrier(socket), forward)
        else:
            await _serve_channels(socket, forward, ports)
    finally:
        await socket.close()


# ---- the tunnel --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pair:
    error: MultiplexedStream | None = None
    data: MultiplexedStream | None = None


async def serve_tunnel(carrier: Carrier, forward: PortForward) -> None:
    pairs: dict[str, _Pair] = {}
    async with Multiplexer(carrier, spdy.Side.SERVER) as connection, asyncio.TaskGroup() as tasks:
        while (stream := await connection.next_stream()) is not None:
            request = stream.headers.get("requestid", "")
            pair = pairs.setdefault(request, _Pair())
            match stream.headers.get("streamtype"):
                case "error":
                    pair.error = stream
                case "data":
                    pair.data = stream
                case _:
                    await stream.reset(spdy.ResetReason.REFUSED_STREAM)
            if pair.error is not None and pair.data is not None:
                del pairs[request]
                tasks.create_task(_serve_pair(pair.data, pair.error, forward))


async def _serve_pair(data: MultiplexedStream, error: MultiplexedStream, forward: PortForward) -> None:
    problem = await _forward(data, forward)
    # Streams end in this order: the client looks at the error stream once its data has ended.
    if problem:
        with contextlib.suppress(ConnectionEnded):
            await error.write(problem.encode())
    await error.close_write()
    await data.close_write()
    error.discard()
    data.discard()


async def _forward(data: MultiplexedStream, forward: PortForward) -> str:
    """One connection from its beginning to its end; what went wrong, or nothing."""
    port = data.headers.get("port", "")
    if not port.isdigit() or not 0 < int(port) < 65536:
        return f"{port!r} is not a port"
    try:
        target = await forward.connect(int(port))
    except RuntimeFailure as failure:
        return str(failure)
    upload = asyncio.create_task(_upload(data, target))
    try:
        while chunk := await target.read():
            await data.write(chunk)
        return await target.error()
    except ConnectionEnded:
        return ""
    finally:
        upload.cancel()
        await asyncio.gather(upload, return_exceptions=True)
        await target.close()


async def _upload(data: MultiplexedStream, target: Connection) -> None:
    with contextlib.suppress(ConnectionEnded, StreamRefused):
        while chunk := await data.read():
            await target.write(chunk)
        await target.close_write()


# ---- the older form ----------------------------------------------------------------------------------------------


async def _serve_channels(socket: web.WebSocketResponse, forward: PortForward, ports: Sequence[int]) -> None:
    protocol = Protocol(socket.ws_protocol or "")
    targets: dict[int, Connection] = {}
    async with asyncio.TaskGroup() as tasks:
        downloads = []
        for index, port in enumerate(ports):
            data, error = channels.port_channels(index)
            for channel in (data, error):
                await send_frame(socket, protocol, Frame(channel, channels.port_prefix(port)))
            try:
                target = targets[data] = await forward.connect(port)
            except RuntimeFailure as failure:
                await send_frame(socket, protocol, Frame(error, str(failure).encode()))
                continue
            downloads.append(tasks.create_task(_download(socket, protocol, index, target)))
        await _receive(socket, protocol, targets)
        for download in downloads:
            download.cancel()
    for target in targets.values():
        await target.close()


async def _receive(socket: web.WebSocketResponse, protocol: Protocol, targets: dict[int, Connection]) -> None:
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            continue
        try:
            frame = channels.decode(message.data, protocol)
        except channels.ChannelError:
            return
        if frame.channel in targets:
            with contextlib.suppress(ConnectionEnded):
                await targets[frame.channel].write(frame.data)


async def _download(socket: web.WebSocketResponse, protocol: Protocol, index: int, target: Connection) -> None:
    data, error = channels.port_channels(index)
    with contextlib.suppress(ConnectionError):
        while chunk := await target.read():
            await send_frame(socket, protocol, Frame(data, chunk))
        problem = await target.error()
        if problem:
            await send_frame(socket, protocol, Frame(error, problem.encode()))
