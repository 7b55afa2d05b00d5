"""How a server ends."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.serving import CONFIG_MAPS, serving
from pybernetes.apiserver.shutdown import Manner, shut_down
from pybernetes.apiserver.watching import WatchStream

pytestmark = pytest.mark.virtual_time


class Edge:
    """Has so many requests under way, and so many watches."""

    def __init__(self, under_way: int = 0, watches: tuple[WatchStream, ...] = ()) -> None:
        self.under_way = under_way
        self.watches = watches
        self.stopped_at = 0.0

    async def stop(self) -> None:
        self.stopped_at = asyncio.get_running_loop().time()


async def test_readiness_fails_first_and_requests_are_served_meanwhile() -> None:
    async with serving() as talk:
        edge = Edge()
        began = asyncio.get_running_loop().time()
        ending = asyncio.ensure_future(shut_down(talk.server, edge, Manner(delay=20)))
        await asyncio.sleep(10)
        assert (await talk.get("/readyz")).status == 500
        assert (await talk.get("/livez")).status == 200
        assert (await talk.get(CONFIG_MAPS)).status == 200
        await ending
        assert edge.stopped_at - began == pytest.approx(20)


async def test_new_requests_are_turned_away_until_the_others_are_done() -> None:
    async with serving() as talk:
        edge = Edge(under_way=1)
        ending = asyncio.ensure_future(shut_down(talk.server, edge, Manner(turns_away=True)))
        await asyncio.sleep(1)
        refused = await talk.get(CONFIG_MAPS)
        assert refused.status == 429
        assert refused.response.content == b"The apiserver is shutting down, please try again later.\n"
        assert refused.response.headers["Retry-After"] == "5"
        assert refused.response.headers["Connection"] == "close"
        assert (await talk.get("/livez")).status == 200
        own = await talk.send("GET", CONFIG_MAPS, headers={"user-agent": "kube-apiserver/v1.36"})
        assert own.status == 200
        assert not ending.done()
        edge.under_way = 0
        await asyncio.wait_for(ending, 1)


async def test_a_request_that_does_not_end_is_not_waited_for_for_ever() -> None:
    async with serving() as talk:
        edge = Edge(under_way=1)
        began = asyncio.get_running_loop().time()
        await shut_down(talk.server, edge, Manner(turns_away=True))
        assert edge.stopped_at - began == pytest.approx(talk.server.options.request_timeout, abs=0.1)


async def test_watches_are_ended_one_after_the_other() -> None:
    async with serving() as talk:
        watches = tuple([(await talk.watch(CONFIG_MAPS)).stream for _ in range(3)])
        edge = Edge(watches=watches)
        await shut_down(talk.server, edge, Manner(watches=10))
        assert all(stream.ended for stream in watches)
        assert edge.stopped_at > 0
