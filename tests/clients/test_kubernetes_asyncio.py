"""kubernetes-asyncio, unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client, config, dynamic, watch
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.leaderelection import electionconfig, leaderelection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock


@pytest.fixture
async def api(kubeconfig: str) -> AsyncIterator[Any]:
    async with await config.new_client_from_config(kubeconfig) as made:
        yield made


def config_map(name: str, **data: str) -> Any:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


async def test_objects_are_made_changed_and_deleted(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    made = await core.create_namespaced_config_map(namespace, config_map("one", a="1"))
    made.data = {"a": "2"}
    assert (await core.replace_namespaced_config_map("one", namespace, made)).data == {"a": "2"}
    with pytest.raises(ApiException) as late:
        await core.replace_namespaced_config_map("one", namespace, made)
    assert late.value.status == 409
    patched = await core.patch_namespaced_config_map("one", namespace, {"data": {"b": "3"}})
    assert patched.data == {"a": "2", "b": "3"}
    await core.delete_namespaced_config_map("one", namespace)
    with pytest.raises(ApiException) as absent:
        await core.read_namespaced_config_map("one", namespace)
    assert absent.value.status == 404


async def test_a_watch_runs_beside_the_writes_that_it_tells_of(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    start = (await core.list_namespaced_config_map(namespace)).metadata.resource_version

    async def write() -> None:
        await core.create_namespaced_config_map(namespace, config_map("one", a="1"))
        await core.patch_namespaced_config_map("one", namespace, {"data": {"a": "2"}})
        await core.delete_namespaced_config_map("one", namespace)

    seen = []
    async with watch.Watch() as watcher, asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        where = {"resource_version": start, "field_selector": "metadata.name=one", "timeout_seconds": 300}
        async for event in watcher.stream(core.list_namespaced_config_map, namespace, **where):
            seen.append((event["type"], event["object"].data))
            if event["type"] == "DELETED":
                break
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]


async def test_the_dynamic_client_finds_kinds_and_applies(api: Any, namespace: str) -> None:
    found = await dynamic.DynamicClient(api)
    maps = await found.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    made = await maps.server_side_apply(body, namespace=namespace, field_manager="first")
    assert made.metadata.managedFields[0].manager == "first"
    assert (await maps.get(name="one", namespace=namespace)).data.a == "1"


async def test_a_leader_leads_and_writes_its_name(api: Any, namespace: str) -> None:
    led = asyncio.Event()

    async def lead() -> None:
        led.set()
        await asyncio.Event().wait()

    lock = LeaseLock("lock", namespace, "me", api)
    settings = electionconfig.Config(
        lock, lease_duration=300, renew_deadline=200, retry_period=1, onstarted_leading=lead, onstopped_leading=None
    )
    running = asyncio.create_task(leaderelection.LeaderElection(settings).run())
    async with asyncio.timeout(300):
        await led.wait()
    lease = await client.CoordinationV1Api(api).read_namespaced_lease("lock", namespace)
    assert lease.spec.holder_identity == "me"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
