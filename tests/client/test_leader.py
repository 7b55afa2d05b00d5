from __future__ import annotations

import asyncio
from random import Random

import pytest

from client.fake_server import Answer, FakeServer, status
from pybernetes.client import Client, DirectTransport
from pybernetes.client.leader import LeaderElector, LeadershipLost, Timing
from pybernetes.client.transport import Request
from pybernetes.testing.loop import LoopClock

pytestmark = pytest.mark.virtual_time

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/work"


class Candidate:
    def __init__(self, server: FakeServer, name: str) -> None:
        self.leading = False
        client = Client(DirectTransport(server.handle))
        self.elector = LeaderElector(client, LoopClock(), Random(name), name="work", identity=name)
        self.task = asyncio.create_task(self.elector.lead(self._work))

    async def _work(self) -> None:
        self.leading = True
        try:
            await asyncio.Event().wait()
        finally:
            self.leading = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_of_two_leads_and_the_other_follows_when_it_stops() -> None:
    server = FakeServer()
    first = Candidate(server, "first")
    await asyncio.sleep(1)
    second = Candidate(server, "second")
    await asyncio.sleep(120)
    assert (first.leading, second.leading) == (True, False)
    await first.stop()
    assert server.objects[LEASE]["spec"].get("holderIdentity", "") == ""
    await asyncio.sleep(6)
    assert second.leading
    assert server.objects[LEASE]["spec"]["leaseTransitions"] == 1
    await second.stop()


async def test_a_leader_that_dies_is_replaced_after_its_lease() -> None:
    server = FakeServer()
    server.put(
        LEASE,
        {"spec": {"holderIdentity": "dead", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T00:00:00.000000Z"}},
    )
    follower = Candidate(server, "follower")
    await asyncio.sleep(14)
    assert not follower.leading
    await asyncio.sleep(6)
    assert follower.leading
    await follower.stop()


async def test_work_is_cancelled_when_the_lease_cannot_be_renewed() -> None:
    server = FakeServer()
    leader = Candidate(server, "leader")
    await asyncio.sleep(1)
    server.faults.extend(status(500, "InternalError") for _ in range(100))
    await asyncio.sleep(13)
    assert not leader.leading
    with pytest.raises(LeadershipLost):
        await leader.task


class Mute(FakeServer):
    """Answers until it is told not to, and then keeps everybody waiting."""

    silent = False

    async def handle(self, request: Request) -> Answer:
        if self.silent:
            await asyncio.Event().wait()
        return await super().handle(request)


async def test_a_server_that_does_not_answer_keeps_nobody_from_ending() -> None:
    server = Mute()
    leader = Candidate(server, "leader")
    await asyncio.sleep(1)
    assert leader.leading
    server.silent = True
    told = asyncio.get_running_loop().time()
    await leader.stop()
    assert asyncio.get_running_loop().time() - told == Timing().release
    assert server.objects[LEASE]["spec"]["holderIdentity"] == "leader"
