"""The gRPC health check, one call: grpc.health.v1.Health/Check, encoded by hand because it has one field each way.

The library is loaded with the first probe: it takes 8 MB.
Follows https://github.com/grpc/grpc/blob/master/doc/health-checking.md and pkg/probe/grpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpc.aio import AioRpcError

METHOD = "/grpc.health.v1.Health/Check"
SERVING = 1
_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class NoAnswer(Exception):
    """The health service could not be asked."""


def name_of(status: int) -> str:
    return _NAMES.get(status, str(status))


def encode_request(service: str) -> bytes:
    """Field 1, a string; absent when empty."""
    text = service.encode()
    return b"\x0a" + _varint(len(text)) + text if text else b""


def decode_response(data: bytes) -> int:
    """Field 1, an enumeration; 0 when absent."""
    status = at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        match tag & 7:
            case 0:
                value, at = _read_varint(data, at)
                status = value if tag >> 3 == 1 else status
            case 2:
                length, at = _read_varint(data, at)
                at += length
            case kind:
                raise NoAnswer(f"error: health rpc answered with a field of wire type {kind}")
    return status


async def check(address: str, service: str, timeout: float, user_agent: str) -> int:
    import grpc.aio

    options = (("grpc.primary_user_agent", user_agent), ("grpc.enable_http_proxy", 0))
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary(METHOD, request_serializer=encode_request, response_deserializer=decode_response)
        try:
            return int(await call(service, timeout=timeout))
        except grpc.aio.AioRpcError as error:
            raise NoAnswer(_explain(error, address, timeout)) from error


def _explain(error: AioRpcError, address: str, timeout: float) -> str:
    import grpc

    match error.code():
        case grpc.StatusCode.UNIMPLEMENTED:
            return "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"timeout: health rpc did not complete within {timeout:g}s"
        case grpc.StatusCode.UNAVAILABLE:
            return f'error: failed to connect service "{address}" within {timeout:g}s: {error.details()}'
    return f"error: health rpc probe failed: {error.details()}"


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
