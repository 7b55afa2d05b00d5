"""A namespace of one test, and the manifests that tests put into it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from e2e.cluster import PATIENCE, PROGRAMS, UserCluster

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """kubectl in a namespace of its own."""

    cluster: UserCluster
    name: str

    def create(self) -> None:
        self.cluster.kubectl("create", "namespace", self.name)
        self.wait("--for=create", "serviceaccount/default")

    def kubectl(self, *words: str, check: bool = True, text: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *words, check=check, text=text)

    def apply(self, *manifests: Manifest) -> None:
        self.kubectl("apply", "-f", "-", text="\n---\n".join(json.dumps(one) for one in manifests))

    def start(self, *pods: Manifest) -> None:
        """Creates the pods and returns when all are Ready."""
        self.apply(*pods)
        self.wait("--for=condition=Ready", *(f"pod/{one['metadata']['name']}" for one in pods))

    def get(self, *words: str) -> Manifest:
        return self.cluster.get("-n", self.name, *words)

    def wait(self, *words: str, seconds: int = PATIENCE) -> None:
        self.cluster.wait("-n", self.name, *words, seconds=seconds)

    def wait_for(self, path: str, value: object, pod: str, seconds: int = PATIENCE) -> Manifest:
        """The pod as it was at that moment."""
        words = [f"--for=jsonpath={{{path}}}={value}", f"pod/{pod}", f"--timeout={seconds}s", "-o", "json"]
        found = json.loads(self.kubectl("wait", *words))
        assert isinstance(found, dict)
        return found

    def status(self, pod: str, container: int = 0) -> Manifest:
        """The status of a pod's container."""
        found = self.get("pod", pod)["status"]["containerStatuses"][container]
        assert isinstance(found, dict)
        return found

    def uid(self, pod: str) -> str:
        return str(self.get("pod", pod)["metadata"]["uid"])

    def address(self, pod: str) -> str:
        return str(self.get("pod", pod)["status"]["podIP"])

    def run(self, pod: str, script: str, container: str = "main") -> str:
        """What a shell script prints inside a container; it must succeed."""
        return self.kubectl("exec", pod, "-c", container, "--", "sh", "-c", script)

    def attempt(self, pod: str, script: str, container: str = "main") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.data_dir / "kubeconfig")}
        words = ["-n", self.name, "exec", pod, "-c", container, "--", "sh", "-c", script]
        command = [str(PROGRAMS / "kubectl"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)

    def events(self, pod: str) -> dict[str, str]:
        """The messages of a pod's events by their reason; one of them where there are several."""
        return {one["reason"]: one["message"] for one in self._events(pod)}

    def until_endpoints(self, service: str, ready: int) -> None:
        """Until so many of a service's endpoints are ready. (kubectl does not wait for parts of lists.)"""

        def there() -> bool:
            slices = self.get("endpointslice", "-l", f"kubernetes.io/service-name={service}")["items"]
            found = [one for piece in slices for one in piece.get("endpoints") or ()]
            return sum(one["conditions"]["ready"] for one in found) == ready

        self.cluster.until(f"{ready} ready endpoints of {service}", there)

    def until_told(self, pod: str, reason: str, message: str) -> None:
        """Events come later than what they tell of, and others of the same reason beside them."""

        def told() -> bool:
            return any(message in one for one in self.messages(pod, reason))

        self.cluster.until(f"{reason} of {pod}: {message}", told)

    def until_said(self, pod: str, text: str, *words: str) -> None:
        """Until that is what the pod has logged: a container that runs need not have come so far."""
        self.cluster.until(f"{text!r} in the log of {pod}", lambda: self.kubectl("logs", pod, *words) == text)

    def messages(self, pod: str, reason: str) -> set[str]:
        """Of all events of a pod that have the reason."""
        return {one["message"] for one in self._events(pod) if one["reason"] == reason}

    def _events(self, pod: str) -> list[Manifest]:
        items: list[Manifest] = self.get("events", f"--field-selector=involvedObject.name={pod}")["items"]
        return items


def stay(words: str = "true") -> str:
    """A script that does so and stays, and goes at once when asked to."""
    return f"trap 'exit 0' TERM; {words}; while :; do sleep 1 & wait $!; done"


def container(script: str, name: str = "main", **more: Any) -> Manifest:
    command = {"command": ["sh", "-c", script]}
    return {"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent", **command, **more}


def pod(name: str, *containers: Manifest, labels: dict[str, str] | None = None, **spec: Any) -> Manifest:
    metadata = {"name": name, "labels": labels or {"app": name}}
    content = {"terminationGracePeriodSeconds": 2, "containers": list(containers), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": content}


def mount(volume: str, path: str, **more: Any) -> Manifest:
    return {"name": volume, "mountPath": path, **more}


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def service(
    name: str, app: str, ports: Sequence[Manifest] = ({"port": 80, "targetPort": 8080},), **spec: Any
) -> Manifest:
    content = {"selector": {"app": app}, "ports": list(ports), **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": content}
