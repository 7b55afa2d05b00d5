from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from client.fake_server import FakeServer, status
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.client import Client, DirectTransport
from pybernetes.client.events import NORMAL, WARNING, EventBroadcaster, EventRecorder
from pybernetes.testing.loop import LoopClock

pytestmark = pytest.mark.virtual_time

POD = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web", namespace="default", uid="uid-1"))


class Recording:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.broadcaster = EventBroadcaster(Client(DirectTransport(self.server.handle)), LoopClock(), Random(1))
        self.recorder: EventRecorder = self.broadcaster.recorder("kubelet", "node-0")

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(self.server.objects.values())


@pytest_asyncio.fixture
async def recording() -> AsyncIterator[Recording]:
    recording = Recording()
    task = asyncio.create_task(recording.broadcaster.run())
    yield recording
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_event_says_what_happened_to_whom_and_who_says_so(recording: Recording) -> None:
    recording.recorder.event(POD, NORMAL, "Pulled", "image is there")
    await asyncio.sleep(1)
    (event,) = recording.events
    assert event["metadata"]["name"].startswith("web.")
    int(event["metadata"]["name"].removeprefix("web."), 16)
    assert event["involvedObject"]["kind"] == "Pod"
    assert event["involvedObject"]["uid"] == "uid-1"
    assert event["source"] == {"component": "kubelet", "host": "node-0"}
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Normal",
        "Pulled",
        "image is there",
        1,
    )


async def test_the_same_again_raises_the_count(recording: Recording) -> None:
    for _ in range(4):
        recording.recorder.event(POD, WARNING, "BackOff", "restarting")
        await asyncio.sleep(5)
    (event,) = recording.events
    assert event["count"] == 4
    assert event["lastTimestamp"] == "2030-01-01T00:00:15Z"


async def test_after_ten_quiet_minutes_it_is_a_new_event(recording: Recording) -> None:
    recording.recorder.event(POD, WARNING, "BackOff", "restarting")
    await asyncio.sleep(700)
    recording.recorder.event(POD, WARNING, "BackOff", "restarting")
    await asyncio.sleep(1)
    assert [event["count"] for event in recording.events] == [1, 1]


async def test_many_that_differ_only_in_words_are_folded_into_one(recording: Recording) -> None:
    for number in range(15):
        recording.recorder.event(POD, WARNING, "Failed", f"attempt {number}")
        await asyncio.sleep(1)
    assert len(recording.events) == 10
    assert recording.events[-1]["message"] == "(combined from similar events): attempt 14"
    assert recording.events[-1]["count"] == 6
    assert "reportingComponent" not in recording.events[-1], "nor does upstream name one"


async def test_a_flood_about_one_object_is_cut_off(recording: Recording) -> None:
    for number in range(60):
        recording.recorder.event(POD, WARNING, f"Reason{number}", "x")
    await asyncio.sleep(1)
    assert len(recording.events) == 25


async def test_a_refusal_is_nobodys_trouble(recording: Recording) -> None:
    recording.server.faults.append(status(403, "Forbidden"))
    recording.recorder.event(POD, NORMAL, "First", "lost")
    recording.recorder.event(POD, NORMAL, "Second", "kept")
    await asyncio.sleep(1)
    assert [event["reason"] for event in recording.events] == ["Second"]
