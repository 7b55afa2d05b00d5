"""Writes: create, the patches, apply, PUT, and the deletion of a collection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import orjson

from benchmarks import load, objects
from benchmarks.api.measurement import STORED_PODS, Server, Timed, fill, make_namespace

WRITES = 2000
"""In a round."""
CONFIG_MAPS = 200


class CreatePod(Timed):
    name = "create pod"
    ratio, goal = 3, 2500

    def __init__(self) -> None:
        self._numbers = count()

    async def prepare(self, server: Server) -> None:
        await make_namespace(server.target, f"{server.namespace}-create")

    async def run(self, server: Server) -> load.Run:
        path = server.path("pods", namespace=f"{server.namespace}-create")
        bodies = [objects.pod(f"created-{next(self._numbers)}", {"app": "bench"}) for _ in range(WRITES)]
        return await load.each(server.target, [server.target.request("POST", path, body) for body in bodies])


class MergePatchOfStatus(Timed):
    name = "merge patch of a pod's status"
    ratio = 4

    async def run(self, server: Server) -> load.Run:
        patches = (orjson.dumps({"status": {"message": f"round {mark}"}}) for mark in _marks())
        return await load.each(server.target, _patches(server, patches, "/status", "application/merge-patch+json"))


class StrategicPatch(Timed):
    name = "strategic patch of a pod"
    ratio = 4

    async def run(self, server: Server) -> load.Run:
        patches = (
            orjson.dumps(
                {
                    "metadata": {"annotations": {"bench": mark}},
                    "spec": {"containers": [{"name": "main", "image": f"registry.example/app:{mark}"}]},
                }
            )
            for mark in _marks()
        )
        return await load.each(server.target, _patches(server, patches, "", "application/strategic-merge-patch+json"))


class ApplyConfigMap(Timed):
    name = "server-side apply of a ConfigMap"
    ratio = 2

    async def run(self, server: Server) -> load.Run:
        requests = [
            server.target.request(
                "PATCH",
                server.path("configmaps", f"applied-{number % CONFIG_MAPS}") + "?fieldManager=bench&force=true",
                _config_map(f"applied-{number % CONFIG_MAPS}", mark),
                "application/apply-patch+yaml",
            )
            for number, mark in zip(range(WRITES), _marks(), strict=False)
        ]
        return await load.each(server.target, requests)


class PutConfigMap(Timed):
    name = "PUT of a ConfigMap"
    ratio = 2.5

    async def prepare(self, server: Server) -> None:
        path = server.path("configmaps")
        names = [f"put-{number}" for number in range(CONFIG_MAPS)]
        await load.each(
            server.target, [server.target.request("POST", path, _config_map(name, "first")) for name in names]
        )

    async def run(self, server: Server) -> load.Run:
        requests = [
            server.target.request(
                "PUT",
                server.path("configmaps", f"put-{number % CONFIG_MAPS}"),
                _config_map(f"put-{number % CONFIG_MAPS}", mark),
            )
            for number, mark in zip(range(WRITES), _marks(), strict=False)
        ]
        return await load.each(server.target, requests)


class DeleteCollection(Timed):
    """Pods a second that one request deletes."""

    name = "delete collection of 1,000 pods"
    ratio = 4

    def __init__(self) -> None:
        self._numbers = count()
        self._namespace = ""

    async def set_up(self, server: Server) -> None:
        self._namespace = f"{server.namespace}-deleted-{next(self._numbers)}"
        await make_namespace(server.target, self._namespace)
        await fill(server.target, self._namespace, 1000)

    async def run(self, server: Server) -> load.Run:
        connection = await server.target.connect()
        options = orjson.dumps({"gracePeriodSeconds": 0})
        began = time.perf_counter()
        await connection.send(server.target.request("DELETE", server.path("pods", namespace=self._namespace), options))
        seconds = time.perf_counter() - began
        connection.close()
        return load.Run(seconds, [seconds] * 1000)


def _marks() -> Iterator[str]:
    """Never the same twice: a write that changes nothing is cheap."""
    return (str(time.perf_counter_ns()) for _ in count())


def _patches(server: Server, patches: Iterator[bytes], subresource: str, media: str) -> list[bytes]:
    return [
        server.target.request("PATCH", server.path("pods", f"pod-{number % STORED_PODS}") + subresource, patch, media)
        for number, patch in zip(range(WRITES), patches, strict=False)
    ]


def _config_map(name: str, mark: str) -> bytes:
    """About 1 kB."""
    data = {f"key-{number}": f"value {number} " + "x" * 80 for number in range(8)}
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"app": "bench"}},
            "data": {**data, "mark": mark},
        }
    )
