"""Streams into containers, with a streaming server of a runtime played in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pybernetes.api.streams import spdy
from pybernetes.kubelet.runtime import ExitStatus, RuntimeFailure, Session, Stream, Unavailable
from pybernetes.kubelet.streaming import cri_streams
from pybernetes.kubelet.streaming.cri_streams import Wanted
from pybernetes.kubelet.streaming.multiplexer import (
    BUFFER,
    ConnectionEnded,
    MultiplexedStream,
    Multiplexer,
    SocketCarrier,
    StreamRefused,
)

Serve = Callable[[Multiplexer], Awaitable[None]]


class Pipe:
    """One end of a connection in memory."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.peer: Pipe | None = None

    async def read(self) -> bytes:
        return await self.inbox.get()

    async def write(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.inbox.put_nowait(data)

    async def close(self) -> None:
        assert self.peer is not None
        self.peer.inbox.put_nowait(b"")
        self.inbox.put_nowait(b"")


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Multiplexer, Multiplexer]]:
    left, right = Pipe(), Pipe()
    left.peer, right.peer = right, left
    async with Multiplexer(left, spdy.Side.CLIENT) as client, Multiplexer(right, spdy.Side.SERVER) as server:
        yield client, server


async def accepted(server: Multiplexer) -> MultiplexedStream:
    stream = await server.next_stream()
    assert stream is not None
    return stream


async def test_both_sides_of_a_stream_end_separately() -> None:
    async with connected() as (client, server):
        ours = await client.open({"streamtype": "data"})
        theirs = await accepted(server)
        await ours.write(b"question")
        await ours.close_write()
        assert await theirs.read_all() == b"question"
        await theirs.write(b"answer")
        await theirs.close_write()
        assert await ours.read_all() == b"answer"


async def test_large_writes_arrive_whole_while_other_streams_go_on() -> None:
    async with connected() as (client, server):
        first, second = await client.open({"n": "1"}), await client.open({"n": "2"})
        payload = bytes(range(256)) * 4096
        writing = asyncio.create_task(first.write(payload))
        await second.write(b"small")
        await writing
        await first.close_write()
        await second.close_write()
        one, two = await accepted(server), await accepted(server)
        assert await one.read_all() == payload
        assert await two.read_all() == b"small"


async def test_a_stream_that_is_discarded_does_not_hold_up_the_others() -> None:
    async with connected() as (client, server):
        full, other = await client.open({}), await client.open({})
        theirs, theirs_other = await accepted(server), await accepted(server)
        theirs.discard()
        await full.write(bytes(2 * BUFFER))
        await other.write(b"through")
        assert await theirs_other.read() == b"through"


async def test_a_reset_is_told_to_the_reader_after_what_came_before_it() -> None:
    async with connected() as (client, server):
        ours = await client.open({})
        theirs = await accepted(server)
        await theirs.write(b"said")
        await theirs.reset(spdy.ResetReason.INTERNAL_ERROR)
        assert await ours.read() == b"said"
        with pytest.raises(StreamRefused):
            await ours.read()


async def test_a_connection_that_ends_ends_its_streams() -> None:
    async with connected() as (client, server):
        ours = await client.open({})
        await server.close()
        assert await ours.read() == b""
        assert ours.lost
        with pytest.raises(ConnectionEnded):
            await ours.write(b"x")
        assert await client.next_stream() is None


# ---- a runtime's streaming server ----------------------------------------------------------------------------------


@asynccontextmanager
async def streaming_server(serve: Serve, answer: str = "101 Switching Protocols") -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {answer}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n".encode())
        if answer.startswith("101"):
            async with Multiplexer(SocketCarrier(reader, writer), spdy.Side.SERVER) as connection:
                await serve(connection)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/exec/token"


async def streams_of(connection: Multiplexer, count: int) -> dict[str, MultiplexedStream]:
    streams = [await accepted(connection) for _ in range(count)]
    return {stream.headers["streamtype"]: stream for stream in streams}


