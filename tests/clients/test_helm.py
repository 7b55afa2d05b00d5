"""Helm 4, through its own Go code, with a chart that has values, hooks, a definition of a kind, and looks things up."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clients.transcript import HERE
from e2e.cluster import UserCluster

pytestmark = pytest.mark.nightly

PYTHON = HERE.parents[1] / ".clients" / "helm" / "bin" / "python"

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: '1'\nkubeVersion: '>=1.30.0-0'\n",
    "values.yaml": "replicas: 1\nimage: nginx:1\ncolor: red\n",
    "crds/parts.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: parts.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: parts, singular: part, kind: Part}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
""",
    "templates/part.yaml": """
apiVersion: shop.example.com/v1
kind: Part
metadata: {name: {{ .Release.Name }}}
spec: {color: {{ .Values.color }}}
""",
    "templates/seen.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-seen}
data:
  account: {{ (lookup "v1" "ServiceAccount" .Release.Namespace "default").metadata.name | quote }}
  nothing: {{ len (lookup "v1" "Secret" .Release.Namespace "nosuch") | quote }}
  version: {{ .Capabilities.KubeVersion.Minor | quote }}
  has: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
  color: {{ .Values.color | quote }}
""",
    "templates/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: {{ .Values.image | quote }}}]}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
""",
    "templates/hook.yaml": """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-before
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: busybox, command: ["true"]}]}
""",
}


class Helm:
    def __init__(self, cluster: UserCluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def do(self, action: str, **arguments: Any) -> Any:
        answer = self.attempt(action, **arguments)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def attempt(self, action: str, **arguments: Any) -> dict[str, Any]:
        kubeconfig = str(self.cluster.data_dir / "kubeconfig")
        command = [str(PYTHON), str(HERE / "with_helm.py"), kubeconfig, self.namespace, action, json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(answer, dict)
        return answer

    def get(self, *words: str) -> dict[str, Any]:
        return self.cluster.get("-n", self.namespace, *words)


@pytest.fixture
def helm(whole_cluster: UserCluster, namespace: str) -> Helm:
    assert PYTHON.exists(), "Helm is not installed here: run scripts/clients, which installs it."
    return Helm(whole_cluster, namespace)


@pytest.fixture
def chart(tmp_path: Path) -> str:
    for name, text in CHART.items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path / "shop")


def test_a_release_is_installed_upgraded_twice_and_removed(helm: Helm, chart: str) -> None:
    helm.do("Install", release_name="one", chart_path=chart, wait=True, wait_for_jobs=True, timeout=90)
    assert helm.get("deployment", "one")["status"]["availableReplicas"] == 1
    assert helm.get("parts.shop.example.com", "one")["spec"] == {"color": "red"}
    assert helm.get("job", "one-before")["status"]["succeeded"] == 1
    seen = {"account": "default", "nothing": "0", "version": "36", "has": "true"}
    assert helm.get("configmap", "one-seen")["data"] == {**seen, "color": "red"}
    labels = helm.get("deployment", "one")["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "Helm"

    again = helm.attempt("Install", release_name="one", chart_path=chart)
    assert "cannot reuse a name that is still in use" in again["error"]

    values = {"replicas": 2, "color": "blue"}
    helm.do("Upgrade", release_name="one", chart_path=chart, values=values, wait=True, timeout=90)
    assert helm.get("deployment", "one")["status"]["availableReplicas"] == 2
    assert helm.get("configmap", "one-seen")["data"] == {**seen, "color": "blue"}
    assert helm.do("GetValues", release_name="one") == values

    helm.do("Upgrade", release_name="one", chart_path=chart, reset_values=True, wait=True, timeout=90)
    assert helm.get("configmap", "one-seen")["data"] == {**seen, "color": "red"}
    assert helm.get("deployment", "one")["spec"]["replicas"] == 1

    secrets = helm.get("secrets", "-l", "owner=helm,name=one")["items"]
    states = {one["metadata"]["labels"]["version"]: one["metadata"]["labels"]["status"] for one in secrets}
    assert states == {"1": "superseded", "2": "superseded", "3": "deployed"}
    assert {one["type"] for one in secrets} == {"helm.sh/release.v1"}
    stored = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secrets[0]["data"]["release"]))))
    assert stored["name"] == "one"

    assert len(helm.do("History", release_name="one")) == 3
    assert len(helm.do("List")) == 1
    helm.do("Uninstall", release_name="one", wait=True, timeout=90)
    assert helm.get("deployments,services,secrets,parts.shop.example.com")["items"] == []
    assert helm.do("List") in ([], None)


def test_a_release_is_applied_by_the_server(helm: Helm, chart: str) -> None:
    helm.do("Install", release_name="two", chart_path=chart, wait=False, server_side_apply=True)
    words = ["-n", helm.namespace, "get", "service", "two", "--show-managed-fields", "-o", "json"]
    fields = json.loads(helm.cluster.kubectl(*words))["metadata"]["managedFields"]
    assert [one["operation"] for one in fields] == ["Apply"]
    helm.do("Upgrade", release_name="two", chart_path=chart, values={"color": "blue"}, wait=False)
    assert helm.get("configmap", "two-seen")["data"]["color"] == "blue"
    helm.do("Uninstall", release_name="two")


def test_what_the_server_refuses_is_said(helm: Helm, chart: str) -> None:
    failed = helm.attempt("Install", release_name="bad", chart_path=chart, values={"replicas": -1}, wait=False)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in failed["error"]
    helm.do("Install", release_name="held", chart_path=chart, wait=False)
    other = helm.attempt("Upgrade", release_name="held", chart_path=chart, values={"image": ""}, wait=False)
    assert "spec.template.spec.containers[0].image: Required value" in other["error"]
