"""kubectl before real containers: logs, and an application of several parts that is written to and read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from e2e.space import Space, config_map, container, pod, service, stay

pytestmark = pytest.mark.node


@pytest.mark.conformance("Kubectl, logs")
def test_logs_are_read_whole_and_in_parts(space: Space) -> None:
    script = "for n in $(seq 1 20); do echo line $n of the log; done; sleep 2; echo the last; exit 0"
    space.apply(pod("logs-generator", container(script), restartPolicy="Never"))
    space.wait_for(".status.phase", "Succeeded", "logs-generator")
    whole = space.kubectl("logs", "logs-generator")
    assert whole.splitlines() == [*(f"line {n} of the log" for n in range(1, 21)), "the last"]
    assert space.kubectl("logs", "logs-generator", "main", "--tail=1") == "the last\n"
    assert space.kubectl("logs", "logs-generator", "main", "--limit-bytes=1") == "l"
    stamped = space.kubectl("logs", "logs-generator", "main", "--tail=1", "--timestamps")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) the last\n", stamped)
    recent = space.kubectl("logs", "logs-generator", "main", "--since=1s").splitlines()
    assert len(recent) < 21
    assert space.kubectl("logs", "logs-generator", "main", "--since=24h") == whole


STORE = """#!/bin/sh
echo "Content-Type: application/json"; echo
case "$QUERY_STRING" in
*cmd=set*) echo "${QUERY_STRING##*value=}" > /tmp/entry; echo '{"message":"Updated"}' ;;
*) echo "{\\"data\\":\\"$(cat /tmp/entry 2> /dev/null)\\"}" ;;
esac
"""
REPLICA = """#!/bin/sh
echo "Content-Type: application/json"; echo
wget -q -O - "http://agnhost-primary:6379/cgi-bin/guestbook?cmd=get"
"""
FRONTEND = """#!/bin/sh
echo "Content-Type: application/json"; echo
case "$QUERY_STRING" in
*cmd=set*) wget -q -O - "http://agnhost-primary:6379/cgi-bin/guestbook?$QUERY_STRING" ;;
*) wget -q -O - "http://agnhost-replica:6379/cgi-bin/guestbook?$QUERY_STRING" ;;
esac
"""


def part(name: str, replicas: int, port: int) -> list[dict[str, Any]]:
    """A deployment of a program that answers over HTTP, and its service."""
    serve = container(
        stay(f"httpd -p {port} -h /www"),
        volumeMounts=[{"name": "program", "mountPath": "/www/cgi-bin"}],
        readinessProbe={"tcpSocket": {"port": port}, "periodSeconds": 1, "timeoutSeconds": 30},
    )
    volume = {"name": "program", "configMap": {"name": name, "defaultMode": 0o755}}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [serve], "volumes": [volume], "terminationGracePeriodSeconds": 1},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return [deployment, service(name, name, [{"port": port, "targetPort": port}])]


@pytest.mark.conformance("Kubectl, guestbook application")
def test_what_is_written_through_the_frontend_is_read_back(space: Space) -> None:
    parts = {"agnhost-primary": (STORE, 1, 6379), "agnhost-replica": (REPLICA, 2, 6379), "frontend": (FRONTEND, 3, 80)}
    for name, (program, replicas, port) in parts.items():
        for manifest in (config_map(name, guestbook=program), *part(name, replicas, port)):
            space.kubectl("create", "-f", "-", text=json.dumps(manifest))
    for name in parts:
        space.kubectl("rollout", "status", f"deployment/{name}", "--timeout=240s")
    frontend = f"/api/v1/namespaces/{space.name}/services/frontend/proxy/cgi-bin/guestbook"

    def asked(query: str) -> str:
        """Through the API server, as the frontend answers; nothing while a part is not known to another."""
        return space.kubectl("get", "--raw", f"{frontend}?{query}", check=False).strip()

    space.cluster.until("the frontend", lambda: asked("cmd=get&key=messages&value=") == '{"data":""}')
    assert asked("cmd=set&key=messages&value=TestEntry") == '{"message":"Updated"}'
    for _ in range(5):
        assert asked("cmd=get&key=messages&value=") == '{"data":"TestEntry"}'
    space.kubectl("delete", "deployment,service,configmap", *parts, "--grace-period=0", "--force")
