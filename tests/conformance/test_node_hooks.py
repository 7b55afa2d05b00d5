"""Lifecycle hooks: after the start of a container and before its end, as commands and as HTTP requests."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods
from e2e.space import Manifest, Space, container, pod, stay

pytestmark = pytest.mark.node

SERVER = """
mkdir -p /www/cgi-bin
printf '#!/bin/sh\\necho; cat >> /tmp/received; echo "$QUERY_STRING" >> /tmp/received\\n' > /www/cgi-bin/write
printf '#!/bin/sh\\necho; cat /tmp/received\\n' > /www/cgi-bin/read
chmod +x /www/cgi-bin/*; touch /tmp/received
httpd -p 8080 -h /www"""
"""Keeps what is sent to /cgi-bin/write, in its query or its body, and shows it at /cgi-bin/read."""


def server(pods: Pods) -> str:
    """The address of a pod that serves."""
    probe = {"httpGet": {"path": "/cgi-bin/read", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 60}
    pods.create(pod("server", container(stay(SERVER), ports=[{"containerPort": 8080}], readinessProbe=probe)))
    return str(pods.ready("server")["status"]["podIP"])


def received(pods: Pods) -> list[str]:
    """Read through the API server, as whoever is outside does."""
    return pods.text(f"{pods.path('server:8080')}/proxy/cgi-bin/read").split()


def hooked(name: str, when: str, handler: Manifest) -> Manifest:
    main = container(stay(), lifecycle={when: handler})
    if "httpGet" in handler:
        main = {"name": "main", "image": "localhost/pybernetes/pause:1", "lifecycle": {when: handler}}
    return pod(name, main, terminationGracePeriodSeconds=200)


@pytest.mark.conformance(
    "Pod Lifecycle, post start exec hook",
    "Pod Lifecycle, post start http hook",
    "Pod Lifecycle, prestop exec hook",
    "Pod Lifecycle, prestop http hook",
    "Pods, prestop hook",
)
def test_hooks_call_a_server_after_the_start_and_before_the_end(space: Space) -> None:
    pods = Pods(space)
    address = server(pods)

    def command(message: str) -> Manifest:
        return {"exec": {"command": ["sh", "-c", f"wget -qO- 'http://{address}:8080/cgi-bin/write?{message}'"]}}

    def request(message: str) -> Manifest:
        header = {"name": "X-Asked-By", "value": "hook"}
        path = f"/cgi-bin/write?{message}"
        return {"httpGet": {"host": address, "port": 8080, "path": path, "httpHeaders": [header]}}

    posting = f"wget -qO- --post-data=prestop-posted http://{address}:8080/cgi-bin/write"
    pods.create(hooked("exec-start", "postStart", command("msg=poststart-exec")))
    pods.create(hooked("http-start", "postStart", request("msg=poststart-http")))
    pods.create(hooked("exec-stop", "preStop", command("msg=prestop-exec")))
    pods.create(hooked("http-stop", "preStop", request("msg=prestop-http")))
    pods.create(hooked("tester", "preStop", {"exec": {"command": ["sh", "-c", posting]}}))
    names = ("exec-start", "http-start", "exec-stop", "http-stop", "tester")
    for name in names:
        pods.ready(name)
    assert sorted(received(pods)) == ["msg=poststart-exec", "msg=poststart-http"]
    for name in names:
        pods.delete(name)
    for name in names:
        pods.gone(name)
    assert {"msg=prestop-exec", "msg=prestop-http", "prestop-posted"} <= set(received(pods))
