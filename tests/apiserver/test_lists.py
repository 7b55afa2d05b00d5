"""Lists: selection, pages, versions, and the forms they come in."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
import pytest

from apiserver.serving import CONFIG_MAPS, PARTIAL, PODS, TABLE, Talk, config_map, pod, serving
from pybernetes.apiserver import answers
from pybernetes.apiserver.list_options import ContinueToken
from pybernetes.apiserver.protobuf import MEDIA_TYPE


async def _made(talk: Talk, *names: str, **labels: str) -> None:
    for name in names:
        assert (await talk.post(CONFIG_MAPS, config_map(name, labels))).status == 201


def _names(document: Any) -> list[str]:
    return [item["metadata"]["name"] for item in document["items"]]


async def test_a_list_is_in_the_order_of_names_and_as_of_the_newest_version() -> None:
    async with serving() as talk:
        await _made(talk, "c", "a", "b")
        found = await talk.get(CONFIG_MAPS)
        assert (found.body["kind"], found.body["apiVersion"]) == ("ConfigMapList", "v1")
        assert _names(found.body) == ["a", "b", "c"]
        assert found.version == str(talk.server.store.revision)


async def test_a_namespace_is_not_its_neighbour_with_a_longer_name() -> None:
    async with serving() as talk:
        await talk.post("/api/v1/namespaces", {"metadata": {"name": "default-2"}})
        await talk.post("/api/v1/namespaces/default-2/configmaps", config_map("other"))
        await _made(talk, "mine")
        assert _names((await talk.get(CONFIG_MAPS)).body) == ["mine"]
        everywhere = (await talk.get("/api/v1/configmaps", fieldSelector="metadata.namespace!=kube-system")).body
        assert _names(everywhere) == ["other", "mine"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier=front", ["a"]),
        ("app!=web", ["c", "d"]),
        ("app in (web, api)", ["a", "b", "c"]),
        ("app notin (web)", ["c", "d"]),
        ("app", ["a", "b", "c"]),
        ("!app", ["d"]),
        ("app=nobody", []),
    ],
)
async def test_labels_select(selector: str, expected: list[str]) -> None:
    async with serving() as talk:
        await _made(talk, "a", app="web", tier="front")
        await _made(talk, "b", app="web")
        await _made(talk, "c", app="api")
        await _made(talk, "d")
        assert _names((await talk.get(CONFIG_MAPS, labelSelector=selector)).body) == expected


async def test_the_label_index_follows_changes_and_deletions() -> None:
    async with serving() as talk:
        await _made(talk, "a", "b", app="web")
        await talk.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"app": "api"}}})
        await talk.delete(f"{CONFIG_MAPS}/b")
        assert _names((await talk.get(CONFIG_MAPS, labelSelector="app=web")).body) == []
        assert _names((await talk.get(CONFIG_MAPS, labelSelector="app=api")).body) == ["a"]


async def test_fields_select_where_the_kind_says_so() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one", nodeName="node-1"))
        await talk.post(PODS, pod("two"))
        assert _names((await talk.get(PODS, fieldSelector="spec.nodeName=node-1")).body) == ["one"]
        assert _names((await talk.get(PODS, fieldSelector="spec.nodeName!=node-1")).body) == ["two"]
        assert _names((await talk.get(PODS, fieldSelector="metadata.name=two,status.phase=Pending")).body) == ["two"]
        wrong = await talk.get(PODS, fieldSelector="spec.containers=x")
        assert wrong.status == 400
        assert wrong.message.endswith("field label not supported: spec.containers")


async def test_pages_continue_at_the_version_of_the_first() -> None:
    async with serving() as talk:
        await _made(talk, "a", "b", "c", "d", "e")
        first = (await talk.get(CONFIG_MAPS, limit="2")).body
        assert (_names(first), first["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
        await talk.delete(f"{CONFIG_MAPS}/d")
        await _made(talk, "cc")
        second = (await talk.get(CONFIG_MAPS, limit="2", **{"continue": first["metadata"]["continue"]})).body
        assert _names(second) == ["c", "d"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        last = (await talk.get(CONFIG_MAPS, limit="2", **{"continue": second["metadata"]["continue"]})).body
        assert _names(last) == ["e"]
        assert "continue" not in last["metadata"]


async def test_pages_of_a_selection_do_not_say_how_many_remain() -> None:
    async with serving() as talk:
        await _made(talk, "a", "c", "e", app="web")
        await _made(talk, "b", "d")
        first = (await talk.get(CONFIG_MAPS, limit="2", labelSelector="app=web")).body
        assert _names(first) == ["a", "c"]
        assert "remainingItemCount" not in first["metadata"]
        token = first["metadata"]["continue"]
        rest = await talk.get(CONFIG_MAPS, limit="2", labelSelector="app=web", **{"continue": token})
        assert _names(rest.body) == ["e"]


async def test_a_continuation_that_is_compacted_is_gone_and_offers_to_go_on_now() -> None:
    async with serving() as talk:
        await _made(talk, "a", "b", "c")
        token = (await talk.get(CONFIG_MAPS, limit="1")).body["metadata"]["continue"]
        await _made(talk, "d")
        await talk.server.store.compact(talk.server.store.revision)
        gone = await talk.get(CONFIG_MAPS, limit="1", **{"continue": token})
        assert (gone.status, gone.body["reason"]) == (410, "Expired")
        fresh = gone.body["metadata"]["continue"]
        assert ContinueToken.decode(fresh).revision == -1
        assert _names((await talk.get(CONFIG_MAPS, **{"continue": fresh})).body) == ["b", "c", "d"]


def test_a_token_is_unpadded_base64_of_upstreams_json() -> None:
    token = ContinueToken(12, "default/web\0").encode()
    assert "=" not in token
    decoded = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert decoded == {"v": "meta.k8s.io/v1", "rv": 12, "start": "default/web\0"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 422),
        ({"resourceVersionMatch": "Somehow", "resourceVersion": "1"}, 422),
        ({"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1", "continue": "x"}, 422),
        ({"sendInitialEvents": "true"}, 422),
        ({"resourceVersion": "abc"}, 400),
        ({"continue": "nonsense"}, 400),
        ({"labelSelector": "a in b"}, 400),
        ({"limit": "many"}, 400),
        ({"resourceVersion": "0"}, 200),
        ({"resourceVersion": "2", "resourceVersionMatch": "NotOlderThan"}, 200),
    ],
)
async def test_which_queries_are_allowed(query: dict[str, str], status: int) -> None:
    async with serving() as talk:
        assert (await talk.get(CONFIG_MAPS, **query)).status == status


async def test_an_exact_version_shows_the_past() -> None:
    async with serving() as talk:
        await _made(talk, "a")
        then = str(talk.server.store.revision)
        await _made(talk, "b")
        await talk.delete(f"{CONFIG_MAPS}/a")
        past = await talk.get(CONFIG_MAPS, resourceVersion=then, resourceVersionMatch="Exact")
        assert (_names(past.body), past.version) == (["a"], then)
        assert _names((await talk.get(CONFIG_MAPS, resourceVersion=then)).body) == ["b"]


async def test_a_version_from_the_future_times_out_with_a_cause_that_clients_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pybernetes.apiserver.listing.FRESHNESS_SECONDS", 0.0)
    async with serving() as talk:
        answer = await talk.get(CONFIG_MAPS, resourceVersion="999999")
        assert answer.status == 504
        assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_table_has_the_kinds_columns_and_each_rows_metadata() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web", a="1", b="2"))
        table = (await talk.get(CONFIG_MAPS, TABLE)).body
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        [row] = table["rows"]
        assert row["cells"][:2] == ["web", 2]
        assert row["object"]["kind"] == "PartialObjectMetadata"
        whole = (await talk.get(f"{CONFIG_MAPS}/web", TABLE, includeObject="Object")).body
        assert whole["rows"][0]["object"]["data"] == {"a": "1", "b": "2"}
        assert (await talk.get(CONFIG_MAPS, TABLE, includeObject="None")).body["rows"][0]["object"] is None


async def test_metadata_alone() -> None:
    async with serving() as talk:
        await _made(talk, "web")
        one = (await talk.get(f"{CONFIG_MAPS}/web", PARTIAL)).body
        assert (one["kind"], set(one)) == ("PartialObjectMetadata", {"kind", "apiVersion", "metadata"})
        wrong = await talk.get(CONFIG_MAPS, PARTIAL)
        told = "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)"
        assert (wrong.status, wrong.message) == (406, told)
        listed = await talk.get(CONFIG_MAPS, PARTIAL.replace("Metadata;", "MetadataList;"))
        assert listed.body["kind"] == "PartialObjectMetadataList"


async def test_what_cannot_be_served_is_not_acceptable() -> None:
    async with serving() as talk:
        answer = await talk.get(CONFIG_MAPS, "application/cbor")
        assert (answer.status, answer.body["reason"]) == (406, "NotAcceptable")
        assert (await talk.get(CONFIG_MAPS, "application/vnd.kubernetes.protobuf,application/json")).status == 200


async def test_pretty_answers_are_indented() -> None:
    async with serving() as talk:
        assert b'\n  "kind"' in (await talk.get(CONFIG_MAPS, pretty="true")).response.content


async def test_nothing_has_an_empty_name() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("a"))
        listed = await talk.get(CONFIG_MAPS, fieldSelector="metadata.name=")
        await talk.delete(CONFIG_MAPS, fieldSelector="metadata.name=")
        kept = await talk.get(f"{CONFIG_MAPS}/a")
    assert (listed.body["items"], kept.status) == ([], 200)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
async def test_a_long_list_reads_as_a_short_one_does(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    async with serving() as talk:
        for number in range(count):
            await talk.post(PODS, pod(f"p{number}"))
        short = await talk.get(PODS)
        monkeypatch.setattr(answers, "FEW", 0)
        assert (await talk.get(PODS)).response.content == short.response.content
        monkeypatch.setattr(answers, "MADE_AT_ONCE", 0)
        assert (await talk.get(PODS)).response.content == short.response.content
        assert len(short.body["items"]) == count


@pytest.mark.parametrize(
    ("query", "goes_on"),
    [
        ({"labelSelector": "n=0"}, True),
        ({"labelSelector": "n=1"}, False),
        ({"labelSelector": "n=0", "fieldSelector": "metadata.name=c0"}, False),
    ],
)
async def test_a_full_page_of_selected_objects_goes_on_where_there_are_others(
    query: dict[str, str], goes_on: bool
) -> None:
    async with serving() as talk:
        for number in range(2):
            await talk.post(CONFIG_MAPS, config_map(f"c{number}", {"n": str(number)}))
        page = await talk.get(CONFIG_MAPS, limit="1", **query)
        assert bool(page.body["metadata"].get("continue")) is goes_on


async def test_a_field_selector_that_says_nothing_selects_everything() -> None:
    async with serving() as talk:
        for number in range(2):
            await talk.post(CONFIG_MAPS, config_map(f"c{number}"))
        page = await talk.get(CONFIG_MAPS, limit="1", fieldSelector=",")
        assert page.body["metadata"]["remainingItemCount"] == 1


@pytest.mark.parametrize(
    "accept", [MEDIA_TYPE, TABLE, PARTIAL.replace("Metadata;", "MetadataList;"), "application/yaml"]
)
async def test_while_a_long_list_is_made_others_are_served(accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "TURN", 2)
    monkeypatch.setattr(answers, "FEW", 2)
    async with serving() as talk:
        await _made(talk, "a", "b", "c", "d", "e")
        ended: list[str] = []

        async def ask(path: str, accept: str) -> bytes:
            answer = await talk.get(path, accept)
            ended.append(path)
            return answer.response.content

        alone = await ask(CONFIG_MAPS, accept)
        together = await asyncio.gather(ask(CONFIG_MAPS, accept), ask(f"{CONFIG_MAPS}/a", "application/json"))
        assert ended == [CONFIG_MAPS, f"{CONFIG_MAPS}/a", CONFIG_MAPS]
        assert together[0] == alone
