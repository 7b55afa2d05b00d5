"""Marks are read as the document has them, and index what they mark."""

from __future__ import annotations

import pytest

from apiserver.serving import PODS, pod, serving
from pybernetes.apiserver.marks import mark_reader


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (b'{"spec":{"nodeName":"n","other":{"nodeName":"x"}},"kind":"Pod"}', ("n", "")),
        (b'{"spec":{},"status":{"phase":"Running"}}', ("", "Running")),
        (b'{"metadata":{}}', ("", "")),
    ],
)
def test_a_mark_is_the_text_at_its_path_or_nothing(item: bytes, expected: tuple[str, str]) -> None:
    read = mark_reader(("spec.nodeName", "status.phase"))
    assert tuple(read(item).values()) == expected


async def test_the_pods_of_a_node_are_found_before_and_after_they_move_there() -> None:
    async with serving() as talk:
        for name in ("a", "b", "c"):
            await talk.post(PODS, pod(name, **({"nodeName": "node-1"} if name == "b" else {})))
        cache = talk.server.endpoints["", "v1", "pods"].registry.cache

        async def on(node: str) -> list[str]:
            found = await talk.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
            return [item["metadata"]["name"] for item in found.body["items"]]

        assert (await on("node-1"), await on("")) == (["b"], ["a", "c"])
        await talk.post(f"{PODS}/c/binding", {"metadata": {"name": "c"}, "target": {"name": "node-1"}})
        assert (await on("node-1"), await on("")) == (["b", "c"], ["a"])
        await talk.delete(f"{PODS}/b", {"gracePeriodSeconds": 0})
        assert await on("node-1") == ["c"]
        (left,) = (stored for stored in cache.under("default") if stored.name == "c")
        assert left.marks == {"spec.nodeName": "node-1", "status.phase": "Pending"}
