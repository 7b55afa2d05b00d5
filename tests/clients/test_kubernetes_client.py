"""The official Python client, unmodified."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, dynamic, stream, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from clients.transcript import HERE
from e2e.cluster import UserCluster

CONTAINERS = [client.V1Container(name="main", image="nginx:1")]


@pytest.fixture
def api(kubeconfig: str) -> Iterator[Any]:
    with config.new_client_from_config(kubeconfig) as made:
        yield made


def config_map(name: str, **data: str) -> Any:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def deployment(replicas: int) -> Any:
    labels = {"app": "web"}
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=CONTAINERS)
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)


def refused(error: ApiException) -> tuple[int, str, str]:
    status = json.loads(error.body)
    return error.status, status["reason"], status["message"]


def test_objects_are_made_read_changed_and_deleted(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(namespace, config_map("one", a="1"))
    assert made.metadata.uid
    with pytest.raises(ApiException) as again:
        core.create_namespaced_config_map(namespace, config_map("one"))
    assert refused(again.value) == (409, "AlreadyExists", 'configmaps "one" already exists')
    made.data = {"a": "2"}
    replaced = core.replace_namespaced_config_map("one", namespace, made)
    assert replaced.data == {"a": "2"}
    with pytest.raises(ApiException) as late:
        core.replace_namespaced_config_map("one", namespace, made)
    assert refused(late.value)[:2] == (409, "Conflict")
    patched = core.patch_namespaced_config_map("one", namespace, {"data": {"b": "3"}})
    assert patched.data == {"a": "2", "b": "3"}
    patched = core.patch_namespaced_config_map("one", namespace, [{"op": "remove", "path": "/data/a"}])
    assert patched.data == {"b": "3"}
    assert core.read_namespaced_config_map("one", namespace).data == {"b": "3"}
    found = core.list_namespaced_config_map(namespace, field_selector="metadata.name=one")
    assert [one.metadata.name for one in found.items] == ["one"]
    gone = core.delete_namespaced_config_map("one", namespace)
    assert gone["status"] == "Success"
    with pytest.raises(ApiException) as absent:
        core.read_namespaced_config_map("one", namespace)
    assert refused(absent.value) == (404, "NotFound", 'configmaps "one" not found')


def test_lists_come_in_pages_and_collections_go_at_once(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    for number in range(5):
        body = config_map(f"c{number}")
        body.metadata.labels = {"kind": "many"}
        core.create_namespaced_config_map(namespace, body)
    first = core.list_namespaced_config_map(namespace, label_selector="kind=many", limit=2)
    assert [one.metadata.name for one in first.items] == ["c0", "c1"]
    assert first.metadata.remaining_item_count is None
    rest = core.list_namespaced_config_map(namespace, label_selector="kind=many", _continue=first.metadata._continue)
    assert [one.metadata.name for one in rest.items] == ["c2", "c3", "c4"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="kind=many")
    assert core.list_namespaced_config_map(namespace, label_selector="kind=many").items == []


def test_a_deployment_becomes_available_and_scales(api: Any, namespace: str) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(2))
    for event in watch.Watch().stream(apps.list_namespaced_deployment, namespace, timeout_seconds=300):
        if event["object"].status.available_replicas == 2:
            break
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (2, 2, "app=web")
    scale.spec.replicas = 1
    assert apps.replace_namespaced_deployment_scale("web", namespace, scale).spec.replicas == 1
    pods = core.list_namespaced_pod(namespace, label_selector="app=web", field_selector="status.phase=Running")
    pod = pods.items[0]
    assert pod.status.conditions
    assert pod.spec.node_name
    assert pod.metadata.owner_references[0].kind == "ReplicaSet"
    slices = client.DiscoveryV1Api(api).list_namespaced_endpoint_slice(namespace)
    assert slices.items == []


def test_pods_are_evicted_bound_and_given_tokens(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    spec = client.V1PodSpec(containers=CONTAINERS, scheduler_name="nobody")
    core.create_namespaced_pod(namespace, client.V1Pod(metadata=client.V1ObjectMeta(name="p"), spec=spec))
    node = core.list_node().items[0].metadata.name
    target = client.V1ObjectReference(api_version="v1", kind="Node", name=node)
    binding = client.V1Binding(metadata=client.V1ObjectMeta(name="p"), target=target)
    core.create_namespaced_pod_binding("p", namespace, binding, _preload_content=False)
    assert core.read_namespaced_pod("p", namespace).spec.node_name == node
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name="p"))
    assert core.create_namespaced_pod_eviction("p", namespace, eviction).metadata is not None
    request = client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=["https://kubernetes.default.svc.cluster.local"])
    )
    token = core.create_namespaced_service_account_token("default", namespace, request).status.token
    review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token))
    status = client.AuthenticationV1Api(api).create_token_review(review).status
    assert status.user.username == f"system:serviceaccount:{namespace}:default"


def test_a_watch_tells_of_everything_in_order(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("one", a="1"))
    core.patch_namespaced_config_map("one", namespace, {"data": {"a": "2"}})
    core.delete_namespaced_config_map("one", namespace)
    watcher, seen = watch.Watch(), []
    stream = watcher.stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=start,
        field_selector="metadata.name=one",
        timeout_seconds=300,
    )
    for event in stream:
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watcher.stop()
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]


def test_the_dynamic_client_finds_kinds_and_applies(api: Any, namespace: str) -> None:
    found = dynamic.DynamicClient(api)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    assert maps.server_side_apply(body, namespace=namespace, field_manager="first").data.a == "1"
    body["data"] = {"a": "2"}
    with pytest.raises(dynamic.exceptions.ConflictError) as conflict:
        maps.server_side_apply(body, namespace=namespace, field_manager="second")
    assert 'conflict with "first": .data.a' in json.loads(conflict.value.body)["message"]
    forced = maps.server_side_apply(body, namespace=namespace, field_manager="second", force_conflicts=True)
    assert [one.manager for one in forced.metadata.managedFields] == ["second"]
    assert [one.metadata.name for one in maps.get(namespace=namespace, label_selector="").items if one.data.a] == [
        "one"
    ]
    names = {one.name for one in found.resources.search(api_version="apps/v1")}
    assert {"deployments", "statefulsets"} <= names


def test_own_kinds_are_served_as_custom_objects(api: Any, namespace: str) -> None:
    group = f"{namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    definitions = client.ApiextensionsV1Api(api)
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    definitions.create_custom_resource_definition(definition)
    for event in watch.Watch().stream(definitions.list_custom_resource_definition, timeout_seconds=300):
        conditions = event["object"].status.conditions or []
        if event["object"].spec.group == group and any(one.type == "Established" for one in conditions):
            break
    custom = client.CustomObjectsApi(api)
    where = (group, "v1", namespace, "things")
    body = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"size": 1}}
    assert custom.create_namespaced_custom_object(*where, body)["metadata"]["generation"] == 1
    done = custom.patch_namespaced_custom_object_status(*where, "one", {"status": {"done": True}})
    assert done["status"] == {"done": True}
    changed = custom.patch_namespaced_custom_object(*where, "one", {"spec": {"size": 2}})
    assert (changed["metadata"]["generation"], changed["spec"]) == (2, {"size": 2})
    assert [one["metadata"]["name"] for one in custom.list_namespaced_custom_object(*where)["items"]] == ["one"]
    assert custom.delete_namespaced_custom_object(*where, "one")["status"] == "Success"
    definitions.delete_custom_resource_definition(f"things.{group}")


def test_a_file_of_several_objects_is_made_at_once(api: Any, namespace: str) -> None:
    made = utils.create_from_yaml(api, str(HERE / "manifests" / "mixed.yaml"), namespace=namespace)
    assert [one.kind for group in made for one in group] == ["ConfigMap", "Deployment", "Service"]
    with pytest.raises(utils.FailToCreateError) as again:
        utils.create_from_yaml(api, str(HERE / "manifests" / "mixed.yaml"), namespace=namespace)
    assert [json.loads(error.body)["reason"] for error in again.value.api_exceptions] == ["AlreadyExists"] * 3


def test_one_of_two_is_elected(api: Any, namespace: str) -> None:
    client.Configuration.set_default(api.configuration)
    leading = threading.Event()

    def lead() -> None:
        leading.set()

    lock = LeaseLock("lock", namespace, "me")
    settings = electionconfig.Config(
        lock, lease_duration=300, renew_deadline=200, retry_period=1, onstarted_leading=lead, onstopped_leading=None
    )
    elector = leaderelection.LeaderElection(settings)
    assert elector.try_acquire_or_renew()
    assert elector.try_acquire_or_renew()
    lease = client.CoordinationV1Api(api).read_namespaced_lease("lock", namespace)
    assert lease.spec.holder_identity == "me"
    other = electionconfig.Config(
        LeaseLock("lock", namespace, "you"),
        lease_duration=300,
        renew_deadline=200,
        retry_period=1,
        onstarted_leading=lead,
        onstopped_leading=None,
    )
    assert not leaderelection.LeaderElection(other).try_acquire_or_renew()
    assert not leading.is_set()


def test_a_service_accounts_token_may_what_its_roles_say(api: Any, namespace: str, whole_cluster: UserCluster) -> None:
    whole_cluster.kubectl("create", "role", "reader", "--verb=list", "--resource=pods", "-n", namespace)
    whole_cluster.kubectl(
        "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:default", "-n", namespace
    )
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = api.configuration.host, api.configuration.ssl_ca_cert
    token = whole_cluster.kubectl("create", "token", "default", "-n", namespace).strip()
    settings.api_key = {"authorization": token}
    settings.api_key_prefix = {"authorization": "Bearer"}
    core = client.CoreV1Api(client.ApiClient(settings))
    assert core.list_namespaced_pod(namespace).items == []
    with pytest.raises(ApiException) as forbidden:
        core.list_namespaced_secret(namespace)
    assert refused(forbidden.value) == (
        403,
        "Forbidden",
        f'secrets is forbidden: User "system:serviceaccount:{namespace}:default" cannot list resource "secrets" '
        f'in API group "" in the namespace "{namespace}"',
    )


def test_connections_to_pods_that_cannot_be_are_refused_with_the_reason(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    spec = client.V1PodSpec(containers=CONTAINERS, scheduler_name="nobody")
    core.create_namespaced_pod(namespace, client.V1Pod(metadata=client.V1ObjectMeta(name="nowhere"), spec=spec))
    for name, said in (
        ("none", (404, "NotFound", 'pods "none" not found')),
        ("nowhere", (400, "BadRequest", "pod nowhere does not have a host assigned")),
    ):
        with pytest.raises(ApiException) as refusal:
            stream.stream(core.connect_get_namespaced_pod_exec, name, namespace, command=["ls"], stdout=True)
        assert handshake(refusal.value) == said
        with pytest.raises(ApiException) as refusal:
            stream.portforward(core.connect_get_namespaced_pod_portforward, name, namespace, ports="80")
        assert handshake(refusal.value) == said
    with pytest.raises(ApiException) as refusal:
        stream.stream(core.connect_get_namespaced_pod_attach, "nowhere", namespace, container="other", stdout=True)
    assert handshake(refusal.value) == (400, "BadRequest", "container other is not valid for pod nowhere")
    assert not core.read_namespaced_pod_log("nowhere", namespace)
    with pytest.raises(ApiException) as refusal:
        core.read_namespaced_pod_log("nowhere", namespace, container="other")
    assert refused(refusal.value) == (400, "BadRequest", "container other is not valid for pod nowhere")


def handshake(error: ApiException) -> tuple[int, str, str]:
    """What the server said to a connection that wanted to become a WebSocket."""
    said = re.search(r"Handshake status (\d+) .* -\+-\+- (.*)", error.reason, re.DOTALL)
    assert said is not None, error.reason
    status = json.loads(said[2])
    return int(said[1]), status["reason"], status["message"]


def test_a_watch_ends_and_goes_on_where_it_was(api: Any, namespace: str) -> None:
    core = client.CoreV1Api(api)
    watcher, seen = watch.Watch(), []
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    def follow(name: str) -> None:
        """Watches end after a second, whether anything happened or not."""
        while name not in seen:
            since = watcher.resource_version or start
            told = watcher.stream(core.list_namespaced_config_map, namespace, resource_version=since, timeout_seconds=1)
            seen.extend(event["object"].metadata.name for event in told)

    for name in ("first", "second"):
        core.create_namespaced_config_map(namespace, config_map(name))
        follow(name)
    assert [name for name in seen if name != "kube-root-ca.crt"] == ["first", "second"]


def test_versions_and_groups_are_known(api: Any) -> None:
    assert client.VersionApi(api).get_code().minor == "36"
    assert "apps" in {group.name for group in client.ApisApi(api).get_api_versions().groups}
    resources = client.CoreV1Api(api).get_api_resources().resources
    assert "pods/exec" in {one.name for one in resources}
