"""HTTP as it comes over a connection: byte for byte, without a client library in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from apiserver.serving import CONFIG_MAPS, config_map, serving
from pybernetes.apiserver.connection import LONGEST_HEAD
from pybernetes.apiserver.head_problems import head_problem
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.routes import Call, Handler
from pybernetes.apiserver.serve import Edge


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[str, dict[str, str], bytes]:
        """First line, headers and body of the next answer; a body without a length ends with the connection."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        elif first.split()[1] in ("100", "204"):
            body = b""
        else:
            body = await self.reader.read()
        return first, headers, body

    async def head(self) -> list[str]:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")

    async def ended(self) -> bool:
        return await self.reader.read() == b""


@asynccontextmanager
async def wired(options: ServerOptions | None = None, **pages: Handler) -> AsyncIterator[Wire]:
    """``pages`` are served at their names."""
    async with serving(options=options) as talk:
        for name, page in pages.items():
            talk.server.routes.exact(f"/{name}", page)
        edge = Edge(talk.server, port=0)
        await edge.start()
        reader, writer = await asyncio.open_connection(*edge.address)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()
            await edge.stop()


def request(method: str, path: str, body: bytes = b"", *headers: str, version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: here", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join((*lines, "", "")).encode() + body


async def test_requests_that_are_sent_ahead_are_answered_in_their_order() -> None:
    async with wired() as wire:
        made = [request("POST", CONFIG_MAPS, orjson.dumps(config_map(f"n{number}"))) for number in range(20)]
        found = [request("GET", f"{CONFIG_MAPS}/n{number}") for number in range(20)]
        wire.writer.write(b"".join(made + found))
        names = []
        for code in ("201",) * 20 + ("200",) * 20:
            first, _, body = await wire.answer()
            assert first.split()[1] == code
            names.append(orjson.loads(body)["metadata"]["name"])
        assert names == [f"n{number}" for number in range(20)] * 2


async def test_a_request_may_come_byte_by_byte_and_its_body_in_chunks() -> None:
    async with wired() as wire:
        body = orjson.dumps(config_map("web"))
        head = request("POST", CONFIG_MAPS, b"", "Content-Type: application/json", "Transfer-Encoding: chunked")
        raw = head + b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (10, body[:10], len(body) - 10, body[10:])
        for byte in raw:
            wire.writer.write(bytes((byte,)))
            await wire.writer.drain()
        first, _, answer = await wire.answer()
        assert (first, orjson.loads(answer)["metadata"]["name"]) == ("HTTP/1.1 201 Created", "web")


async def test_a_client_that_asks_whether_to_go_on_is_told_to() -> None:
    async with wired() as wire:
        raw = request("POST", CONFIG_MAPS, orjson.dumps(config_map("web")), "Expect: 100-continue")
        end = raw.index(b"\r\n\r\n") + 4
        wire.writer.write(raw[:end])
        assert (await wire.answer())[0] == "HTTP/1.1 100 Continue"
        wire.writer.write(raw[end:])
        assert (await wire.answer())[0] == "HTTP/1.1 201 Created"


async def test_a_head_request_is_answered_without_a_body_and_the_connection_goes_on() -> None:
    async with wired() as wire:
        wire.writer.write(request("HEAD", "/version") + request("GET", "/livez"))
        first, *_ = await wire.head()
        second = await wire.answer()
        assert (first.split()[1], second[0].split()[1], second[2]) == ("405", "200", b"ok")


async def test_an_old_client_gets_its_answer_and_the_end_of_the_connection() -> None:
    async with wired() as wire:
        wire.writer.write(request("GET", "/livez", version="1.0"))
        first, headers, body = await wire.answer()
        assert (first, headers["connection"], body) == ("HTTP/1.0 200 OK", "close", b"ok")
        assert await wire.ended()


async def test_an_old_clients_watch_comes_without_chunks() -> None:
    async with wired() as wire:
        wire.writer.write(
            request(
                "GET",
                f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1&sendInitialEvents=true"
                "&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan",
                version="1.0",
            )
        )
        first, headers, body = await wire.answer()
        assert (first, "transfer-encoding" in headers) == ("HTTP/1.0 200 OK", False)
        assert orjson.loads(body.splitlines()[0])["type"] == "BOOKMARK"


async def test_who_asks_for_the_end_of_the_connection_gets_it() -> None:
    async with wired() as wire:
        wire.writer.write(request("GET", "/livez", b"", "Connection: close") + request("GET", "/livez"))
        _, headers, body = await wire.answer()
        assert (headers["connection"], body) == ("close", b"ok")
        assert await wire.ended()


async def test_what_is_no_http_is_told_so() -> None:
    async with wired() as wire:
        wire.writer.write(b"once upon a time\r\n\r\n")
        first, _, body = await wire.answer()
        assert (first, body) == ("HTTP/1.1 400 Bad Request", b"400 Bad Request")


async def test_a_head_without_an_end_is_too_large() -> None:
    async with wired() as wire:
        wire.writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"x" * LONGEST_HEAD)
        first, _, body = await wire.answer()
        assert first == "HTTP/1.1 431 Request Header Fields Too Large"
        assert body == b"431 Request Header Fields Too Large"


