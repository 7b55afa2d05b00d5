"""Whole numbers that were written as fractions: what a schema and its rules make of them until they are stored."""

from __future__ import annotations

import pytest

from apiserver.custom.definitions import WIDGETS, define, definition, version, widget
from apiserver.serving import Talk, serving

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "price": {"type": "number", "multipleOf": 0.5},
                "count": {"type": "integer"},
                "rate": {"type": "number", "default": 1.0},
            },
            "x-kubernetes-validations": [
                {"rule": "!has(self.price) || type(self.price) == double", "message": "no double"},
                {"rule": "!has(self.count) || self.count / 2 < 100", "message": "too many"},
            ],
        }
    },
}


async def _make(talk: Talk, spec: str) -> tuple[int, str]:
    body = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":%b}' % spec.encode()
    answer = await talk.send("POST", WIDGETS, body, query={"dryRun": "All"})
    return answer.status, answer.response.content.decode()


@pytest.mark.parametrize("written", ["5.0", "5e0", "50e-1"])
async def test_a_fraction_is_one_until_it_is_stored(written: str) -> None:
    async with serving() as talk:
        await define(talk, definition(versions=[version(schema=SCHEMA)]))
        status, body = await _make(talk, f'{{"price":{written}}}')
        assert (status, '"price":5,' in body or '"price":5}' in body) == (201, True)
        assert '"rate":1}' in body or '"rate":1,' in body
        status, body = await _make(talk, f'{{"count":{written}}}')
        assert status == 422
        assert "invalid data, expected int, got float64 evaluating rule: too many" in body


async def test_what_is_stored_is_whole() -> None:
    async with serving() as talk:
        await define(talk, definition())
        assert (await talk.post(WIDGETS, widget("a", {"size": 5.0}))).status == 201
        read = await talk.get(f"{WIDGETS}/a")
        assert b'"size":5' in read.response.content
        assert type(read.body["spec"]["size"]) is int
