"""Bodies in upstream's protobuf, as kubectl's typed commands send them."""

from __future__ import annotations

import base64

import pytest

from apiserver.serving import CONFIG_MAPS, serving
from pybernetes.apiserver.protobuf import MEDIA_TYPE, ProtobufError, decode_body
from pybernetes.apiserver.protobuf.bodies import body_of, message
from pybernetes.apiserver.protobuf.encode import encoder_of, payload_of
from pybernetes.apiserver.watching import WatchStream


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


def test_years_have_four_digits() -> None:
    """Go's zero time is in the year 1."""
    early = _field(1, -62135596798)
    lease = _body("coordination.k8s.io/v1", "Lease", _field(2, _field(3, early)))
    assert decode_body(lease)["spec"] == {"acquireTime": "0001-01-01T00:00:02.000000Z"}
    timed = _body("v1", "ConfigMap", _field(1, _field(8, early)))
    assert decode_body(timed)["metadata"] == {"creationTimestamp": "0001-01-01T00:00:02Z"}


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
    ("body", "why"),
    [
        (b"", "empty data"),
        (b"{}", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"k8s\x00", "empty body"),
        (CONFIG_MAP[:-3], "unexpected EOF"),
        (b"k8s\x00\xff", "unexpected EOF"),
        (b"k8s\x00" + b"\xff" * 11, "proto: integer overflow"),
        (b"k8s\x00\x13", "proto: wrong wireType = 3 for field Raw"),
        (b"k8s\x00\x02\x00", "proto: Unknown: illegal tag 0 (wire type 2)"),
        (_body("v1", "ConfigMap", b"\x9f\x06\x00"), "proto: illegal wireType 7"),
        (_body("v1", "ConfigMap", b"\x0c"), "proto: ConfigMap: wiretype end group for non-group"),
        (_body("v1", "ConfigMap", _field(1, b"\x38\x01\x38")), "unexpected EOF"),
        (
            _body("v1", "ConfigMap", _field(1, b"\x3d\x00\x00\x00\x00")),
            "proto: wrong wireType = 5 for field Generation",
        ),
    ],
)
def test_what_is_no_message_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(ProtobufError) as refused:
        decode_body(body)
    assert str(refused.value) == why


def test_of_a_kind_that_is_not_known_only_the_name_is_read() -> None:
    assert decode_body(_body("v1", "Oddity", b"\x0f")) == {"apiVersion": "v1", "kind": "Oddity"}


def test_texts_need_not_be_utf_8_and_groups_are_passed_over() -> None:
    body = _body("v1", "ConfigMap", _field(1, _field(1, b"a\xff")) + b"\x9b\x06\x0b\x08\x01\x0c\x9c\x06")
    assert decode_body(body)["metadata"] == {"name": "a\ufffd"}


async def test_an_object_is_created_from_protobuf_and_answered_in_it() -> None:
    async with serving() as talk:
        headers = {"content-type": MEDIA_TYPE, "accept": f"{MEDIA_TYPE},application/json"}
        made = await talk.send("POST", CONFIG_MAPS, CONFIG_MAP, headers, {"fieldValidation": "Strict"})
        assert (made.status, decode_body(made.response.content)["data"]) == (201, {"a": "b"})
        headers["accept"] = "application/json"
        broken = await talk.send("POST", CONFIG_MAPS, CONFIG_MAP[:-3], headers)
        assert (broken.status, broken.body["reason"]) == (400, "BadRequest")


PROTOBUF_FIRST = f"{MEDIA_TYPE},application/json"


def test_a_value_is_written_though_it_is_empty_and_maps_are_in_order() -> None:
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "w", "creationTimestamp": "1970-01-01T00:00:01Z"},
        "data": {"z": "1", "a": "2"},
    }
    metadata = b'\n\x01w\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x04\x08\x01\x10\x00'
    assert message(document) == b"\n\x15" + metadata + b"\x12\x06\n\x01a\x12\x012\x12\x06\n\x01z\x12\x011"