async def test_a_head_that_comes_at_once_is_too_large_as_well() -> None:
    assert head_problem("1.1", [("Host", "here")]) == b""
    async with wired() as wire:
        wire.writer.write(request("GET", "/healthz", b"", "X-Long: " + "x" * LONGEST_HEAD))
        first, _, _ = await wire.answer()
        assert first == "HTTP/1.1 431 Request Header Fields Too Large"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"),
        (b"GET /healthz HTTP/1.0\r\n\r\n", "200 OK"),
        (b"GET /healthz\r\n\r\n", "400 Bad Request"),
        (
            b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
            "505 HTTP Version Not Supported: unsupported protocol version",
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", "417 Expectation Failed"),
        (b"GET http://a/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 OK"),
    ],
)
async def test_a_head_is_judged_before_its_request(sent: bytes, status: str) -> None:
    async with wired() as wire:
        wire.writer.write(sent)
        first, *_ = await wire.head()
        assert first.partition(" ")[2] == status


async def test_a_body_that_grows_over_the_limit_is_refused_while_it_comes() -> None:
    async with wired(ServerOptions(max_body=1000)) as wire:
        head = request("POST", CONFIG_MAPS, b"", "Content-Type: application/json", "Transfer-Encoding: chunked")
        wire.writer.write(head + b"800\r\n" + b"x" * 0x800 + b"\r\n")
        first, headers, body = await wire.answer()
        assert (first.split()[1], headers["connection"]) == ("413", "close")
        assert orjson.loads(body)["reason"] == "RequestEntityTooLarge"


async def test_a_request_is_known_by_the_name_its_client_gave_it() -> None:
    async with wired() as wire:
        wire.writer.write(request("GET", "/livez", b"", "Audit-Id: abc", "X-Odd: é"))
        _, headers, _ = await wire.answer()
        assert headers["audit-id"] == "abc"


@pytest.mark.parametrize("path", ["/healthz", f"{CONFIG_MAPS}/none", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1"])
async def test_an_answer_to_who_asks_for_another_protocol_names_no_server(path: str) -> None:
    async with wired() as wire:
        wire.writer.write(request("GET", path, b"", "Connection: Upgrade", "Upgrade: other"))
        assert not [line for line in await wire.head() if line.lower().startswith("server:")]


async def test_what_is_too_long_for_gos_buffer_comes_in_chunks_without_a_length() -> None:
    async with wired() as wire:
        for size, extent in ((1_000, "content-length"), (3_000, "transfer-encoding"), (600_000, "transfer-encoding")):
            name = f"n{size}"
            wire.writer.write(request("POST", CONFIG_MAPS, orjson.dumps(config_map(name, text="x" * size))))
            first, *lines = await wire.head()
            headers = {one.partition(": ")[0].lower(): one.partition(": ")[2] for one in lines}
            assert first.split()[1] == "201"
            assert {"content-length", "transfer-encoding"} & set(headers) == {extent}
            if extent == "content-length":
                body = await wire.reader.readexactly(int(headers[extent]))
            else:
                length = int(await wire.reader.readline(), 16)
                body = await wire.reader.readexactly(length)
                assert await wire.reader.readexactly(7) == b"\r\n0\r\n\r\n"
            assert orjson.loads(body)["data"]["text"] == "x" * size


async def test_a_path_with_a_broken_escape_is_no_request() -> None:
    async with wired() as wire:
        wire.writer.write(request("GET", f"{CONFIG_MAPS}/%zz"))
        first, headers, _ = await wire.answer()
        assert (first, headers["connection"]) == ("HTTP/1.1 400 Bad Request", "close")


async def test_what_go_cannot_read_of_a_query_is_not_there() -> None:
    async with wired() as wire:
        wire.writer.write(request("GET", f"{CONFIG_MAPS}?limit=x;y&labelSelector=%zz"))
        first, _, body = await wire.answer()
        assert (first, orjson.loads(body)["items"]) == ("HTTP/1.1 200 OK", [])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_has_no_body_leaves_nothing_on_the_connection_though_it_streams(method: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"nobody reads this"

    async def nothing(call: Call) -> ApiResponse:
        return ApiResponse(204, pieces())

    async with wired(nothing=nothing) as wire:
        wire.writer.write(request(method, "/nothing") + request("GET", "/version"))
        first, headers, _ = await wire.answer()
        assert first == "HTTP/1.1 204 No Content"
        assert "transfer-encoding" not in headers
        assert (await wire.head())[0] == "HTTP/1.1 200 OK"
