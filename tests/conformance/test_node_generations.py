"""The generation of a pod whose spec changes faster than its node looks."""

from __future__ import annotations

import pytest

from conformance.typed_client import MERGE, Document, TypedClient
from pybernetes.testing.cluster import Cluster


@pytest.mark.conformance("Pods Generation, 500 updates")
async def test_the_generation_that_is_observed_catches_up_with_five_hundred(cluster: Cluster) -> None:
    pods = TypedClient(cluster.server).of("", "v1", "pods")
    main = {"name": "main", "image": "pause:1"}
    made: Document = {"metadata": {"name": "often"}, "spec": {"containers": [main]}}
    assert (await pods.create(made))["metadata"]["generation"] == 1
    await cluster.settle(quiet=5)
    for number in range(499):
        await pods.patch("often", {"spec": {"activeDeadlineSeconds": 10_000 - number}}, MERGE)
    await cluster.settle(quiet=5)
    found = await pods.get("often")
    assert found["metadata"]["generation"] == 500
    assert found["status"]["observedGeneration"] == 500
    assert found["status"]["phase"] == "Running"
