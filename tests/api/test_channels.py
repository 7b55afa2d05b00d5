from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.streams import channels
from pybernetes.api.streams.channels import Channel, ChannelError, Frame, Protocol, Size


@given(st.sampled_from(list(Protocol)), st.integers(0, 9), st.binary(max_size=200))
def test_what_is_encoded_decodes_to_itself(protocol: Protocol, channel: int, data: bytes) -> None:
    frame = Frame(channel, data)
    assert channels.decode(channels.encode(frame, protocol), protocol) == frame


def test_v5_closes_one_channel_and_earlier_forms_cannot() -> None:
    frame = Frame(Channel.STDIN, closes=True)
    assert channels.encode(frame, Protocol.V5) == b"\xff\x00"
    assert channels.decode(b"\xff\x00", Protocol.V5) == frame
    assert channels.decode(b"\xff\x00", Protocol.V4) == Frame(255, b"\x00")
    with pytest.raises(ChannelError):
        channels.encode(frame, Protocol.V4)


def test_base64_messages_begin_with_the_channels_digit() -> None:
    assert channels.encode(Frame(1, b"hi\n"), Protocol.BASE64) == "1aGkK"
    assert channels.decode("0aGkK", Protocol.V4_BASE64) == Frame(0, b"hi\n")
    with pytest.raises(ChannelError):
        channels.decode("x", Protocol.BASE64)


def test_an_empty_message_is_not_a_message() -> None:
    with pytest.raises(ChannelError):
        channels.decode(b"", Protocol.V4)


def test_the_clients_order_decides_among_what_is_served() -> None:
    assert channels.negotiate(["v5.channel.k8s.io", "v4.channel.k8s.io"]) is Protocol.V5
    assert channels.negotiate(["what", "v4.channel.k8s.io"]) is Protocol.V4
    assert channels.negotiate([]) is Protocol.NONE
    assert channels.negotiate(["what"]) is None


def test_the_error_channel_carries_a_status_from_v4_on_and_text_before() -> None:
    status = channels.exit_status(3)
    payload = channels.error_payload(status, Protocol.V4)
    assert payload is not None
    assert orjson.loads(payload)["details"] == {"causes": [{"reason": "ExitCode", "message": "3"}]}
    assert channels.error_payload(status, Protocol.BINARY) == b"command terminated with non-zero exit code: exit code 3"
    assert channels.error_payload(channels.success_status(), Protocol.BINARY) is None


def test_terminal_sizes_go_both_ways() -> None:
    assert channels.decode_resize(b'{"Width":80,"Height":24}\n') == Size(80, 24)
    assert channels.decode_resize(channels.encode_resize(Size(1, 2))) == Size(1, 2)
    with pytest.raises(ChannelError):
        channels.decode_resize(b"[]")
