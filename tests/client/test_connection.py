from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pybernetes.client import ConnectionSettings, HttpTransport, Request, Unreachable
from pybernetes.client.connection import MOST_HELD, Connection
from pybernetes.client.transport import header

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
GET = Request("GET", "/x")
POST = Request("POST", "/x", {}, {}, b"{}")


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[HttpTransport]:
    """A transport to a server that does with each connection what it is told."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    transport = HttpTransport(ConnectionSettings(f"http://{host}:{port}"))
    try:
        yield transport
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()


def answering(answer: bytes, *, times: int = 1, heard: list[bytes] | None = None) -> Serve:
    """Each connection answers so many requests without a body of their own, and ends with the next."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in range(times):
                head = await reader.readuntil(b"\r\n\r\n")
                if heard is not None:
                    heard.append(head)
                writer.write(answer)
            await reader.read(1)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    return serve


def closing_after(answer: bytes) -> Serve:
    """Nothing more is read once the answer is written."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    return serve


async def test_a_read_that_a_kept_connection_could_not_take_is_sent_again() -> None:
    async with served(answering(OK)) as transport:
        assert (await transport.send(GET)).body == b"{}"
        assert (await transport.send(GET)).body == b"{}"


async def test_what_may_not_be_repeated_is_not_sent_again() -> None:
    async with served(answering(OK)) as transport:
        await transport.send(GET)
        with pytest.raises(Unreachable, match="POST /x"):
            await transport.send(POST)


async def test_an_answer_that_is_cut_off_is_none() -> None:
    async with served(closing_after(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{")) as transport:
        with pytest.raises(Unreachable):
            await transport.send(GET)


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async with served(closing_after(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as transport:
        assert (await transport.send(GET)).body == b"all of it"


async def test_a_body_in_chunks_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    async with served(answering(chunked)) as transport:
        assert (await transport.send(GET)).body == b"abc"


async def test_what_is_no_http_is_unreachable() -> None:
    async with served(answering(b"SSH-2.0-x\r\n\r\n")) as transport:
        with pytest.raises(Unreachable, match="not HTTP"):
            await transport.send(GET)


async def test_a_word_before_the_answer_is_passed_over() -> None:
    async with served(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)) as transport:
        answer = await transport.send(GET)
    assert (answer.status, answer.body) == (200, b"{}")


async def test_the_answer_to_a_head_request_has_no_body() -> None:
    async with served(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", times=2)) as transport:
        assert (await transport.send(Request("HEAD", "/x"))).body == b""
        assert (await transport.send(Request("HEAD", "/x"))).body == b""


async def test_headers_are_found_in_any_case_and_joined_when_repeated() -> None:
    answer = b"HTTP/1.1 200 OK\r\nretry-after: 3\r\nWarning: a\r\nWarning: b\r\nContent-Length: 0\r\n\r\n"
    async with served(answering(answer)) as transport:
        headers = (await transport.send(GET)).headers
    assert header(headers, "Retry-After") == "3"
    assert headers["Warning"] == "a, b"


async def test_paths_and_headers_cannot_smuggle_lines() -> None:
    heard: list[bytes] = []
    async with served(answering(OK, heard=heard)) as transport:
        await transport.send(Request("GET", "/a b\r\nX: y", {"q": "1 &2"}))
        with pytest.raises(ValueError, match="line breaks"):
            await transport.send(Request("GET", "/", {}, {"A": "b\r\nX: y"}))
    assert heard[0].startswith(b"GET /a%20b%0D%0AX:%20y?q=1+%262 HTTP/1.1\r\n")


async def test_an_address_may_have_a_path_of_its_own() -> None:
    heard: list[bytes] = []
    async with served(answering(OK, heard=heard)) as transport:
        below = HttpTransport(ConnectionSettings(f"http://127.0.0.1:{transport._port}/clusters/a/"))
        await below.send(GET)
        await below.close()
    assert heard[0].startswith(b"GET /clusters/a/x HTTP/1.1\r\n")


async def test_a_call_that_is_given_up_leaves_its_connection_to_nobody() -> None:
    asked = asyncio.Event()
    held = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if asked.is_set():
            writer.write(OK)
        asked.set()
        held.set()
        await reader.read(1)
        writer.close()

    async with served(serve) as transport:
        call = asyncio.create_task(transport.send(GET))
        await held.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert (await transport.send(GET)).body == b"{}"


async def test_an_exchange_ends_when_nothing_is_heard_for_too_long() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with served(serve) as transport:
        pool = transport._connections()
        connection = await pool.connect()
        exchange = asyncio.create_task(connection.exchange(b"GET / HTTP/1.1\r\n\r\n", 60.0))
        await asyncio.sleep(0)
        connection.give_up_if_late(asyncio.get_running_loop().time() + 30)
        assert not exchange.done()
        connection.give_up_if_late(asyncio.get_running_loop().time() + 61)
        with pytest.raises(TimeoutError, match="timed out"):
            await exchange


async def test_a_slow_reader_of_a_stream_makes_the_server_wait() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (20 * MOST_HELD))
        try:
            for _ in range(20):
                writer.write(bytes(MOST_HELD))
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    paused = asyncio.Event()

    class Watched(Connection):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._paused:
                paused.set()

    async with served(serve) as transport:
        _, connection = await asyncio.get_running_loop().create_connection(Watched, "127.0.0.1", transport._port)
        await connection.open(b"GET / HTTP/1.1\r\n\r\n", None)
        await paused.wait()
        size = 0
        while piece := await connection.piece():
            assert len(piece) < 3 * MOST_HELD
            size += len(piece)
        connection.close()
    assert size == 20 * MOST_HELD
