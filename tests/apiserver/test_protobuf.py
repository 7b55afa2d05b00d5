"""Bodies in upstream's protobuf, as kubectl's typed commands send them."""

from __future__ import annotations

import base64

import pytest

from apiserver.serving import CONFIG_MAPS, serving
from pybernetes.apiserver.protobuf import MEDIA_TYPE, ProtobufError, decode_body


def _field(number: int, value: bytes | int | str) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3]) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while True:
        found.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(found)


def _body(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + _field(1, _field(1, api_version) + _field(2, kind)) + _field(2, raw)


CONFIG_MAP = _body("v1", "ConfigMap", _field(1, _field(1, "foo")) + _field(2, _field(1, "a") + _field(2, "b")))


def test_a_config_map() -> None:
    assert decode_body(CONFIG_MAP) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "foo"},
        "data": {"a": "b"},
    }


def test_bytes_are_base64_times_are_text_and_inlined_messages_are_flat() -> None:
    secret = _body("v1", "Secret", _field(2, _field(1, "key") + _field(2, b"\x00\xff")))
    assert base64.b64decode(decode_body(secret)["data"]["key"]) == b"\x00\xff"
    timed = _body("v1", "ConfigMap", _field(1, _field(8, _field(1, 86400))))
    assert decode_body(timed)["metadata"]["creationTimestamp"] == "1970-01-02T00:00:00Z"
    source = _field(2, _field(2, _field(1, "Memory") + _field(2, _field(1, "1Gi"))))
    volume = _body("v1", "Pod", _field(2, _field(1, _field(1, "scratch") + source)))
    assert decode_body(volume)["spec"]["volumes"] == [
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}
    ]


def test_numbers_of_both_kinds_and_signs() -> None:
    port = _field(1, "x") + _field(3, 80) + _field(4, _field(1, 0) + _field(2, 8080))
    service = _body("v1", "Service", _field(2, _field(1, port)))
    assert decode_body(service)["spec"]["ports"] == [{"name": "x", "port": 80, "targetPort": 8080}]
    named = _body("v1", "Service", _field(2, _field(1, _field(4, _field(1, 1) + _field(3, "http")))))
    assert decode_body(named)["spec"]["ports"] == [{"targetPort": "http"}]
    negative = _body("scheduling.k8s.io/v1", "PriorityClass", _field(2, -5))
    assert decode_body(negative)["value"] == -5


def test_fields_from_the_future_are_skipped() -> None:
    assert decode_body(_body("v1", "ConfigMap", _field(99, "?") + _field(1, _field(1, "foo"))))["metadata"] == {
        "name": "foo"
    }


@pytest.mark.parametrize(
    "body", [b"", b"{}", CONFIG_MAP[:-3], b"k8s\x00\xff", _body("v1", "Oddity", b""), _body("v1", "ConfigMap", b"\x0f")]
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ProtobufError):
        decode_body(body)


async def test_an_object_is_created_from_protobuf_and_answered_in_json() -> None:
    async with serving() as talk:
        headers = {"content-type": MEDIA_TYPE, "accept": f"{MEDIA_TYPE},application/json"}
        made = await talk.send("POST", CONFIG_MAPS, CONFIG_MAP, headers, {"fieldValidation": "Strict"})
        assert (made.status, made.body["data"]) == (201, {"a": "b"})
        broken = await talk.send("POST", CONFIG_MAPS, CONFIG_MAP[:-3], headers)
        assert (broken.status, broken.body["reason"]) == (400, "BadRequest")
