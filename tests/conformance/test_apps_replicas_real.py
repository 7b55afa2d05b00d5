"""Replicas that serve: real containers, asked through the API server and from another pod."""

from __future__ import annotations

import pytest

from e2e.space import Manifest, Space, service
from e2e.talking import DATAGRAMS, HTTP, ask, asker, server, wait_until_asked

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("talking")]


def replicas(api_version: str, kind: str, name: str, count: int) -> Manifest:
    pod = server(name)
    labels = pod["metadata"]["labels"]
    selector = {"matchLabels": labels} if kind == "ReplicaSet" else labels
    template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"replicas": count, "selector": selector, "template": template},
    }


@pytest.mark.conformance("Replica Set, run basic image", "Replication Controller, run basic image")
def test_every_replica_answers_by_its_name(space: Space) -> None:
    ports = [
        {"name": "tcp", "port": 80, "targetPort": HTTP},
        {"name": "udp", "port": 90, "protocol": "UDP", "targetPort": DATAGRAMS},
    ]
    space.apply(
        replicas("apps/v1", "ReplicaSet", "set", 1),
        replicas("v1", "ReplicationController", "controller", 2),
        service("controller", "controller", ports),
        asker(),
    )
    space.wait("--for=jsonpath={.status.readyReplicas}=1", "replicaset/set")
    space.wait("--for=jsonpath={.status.readyReplicas}=2", "replicationcontroller/controller")
    space.wait("--for=condition=Ready", "pod/asker")
    controlled = set()
    for app in ("set", "controller"):
        for pod in space.get("pods", f"--selector=app={app}")["items"]:
            name = pod["metadata"]["name"]
            path = f"/api/v1/namespaces/{space.name}/pods/{name}:{HTTP}/proxy/"
            assert space.kubectl("get", "--raw", path) == name
            address = pod["status"]["podIP"]
            assert ask(space, address, HTTP) == [name]
            assert ask(space, address, DATAGRAMS, protocol="udp") == [name]
            controlled |= {name} if app == "controller" else set()
    assert len(controlled) == 2
    wait_until_asked(space, controlled, "controller", 80)
    wait_until_asked(space, controlled, "controller", 90, protocol="udp")
