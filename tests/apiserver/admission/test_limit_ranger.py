"""LimitRanger: defaults, bounds, and what is told of them."""

from __future__ import annotations

from typing import Any

from apiserver.serving import PODS, Talk, pod, serving

RANGES = "/api/v1/namespaces/default/limitranges"


async def limit(talk: Talk, *items: dict[str, Any]) -> None:
    made = await talk.post(RANGES, {"metadata": {"name": "limits"}, "spec": {"limits": list(items)}})
    assert made.status == 201, made.message
    await talk.server.watch_cache.at_least(talk.server.store.revision)


def asking(name: str, **resources: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = pod(name)
    body["spec"]["containers"][0]["resources"] = resources
    return body


async def test_containers_get_the_defaults_and_the_pod_says_so() -> None:
    async with serving() as talk:
        await limit(talk, {"type": "Container", "default": {"memory": "64Mi"}, "defaultRequest": {"cpu": "100m"}})
        made = (await talk.post(PODS, pod("one"))).body
        assert made["spec"]["containers"][0]["resources"] == {
            "limits": {"memory": "64Mi"},
            "requests": {"cpu": "100m", "memory": "64Mi"},
        }
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu, memory request for container main; memory limit for container main"
        )


async def test_what_is_stated_is_kept() -> None:
    async with serving() as talk:
        await limit(talk, {"type": "Container", "default": {"cpu": "1"}})
        made = (await talk.post(PODS, asking("one", limits={"cpu": "2"}))).body
        assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2"}
        assert "annotations" not in made["metadata"]


async def test_every_bound_that_is_broken_is_told() -> None:
    async with serving() as talk:
        await limit(talk, {"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}})
        low = await talk.post(PODS, asking("low", requests={"cpu": "50m"}, limits={"cpu": "500m"}))
        assert low.message == ('pods "low" is forbidden: minimum cpu usage per Container is 100m, but request is 50m')
        high = await talk.post(PODS, asking("high", limits={"cpu": "2"}))
        assert high.message == 'pods "high" is forbidden: maximum cpu usage per Container is 1, but limit is 2'


async def test_a_pod_is_bounded_as_a_whole_and_by_its_ratio() -> None:
    async with serving() as talk:
        await limit(talk, {"type": "Pod", "max": {"memory": "1Gi"}, "maxLimitRequestRatio": {"cpu": "2"}})
        refused = await talk.post(PODS, asking("one", requests={"cpu": "100m"}, limits={"cpu": "1", "memory": "2Gi"}))
        assert refused.message == (
            'pods "one" is forbidden: [maximum memory usage per Pod is 1Gi, but limit is 2Gi, '
            "cpu max limit to request ratio per Pod is 2, but provided ratio is 10.000000]"
        )


async def test_a_claim_is_bounded() -> None:
    async with serving() as talk:
        bounds = {"min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}}
        await limit(talk, {"type": "PersistentVolumeClaim", **bounds})
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
        claims = "/api/v1/namespaces/default/persistentvolumeclaims"
        refused = await talk.post(claims, {"metadata": {"name": "data"}, "spec": spec})
        assert refused.message == (
            'persistentvolumeclaims "data" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, '
            "but request is 10Gi"
        )
