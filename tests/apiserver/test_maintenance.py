"""History is compacted one interval late; events go when their time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apiserver.serving import CONFIG_MAPS, Talk, config_map, serving
from pybernetes.api.clock import SystemClock
from pybernetes.api.meta import format_time
from pybernetes.apiserver.maintenance import Maintenance

EVENTS = "/api/v1/namespaces/default/events"
START = datetime(2026, 1, 1, tzinfo=UTC)


class TurnedClock(SystemClock):
    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment


async def _event(talk: Talk, name: str, last: datetime = START) -> None:
    event: dict[str, Any] = {
        "metadata": {"name": name},
        "lastTimestamp": format_time(last),
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "one"},
        "reason": "Made",
        "message": "made",
    }
    made = await talk.post(EVENTS, event)
    assert made.status == 201, made.message


async def test_events_go_an_hour_after_they_were_last_written() -> None:
    clock = TurnedClock()
    async with serving(clock=clock) as talk:
        await _event(talk, "old")
        await _event(talk, "seen-again")
        await _event(talk, "of-the-future", START + timedelta(days=1))
        clock.moment = START + timedelta(minutes=50)
        again = {"count": 2, "lastTimestamp": format_time(clock.moment)}
        assert (await talk.patch(f"{EVENTS}/seen-again", again)).status == 200
        clock.moment = START + timedelta(minutes=61)
        await _event(talk, "new")
        await _event(talk, "of-the-past", START - timedelta(days=1))
        await Maintenance(talk.server).expire_events()
        left = [item["metadata"]["name"] for item in (await talk.get(EVENTS)).body["items"]]
        assert left == ["new", "of-the-past", "seen-again"]


async def test_history_is_kept_for_an_interval_and_forgotten_after_two() -> None:
    async with serving() as talk:
        maintenance = Maintenance(talk.server)
        made = await talk.post(CONFIG_MAPS, config_map("a"))
        await maintenance.compact()
        await talk.post(CONFIG_MAPS, config_map("b"))
        exact = {"resourceVersion": made.version, "resourceVersionMatch": "Exact"}
        assert (await talk.get(CONFIG_MAPS, **exact)).status == 200
        await maintenance.compact()
        await talk.post(CONFIG_MAPS, config_map("c"))
        await maintenance.compact()
        gone = await talk.get(CONFIG_MAPS, **exact)
        assert (gone.status, gone.body["reason"]) == (410, "Expired")
