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
from pybernetes.client.event_series import SeriesBroadcaster, SeriesRecorder, shortened
from pybernetes.client.events import NORMAL, WARNING, Reference
from pybernetes.testing.loop import LoopClock

pytestmark = pytest.mark.virtual_time

POD = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web", namespace="default", uid="uid-1"))
OTHER = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="big", namespace="default", uid="uid-2"))


class Recording:
    def __init__(self) -> None:
        self.server = FakeServer()
        client = Client(DirectTransport(self.server.handle))
        self.broadcaster = SeriesBroadcaster(client, LoopClock(), Random(1), "node-0")
        self.recorder: SeriesRecorder = self.broadcaster.recorder("default-scheduler")

    def fail(self, note: str = "no room") -> None:
        self.recorder.event(POD, WARNING, "FailedScheduling", "Scheduling", note)

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


async def test_an_event_tells_the_action_the_controller_and_the_other_object(recording: Recording) -> None:
    recording.recorder.event(POD, NORMAL, "Preempted", "Preempting", "had to go", related=OTHER)
    await asyncio.sleep(1)
    (event,) = recording.events
    assert event["apiVersion"] == "events.k8s.io/v1"
    assert event["eventTime"] == "2030-01-01T00:00:00.000000Z"
    said = [event[one] for one in ("type", "reason", "action", "note", "reportingController", "reportingInstance")]
    controller = "default-scheduler"
    assert said == ["Normal", "Preempted", "Preempting", "had to go", controller, f"{controller}-node-0"]
    assert (event["regarding"]["name"], event["related"]["name"]) == ("web", "big")
    assert "series" not in event


async def test_the_same_again_makes_a_series_whose_count_is_written_at_its_end(recording: Recording) -> None:
    for _ in range(4):
        recording.fail()
        await asyncio.sleep(5)
    (event,) = recording.events
    assert event["series"] == {"count": 2, "lastObservedTime": "2030-01-01T00:00:05.000000Z"}
    await asyncio.sleep(720)
    (event,) = recording.events
    assert event["series"] == {"count": 4, "lastObservedTime": "2030-01-01T00:00:15.000000Z"}


async def test_other_words_of_the_same_are_no_other_event(recording: Recording) -> None:
    recording.fail("0/1 nodes")
    await asyncio.sleep(5)
    recording.fail("0/2 nodes")
    await asyncio.sleep(1)
    assert [event["note"] for event in recording.events] == ["0/1 nodes"]


async def test_after_six_quiet_minutes_it_is_a_new_event(recording: Recording) -> None:
    recording.fail()
    await asyncio.sleep(400)
    recording.fail()
    await asyncio.sleep(1)
    assert [event.get("series") for event in recording.events] == [None, None]


async def test_a_series_whose_event_is_gone_is_told_anew(recording: Recording) -> None:
    recording.fail()
    await asyncio.sleep(1)
    recording.server.remove(next(iter(recording.server.objects)))
    recording.fail()
    await asyncio.sleep(1)
    (event,) = recording.events
    assert event["series"]["count"] == 2


async def test_a_refusal_is_nobodys_trouble(recording: Recording) -> None:
    recording.server.faults.append(status(403, "Forbidden"))
    recording.fail()
    recording.recorder.event(POD, NORMAL, "Scheduled", "Binding", "kept")
    await asyncio.sleep(1)
    assert [event["reason"] for event in recording.events] == ["Scheduled"]


def test_a_long_note_is_cut() -> None:
    assert shortened("x" * 1024) == "x" * 1024
    assert shortened("x" * 1025) == "x" * 1020 + " ..."


async def test_while_much_is_under_way_events_go_slowly_and_none_is_lost(recording: Recording) -> None:
    busy = True
    recording.broadcaster._is_busy = lambda: busy
    for number in range(3000):
        recording.recorder.event(Reference("v1", "Pod", "default", f"p{number}"), NORMAL, "Scheduled", "Binding", "")
    await asyncio.sleep(1)
    assert 10 <= len(recording.events) <= 30
    busy = False
    await asyncio.sleep(1)
    assert len(recording.events) >= 500
    await asyncio.sleep(40)
    assert len(recording.events) == 3000
    assert recording.broadcaster.dropped == 0
