"""What controllers and scheduler tell on their secure ports, and to whom."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pybernetes.api.errors import service_unavailable
from pybernetes.cli import claims
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.secure_port import Component, is_up, served
from pybernetes.client import Client, DirectTransport
from pybernetes.client.transport import Request, Response

TOKENS = {"scraper-token": ("prometheus", ["monitoring"]), "other-token": ("jane", ["devs"])}


class Reviews:
    """An API server that knows two tokens and lets `prometheus` read metrics."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.busy = False

    async def handle(self, request: Request) -> Response:
        if self.busy:
            return Response(503, {}, json.dumps(service_unavailable("busy").status()).encode())
        self.asked.append(request.path.rpartition("/")[2])
        review = json.loads(request.body)
        spec = review["spec"]
        if "token" in spec:
            name, groups = TOKENS.get(spec["token"], ("", []))
            review["status"] = {"authenticated": bool(name), "user": {"username": name, "groups": groups}}
        else:
            wanted = (spec["user"], spec["nonResourceAttributes"])
            review["status"] = {"allowed": wanted == ("prometheus", {"path": "/metrics", "verb": "get"})}
        return Response(201, {}, json.dumps(review).encode())


class World:
    def __init__(self, tmp_path: Path) -> None:
        self.reviews = Reviews()
        self.layout = Layout(tmp_path)
        self.synced = True
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def component(self) -> Component:
        return Component(
            "kube-scheduler",
            {
                "/healthz": lambda: {"leaderElection": is_up},
                "/readyz": lambda: {"sync": lambda: self.synced, "b": is_up},
            },
            lambda: b"up 1\n",
            {"componentconfig": {"parallelism": 16}},
            {"secure-port": self.port, "config": ""},
        )

    async def get(self, path: str, token: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    client = Client(DirectTransport(world.reviews.handle))
    async with served(world.component(), client, world.layout, Settings(kubeconfig="elsewhere"), world.port):
        yield world


def message(answer: tuple[int, str]) -> tuple[int, Any]:
    return answer[0], json.loads(answer[1])["message"]


async def test_health_is_told_to_everybody_check_by_check(world: World) -> None:
    assert await world.get("/healthz") == (200, "ok")
    assert await world.get("/readyz?verbose") == (200, "[+]sync ok\n[+]b ok\nreadyz check passed\n")
    world.synced = False
    assert await world.get("/readyz") == (
        500,
        "[-]sync failed: reason withheld\n[+]b ok\nreadyz check failed\n",
    )
    assert world.reviews.asked == []


async def test_metrics_are_for_whom_the_api_server_lets_read_them(world: World) -> None:
    assert await world.get("/metrics", "scraper-token") == (200, "up 1\n")
    assert message(await world.get("/metrics", "other-token")) == (
        403,
        'forbidden: User "jane" cannot get path "/metrics"',
    )
    assert message(await world.get("/metrics")) == (
        403,
        'forbidden: User "system:anonymous" cannot get path "/metrics"',
    )
    assert message(await world.get("/healthz", "unknown-token")) == (401, "Unauthorized")


async def test_a_scrape_soon_after_another_asks_nobody(world: World) -> None:
    for _ in range(3):
        assert (await world.get("/metrics", "scraper-token"))[0] == 200
    assert world.reviews.asked == ["tokenreviews", "subjectaccessreviews"]


async def test_who_cannot_be_judged_is_not_let_in(world: World) -> None:
    world.reviews.busy = True
    assert (await world.get("/metrics", "scraper-token"))[0] == 401
    assert message(await world.get("/metrics")) == (500, "Internal error occurred: busy")


async def test_a_port_that_is_taken_is_left_to_who_has_it(world: World) -> None:
    client = Client(DirectTransport(world.reviews.handle))
    async with served(world.component(), client, world.layout, Settings(kubeconfig="elsewhere"), world.port):
        assert await world.get("/healthz") == (200, "ok")
    assert await world.get("/healthz") == (200, "ok")


async def test_port_zero_listens_nowhere(world: World) -> None:
    client = Client(DirectTransport(world.reviews.handle))
    async with served(world.component(), client, world.layout, Settings(), 0):
        pass
    assert not (world.layout.pki / "component-serving.crt").exists()


def test_clusters_on_one_machine_get_ports_of_their_own() -> None:
    def free(port: int) -> bool:
        return port != 10262

    first = claims.secure_ports(Settings(), [], free)
    assert (first.controller_manager_port, first.scheduler_port) == (10257, 10259)
    second = claims.secure_ports(Settings(), [first], free)
    assert (second.controller_manager_port, second.scheduler_port) == (10258, 10260)
    third = claims.secure_ports(Settings(), [first, second], free)
    assert (third.controller_manager_port, third.scheduler_port) == (10261, 10263)
    assert claims.secure_ports(Settings(scheduler_port=0), [], free).scheduler_port == 0
