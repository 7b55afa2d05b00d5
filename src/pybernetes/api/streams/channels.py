"""The WebSocket channel protocols of exec, attach and port-forward: several byte streams in one WebSocket. No I/O.

Each message is a channel's number and some of its bytes. Binary forms put the number into the first byte; base64 forms
are text, with the number as its first digit. From v5 on a message of two bytes, 255 and a number, says that a channel
will carry nothing more, which is how a client ends standard input. From v4 on the error channel carries a Status,
before that it carries text.

Follows k8s.io/apimachinery/pkg/util/remotecommand, k8s.io/streaming's wsstream and the kubelet's remotecommand.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import orjson

CLOSE_SIGNAL = 255
PORT_FORWARD_TUNNEL = "SPDY/3.1+portforward.k8s.io"
"""Not channels: SPDY frames inside the messages of a WebSocket."""


class Channel(IntEnum):
    """The channels of exec and attach."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4


class Protocol(StrEnum):
    """Names of subprotocols. A client that names none speaks the first form, binary."""

    NONE = ""
    BINARY = "channel.k8s.io"
    BASE64 = "base64.channel.k8s.io"
    V2 = "v2.channel.k8s.io"
    V3 = "v3.channel.k8s.io"
    V4 = "v4.channel.k8s.io"
    V4_BASE64 = "v4.base64.channel.k8s.io"
    V5 = "v5.channel.k8s.io"

    @property
    def text(self) -> bool:
        """Messages are text in base64."""
        return self in (Protocol.BASE64, Protocol.V4_BASE64)

    @property
    def closes_channels(self) -> bool:
        return self is Protocol.V5

    @property
    def tells_status(self) -> bool:
        """The error channel carries a Status document."""
        return self in (Protocol.V4, Protocol.V4_BASE64, Protocol.V5)


PREFERENCE = (
    Protocol.V5,
    Protocol.V4,
    Protocol.V4_BASE64,
    Protocol.V3,
    Protocol.V2,
    Protocol.BINARY,
    Protocol.BASE64,
)


class ChannelError(ValueError):
    """A message that is not one of the protocol's."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Some bytes of a channel, or with `closes` the end of what it carries."""

    channel: int
    data: bytes = b""
    closes: bool = False


def negotiate(offered: Iterable[str], served: Sequence[Protocol] = PREFERENCE) -> Protocol | None:
    """The first of the client's offers that is served; `NONE` if it offered nothing, None if nothing fits."""
    names = [name.strip() for name in offered if name.strip()]
    if not names:
        return Protocol.NONE
    return next((Protocol(name) for name in names if name in served), None)


def decode(message: bytes | str, protocol: Protocol) -> Frame:
    """Raises `ChannelError`."""
    if protocol.text:
        return _decode_text(message)
    raw = message.encode() if isinstance(message, str) else message
    if not raw:
        raise ChannelError("the message is empty: it names no channel")
    if protocol.closes_channels and raw[0] == CLOSE_SIGNAL:
        if len(raw) != 2:
            raise ChannelError("a close signal names exactly one channel")
        return Frame(raw[1], closes=True)
    return Frame(raw[0], raw[1:])


def encode(frame: Frame, protocol: Protocol) -> bytes | str:
    """Text for the base64 forms, bytes for the others. Raises `ChannelError` for what the protocol cannot say."""
    if frame.closes:
        if not protocol.closes_channels:
            raise ChannelError(f"{protocol.value or 'a connection without a subprotocol'} cannot close a channel")
        return bytes((CLOSE_SIGNAL, frame.channel))
    if protocol.text:
        if not 0 <= frame.channel <= 9:
            raise ChannelError(f"channel {frame.channel} has no single digit")
        return f"{frame.channel}{base64.b64encode(frame.data).decode('ascii')}"
    return bytes((frame.channel,)) + frame.data


def _decode_text(message: bytes | str) -> Frame:
    try:
        text = message if isinstance(message, str) else message.decode("ascii")
    except UnicodeDecodeError as error:
        raise ChannelError("the message is not ASCII") from error
    if not text or not text[0].isdigit():
        raise ChannelError("the message does not begin with a channel's digit")
    try:
        return Frame(int(text[0]), base64.b64decode(text[1:], validate=True))
    except binascii.Error as error:
        raise ChannelError(f"the message is not base64: {error}") from error


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


def decode_resize(data: bytes) -> Size:
    """Raises `ChannelError`."""
    try:
        document = orjson.loads(data)
        return Size(int(document.get("Width", 0)), int(document.get("Height", 0)))
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise ChannelError(f"not a terminal size: {error}") from error


def encode_resize(size: Size) -> bytes:
    return orjson.dumps({"Width": size.width, "Height": size.height})


def success_status() -> dict[str, Any]:
    return {"metadata": {}, "status": "Success"}


def exit_status(code: int, why: str = "") -> dict[str, Any]:
    """The Status of a command that ended with this code."""
    if code == 0:
        return success_status()
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {why or f'exit code {code}'}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure_status(message: str) -> dict[str, Any]:
    """The Status of a command that could not be run, or whose end is not known."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def error_payload(status: dict[str, Any], protocol: Protocol) -> bytes | None:
    """What goes over the error channel for a Status; None if nothing does (success, before v4)."""
    if protocol.tells_status:
        return orjson.dumps(status)
    if status["status"] == "Success":
        return None
    return str(status.get("message", "")).encode()


def greeting(*, stdout: bool, stderr: bool) -> Frame:
    """The empty message by which a server says that the session stands, on the lowest channel it writes to."""
    return Frame(Channel.STDOUT if stdout else Channel.STDERR if stderr else Channel.ERROR)


# Port forwarding over channels: for the nth port asked for, channel 2n carries data and 2n+1 errors; the first two
# bytes from the server on each are the port.


def port_channels(index: int) -> tuple[int, int]:
    """(data, error) of the nth port."""
    return 2 * index, 2 * index + 1


def port_prefix(port: int) -> bytes:
    return port.to_bytes(2, "little")
