"""Pods through the Kubernetes client of Python, with bodies as client-go's typed clients send them: in protobuf."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3
from kubernetes import config
from kubernetes.client import CoreV1Api
from kubernetes.stream import stream

from e2e.cluster import PATIENCE
from e2e.space import Manifest, Space
from pybernetes.api import kinds
from pybernetes.apiserver.protobuf import MEDIA_TYPE
from pybernetes.apiserver.protobuf.bodies import body_of

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Refused(Exception):
    """An answer of 400 or more; `status` is its Status."""

    def __init__(self, status: Manifest) -> None:
        super().__init__(status["message"])
        self.status = status


class Verbs:
    """A core kind's verbs in a namespace."""

    def __init__(self, space: Space, plural: str) -> None:
        path = str(space.cluster.data_dir / "kubeconfig")
        self._core = CoreV1Api(config.new_client_from_config(path))  # type: ignore[no-untyped-call]
        api = self._core.api_client
        self._pool: urllib3.PoolManager = api.rest_client.pool_manager
        self._host = api.configuration.host
        self._info = kinds.by_resource("", "v1", plural)
        self._namespace = space.name

    def create(self, manifest: Manifest) -> Manifest:
        return self.call("POST", self.path(), self._stated(manifest))

    def get(self, name: str, subresource: str | None = None) -> Manifest:
        return self.call("GET", self.path(name, subresource))

    def list(self, labels: str = "") -> list[Manifest]:
        items: list[Manifest] = self.call("GET", self.path(), labelSelector=labels)["items"]
        return items

    def update(self, manifest: Manifest, subresource: str | None = None) -> Manifest:
        return self.call("PUT", self.path(manifest["metadata"]["name"], subresource), self._stated(manifest))

    def change(self, name: str, change: Callable[[Manifest], object], subresource: str | None = None) -> Manifest:
        """Reads, changes and updates, anew as long as somebody else comes in between, as clients do."""
        while True:
            found = self.get(name, subresource)
            change(found)
            try:
                return self.update(found, subresource)
            except Refused as refused:
                if refused.status["reason"] != "Conflict":
                    raise

    def patch(self, name: str, patch: Any, content: str = STRATEGIC, subresource: str | None = None) -> Manifest:
        return self._answer("PATCH", self.path(name, subresource), orjson.dumps(patch), content)

    def delete(self, name: str, **options: Any) -> Manifest:
        return self.call("DELETE", self.path(name), _delete_options(options))

    def delete_collection(self, labels: str, **options: Any) -> Manifest:
        return self.call("DELETE", self.path(), _delete_options(options), labelSelector=labels)

    def watch(self, labels: str = "") -> Watching:
        """What happens from now on; there is nothing of these yet."""
        listed = self.call("GET", self.path(), labelSelector=labels)
        assert not listed["items"]
        version = listed["metadata"]["resourceVersion"]
        query = urlencode({"watch": "true", "labelSelector": labels, "resourceVersion": version})
        return Watching(self._pool.request("GET", f"{self._host}{self.path()}?{query}", preload_content=False))

    def path(self, name: str | None = None, subresource: str | None = None) -> str:
        return self._info.path(self._namespace, name, subresource)

    def call(self, method: str, path: str, body: Manifest | None = None, **query: str) -> Manifest:
        where = f"{path}?{urlencode(query)}" if query else path
        return self._answer(method, where, b"" if body is None else body_of(body), MEDIA_TYPE)

    def text(self, path: str) -> str:
        """What a GET answers that is no object."""
        return self._raw("GET", path, b"", MEDIA_TYPE).decode()

    def _answer(self, method: str, path: str, body: bytes, content: str) -> Manifest:
        answer: Manifest = orjson.loads(self._raw(method, path, body, content))
        return answer

    def _raw(self, method: str, path: str, body: bytes, content: str) -> bytes:
        headers = {"accept": "application/json", **({"content-type": content} if body else {})}
        answer = self._pool.request(method, f"{self._host}{path}", body=body or None, headers=headers)
        if answer.status >= 400:
            raise Refused(orjson.loads(answer.data))
        return answer.data

    def _stated(self, manifest: Manifest) -> Manifest:
        return {"apiVersion": self._info.api_version, "kind": self._info.kind, **manifest}


def _delete_options(options: Manifest) -> Manifest:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **options}


class Watching:
    """Events of a watch, in their order."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        assert answer.status == 200
        self._lines = iter(answer)
        self._rest = b""

    def until(self, type: str, holds: Callable[[Manifest], Any] = lambda _: True) -> Manifest:
        """The object of the first event of a type that is as it is waited for."""
        while True:
            event = self._next()
            if event["type"] == type and holds(event["object"]):
                found: Manifest = event["object"]
                return found

    def _next(self) -> Manifest:
        while b"\n" not in self._rest:
            self._rest += next(self._lines)
        line, _, self._rest = self._rest.partition(b"\n")
        event: Manifest = orjson.loads(line)
        return event


class Pods(Verbs):
    """What tests ask about pods. Other processes are waited for: each `until` looks again until it holds."""

    def __init__(self, space: Space) -> None:
        super().__init__(space, "pods")

    def until(self, name: str, holds: Callable[[Manifest], Any], seconds: float = PATIENCE) -> Manifest:
        """The pod as soon as it is so."""
        deadline = time.monotonic() + seconds
        while not holds(found := self.get(name)):
            assert time.monotonic() < deadline, f"pod {name} did not become so: {found['status']}"
            time.sleep(0.1)
        return found

    def ready(self, name: str) -> Manifest:
        return self.until(name, lambda pod: condition(pod, "Ready").get("status") == "True")

    def ended(self, name: str, phase: str = "Succeeded") -> Manifest:
        found = self.until(name, lambda pod: pod["status"]["phase"] in ("Succeeded", "Failed"))
        assert found["status"]["phase"] == phase, (found["status"], self.logs(name))
        return found

    def gone(self, name: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while any(one["metadata"]["name"] == name for one in self.list()):
            assert time.monotonic() < deadline, f"pod {name} is still there"
            time.sleep(0.1)

    def run(self, name: str, script: str, container: str = "main") -> str:
        """What a shell script prints inside a container."""
        what = {"command": ["sh", "-c", script], "container": container, "stdout": True, "stderr": True}
        found: str = stream(self._core.connect_get_namespaced_pod_exec, name, self._namespace, **what)
        return found

    def logs(self, name: str, **query: str) -> str:
        path = self.path(name, "log")
        return self.text(f"{path}?{urlencode(query)}" if query else path)

    def output(self, manifest: Manifest) -> str:
        """What a pod that runs to its end prints."""
        self.create(manifest)
        return self.said(manifest["metadata"]["name"])

    def said(self, name: str) -> str:
        """What a pod has printed when it has ended well."""
        self.ended(name)
        return self.logs(name)


def condition(pod: Manifest, type: str) -> Manifest:
    found = [one for one in pod["status"].get("conditions", ()) if one["type"] == type]
    return found[0] if found else {}


def state(pod: Manifest, container: int = 0, of: str = "containerStatuses") -> Manifest:
    """The status of a container, or nothing while there is none."""
    statuses = pod["status"].get(of, [])
    found: Manifest = statuses[container] if len(statuses) > container else {}
    return found
