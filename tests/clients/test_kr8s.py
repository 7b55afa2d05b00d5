"""kr8s, unmodified, with and without await."""

from __future__ import annotations

from typing import Any

import kr8s
import kr8s.asyncio
import pytest
from kr8s.asyncio.objects import ConfigMap as AsyncConfigMap
from kr8s.asyncio.objects import Pod as AsyncPod
from kr8s.objects import ConfigMap, Deployment, Pod, new_class

# It warns of versions that were not out yet when it was.
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning")

CONTAINERS = [{"name": "main", "image": "nginx:1"}]


def pod(name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": CONTAINERS}}


def test_a_pod_starts_is_labelled_and_goes(kubeconfig: str, namespace: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig)
    made = Pod(pod("p", namespace), api=api)
    assert not made.exists()
    made.create()
    made.wait("condition=Ready", timeout=300)
    assert made.ready()
    made.label(color="red")
    made.annotate({"example.com/note": "yes"})
    made.refresh()
    assert made.labels == {"app": "p", "color": "red"}
    assert made.annotations["example.com/note"] == "yes"
    assert [one.name for one in api.get("pods", namespace=namespace, label_selector="color=red")] == ["p"]
    assert [one.name for one in api.get("pods", namespace=namespace, field_selector="status.phase=Failed")] == []
    made.delete(grace_period=0, force=True)
    made.wait("delete", timeout=300)
    assert not made.exists()


def test_a_deployment_scales_and_knows_its_pods(kubeconfig: str, namespace: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig)
    labels = {"app": "web"}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}},
    }
    web = Deployment({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, api=api)
    web.create()
    web.wait("condition=Available", timeout=300)
    web.scale(2)
    web.wait("jsonpath='{.status.readyReplicas}'=2", timeout=300)
    assert len(web.pods()) == 2
    assert web.replicas == 2
    web.patch([{"op": "replace", "path": "/spec/replicas", "value": 0}], type="json")
    assert web.replicas == 0
    web.delete(propagation_policy="Foreground")
    web.wait("delete", timeout=300)


def test_own_kinds_get_a_class(kubeconfig: str, namespace: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig)
    kind = new_class("Lease", "coordination.k8s.io/v1", namespaced=True, plural="leases")
    lease = kind({"metadata": {"name": "mine", "namespace": namespace}, "spec": {"holderIdentity": "me"}}, api=api)
    lease.create()
    assert kind.get("mine", namespace=namespace, api=api).spec.holderIdentity == "me"
    with pytest.raises(kr8s.ServerError, match='"mine" already exists'):
        lease.create()


def test_the_server_introduces_itself(kubeconfig: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig)
    assert api.version()["minor"] == "36"
    assert api.whoami() == "kubernetes-admin"
    assert {"pods", "deployments"} <= {one["name"] for one in api.api_resources()}
    assert api.lookup_kind("deploy") == ("deployment.apps/v1", "deployments", True)


async def test_watches_and_waits_with_await(kubeconfig: str, namespace: str) -> None:
    api = await kr8s.asyncio.api(kubeconfig=kubeconfig)
    made = await AsyncConfigMap({"metadata": {"name": "one", "namespace": namespace}, "data": {"a": "1"}}, api=api)
    await made.create()
    seen = []
    async for type_, found in api.watch("configmaps", namespace=namespace, field_selector="metadata.name=one"):
        seen.append((type_, found.raw["data"]["a"]))
        if type_ == "DELETED":
            break
        await (made.patch({"data": {"a": "2"}}) if type_ == "ADDED" else made.delete())
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]
    running = await AsyncPod(pod("p", namespace), api=api)
    await running.create()
    await running.wait("condition=Ready", timeout=300)
    assert await running.ready()


def test_a_patch_that_is_refused_says_why(kubeconfig: str, namespace: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig)
    one = ConfigMap({"metadata": {"name": "one", "namespace": namespace}, "immutable": True}, api=api)
    one.create()
    with pytest.raises(kr8s.ServerError, match="field is immutable when `immutable` is set"):
        one.patch({"data": {"a": "1"}})