def test_a_status_in_its_envelope() -> None:
    status = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 404}
    raw = b'\n\x06\n\x00\x12\x00\x1a\x00\x12\x07Failure\x1a\x00"\x000\x94\x03'
    assert body_of(status) == b"k8s\x00\n\x0c\n\x02v1\x12\x06Status\x12\x18" + raw + b'\x1a\x00"\x00'


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("intstr", 80, b"\x08\x00\x10\x50\x1a\x00"),
        ("intstr", "http", b"\x08\x01\x10\x00\x1a\x04http"),
        ("quantity", "100m", b"\x0a\x04100m"),
        ("time", "", b""),
        ("microtime", "1970-01-01T00:00:02.000003Z", b"\x08\x02\x10\xb8\x17"),
        ("raw", {"a": 1}, b'\x0a\x07{"a":1}'),
        ("y", "AP8=", b"\x00\xff"),
    ],
)
def test_values_of_kinds_of_their_own(kind: str, value: object, expected: bytes) -> None:
    assert payload_of(kind)(value) == expected


def test_negative_numbers_take_ten_bytes() -> None:
    written = encoder_of("core_v1.ContainerStateTerminated")({"exitCode": -1})
    assert written.startswith(b"\x08" + b"\xff" * 9 + b"\x01\x10\x00")


def test_what_is_written_is_read_back() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "default": 1, "maximum": 3.5}},
        "additionalProperties": False,
        "items": [{"type": "string"}],
        "x-kubernetes-preserve-unknown-fields": True,
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "a.b", "labels": {"x": "y"}},
        "spec": {"group": "b", "names": {"plural": "a", "kind": "A"}, "scope": "Cluster", "versions": [version]},
    }
    assert _is_in(definition, decode_body(body_of(definition)))


def _is_in(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _is_in(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_is_in, part, whole))
    return part == whole


async def test_objects_lists_and_refusals_are_answered_in_protobuf() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, {"metadata": {"name": "web"}, "data": {"a": "b"}})
        one = await talk.get(f"{CONFIG_MAPS}/web", PROTOBUF_FIRST)
        assert one.response.headers["Content-Type"] == MEDIA_TYPE
        assert decode_body(one.response.content)["data"] == {"a": "b"}
        listed = await talk.get(CONFIG_MAPS, PROTOBUF_FIRST)
        assert listed.response.content.startswith(b"k8s\x00\n\x13\n\x02v1\x12\rConfigMapList\x12")
        missing = await talk.get(f"{CONFIG_MAPS}/nope", PROTOBUF_FIRST)
        told = decode_body(missing.response.content)
        assert (missing.status, told["message"]) == (404, 'configmaps "nope" not found')


async def test_tables_are_never_protobuf_and_metadata_may_be() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, {"metadata": {"name": "web"}})
        table = f"{MEDIA_TYPE};as=Table;v=v1;g=meta.k8s.io"
        assert (await talk.get(CONFIG_MAPS, table)).status == 406
        assert (await talk.get(CONFIG_MAPS, f"{table},application/json")).body["kind"] == "ConfigMapList"
        partial = await talk.get(f"{CONFIG_MAPS}/web", f"{MEDIA_TYPE};as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
        told = decode_body(partial.response.content)
        assert (told["kind"], told["metadata"]["name"]) == ("PartialObjectMetadata", "web")


async def test_a_watch_in_protobuf_is_frames() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, {"metadata": {"name": "web"}, "data": {"a": "b"}})
        answer = await talk.get(CONFIG_MAPS, f"{MEDIA_TYPE};stream=watch", watch="1")
        assert answer.response.headers["Content-Type"] == f"{MEDIA_TYPE};stream=watch"
        stream = answer.response.body
        assert isinstance(stream, WatchStream)
        frames = await anext(stream)
        await stream.aclose()
        size = int.from_bytes(frames[:4])
        assert frames[4:].startswith(b"\n\x05ADDED\x12")
        assert len(frames) >= 4 + size
        assert decode_body(frames[frames.index(b"k8s\x00") : 4 + size])["data"] == {"a": "b"}


async def test_nothing_is_watched_in_yaml() -> None:
    async with serving() as talk:
        refused = await talk.get(CONFIG_MAPS, "application/yaml", watch="1")
        assert refused.status == 406


def test_json_inside_is_written_as_go_writes_it() -> None:
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "data": {"a": "x && y > z \u2028"},
        "revision": 1,
    }
    body = body_of(revision)
    assert rb'{"a":"x \u0026\u0026 y \u003e z \u2028"}' in body
    assert decode_body(body)["data"] == revision["data"]
