"""The short plugins, each as a client sees it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import PODS, Talk, pod, serving
from pybernetes.apiserver.admission.always_deny import AlwaysDeny
from pybernetes.apiserver.admission.catalog import AdmissionOptions, check
from pybernetes.apiserver.admission.event_rate_limit import EventRateLimit, read_limits
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.options import ServerOptions

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"


def options(*enable: str, **given: Any) -> ServerOptions:
    return ServerOptions(admission=AdmissionOptions(enable=enable, **given))


async def seen(talk: Talk) -> None:
    """Until the server's own view shows every write."""
    await talk.server.watch_cache.at_least(talk.server.store.revision)


def claim(name: str, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"metadata": {"name": name}, "spec": asked}


def test_unknown_names_and_contradictions_are_refused() -> None:
    with pytest.raises(ConfigurationError, match='enable-admission-plugins plugin "Nonsense" is unknown'):
        check(AdmissionOptions(enable=("Nonsense",)))
    with pytest.raises(ConfigurationError, match='disable-admission-plugins plugin "Nonsense" is unknown'):
        check(AdmissionOptions(disable=("Nonsense",)))
    both = AdmissionOptions(enable=("Priority",), disable=("Priority",))
    overlap = r"\[Priority\] in enable-admission-plugins and disable-admission-plugins overlapped"
    with pytest.raises(ConfigurationError, match=overlap):
        check(both)


async def test_the_newest_default_storage_class_is_chosen() -> None:
    async with serving() as talk:
        mark = {"storageclass.kubernetes.io/is-default-class": "true"}
        for name in ("slow", "fast"):
            body = {"metadata": {"name": name, "annotations": mark}, "provisioner": "example.com/disk"}
            assert (await talk.post(CLASSES, body)).status == 201
        await seen(talk)
        made = (await talk.post(CLAIMS, claim("data"))).body
        assert made["spec"]["storageClassName"] in ("fast", "slow")
        assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        none = (await talk.post(CLAIMS, claim("none", storageClassName=""))).body
        assert none["spec"]["storageClassName"] == ""


async def test_a_claim_grows_only_when_bound_and_where_its_class_allows_it() -> None:
    async with serving() as talk:
        await talk.post(CLASSES, {"metadata": {"name": "fixed"}, "provisioner": "example.com/disk"})
        await talk.post(CLAIMS, claim("data", storageClassName="fixed"))
        more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        refused = await talk.patch(f"{CLAIMS}/data", more)
        assert refused.status in (403, 422)
        status = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
        await talk.patch(f"{CLAIMS}/data", {"spec": {"volumeName": "disk"}})
        assert (await talk.patch(f"{CLAIMS}/data/status", status)).status == 200
        await seen(talk)
        refused = await talk.patch(f"{CLAIMS}/data", more)
        assert refused.message == (
            'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the '
            "storageclass that provisions the pvc must support resize"
        )
        await talk.patch(f"{CLASSES}/fixed", {"allowVolumeExpansion": True})
        await seen(talk)
        assert (await talk.patch(f"{CLAIMS}/data", more)).status == 200


async def test_a_runtime_class_gives_overhead_and_tells_where_to_go() -> None:
    async with serving() as talk:
        await talk.post(
            RUNTIMES,
            {
                "metadata": {"name": "sandbox"},
                "handler": "sandbox",
                "overhead": {"podFixed": {"memory": "64Mi"}},
                "scheduling": {"nodeSelector": {"sandbox": "yes"}, "tolerations": [{"operator": "Exists"}]},
            },
        )
        await seen(talk)
        spec = (await talk.post(PODS, pod("one", runtimeClassName="sandbox"))).body["spec"]
        assert spec["overhead"] == {"memory": "64Mi"}
        assert spec["nodeSelector"] == {"sandbox": "yes"}
        assert spec["tolerations"] == [{"operator": "Exists"}]
        conflict = await talk.post(PODS, pod("two", runtimeClassName="sandbox", nodeSelector={"sandbox": "no"}))
        assert conflict.message == (
            'pods "two" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; '
            "pod.spec.nodeSelector[sandbox] = no"
        )
        missing = await talk.post(PODS, pod("three", runtimeClassName="none"))
        assert missing.message == 'pods "three" is forbidden: pod rejected: RuntimeClass "none" not found'


