"""The scheduler asks for nothing that its user may not do: every request of it is held to the roles that there are."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any

import msgspec
import pytest

from pybernetes.api.models import core_v1, scheduling_v1
from pybernetes.apiserver.access import attributes_of
from pybernetes.apiserver.auth import bootstrap_roles
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import parse
from pybernetes.client import Client, Request
from pybernetes.client.transport import Response, Stream, Transport
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster
from scheduler.devices.device_world import device, slice_of
from scheduler.devices.test_claims_in_a_cluster import claim, exactly, user
from scheduler.devices.test_extended_resources import container, gpu_class, pod

ITSELF = User("system:kube-scheduler", groups=("system:authenticated",))


class Listening:
    """Remembers what was asked."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.asked: set[tuple[str, str, bool]] = set()

    async def send(self, request: Request) -> Response:
        self.asked.add((request.method, request.path, False))
        return await self._transport.send(request)

    def stream(self, request: Request) -> AbstractAsyncContextManager[Stream]:
        self.asked.add((request.method, request.path, True))
        return self._transport.stream(request)

    async def close(self) -> None:
        await self._transport.close()


def refused(asked: set[tuple[str, str, bool]]) -> list[str]:
    rbac = Rbac()
    for _, document in bootstrap_roles.defaults():
        rbac.put(document)
    found = []
    for method, path, watches in sorted(asked):
        request = ApiRequest(method, path, query={"watch": ["true"]} if watches else {})
        for attributes in attributes_of(parse(request), request):
            if not rbac.decide(ITSELF, attributes).allowed:
                found.append(f"{method} {path}")
    return found


def plain(name: str, cpu: str, **spec: Any) -> core_v1.Pod:
    main = {"name": "main", "image": "x", "resources": {"requests": {"cpu": cpu}}}
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [main], **spec}}
    return msgspec.convert(document, core_v1.Pod)


@pytest.mark.virtual_time
async def test_its_roles_suffice_for_everything_it_does() -> None:
    async with Cluster(nodes=1, scheduler=False) as cluster:
        listening = Listening(cluster.client.transport)
        scheduler = Scheduler(Client(listening), cluster.clock, Random(0))
        running = asyncio.create_task(scheduler.run())
        high = {"metadata": {"name": "high"}, "value": 1000}
        await cluster.apply(msgspec.convert(high, scheduling_v1.PriorityClass))
        await cluster.apply(gpu_class())
        await cluster.apply(slice_of("node-0", device("d0"), device("d1")))
        await cluster.apply(claim("gpu", exactly()))
        await cluster.apply(plain("low", "6", terminationGracePeriodSeconds=0))
        await cluster.apply(user("with-claim", "gpu"))
        await cluster.apply(pod("extended", container("main", 1)))
        await cluster.settle()
        await cluster.apply(plain("large", "60"))
        await cluster.apply(plain("vip", "6", priorityClassName="high"))
        await cluster.settle(quiet=15)
        placed = {one.metadata.name for one in (await cluster.client.list(core_v1.Pod)).items if one.spec.node_name}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert placed == {"vip", "with-claim", "extended"}
    assert {method for method, _, _ in listening.asked} == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert refused(listening.asked) == []
