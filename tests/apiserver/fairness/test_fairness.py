"""Priority and fairness: who is let in, who waits, who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from apiserver.serving import CONFIG_MAPS, Talk, serving
from pybernetes.api import errors
from pybernetes.api.durations import parse_duration
from pybernetes.apiserver.auth.contract import (
    ANONYMOUS_USER,
    MASTERS_GROUP,
    Attributes,
    Decision,
    EveryoneIs,
    User,
)
from pybernetes.apiserver.deadlines import Deadlines
from pybernetes.apiserver.fairness import width
from pybernetes.apiserver.fairness.gate import FairGate
from pybernetes.apiserver.fairness.shares import Bounds, divided
from pybernetes.apiserver.fairness.shuffle import deal, flow_hash
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.options import ServerOptions

FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
LEVELS = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"


def gate_of(talk: Talk) -> FairGate:
    assert isinstance(talk.server.gate, FairGate)
    return talk.server.gate


def flow_schema(name: str, level: str, user: str) -> dict[str, Any]:
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
    subjects = [{"kind": "User", "user": {"name": user}}]
    return {
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": 50,
            "priorityLevelConfiguration": {"name": level},
            "rules": [{"subjects": subjects, "resourceRules": [rule]}],
        },
    }


async def until(holds: Callable[[], bool]) -> None:
    """Lets the event loop turn until it holds; what is waited for is not told by any event."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_idle_levels_have_the_seats_that_upstream_gives_them() -> None:
    async with serving() as talk:
        nominal = {level.name: level.limits.nominal for level in gate_of(talk).table.levels}
        assert nominal == {
            "exempt": 0,
            "catch-all": 13,
            "global-default": 49,
            "leader-election": 25,
            "node-high": 98,
            "system": 74,
            "workload-high": 98,
            "workload-low": 245,
        }


def test_seats_are_divided_in_proportion_within_bounds() -> None:
    assert divided(100, [Bounds(0, 100, 10), Bounds(0, 100, 30)]) == [25, 75]
    assert divided(100, [Bounds(0, 100, 10), Bounds(0, 20, 30)]) == [80, 20]
    assert divided(5, [Bounds(4, 9, 4), Bounds(4, 9, 4)]) == [4, 4]


def test_a_hand_is_of_different_queues_and_the_same_each_time() -> None:
    hand = deal(flow_hash("schema", "jane"), 64, 6)
    assert len(set(hand)) == 6
    assert all(0 <= card < 64 for card in hand)
    assert hand == deal(flow_hash("schema", "jane"), 64, 6)


def test_wide_lists_and_watched_writes_take_more_seats() -> None:
    assert width.of_list(10, 1000, 0, from_memory=True, most=0).seats == 1
    assert width.of_list(10_000, 1000, 0, from_memory=True, most=0).seats == 10
    assert width.of_list(10_000, 1000, 0, from_memory=False, most=0).seats == 100
    assert width.of_write(9, most=0).lingering == 0
    assert width.of_write(35, most=0).lingering == 4


async def test_every_answer_tells_its_classification() -> None:
    async with serving(authenticator=EveryoneIs(ANONYMOUS_USER)) as talk:
        answer = await talk.get(CONFIG_MAPS)
        schema = (await talk.get(f"{FLOWS}/global-default")).body["metadata"]["uid"]
        assert answer.response.classified is not None
        assert answer.response.classified.headers["X-Kubernetes-Pf-Flowschema-Uid"] == schema


async def test_a_schema_says_whether_its_level_exists() -> None:
    async with serving() as talk:
        await talk.post(FLOWS, flow_schema("lost", "nowhere", "jane"))
        cache = talk.server.registry("flowcontrol.apiserver.k8s.io", "v1", "flowschemas").cache
        key = f"{cache.prefix}lost"
        await until(lambda: key in cache.objects and bool(cache.objects[key].document.get("status")))
        schema = (await talk.get(f"{FLOWS}/lost")).body
        (condition,) = schema["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == ("Dangling", "True", "NotFound")
        applied = schema["metadata"]["managedFields"][0]
        assert applied["manager"] == "api-priority-and-fairness-config-consumer-v1"
        assert (applied["operation"], applied["subresource"]) == ("Apply", "status")
        assert list(applied["fieldsV1"]["f:status"]["f:conditions"]) == ['k:{"type":"Dangling"}']


class _Slow:
    """An authorizer that lets requests go on only when told."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        await self.may.wait()
        return Decision(allowed=True)


async def test_a_full_level_lets_wait_as_many_as_fit_and_turns_the_others_away() -> None:
    slow = _Slow()
    jane = EveryoneIs(User("jane", groups=("system:authenticated",)))
    async with serving(authenticator=jane, authorizer=slow) as talk:
        queuing = {"queues": 1, "handSize": 1, "queueLengthLimit": 1}
        limited = {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0}
        response = {"type": "Queue", "queuing": queuing}
        spec = {"type": "Limited", "limited": {**limited, "limitResponse": response}}
        made = await talk.post(LEVELS, {"metadata": {"name": "narrow"}, "spec": spec})
        assert made.status == 201, made.message
        await talk.post(FLOWS, flow_schema("narrow", "narrow", "jane"))
        await until(lambda: "narrow" in {one.name for one in gate_of(talk).table.levels})
        level = next(one for one in gate_of(talk).table.levels if one.name == "narrow")
        level.limit = 1
        slow.may.clear()
        calls = [asyncio.create_task(talk.get(CONFIG_MAPS)) for _ in range(3)]
        await until(lambda: any(call.done() for call in calls))
        assert (level.executing, level.waiting) == (1, 1)
        assert gate_of(talk).waiting == {"readOnly": 1, "mutating": 0}
        slow.may.set()
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status for answer in answers) == [200, 200, 429]
        assert gate_of(talk).waiting == {"readOnly": 0, "mutating": 0}
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.response.content == b"Too many requests, please try again later.\n"
        assert refused.response.headers["Retry-After"] == "1"
        assert (level.executing, level.in_use, level.waiting) == (0, 0, 0)


async def test_without_fairness_only_administrators_pass_the_limit() -> None:
    slow = _Slow()
    options = ServerOptions(priority_and_fairness=False, max_requests_in_flight=1)
    who = EveryoneIs(User("jane"))
    async with serving(authenticator=who, authorizer=slow, options=options) as talk:
        slow.may.clear()
        first = asyncio.create_task(talk.get(CONFIG_MAPS))
        await asyncio.sleep(0)
        assert (await talk.get(CONFIG_MAPS)).status == 429
        talk.server.authenticator = EveryoneIs(User("admin", groups=(MASTERS_GROUP,)))
        slow.may.set()
        assert (await talk.get(CONFIG_MAPS)).status == 200
        assert (await first).status == 200


async def test_a_request_ends_when_its_time_is_over() -> None:
    async def never(request: ApiRequest) -> ApiResponse:
        await asyncio.Event().wait()
        raise AssertionError

    for deadlines, query in ((Deadlines(60), {"timeout": ["1ms"]}), (Deadlines(0.001), {})):
        with pytest.raises(errors.ApiError) as refused:
            await deadlines.serve(ApiRequest("GET", CONFIG_MAPS, query), never)
        assert (refused.value.code, refused.value.reason) == (504, "Timeout")
        assert deadlines.under_way == 0
        deadlines.stop()


def test_durations_are_read_as_go_writes_them() -> None:
    assert parse_duration("1h15m30.5s") == 4530.5
    assert parse_duration("-1.5s") == -1.5
    assert parse_duration("0") == 0