async def test_a_pod_on_a_node_carries_its_zone() -> None:
    async with serving() as talk:
        labels = {"topology.kubernetes.io/zone": "a", "other": "b"}
        await talk.post("/api/v1/nodes", {"metadata": {"name": "n1", "labels": labels}})
        await seen(talk)
        made = (await talk.post(PODS, pod("one", nodeName="n1"))).body
        assert made["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}


async def test_images_are_always_pulled_where_the_operator_says_so() -> None:
    async with serving(options=options("AlwaysPullImages")) as talk:
        body = pod("one")
        body["spec"]["containers"][0]["imagePullPolicy"] = "Never"
        made = (await talk.post(PODS, body)).body
        assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"


async def test_devices_taints_are_tolerated_where_the_operator_says_so() -> None:
    async with serving(options=options("ExtendedResourceToleration")) as talk:
        body = pod("one")
        body["spec"]["containers"][0]["resources"] = {"limits": {"example.com/gpu": "1"}}
        made = (await talk.post(PODS, body)).body
        assert {"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in made["spec"]["tolerations"]


async def test_external_addresses_are_denied_but_may_stay() -> None:
    services = "/api/v1/namespaces/default/services"
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "externalIPs": ["192.0.2.1"]}}
    async with serving(options=options("DenyServiceExternalIPs")) as talk:
        refused = await talk.post(services, body)
        assert refused.message == 'services "web" is forbidden: Use of external IPs is denied by admission control'


async def test_anti_affinity_is_about_nodes_where_the_operator_says_so() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    async with serving(options=options("LimitPodHardAntiAffinityTopology")) as talk:
        refused = await talk.post(PODS, pod("one", affinity=affinity))
        assert refused.message == (
            'pods "one" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only '
            "key kubernetes.io/hostname is allowed"
        )


async def test_a_namespaces_pods_go_where_its_annotation_says() -> None:
    async with serving(options=options("PodNodeSelector")) as talk:
        annotations = {"scheduler.alpha.kubernetes.io/node-selector": "team=blue"}
        await talk.patch("/api/v1/namespaces/default", {"metadata": {"annotations": annotations}})
        await seen(talk)
        assert (await talk.post(PODS, pod("one"))).body["spec"]["nodeSelector"] == {"team": "blue"}
        refused = await talk.post(PODS, pod("two", nodeSelector={"team": "red"}))
        assert refused.message == (
            'pods "two" is forbidden: pod node label selector conflicts with its namespace node label selector'
        )


async def test_a_namespaces_pods_get_its_tolerations_and_no_others() -> None:
    async with serving(options=options("PodTolerationRestriction")) as talk:
        given = '[{"key":"team","operator":"Equal","value":"blue","effect":"NoSchedule"}]'
        allowed = given[:-1] + ',{"operator":"Exists","effect":"NoExecute"}]'
        annotations = {
            "scheduler.alpha.kubernetes.io/defaultTolerations": given,
            "scheduler.alpha.kubernetes.io/tolerationsWhitelist": allowed,
        }
        await talk.patch("/api/v1/namespaces/default", {"metadata": {"annotations": annotations}})
        await seen(talk)
        keys = [one.get("key") for one in (await talk.post(PODS, pod("one"))).body["spec"]["tolerations"]]
        assert "team" in keys
        refused = await talk.post(PODS, pod("two", tolerations=[{"key": "x", "operator": "Exists"}]))
        assert refused.status == 500
        assert refused.message.endswith("conflict with its namespace whitelist")


async def test_a_namespace_comes_with_its_first_object_where_the_operator_says_so() -> None:
    async with serving(options=options("NamespaceAutoProvision")) as talk:
        body = {"metadata": {"name": "one"}}
        assert (await talk.post("/api/v1/namespaces/new/configmaps", body)).status == 201
        assert (await talk.get("/api/v1/namespaces/new")).status == 200


async def test_everything_is_denied_where_the_operator_says_so() -> None:
    async with serving() as talk:
        talk.server.admission.use((AlwaysDeny(),))
        refused = await talk.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "one"}})
        assert refused.message == 'configmaps "one" is forbidden: admission control is denying all modifications'
        assert (await talk.delete("/api/v1/namespaces/default/serviceaccounts/default")).status == 403


