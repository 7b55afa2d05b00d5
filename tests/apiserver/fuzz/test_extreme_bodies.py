"""Bodies that are too deep, too long or too clever: refused in upstream's words, and cheap to refuse."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from apiserver.serving import CONFIG_MAPS, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, config_map, serving

APPLY = "application/apply-patch+yaml"
JSON, YAML = "application/json", "application/yaml"
LONG = b"9" * 5000
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in range(ord("b"), ord("l"))
)
COPIES = json.dumps([{"op": "copy", "from": "/data", "path": f"/data/k{n}"} for n in range(40)]).encode()


DEPTHS = (100, 198, 240, 256, 600, 1025, 9000, 200_000)


def nested(depth: int) -> Iterator[bytes]:
    lists = b"[" * depth + b"]" * depth
    maps = b'{"a":' * depth + b"1" + b"}" * depth
    yield b'{"metadata":{"name":"base"},"zz":' + lists + b"}"
    yield maps
    yield b'{"metadata":{"name":"base","managedFields":[{"fieldsV1":' + maps + b"}]}}"
    yield b"a: " + lists


async def test_no_depth_makes_the_server_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    async with serving() as talk:
        assert (await talk.post(CONFIG_MAPS, config_map("base", a="b"))).status == 201
        for depth, body in [(one, body) for one in DEPTHS for body in nested(one)]:
            for method, path, media in (
                ("POST", CONFIG_MAPS, JSON),
                ("POST", CONFIG_MAPS, YAML),
                ("PATCH", f"{CONFIG_MAPS}/base", MERGE_PATCH),
                ("PATCH", f"{CONFIG_MAPS}/base", STRATEGIC_PATCH),
                ("PATCH", f"{CONFIG_MAPS}/base", APPLY),
            ):
                query = {"dryRun": "All", "fieldManager": "m"}
                answer = await talk.send(method, path, body, {"content-type": media}, query)
                assert answer.status < 500, (depth, body[:60], media)
                assert not caplog.records, (depth, body[:60], media)


REFUSALS = [
    ("POST", YAML, BOMB, 400, "yaml: document contains excessive aliasing"),
    ("POST", YAML, b"a: &a [*a]", 400, "yaml: anchor 'a' value contains itself"),
    ("POST", YAML, b"a: *b", 400, "yaml: unknown anchor 'b' referenced"),
    ("POST", YAML, b"metadata: {name: !!bool zz}", 400, "yaml: cannot decode !!str `zz` as a !!bool"),
    ("POST", YAML, b"metadata: {name: \x00}", 400, "yaml: control characters are not allowed"),
    ("POST", YAML, b"{a: [", 400, "yaml: line 1: did not find expected node content"),
    ("POST", YAML, b"a:\n  b: c: d", 400, "yaml: line 2: mapping values are not allowed in this context"),
    ("POST", JSON, b'{"a\x0c', 400, "json parse error: invalid character '\\f' in string"),
    ("PATCH", MERGE_PATCH, b'{"a":"\\u00', 400, "invalid character ' ' in \\u hexadecimal character escape"),
    ("PATCH", MERGE_PATCH, b'{"a":"\\q"}', 400, "invalid character 'q' in string escape code"),
    ("PATCH", MERGE_PATCH, b"{\xff}", 400, "invalid character 'ÿ' looking for beginning of object key string"),
    (
        "PATCH",
        MERGE_PATCH,
        LONG,
        400,
        "json: cannot unmarshal number into Go value of type map[string]interface {}",
    ),
    ("PATCH", STRATEGIC_PATCH, b'{"a":1.}', 400, "invalid character '}' after decimal point in numeric literal"),
    ("PATCH", JSON_PATCH, COPIES, 422, "the server rejected our request due to an error in our request"),
    ("PATCH", JSON_PATCH, b'[{"op":"remove","path":"/metadata/managedFields/%s"}]' % LONG, 422, "rejected our"),
    ("DELETE", JSON, b'{"gracePeriodSeconds":"1"}', 400, "cannot unmarshal string into Go struct field"),
]


async def test_what_is_too_clever_is_refused() -> None:
    async with serving() as talk:
        assert (await talk.post(CONFIG_MAPS, config_map("base", a="b"))).status == 201
        for method, media, body, code, words in REFUSALS:
            path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/base"
            answer = await talk.send(method, path, body, {"content-type": media}, {"dryRun": "All"})
            assert (answer.status, words in answer.message) == (code, True), (media, body[:60], answer.message)


async def test_numbers_in_queries_may_have_any_length() -> None:
    async with serving() as talk:
        for name in ("limit", "timeoutSeconds", "resourceVersion", "continue"):
            answer = await talk.get(CONFIG_MAPS, **{name: LONG.decode()})
            assert answer.status == 400
            assert "digits" not in answer.message


async def test_quantities_may_have_any_length() -> None:
    async with serving() as talk:
        for value in (LONG.decode(), f"0.{LONG.decode()}", f"{LONG.decode()}Gi"):
            quota = {"metadata": {"generateName": "q"}, "spec": {"hard": {"cpu": value}}}
            assert (await talk.post("/api/v1/namespaces/default/resourcequotas", quota)).status in (201, 422)


async def test_names_that_are_no_part_of_a_path_are_refused() -> None:
    async with serving() as talk:
        for name in ("..", ".", "a%b"):
            answer = await talk.get(f"{CONFIG_MAPS}/{name}")
            assert answer.status == 400
            assert answer.message.startswith(f'Name parameter invalid: "{name}": may not ')


async def test_what_a_header_says_need_not_be_utf_8() -> None:
    async with serving() as talk:
        answer = await talk.send("GET", CONFIG_MAPS, headers={"accept": "application/json;", "user-agent": "\udcff"})
        assert answer.status == 200
        named = await talk.send("POST", CONFIG_MAPS, config_map("a"), headers={"user-agent": "\udcff/1"})
    assert named.status in (201, 422)
