"""Whatever bytes are sent, in whatever format: they are answered, and no dry run changes what is stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from apiserver.fuzz.answers import is_upstreams
from apiserver.fuzz.mutations import every_beginning, mutations
from apiserver.serving import CONFIG_MAPS, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Talk, config_map, serving
from pybernetes.apiserver.protobuf import MEDIA_TYPE

APPLY = "application/apply-patch+yaml"
JSON, YAML = "application/json", "application/yaml"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
IN_YAML = (
    b'apiVersion: v1\nkind: ConfigMap\nmetadata: &m\n  name: base\n  labels: {a: b, <<: {c: d}}\ndata:\n  k: "v\\n"\n'
    b"  l: |\n    text\n    more\n  z: *x\n".replace(b"z: *x", b"z: &x !!str 1")
)
OPERATIONS = json.dumps(
    [
        {"op": "add", "path": "/data/x", "value": "y"},
        {"op": "copy", "from": "/data/a", "path": "/data/b"},
        {"op": "remove", "path": "/data/a"},
    ]
).encode()


def deployment() -> bytes:
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    named = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "base"}}
    return json.dumps({**named, "spec": spec}).encode()


async def requests(talk: Talk) -> list[tuple[str, str, str, bytes]]:
    """Method, path, media type and a body that is right."""
    small = json.dumps(config_map("base", {"a": "b"}, a="é\n")).encode()
    large = deployment()
    assert (await talk.send("POST", CONFIG_MAPS, small)).status == 201
    assert (await talk.send("POST", DEPLOYMENTS, large)).status == 201
    found = []
    for path, body in ((CONFIG_MAPS, small), (DEPLOYMENTS, large)):
        item = f"{path}/base"
        message = (await talk.get(item, accept=MEDIA_TYPE)).response.content
        found += [("POST", path, JSON, body), ("PUT", item, JSON, body)]
        found += [("PATCH", item, media, body) for media in (MERGE_PATCH, STRATEGIC_PATCH, APPLY)]
        found += [("POST", path, MEDIA_TYPE, message), ("PUT", item, MEDIA_TYPE, message)]
    item = f"{CONFIG_MAPS}/base"
    options = b'{"kind":"DeleteOptions","gracePeriodSeconds":1,"preconditions":{"uid":"x"}}'
    return [
        *found,
        ("POST", CONFIG_MAPS, YAML, IN_YAML),
        ("PATCH", item, APPLY, IN_YAML),
        ("PATCH", item, JSON_PATCH, OPERATIONS),
        ("DELETE", f"{CONFIG_MAPS}/gone", JSON, options),
    ]


async def stored(talk: Talk) -> list[Any]:
    return [(await talk.get(path)).body["items"] for path in (CONFIG_MAPS, DEPLOYMENTS)]


async def spoil_bodies(count: int, seed: int, failures: pytest.LogCaptureFixture, *, cut: bool = False) -> int:
    """Returns how many requests were refused."""
    random, refused = Random(seed), 0
    async with serving() as talk:
        asked = await requests(talk)
        before = await stored(talk)
        for method, path, media, body in asked:
            for wrong in _wrong(body, random, count, cut):
                headers, query = {"content-type": media}, {"dryRun": "All", "fieldManager": "m"}
                if method in ("POST", "PUT", "PATCH"):
                    query["fieldValidation"] = random.choice(("Strict", "Warn", "Ignore"))
                answer = await talk.send(method, path, wrong, headers, query)
                told = f"seed {seed}, {method} {path} {media}: {wrong!r}"
                assert not failures.records, told
                assert answer.status < 500 or is_upstreams(answer.message), told
                assert answer.status < 400 or answer.message, told
                refused += answer.status >= 400
        assert await stored(talk) == before, f"seed {seed}"
    return refused


def _wrong(body: bytes, random: Random, count: int, cut: bool) -> Iterator[bytes]:
    if cut:
        yield from every_beginning(body)
    yield from mutations(body, random, count)


async def test_malformed_bodies_are_answered_and_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert await spoil_bodies(20, 7, caplog) > 150


@pytest.mark.nightly
@pytest.mark.timeout(1800)
async def test_many_malformed_bodies_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert await spoil_bodies(2000, Random().randrange(2**32), caplog, cut=True) > 10_000
