"""ResourceQuota: refusals, charges and races, as clients see them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from apiserver.serving import PODS, Talk, config_map, pod, serving
from pybernetes.apiserver.admission.catalog import AdmissionOptions
from pybernetes.apiserver.options import ServerOptions

QUOTAS = "/api/v1/namespaces/default/resourcequotas"


async def quota(talk: Talk, name: str, hard: dict[str, str], used: dict[str, str], **spec: Any) -> None:
    """A quota whose usage has been counted."""
    body = {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}
    made = await talk.post(QUOTAS, body)
    assert made.status == 201, made.message
    status = {**made.body, "status": {"hard": hard, "used": used}}
    counted = await talk.put(f"{QUOTAS}/{name}/status", status)
    assert counted.status == 200, counted.message
    await talk.server.watch_cache.at_least(talk.server.store.revision)


async def used(talk: Talk, name: str) -> dict[str, str]:
    found: dict[str, str] = (await talk.get(f"{QUOTAS}/{name}")).body["status"]["used"]
    return found


async def test_a_pod_is_charged_and_one_too_many_is_refused() -> None:
    async with serving() as talk:
        await quota(talk, "few", {"pods": "1", "count/pods": "5"}, {"pods": "0", "count/pods": "0"})
        assert (await talk.post(PODS, pod("one"))).status == 201
        assert await used(talk, "few") == {"pods": "1", "count/pods": "1"}
        refused = await talk.post(PODS, pod("two"))
        assert refused.status == 403
        assert refused.message == (
            'pods "two" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1'
        )
        assert await used(talk, "few") == {"pods": "1", "count/pods": "1"}


async def test_two_pods_at_once_do_not_both_take_the_last_place() -> None:
    async with serving() as talk:
        await quota(talk, "few", {"pods": "3"}, {"pods": "0"})
        answers = await asyncio.gather(*(talk.post(PODS, pod(f"pod-{number}")) for number in range(8)))
        assert sorted(answer.status for answer in answers) == [201] * 3 + [403] * 5
        assert await used(talk, "few") == {"pods": "3"}


async def test_a_dry_run_is_judged_and_charges_nothing() -> None:
    async with serving() as talk:
        await quota(talk, "few", {"pods": "1"}, {"pods": "0"})
        assert (await talk.post(PODS, pod("one"), dryRun="All")).status == 201
        assert await used(talk, "few") == {"pods": "0"}
        await quota(talk, "none", {"pods": "0"}, {"pods": "0"})
        assert (await talk.post(PODS, pod("one"), dryRun="All")).status == 403


async def test_where_memory_is_limited_containers_must_say_what_they_need() -> None:
    async with serving() as talk:
        await quota(talk, "memory", {"memory": "1Gi", "limits.cpu": "2"}, {"memory": "0", "limits.cpu": "0"})
        refused = await talk.post(PODS, pod("one"))
        assert refused.message == (
            'pods "one" is forbidden: failed quota: memory: must specify limits.cpu for: main; memory for: main'
        )


async def test_a_quota_that_has_not_been_counted_lets_nothing_in() -> None:
    async with serving() as talk:
        await talk.post(QUOTAS, {"metadata": {"name": "new"}, "spec": {"hard": {"configmaps": "1"}}})
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        maps = "/api/v1/namespaces/default/configmaps"
        assert (await talk.post(maps, config_map("one"))).status == 201  # nothing in its status: it concerns nobody
        status = {"hard": {"configmaps": "1"}, "used": {}}
        await talk.patch(f"{QUOTAS}/new/status", {"status": status})
        refused = await talk.post(maps, config_map("two"))
        assert refused.message.endswith("status unknown for quota: new, resources: configmaps")


async def test_a_claim_that_grows_is_charged_for_its_growth() -> None:
    async with serving() as talk:
        await quota(talk, "storage", {"requests.storage": "5Gi"}, {"requests.storage": "0"})
        claims = "/api/v1/namespaces/default/persistentvolumeclaims"
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
        assert (await talk.post(claims, {"metadata": {"name": "data"}, "spec": spec})).status == 201
        assert await used(talk, "storage") == {"requests.storage": "2Gi"}


async def test_a_service_is_charged_for_the_node_ports_it_will_get() -> None:
    async with serving() as talk:
        hard = {"services": "2", "services.nodeports": "1", "services.loadbalancers": "0"}
        await quota(talk, "services", hard, dict.fromkeys(hard, "0"))
        services = "/api/v1/namespaces/default/services"
        body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
        assert (await talk.post(services, body)).status == 201
        assert (await talk.patch(f"{services}/web", {"spec": {"type": "NodePort"}})).status == 200
        assert await used(talk, "services") == {**hard, "services": "1"}
        refused = await talk.patch(f"{services}/web", {"spec": {"type": "LoadBalancer"}})
        assert refused.message == (
            'services "web" is forbidden: exceeded quota: services, requested: services.loadbalancers=1, '
            "used: services.loadbalancers=0, limited: services.loadbalancers=0"
        )


async def test_a_quota_of_a_priority_class_counts_its_pods_only() -> None:
    async with serving() as talk:
        classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
        await talk.post(classes, {"metadata": {"name": "high"}, "value": 1000})
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        expression = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
        selector = {"matchExpressions": [expression]}
        await quota(talk, "important", {"pods": "1"}, {"pods": "0"}, scopeSelector=selector)
        assert (await talk.post(PODS, pod("plain"))).status == 201
        assert await used(talk, "important") == {"pods": "0"}
        assert (await talk.post(PODS, pod("first", priorityClassName="high"))).status == 201
        assert (await talk.post(PODS, pod("second", priorityClassName="high"))).status == 403


async def test_what_is_limited_by_the_operator_needs_a_quota(tmp_path: Path) -> None:
    file = tmp_path / "admission.json"
    match = {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}
    limited = [
        {"resource": "pods", "matchScopes": [match]},
        {"resource": "services", "matchContains": ["services.loadbalancers"]},
    ]
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "ResourceQuotaConfiguration",
        "limitedResources": limited,
    }
    plugins = [{"name": "ResourceQuota", "configuration": configuration}]
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins}
    file.write_text(json.dumps(head))
    options = ServerOptions(admission=AdmissionOptions(configuration_file=str(file)))
    async with serving(options=options) as talk:
        assert (await talk.post(PODS, pod("plain"))).status == 201
        critical = await talk.post(PODS, pod("critical", priorityClassName="system-node-critical"))
        assert (critical.status, critical.message) == (
            500,
            "insufficient quota to match these scopes: [{PriorityClass In [system-node-critical]}]",
        )
        balanced = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
        refused = await talk.post("/api/v1/namespaces/default/services", balanced)
        assert refused.message.endswith("insufficient quota to consume: services.loadbalancers")
