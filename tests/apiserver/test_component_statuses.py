"""`componentstatuses`: parts are asked when somebody wants to know."""

from __future__ import annotations

from apiserver.serving import TABLE, Talk, serving
from pybernetes.apiserver.component_statuses import ComponentStatuses, Health

PATH = "/api/v1/componentstatuses"


async def _up() -> Health:
    return Health(healthy=True, message="ok")


async def _down() -> Health:
    return Health(healthy=False, message="connection refused")


def with_parts(talk: Talk) -> Talk:
    parts = ComponentStatuses({"scheduler": _down, "etcd-0": _up}, talk.server.clock)
    parts.register(talk.server.routes)
    return talk


async def test_a_list_tells_of_each_part_and_that_the_kind_is_deprecated() -> None:
    async with serving() as talk:
        answer = await with_parts(talk).get(PATH)
        assert answer.body["metadata"] == {}
        assert answer.body["items"] == [
            {
                "metadata": {"name": "scheduler"},
                "conditions": [{"type": "Healthy", "status": "False", "message": "connection refused"}],
            },
            {"metadata": {"name": "etcd-0"}, "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]},
        ]
        assert list(answer.response.warnings) == ["v1 ComponentStatus is deprecated in v1.19+"]


async def test_one_part_is_shown_by_name_or_as_a_row() -> None:
    async with serving() as talk:
        one = await with_parts(talk).get(f"{PATH}/etcd-0")
        assert (one.body["kind"], one.body["metadata"]) == ("ComponentStatus", {"name": "etcd-0"})
        rows = (await talk.get(f"{PATH}/scheduler", TABLE)).body["rows"]
        assert rows[0]["cells"] == ["scheduler", "Unhealthy", "connection refused", ""]
        missing = await talk.get(f"{PATH}/nobody")
        assert (missing.status, missing.message) == (404, 'componentstatus "nobody" not found')


async def test_parts_are_chosen_by_name_and_never_by_label() -> None:
    async with serving() as talk:
        named = await with_parts(talk).get(PATH, fieldSelector="metadata.name=etcd-0")
        assert [one["metadata"]["name"] for one in named.body["items"]] == ["etcd-0"]
        assert (await talk.get(PATH, labelSelector="a=b")).body["items"] == []


async def test_parts_are_neither_written_nor_watched() -> None:
    async with serving() as talk:
        assert (await with_parts(talk).delete(f"{PATH}/etcd-0")).status == 405
        watched = await talk.get(PATH, watch="1")
        assert watched.message == 'watch is not supported on resources of kind "componentstatuses"'


async def test_the_store_answers_for_itself() -> None:
    async with serving() as talk:
        body = (await talk.get(f"{PATH}/etcd-0")).body
        assert body["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
