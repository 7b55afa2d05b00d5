"""Exec, attach and port-forward over the streaming endpoint that a container runtime names in its answer.

SPDY is spoken, because only with it the end of standard input can be told: each of stdin, stdout, stderr, error and
resize is a stream of its own. Follows the remote command protocol v4 and the port-forward protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from pybernetes.api.streams import spdy
from pybernetes.kubelet.runtime.errors import RuntimeFailure, Unavailable
from pybernetes.kubelet.runtime.types import ExitStatus, Output, Stream
from pybernetes.kubelet.streaming.multiplexer import (
    ConnectionEnded,
    MultiplexedStream,
    Multiplexer,
    SocketCarrier,
    StreamRefused,
)

REMOTE_COMMAND = "v4.channel.k8s.io"
PORT_FORWARD = "portforward.k8s.io"
_ANSWER_LIMIT = 64 * 1024
_DIAL_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams a session has. With a terminal, standard error comes with standard output."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


async def open_session(operation: str, url: str, wanted: Wanted) -> CriSession:
    connection = await _dial(operation, url, REMOTE_COMMAND)
    try:
        error = await connection.open({"streamtype": "error"})
        # The error stream is the runtime's to write; ending our side of it is what its peers do.
        await error.close_write()
        streams = {
            name: await connection.open({"streamtype": name})
            for name, asked in (
                ("stdin", wanted.stdin),
                ("stdout", wanted.stdout),
                ("stderr", wanted.stderr),
                ("resize", wanted.tty),
            )
            if asked
        }
    except (ConnectionEnded, StreamRefused) as failure:
        await connection.close()
        raise Unavailable(operation, f"the streaming server ended the connection: {failure}") from failure
    return CriSession(connection, error, streams)


async def open_port_forward(url: str) -> CriPortForward:
    return CriPortForward(await _dial("PortForward", url, PORT_FORWARD))


async def _dial(operation: str, url: str, protocol: str) -> Multiplexer:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    request = (
        f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n"
    )
    try:
        async with asyncio.timeout(_DIAL_TIMEOUT):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=_ANSWER_LIMIT)
            writer.write(request.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Unavailable(operation, f"the streaming server at {parts.netloc} does not answer: {error}") from error
    status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    if " 101 " not in f"{status} ":
        body = await _rest(reader)
        writer.close()
        raise RuntimeFailure(operation, f"the streaming server answered {status}: {body}")
    connection = Multiplexer(SocketCarrier(reader, writer), spdy.Side.CLIENT)
    connection.start()
    return connection


async def _rest(reader: asyncio.StreamReader) -> str:
    try:
        async with asyncio.timeout(1):
            return (await reader.read(1024)).decode(errors="replace").strip()
    except TimeoutError:
        return ""


class CriSession:
    """`Session` on the streams of one exec or attach."""

    def __init__(
        self, connection: Multiplexer, error: MultiplexedStream, streams: dict[str, MultiplexedStream]
    ) -> None:
        self._connection = connection
        self._error = error
        self._streams = streams

    async def output(self) -> AsyncIterator[Output]:
        queue: asyncio.Queue[Output | None] = asyncio.Queue(maxsize=4)
        sources = [(self._streams[kind.value], kind) for kind in Stream if kind.value in self._streams]
        pumps = [asyncio.create_task(_pump(stream, kind, queue)) for stream, kind in sources]
        try:
            open_ = len(pumps)
            while open_:
                item = await queue.get()
                if item is None:
                    open_ -= 1
                else:
                    yield item
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def write(self, data: bytes) -> None:
        await self._send("stdin", data)

    async def close_stdin(self) -> None:
        stdin = self._streams.get("stdin")
        if stdin is not None:
            await stdin.close_write()

    async def resize(self, width: int, height: int) -> None:
        await self._send("resize", orjson.dumps({"Width": width, "Height": height}) + b"\n")

    async def status(self) -> ExitStatus:
        try:
            document = await self._error.read_all()
        except StreamRefused as failure:
            return ExitStatus(error=str(failure))
        if self._error.lost and not document:
            return ExitStatus(error="the connection to the container runtime was lost")
        return exit_status(document)

    async def close(self) -> None:
        await self._connection.close()

    async def _send(self, name: str, data: bytes) -> None:
        """Bytes for a stream that the session does not have, or that has ended, go nowhere, as into a closed pipe."""
        stream = self._streams.get(name)
        if stream is not None:
            try:
                await stream.write(data)
            except ConnectionEnded:
                stream.discard()


async def _pump(stream: MultiplexedStream, kind: Stream, queue: asyncio.Queue[Output | None]) -> None:
    try:
        while data := await stream.read():
            await queue.put(Output(kind, data))
    except StreamRefused:
        return
    finally:
        await queue.put(None)


def exit_status(document: bytes) -> ExitStatus:
    """What a Status document on the error stream says; nothing there is success."""
    if not document:
        return ExitStatus()
    try:
        status = orjson.loads(document)
    except orjson.JSONDecodeError:
        return ExitStatus(error=document.decode(errors="replace"))
    if status.get("status") == "Success":
        return ExitStatus()
    causes = (status.get("details") or {}).get("causes") or []
    code = next((cause.get("message", "") for cause in causes if cause.get("reason") == "ExitCode"), "")
    if status.get("reason") == "NonZeroExitCode" and code.isdigit():
        return ExitStatus(exit_code=int(code))
    return ExitStatus(error=status.get("message") or document.decode(errors="replace"))


class CriPortForward:
    """`PortForward`: a pair of streams (data, error) for each connection."""

    def __init__(self, connection: Multiplexer) -> None:
        self._connection = connection
        self._requests = 0

    async def connect(self, port: int) -> CriConnection:
        headers = {"port": str(port), "requestid": str(self._requests)}
        self._requests += 1
        try:
            error = await self._connection.open({**headers, "streamtype": "error"})
            await error.close_write()
            data = await self._connection.open({**headers, "streamtype": "data"})
        except (ConnectionEnded, StreamRefused) as failure:
            raise Unavailable("PortForward", f"the streaming server ended the connection: {failure}") from failure
        return CriConnection(data, error)

    async def close(self) -> None:
        await self._connection.close()


class CriConnection:
    def __init__(self, data: MultiplexedStream, error: MultiplexedStream) -> None:
        self._data = data
        self._error = error

    async def read(self) -> bytes:
        try:
            return await self._data.read()
        except StreamRefused:
            return b""

    async def write(self, data: bytes) -> None:
        await self._data.write(data)

    async def close_write(self) -> None:
        await self._data.close_write()

    async def error(self) -> str:
        try:
            return (await self._error.read_all()).decode(errors="replace")
        except StreamRefused as failure:
            return str(failure)

    async def close(self) -> None:
        await self._data.reset()
        self._data.discard()
        self._error.discard()
