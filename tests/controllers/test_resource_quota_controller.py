"""Quotas end to end: counted, charged, given back."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.make import template
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.controllers.resource_quota import plan
from pybernetes.testing.cluster import Cluster


def quota(hard: dict[str, str], **spec: Any) -> core_v1.ResourceQuota:
    return core_v1.ResourceQuota(
        metadata=meta_v1.ObjectMeta(name="few", namespace="default"), spec=core_v1.ResourceQuotaSpec(hard=hard, **spec)
    )


def pod(name: str) -> core_v1.Pod:
    return core_v1.Pod(metadata=meta_v1.ObjectMeta(name=name, namespace="default"), spec=template().spec)


async def used(cluster: Cluster) -> dict[str, str]:
    return (await cluster.client.get(core_v1.ResourceQuota, "few", "default")).status.used


async def test_a_new_quota_is_counted(cluster: Cluster) -> None:
    await cluster.apply(pod("one"))
    await cluster.apply(quota({"pods": "5", "count/configmaps": "9", "services.nodeports": "0"}))
    await cluster.settle()
    assert await used(cluster) == {"pods": "1", "count/configmaps": "1", "services.nodeports": "0"}


async def test_what_goes_is_given_back(cluster: Cluster) -> None:
    await cluster.apply(quota({"pods": "1"}))
    await cluster.settle()
    await cluster.apply(pod("one"))
    with pytest.raises(ApiError, match="exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"):
        await cluster.client.create(pod("two"))
    await cluster.client.delete(core_v1.Pod, "one", "default", grace_period=0)
    await cluster.settle()
    assert await used(cluster) == {"pods": "0"}
    await cluster.client.create(pod("two"))


async def test_what_was_charged_for_a_write_that_failed_does_not_stay(cluster: Cluster) -> None:
    await cluster.apply(quota({"count/configmaps": "5"}))
    await cluster.settle()
    taken = core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="kube-root-ca.crt", namespace="default"))
    with pytest.raises(ApiError, match="already exists"):
        await cluster.client.create(taken)
    assert await used(cluster) == {"count/configmaps": "2"}
    await cluster.clock.advance(10)
    assert await used(cluster) == {"count/configmaps": "1"}


async def test_a_limit_that_changes_is_taken_over(cluster: Cluster) -> None:
    made = await cluster.apply(quota({"pods": "5"}))
    await cluster.settle()
    await cluster.client.patch(core_v1.ResourceQuota, "few", "default", {"spec": {"hard": {"secrets": "3"}}})
    await cluster.settle()
    status = (await cluster.get(made)).status
    assert status.hard == {"pods": "5", "secrets": "3"}
    assert status.used == {"pods": "0", "secrets": "0"}


def test_what_cannot_be_counted_stays_as_it_was() -> None:
    known = quota({"pods": "5", "example.com/thing": "3"})
    known.status = core_v1.ResourceQuotaStatus(hard=known.spec.hard, used={"pods": "9", "example.com/thing": "2"})
    from pybernetes.api.quota.amounts import read

    planned = plan(known, read({"pods": "1"}))
    assert planned.status is not None
    assert planned.status.used == {"pods": "1", "example.com/thing": "2"}
    known.status.used = planned.status.used
    assert plan(known, read({"pods": "1"})).status is None
