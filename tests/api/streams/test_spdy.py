"""SPDY/3.1 frames: both ends of a connection, paired in memory."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.streams.spdy import (
    DICTIONARY,
    Accepted,
    Connection,
    Data,
    Event,
    GoAway,
    Opened,
    Ping,
    Reset,
    ResetReason,
    Side,
    SpdyError,
)


def pair() -> tuple[Connection, Connection]:
    return Connection(Side.CLIENT), Connection(Side.SERVER)


def events(side: Connection, data: bytes) -> list[Event]:
    return list(side.receive(data))


def test_the_dictionary_is_the_protocols_own() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_a_stream_is_opened_answered_used_and_closed() -> None:
    client, server = pair()
    stream, frame = client.open_stream({"streamType": "stdin"})
    assert events(server, frame) == [Opened(stream, {"streamtype": "stdin"})]
    assert events(client, server.accept(stream)) == [Accepted(stream, {})]
    assert events(server, client.data(stream, b"hello")) == [Data(stream, b"hello")]
    assert events(server, client.data(stream, b"", last=True)) == [Data(stream, b"", last=True)]


def test_numbers_are_odd_from_the_client_and_even_from_the_server() -> None:
    client, server = pair()
    assert [client.open_stream({})[0] for _ in range(3)] == [1, 3, 5]
    assert [server.open_stream({})[0] for _ in range(3)] == [2, 4, 6]


def test_header_compression_carries_over_from_stream_to_stream() -> None:
    client, server = pair()
    sizes = []
    for number in range(5):
        _, frame = client.open_stream({"streamtype": "data", "port": "8080", "requestid": str(number)})
        sizes.append(len(frame))
        (opened,) = events(server, frame)
        assert isinstance(opened, Opened)
        assert opened.headers["requestid"] == str(number)
    assert sizes[-1] < sizes[0]


def test_a_ping_is_told_apart_from_the_answer_to_ours() -> None:
    client, server = pair()
    (ping,) = events(server, client.ping())
    assert ping == Ping(1, ours=False)
    assert events(client, server.pong(1)) == [Ping(1, ours=True)]


def test_reset_and_go_away_arrive() -> None:
    client, server = pair()
    stream, frame = client.open_stream({})
    events(server, frame)
    assert events(client, server.reset(stream, ResetReason.REFUSED_STREAM)) == [Reset(stream, 3)]
    assert events(client, server.go_away()) == [GoAway(stream, 0)]


def test_frames_of_another_version_are_refused() -> None:
    client, _ = pair()
    with pytest.raises(SpdyError, match="version 2"):
        events(client, bytes.fromhex("8002000600000004 00000001"))


def test_headers_that_cannot_be_decompressed_are_refused() -> None:
    _, server = pair()
    with pytest.raises(SpdyError):
        events(server, bytes.fromhex("800300010000000e 00000001 00000000 0000 deadbeef"))


def test_a_short_control_frame_is_refused() -> None:
    _, server = pair()
    with pytest.raises(SpdyError):
        events(server, bytes.fromhex("8003000300000004 00000001"))


def test_more_data_than_a_frame_holds_is_refused_before_it_is_sent() -> None:
    client, _ = pair()
    with pytest.raises(ValueError, match="do not fit"):
        client.data(1, bytes(1 << 24))


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(min_value=1, max_value=50))
def test_frames_may_be_cut_anywhere(payloads: list[bytes], size: int) -> None:
    client, server = pair()
    stream, wire = client.open_stream({"streamtype": "data"})
    wire += b"".join(client.data(stream, payload) for payload in payloads)
    received: list[Event] = []
    for start in range(0, len(wire), size):
        received += events(server, wire[start : start + size])
    assert received == [Opened(stream, {"streamtype": "data"}), *(Data(stream, payload) for payload in payloads)]


@given(
    st.dictionaries(
        st.text(st.characters(categories=("Ll", "Nd")), min_size=1, max_size=20), st.text(max_size=50), max_size=8
    )
)
def test_any_headers_survive(headers: dict[str, str]) -> None:
    client, server = pair()
    clean = {name.lower(): value.replace("\0", "") for name, value in headers.items()}
    _, frame = client.open_stream(clean)
    (opened,) = events(server, frame)
    assert isinstance(opened, Opened)
    assert opened.headers == clean
