"""Exec and attach towards the client: a `Session` of the runtime bridged to channels in a WebSocket.

Guarantees  The Status of the end is the last message before the connection is closed. It ends when either side does.
            Standard input is closed when the client closes its channel (v5) or the connection.
Follows staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import WSMsgType, web

from pybernetes.api.streams import channels
from pybernetes.api.streams.channels import Channel, Frame, Protocol
from pybernetes.kubelet.runtime import ExitStatus, Session, Stream

_CHANNEL_OF = {Stream.STDOUT: Channel.STDOUT, Stream.STDERR: Channel.STDERR}
_MAX_MESSAGE = 16 * 1024 * 1024
_CHUNK = 32 * 1024


def accept() -> web.WebSocketResponse:
    """An answer that agrees on the first channel protocol of the client that is served."""
    names = [protocol.value for protocol in channels.PREFERENCE]
    return web.WebSocketResponse(protocols=names, max_msg_size=_MAX_MESSAGE, compress=False)


async def serve(socket: web.WebSocketResponse, session: Session, greeting: Frame) -> None:
    """Carry the session over the (prepared) socket until it ends; `greeting` tells the client that it stands."""
    protocol = Protocol(socket.ws_protocol or "")
    sending = asyncio.create_task(_send(socket, protocol, session, greeting))
    receiving = asyncio.create_task(_receive(socket, protocol, session))
    try:
        # The end of the client's side is the end of the session, the end of stdin alone is not.
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
        await socket.close()


async def _send(socket: web.WebSocketResponse, protocol: Protocol, session: Session, greeting: Frame) -> None:
    with contextlib.suppress(ConnectionError):
        await send_frame(socket, protocol, greeting)
        async for output in session.output():
            for start in range(0, len(output.data), _CHUNK):
                piece = output.data[start : start + _CHUNK]
                await send_frame(socket, protocol, Frame(_CHANNEL_OF[output.stream], piece))
        closing = channels.error_payload(status_document(await session.status()), protocol)
        if closing is not None:
            await send_frame(socket, protocol, Frame(Channel.ERROR, closing))


async def send_frame(socket: web.WebSocketResponse, protocol: Protocol, frame: Frame) -> None:
    message = channels.encode(frame, protocol)
    if isinstance(message, str):
        await socket.send_str(message)
    else:
        await socket.send_bytes(message)


async def _receive(socket: web.WebSocketResponse, protocol: Protocol, session: Session) -> None:
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            continue
        try:
            frame = channels.decode(message.data, protocol)
            if frame.channel == Channel.RESIZE and frame.data:
                size = channels.decode_resize(frame.data)
                await session.resize(size.width, size.height)
        except channels.ChannelError:
            # A client that does not keep to the protocol is left, as upstream's server does.
            return
        if frame.channel == Channel.STDIN:
            if frame.closes:
                await session.close_stdin()
            elif frame.data:
                await session.write(frame.data)


def status_document(status: ExitStatus) -> dict[str, object]:
    if status.error:
        return channels.failure_status(status.error)
    return channels.exit_status(status.exit_code)
