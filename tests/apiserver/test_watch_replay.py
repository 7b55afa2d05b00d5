"""Whoever replays a watch ends with what a list shows, whatever happened and whatever is selected."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from apiserver.serving import CONFIG_MAPS, Talk, Watching, config_map, serving

NAMES = tuple("abcdef")
APPS = ("web", "api", "db")
SELECTIONS: tuple[dict[str, str], ...] = (
    {},
    {"labelSelector": "app=web"},
    {"labelSelector": "app!=web"},
    {"labelSelector": "app in (web,db),!odd"},
    {"fieldSelector": "metadata.name=c"},
    {"fieldSelector": "metadata.name!=c", "labelSelector": "app"},
)


async def _act(talk: Talk, random: Random) -> None:
    name = random.choice(NAMES)
    labels = {"app": random.choice(APPS)} if random.random() < 0.8 else {}
    if random.random() < 0.2:
        labels["odd"] = "yes"
    match random.randrange(4):
        case 0:
            await talk.post(CONFIG_MAPS, config_map(name, labels, n=str(random.random())))
        case 1:
            document = config_map(name, labels, n=str(random.random()))
            await talk.put(f"{CONFIG_MAPS}/{name}", document)
        case 2:
            await talk.patch(f"{CONFIG_MAPS}/{name}", {"data": {"n": str(random.random())}})
        case 3:
            await talk.delete(f"{CONFIG_MAPS}/{name}")


async def _replayed(watch: Watching, state: dict[str, Any]) -> dict[str, Any]:
    """The state after every event that the server has told so far."""
    watch.stream.end()
    known = dict(state)
    while True:
        try:
            type_, object_ = await watch.next()
        except StopAsyncIteration:
            return known
        name = object_["metadata"]["name"]
        if type_ == "DELETED":
            del known[name]
            continue
        assert (name in known) == (type_ == "MODIFIED")
        known[name] = object_["metadata"]["resourceVersion"]


async def _listed(talk: Talk, **query: str) -> tuple[dict[str, Any], str]:
    body = (await talk.get(CONFIG_MAPS, **query)).body
    found = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in body["items"]}
    return found, body["metadata"]["resourceVersion"]


@pytest.mark.parametrize("seed", range(6))
async def test_a_watch_from_a_list_replays_to_the_next_list(seed: int) -> None:
    random = Random(seed)
    async with serving() as talk:
        for _ in range(20):
            await _act(talk, random)
        begun = []
        for selection in SELECTIONS:
            state, version = await _listed(talk, **selection)
            begun.append((selection, state, await talk.watch(CONFIG_MAPS, resourceVersion=version, **selection)))
            await _act(talk, random)
        for _ in range(40):
            await asyncio.gather(_act(talk, random), _act(talk, random))
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        for selection, state, watch in begun:
            assert await _replayed(watch, state) == (await _listed(talk, **selection))[0], selection


@pytest.mark.parametrize("seed", range(3))
async def test_the_label_index_shows_what_a_full_look_shows(seed: int) -> None:
    random = Random(seed)
    async with serving() as talk:
        for _ in range(80):
            await _act(talk, random)
        everything = (await talk.get(CONFIG_MAPS)).body["items"]
        for app in APPS:
            expected = [
                item["metadata"]["name"] for item in everything if item["metadata"].get("labels", {}).get("app") == app
            ]
            found = await talk.get(CONFIG_MAPS, labelSelector=f"app={app}")
            assert [item["metadata"]["name"] for item in found.body["items"]] == expected
