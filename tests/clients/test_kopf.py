"""An operator written with kopf, running beside the cluster as a process: its handlers act and its marks stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.transcript import HERE
from e2e.cluster import UserCluster

GROUP = "kopf.example.com"
SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group: str, plural: str, kind: str) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture
def operator(whole_cluster: UserCluster, namespace: str, tmp_path: Path) -> Iterator[Operator]:
    definitions = [
        definition(GROUP, "things", "Thing"),
        definition("kopf.dev", "kopfpeerings", "KopfPeering"),
    ]
    definitions[0]["spec"]["versions"][0]["subresources"] = {"status": {}}
    for one in definitions:
        whole_cluster.kubectl("apply", "-f", "-", text=json.dumps(one))
    names = [f"crd/{one['metadata']['name']}" for one in definitions]
    whole_cluster.wait("--for=condition=Established", *names)
    made = Operator(whole_cluster, namespace, tmp_path)
    made.apply({"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": "default"}})
    yield made
    made.stop()
    for found in made.get("things")["items"]:
        made.patch(found["metadata"]["name"], {"metadata": {"finalizers": None}})


class Operator:
    def __init__(self, cluster: UserCluster, namespace: str, directory: Path) -> None:
        self.cluster, self.namespace, self.directory = cluster, namespace, directory
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "kopf", "run", "--peering=default", f"--namespace={self.namespace}"]
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.data_dir / "kubeconfig")}
        with (self.directory / "log").open("ab") as log:
            command += ["--verbose", str(HERE / "operator_with_kopf.py")]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=300)
            self.process = None

    def get(self, *words: str) -> Any:
        return self.cluster.get("-n", self.namespace, *words)

    def apply(self, document: dict[str, Any]) -> None:
        self.cluster.kubectl("-n", self.namespace, "apply", "-f", "-", text=json.dumps(document))

    def make(self, name: str, **labels: str) -> None:
        metadata = {"name": name, "labels": labels}
        self.apply({"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": metadata, "spec": {"size": 1}})

    def patch(self, name: str, patch: dict[str, Any]) -> None:
        words = ["-n", self.namespace, "patch", "thing", name, "--type=merge", "-p", json.dumps(patch)]
        self.cluster.kubectl(*words)

    def told(self) -> set[str]:
        """The reasons of all events."""
        return {one["reason"] for one in self.get("events")["items"]}

    def wait(self, name: str, path: str, value: object) -> dict[str, Any]:
        try:
            self.cluster.wait("-n", self.namespace, f"--for=jsonpath={{{path}}}={value}", f"thing/{name}")
        except AssertionError as error:
            raise AssertionError((self.directory / "log").read_text()[-4000:]) from error
        found = self.get("thing", name)
        assert isinstance(found, dict)
        return found


def test_an_operator_makes_changes_times_retries_resumes_and_deletes(operator: Operator) -> None:
    labels = {"indexed": "yes"}
    metadata = {"name": "one", "labels": labels}
    operator.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"color": "red"}})
    operator.start()
    operator.make("a")
    made = operator.wait("a", ".status.child", "a-child")
    assert made["metadata"]["finalizers"] == [f"{GROUP}/finalizer"]
    assert made["status"] == {"child": "a-child", "owner": "a", "known": ["red"], "made": {"size": 1}}
    assert "kopf.zalando.org/last-handled-configuration" in made["metadata"]["annotations"]

    operator.patch("a", {"spec": {"size": 5}})
    assert operator.wait("a", ".status.resized", "1 to 5")["metadata"]["generation"] == 2

    operator.patch("a", {"metadata": {"labels": {"timed": "yes"}}})
    operator.wait("a", ".status.ticks", 2)

    operator.patch("a", {"metadata": {"labels": {"failing": "yes"}}, "spec": {"size": 6}})
    operator.wait("a", ".status.retried", 1)
    operator.patch("a", {"metadata": {"labels": {"failing": None}}})

    peer = operator.get("kopfpeering", "default")
    assert len(peer["status"]) == 1

    operator.stop()
    operator.start()
    operator.wait("a", ".status.resumed", "true")
    assert len(operator.get("kopfpeering", "default")["status"]) == 1

    operator.cluster.kubectl("-n", operator.namespace, "delete", "thing", "a", "--timeout=240s")
    assert operator.get("things")["items"] == []
    wanted = {("Resized", "from 1 to 5"), ("Resized", "from 5 to 6"), ("Going", "says goodbye")}

    def told() -> set[tuple[str, str]]:
        return {(one["reason"], one["message"]) for one in operator.get("events")["items"]}

    operator.cluster.until("the events", lambda: wanted <= told())


@pytest.mark.nightly
def test_a_daemon_lives_as_long_as_its_object_and_holds_it_until_it_has_ended(operator: Operator) -> None:
    operator.start()
    operator.make("b", guarded="yes")
    operator.cluster.until("the daemon's start", lambda: "Guarding" in operator.told())
    operator.cluster.kubectl("-n", operator.namespace, "delete", "thing", "b", "--timeout=240s")
    operator.cluster.until("the daemon's end", lambda: "Guarded" in operator.told())