async def outcome(session: Session) -> tuple[bytes, bytes, ExitStatus]:
    got: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async for output in session.output():
        got[output.stream] += output.data
    status = await session.status()
    await session.close()
    return got[Stream.STDOUT], got[Stream.STDERR], status


async def test_a_command_gets_stdin_until_it_is_closed_and_tells_its_exit_code() -> None:
    async def serve(connection: Multiplexer) -> None:
        streams = await streams_of(connection, 4)
        text = await streams["stdin"].read_all()
        await streams["stdout"].write(text.upper())
        await streams["stderr"].write(b"warning")
        await streams["stdout"].close_write()
        await streams["stderr"].close_write()
        await streams["error"].write(
            b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}'
        )
        await streams["error"].reset()
        await connection.next_stream()

    async with streaming_server(serve) as url:
        session = await cri_streams.open_session("Exec", url, Wanted(stdin=True, stdout=True, stderr=True, tty=False))
        await session.write(b"hello")
        await session.close_stdin()
        assert await outcome(session) == (b"HELLO", b"warning", ExitStatus(exit_code=7))


async def test_a_terminal_is_resized_through_its_own_stream() -> None:
    async def serve(connection: Multiplexer) -> None:
        streams = await streams_of(connection, 3)
        size = await streams["resize"].read()
        await streams["stdout"].write(size)
        for stream in streams.values():
            await stream.close_write()
        await connection.next_stream()

    async with streaming_server(serve) as url:
        session = await cri_streams.open_session("Exec", url, Wanted(stdin=False, stdout=True, stderr=False, tty=True))
        await session.resize(80, 24)
        assert await outcome(session) == (b'{"Width":80,"Height":24}\n', b"", ExitStatus())


async def test_a_lost_connection_is_not_taken_for_success() -> None:
    async def serve(connection: Multiplexer) -> None:
        await streams_of(connection, 2)

    async with streaming_server(serve) as url:
        session = await cri_streams.open_session("Exec", url, Wanted(stdin=False, stdout=True, stderr=False, tty=False))
        _, _, status = await outcome(session)
        assert "lost" in status.error


async def test_a_refusing_streaming_server_is_named() -> None:
    async def serve(connection: Multiplexer) -> None:
        raise AssertionError("not reached")

    wanted = Wanted(stdin=False, stdout=True, stderr=False, tty=False)
    async with streaming_server(serve, answer="404 Not Found") as url:
        with pytest.raises(RuntimeFailure, match="404 Not Found"):
            await cri_streams.open_session("Exec", url, wanted)
    with pytest.raises(Unavailable):
        await cri_streams.open_session("Exec", url, wanted)


async def test_ports_are_forwarded_side_by_side() -> None:
    async def serve(connection: Multiplexer) -> None:
        pairs: dict[str, dict[str, MultiplexedStream]] = {}
        for _ in range(4):
            stream = await accepted(connection)
            pairs.setdefault(stream.headers["requestid"], {})[stream.headers["streamtype"]] = stream
        for pair in reversed(pairs.values()):
            request = await pair["data"].read_all()
            await pair["data"].write(pair["data"].headers["port"].encode() + request)
            await pair["data"].close_write()
            await pair["error"].write(b"" if request == b"a" else b"refused")
            await pair["error"].close_write()
        await connection.next_stream()

    async with streaming_server(serve) as url:
        forward = await cri_streams.open_port_forward(url)
        one, two = await forward.connect(80), await forward.connect(81)
        for connection, request in ((one, b"a"), (two, b"b")):
            await connection.write(request)
            await connection.close_write()
        assert (await one.read(), await one.error()) == (b"80a", "")
        assert (await two.read(), await two.error()) == (b"81b", "refused")
        await forward.close()


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (b"", ExitStatus()),
        (b'{"status":"Success"}', ExitStatus()),
        (b'{"status":"Failure","message":"no such container"}', ExitStatus(error="no such container")),
        (b"plain text", ExitStatus(error="plain text")),
    ],
)
def test_the_end_of_a_session_is_read_from_its_status(document: bytes, status: ExitStatus) -> None:
    assert cri_streams.exit_status(document) == status
