"""Config maps and secrets as objects: created, refused, changed, found by their labels, deleted together."""

from __future__ import annotations

import base64

import pytest

from conformance.typed_client import JSON_PATCH, STRATEGIC, TypedClient
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

STATIC = {"test-configmap-static": "true"}


@pytest.mark.conformance("ConfigMap, with empty-key", "ConfigMap lifecycle", "ConfigMap Update")
async def test_a_config_map_lives(cluster: Cluster) -> None:
    maps = TypedClient(cluster.server).of("", "v1", "configmaps")
    with pytest.raises(ApiError) as refused:
        await maps.create({"metadata": {"name": "empty"}, "data": {"": "value-1"}})
    assert refused.value.code == 422
    assert "data[]: Invalid value" in str(refused.value)
    made = {"metadata": {"name": "map", "labels": STATIC}, "data": {"valueName": "value"}}
    async with await maps.watch("test-configmap-static=true") as watching:
        await maps.create(made)
        await watching.until("ADDED")
        patch = {"metadata": {"labels": {"test-configmap": "patched"}}, "data": {"valueName": "value1"}}
        await maps.patch("map", patch, STRATEGIC)
        changed = await watching.until("MODIFIED")
        assert changed["metadata"]["labels"]["test-configmap"] == "patched"
        found = await maps.get("map")
        assert found["data"] == {"valueName": "value1"}
        assert found["metadata"]["labels"] == {**STATIC, "test-configmap": "patched"}
        (listed,) = await maps.list("test-configmap-static=true")
        assert listed["data"]["valueName"] == "value1"
        found["data"]["more"] = "value2"
        assert (await maps.update(found))["data"] == {"valueName": "value1", "more": "value2"}
        assert (await maps.get("map"))["data"]["more"] == "value2"
        await maps.delete_collection("test-configmap-static=true")
        await watching.until("DELETED")
    assert await maps.list("test-configmap-static=true") == []


@pytest.mark.conformance("Secrets, with empty-key", "Secret patching")
async def test_a_secret_is_patched(cluster: Cluster) -> None:
    secrets = TypedClient(cluster.server).of("", "v1", "secrets")
    with pytest.raises(ApiError) as refused:
        await secrets.create({"metadata": {"name": "empty"}, "data": {"": "dmFsdWUtMQ=="}})
    assert refused.value.code == 422
    assert await secrets.list("testsecret-constant=true") == []
    labels = {"testsecret-constant": "true"}
    made = {"metadata": {"name": "hush", "labels": labels}, "type": "Opaque", "data": {"key": "dmFsdWU="}}
    await secrets.create(made)
    value = base64.b64encode(b"value1").decode()
    patch = {"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": value}}
    await secrets.patch("hush", patch, STRATEGIC)
    (found,) = await secrets.list("testsecret-constant=true")
    assert found["metadata"]["name"] == "hush"
    assert found["data"] == {"key": value}
    assert found["metadata"]["labels"]["testsecret"] == "true"
    more = [{"op": "add", "path": "/data/other", "value": value}]
    assert set((await secrets.patch("hush", more, JSON_PATCH))["data"]) == {"key", "other"}
    await secrets.delete_collection("testsecret=true")
    assert await secrets.list("testsecret-constant=true") == []