async def test_a_mirror_pod_refers_to_no_account() -> None:
    async with serving() as talk:
        body = pod("static", serviceAccountName="default", nodeName="n1")
        body["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
        refused = await talk.post(PODS, body)
        assert refused.message == 'pods "static" is forbidden: a mirror pod may not reference service accounts'


async def test_an_account_may_limit_the_secrets_of_its_pods() -> None:
    async with serving() as talk:
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        annotations = {"kubernetes.io/enforce-mountable-secrets": "true"}
        account = {"metadata": {"name": "strict", "annotations": annotations}, "secrets": [{"name": "mine"}]}
        await talk.post(accounts, account)
        volumes = [{"name": "keys", "secret": {"secretName": "other"}}]
        refused = await talk.post(PODS, pod("one", serviceAccountName="strict", volumes=volumes))
        assert refused.message == (
            'pods "one" is forbidden: volume with secret.secretName="other" is not allowed because service account '
            "strict does not reference that secret"
        )


async def test_an_object_without_a_name_is_named_by_what_its_name_begins_with() -> None:
    async with serving() as talk:
        body = pod("x", priorityClassName="none")
        body["metadata"] = {"generateName": "web-"}
        refused = await talk.post(PODS, body)
        assert refused.message == 'pods "web-" is forbidden: no PriorityClass with name none was found'


async def test_events_that_come_too_often_are_turned_away() -> None:
    limits = {"limits": [{"type": "Namespace", "qps": 1, "burst": 2}, {"type": "Server", "qps": 50, "burst": 500}]}
    async with serving() as talk:
        talk.server.admission.use((EventRateLimit(tuple(read_limits(limits)), talk.server.clock),))
        events = "/api/v1/namespaces/default/events"
        answers = [await talk.post(events, event(f"e{number}")) for number in range(3)]
        assert [answer.status for answer in answers] == [201, 201, 429]
        assert answers[-1].message == "Too many requests: limit reached on type Namespace for key default"


def event(name: str) -> dict[str, Any]:
    about = {"kind": "Pod", "name": "one", "namespace": "default"}
    return {"metadata": {"name": name}, "involvedObject": about, "reason": "Testing", "type": "Normal"}


def test_a_limit_of_events_must_say_how_many() -> None:
    with pytest.raises(ConfigurationError, match="limits: Invalid value: null: must not be empty"):
        tuple(read_limits(None))
    with pytest.raises(ConfigurationError, match=r"limits\[0\].burst: Invalid value: 0: must be positive"):
        tuple(read_limits({"limits": [{"type": "Server", "qps": 1}]}))


async def test_a_pod_that_is_bound_gets_the_zone_of_its_node() -> None:
    async with serving() as talk:
        await talk.post("/api/v1/nodes", {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "a"}}})
        await talk.post(PODS, pod("one"))
        await seen(talk)
        target = {"kind": "Node", "name": "n1"}
        bound = await talk.post(f"{PODS}/one/binding", {"metadata": {"name": "one"}, "target": target})
        assert bound.status == 201
        assert (await talk.get(f"{PODS}/one")).body["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}


async def test_nothing_is_evicted_from_a_namespace_that_goes() -> None:
    async with serving() as talk:
        await talk.post("/api/v1/namespaces", {"metadata": {"name": "going"}})
        pods = "/api/v1/namespaces/going/pods"
        await talk.post("/api/v1/namespaces/going/serviceaccounts", {"metadata": {"name": "default"}})
        assert (await talk.post(pods, pod("one"))).status == 201
        await talk.delete("/api/v1/namespaces/going")
        await seen(talk)
        refused = await talk.post(f"{pods}/one/eviction", {"metadata": {"name": "one"}})
        assert refused.status == 403
        assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"


async def test_a_whole_pod_is_resized_only_where_its_node_says_it_can() -> None:
    async with serving() as talk:
        node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4", "memory": "4Gi"}}}
        assert (await talk.post("/api/v1/nodes", node)).status == 201
        asked = {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}
        assert (await talk.post(PODS, pod("one", nodeName="n1", resources=asked))).status == 201
        await seen(talk)
        more = {"spec": {"resources": {"requests": {"cpu": "1500m"}, "limits": {"cpu": "2"}}}}
        refused = await talk.patch(f"{PODS}/one/resize", more)
        assert refused.message == (
            'pods "one" is forbidden: pod update requires features InPlacePodLevelResourcesVerticalScaling which are '
            'not available on node "n1"'
        )
        declared = {"status": {"declaredFeatures": ["InPlacePodLevelResourcesVerticalScaling"]}}
        assert (await talk.patch("/api/v1/nodes/n1/status", declared)).status == 200
        await seen(talk)
        assert (await talk.patch(f"{PODS}/one/resize", more)).status == 200
        too_much = {"spec": {"resources": {"requests": {"cpu": "8"}, "limits": {"cpu": "8"}}}}
        refused = await talk.patch(f"{PODS}/one/resize", too_much)
        assert refused.message == (
            'pods "one" is forbidden: node didn\'t have enough allocatable resources: cpu, requested: 8000, '
            "allocatable: 4000"
        )
        assert refused.body["details"]["causes"] == [{"reason": "NodeCapacity"}]
