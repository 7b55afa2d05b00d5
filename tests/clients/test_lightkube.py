"""lightkube, unmodified."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig, codecs
from lightkube.generic_resource import (
    create_namespaced_resource,
    load_in_cluster_generic_resources,
)
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node, Pod
from lightkube.types import PatchType

from clients.transcript import HERE


@pytest.fixture
def client(kubeconfig: str, namespace: str) -> Any:
    return Client(config=KubeConfig.from_file(kubeconfig), namespace=namespace, field_manager="tests")


def config_map(name: str, **data: str) -> Any:
    return ConfigMap(metadata=ObjectMeta(name=name), data=data)


def deployment(replicas: int) -> Any:
    labels = {"app": "web"}
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=[Container(name="main", image="nginx:1")])
    )
    spec = DeploymentSpec(replicas=replicas, selector=LabelSelector(matchLabels=labels), template=template)
    return Deployment(metadata=ObjectMeta(name="web"), spec=spec)


def test_objects_are_made_changed_listed_and_deleted(client: Any) -> None:
    made = client.create(config_map("one", a="1"))
    made.data["a"] = "2"
    replaced = client.replace(made)
    assert replaced.data == {"a": "2"}
    with pytest.raises(ApiError) as late:
        client.replace(made)
    assert late.value.status.reason == "Conflict"
    merged = client.patch(ConfigMap, "one", {"data": {"b": "3"}}, patch_type=PatchType.MERGE)
    assert merged.data == {"a": "2", "b": "3"}
    removed = client.patch(ConfigMap, "one", [{"op": "remove", "path": "/data/a"}], patch_type=PatchType.JSON)
    assert removed.data == {"b": "3"}
    assert [one.metadata.name for one in client.list(ConfigMap, fields={"metadata.name": "one"})] == ["one"]
    assert len(list(client.list(ConfigMap, chunk_size=1))) == 2
    client.delete(ConfigMap, "one")
    with pytest.raises(ApiError) as absent:
        client.get(ConfigMap, "one")
    assert absent.value.status.message == 'configmaps "one" not found'


def test_a_deployment_is_applied_waited_for_and_scaled(client: Any) -> None:
    wanted = deployment(1)
    wanted.apiVersion, wanted.kind = "apps/v1", "Deployment"
    assert client.apply(wanted).metadata.managedFields[0].operation == "Apply"
    ready = client.wait(Deployment, "web", for_conditions=["Available"])
    assert ready.status.availableReplicas == 1
    scale = client.get(Deployment.Scale, "web")
    scale.spec.replicas = 2
    assert client.replace(scale, "web").spec.replicas == 2
    for _, found in client.watch(Deployment, fields={"metadata.name": "web"}):
        if found.status.availableReplicas == 2:
            break
    assert len(list(client.list(Pod, labels={"app": "web"}))) == 2
    assert len(list(client.list(Node))) == 2


def test_manifests_are_read_and_applied_twice(client: Any) -> None:
    with (HERE / "manifests" / "applyset.yaml").open() as file:
        wanted = codecs.load_all_yaml(file)
    first = [client.apply(one).metadata.resourceVersion for one in wanted]
    again = [client.apply(one).metadata.resourceVersion for one in wanted]
    assert first == again
    with pytest.raises(ApiError, match="conflict with"):
        client.apply(config_map_of(wanted[0]), field_manager="other")
    assert client.apply(config_map_of(wanted[0]), field_manager="other", force=True).data == {"a": "9"}


def config_map_of(one: Any) -> Any:
    return ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name=one.metadata.name), data={"a": "9"})


def test_own_kinds_are_learned_from_the_cluster(client: Any, namespace: str) -> None:
    with (HERE / "manifests" / "crd.yaml").open() as file:
        text = file.read().replace("widgets.example.com", f"widgets.{namespace}.com")
    (definition,) = codecs.load_all_yaml(text.replace("group: example.com", f"group: {namespace}.com"))
    client.create(definition)
    client.wait(CustomResourceDefinition, definition.metadata.name, for_conditions=["Established"])
    load_in_cluster_generic_resources(client)
    widget = create_namespaced_resource(f"{namespace}.com", "v1", "Widget", "widgets")
    made = client.create(widget(metadata=ObjectMeta(name="one"), spec={"size": 3}))
    assert made.spec == {"size": 3}
    done = client.patch(widget.Status, "one", {"status": {"size": 3}}, patch_type=PatchType.MERGE)
    assert done.status == {"size": 3}
    with pytest.raises(ApiError, match="should be greater than or equal to 1"):
        client.create(widget(metadata=ObjectMeta(name="two"), spec={"size": 0}))
    client.delete(CustomResourceDefinition, definition.metadata.name)


async def test_it_all_goes_with_await(kubeconfig: str, namespace: str) -> None:
    client = AsyncClient(config=KubeConfig.from_file(kubeconfig), namespace=namespace)
    await client.create(config_map("one", a="1"))
    seen = []
    async for type_, found in client.watch(ConfigMap, fields={"metadata.name": "one"}):
        seen.append((type_, found.data))
        if type_ == "DELETED":
            break
        if type_ == "ADDED":
            await client.patch(ConfigMap, "one", {"data": {"a": "2"}})
        else:
            await client.delete(ConfigMap, "one")
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]
