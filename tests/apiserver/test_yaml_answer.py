"""Answers in YAML, as Go's library writes them."""

from __future__ import annotations

import pytest

from apiserver.serving import CONFIG_MAPS, serving
from pybernetes.apiserver.yaml_answer import write_yaml


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("yes", '"yes"'),
        ("on", '"on"'),
        ("y", '"y"'),
        ("12", '"12"'),
        ("1e3", '"1e3"'),
        ("1_000", '"1_000"'),
        ("0o7", '"0o7"'),
        ("2020-01-01", '"2020-01-01"'),
        ("2026-11-23T12:28:03Z", '"2026-11-23T12:28:03Z"'),
        ("1:30", '"1:30"'),
        ("~", '"~"'),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("10.96.0.1", "10.96.0.1"),
        ("a: b", "'a: b'"),
        ("*a", "'*a'"),
        (" lead", "' lead'"),
        ("it's", "it's"),
        ("ü", "ü"),
        ("a\tb", '"a\\tb"'),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\nb", "|-\n  a\n\n  b"),
        (12, "12"),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
        (["a"], "\n- a"),
    ],
)
def test_values(value: object, written: str) -> None:
    separator = "" if written.startswith("\n") else " "
    assert write_yaml({"a": value}).decode() == f"a:{separator}{written}\n"


def test_keys_are_ordered_as_people_order_them() -> None:
    keys = ["b", "a10", "a2", "a-b", "B", "f:a", ".", "a"]
    assert write_yaml(dict.fromkeys(keys, 1)).decode().split() == [
        *(".:", "1", "B:", "1", "a:", "1", "a-b:", "1", "a2:", "1", "a10:", "1", "b:", "1", "f:a:", "1")
    ]


async def test_an_object_in_yaml() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, {"metadata": {"name": "web"}, "data": {"on": "off"}})
        answer = await talk.get(f"{CONFIG_MAPS}/web", "application/yaml")
        assert answer.response.headers["Content-Type"] == "application/yaml"
        assert answer.response.content.startswith(b'apiVersion: v1\ndata:\n  "on": "off"\nkind: ConfigMap\nmetadata:\n')


async def test_older_names_of_yaml_are_not_known() -> None:
    async with serving() as talk:
        assert (await talk.get(CONFIG_MAPS, "application/x-yaml")).status == 406
        answer = await talk.send("POST", CONFIG_MAPS, b"a: b", {"content-type": "text/yaml"})
        assert answer.status == 415


async def test_nothing_but_reading_is_done_below_watch() -> None:
    async with serving() as talk:
        answer = await talk.post("/api/v1/watch/namespaces/default/configmaps", {})
        assert (answer.status, answer.body["reason"]) == (405, "MethodNotAllowed")
