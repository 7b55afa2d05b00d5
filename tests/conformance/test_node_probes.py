"""Probes of every kind: who is restarted, who is left alone, and who is ready when."""

from __future__ import annotations

import sys
from datetime import datetime

import pytest

from conformance.pods_client import Pods, condition, state
from e2e.space import Manifest, Space, container, mount, pod, stay

pytestmark = pytest.mark.node

SERVES = "mkdir /www; echo ok > /www/healthz; httpd -p 8080 -h /www"
FAILS_LATER = f"{SERVES}; sleep 2; rm /www/healthz"
WEB = [{"name": "web", "containerPort": 8080}]

GRPC_SERVER = """
import sys, grpc
from concurrent import futures

def check(request, context):
    if request in (b"", b"\\x0a\\x05known"):
        return b"\\x08\\x01"
    context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")

methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)
server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[handler])
server.add_insecure_port("0.0.0.0:5000")
server.start()
server.wait_for_termination()
"""


def probing(handler: Manifest, **more: int) -> Manifest:
    return {**handler, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5, **more}


def http(port: int | str = "web", path: str = "/healthz") -> Manifest:
    return {"httpGet": {"path": path, "port": port}}


def grpc_pod(name: str, probe: Manifest) -> Manifest:
    """The server is this machine's Python, in a container that sees the machine's files."""
    main = container("", volumeMounts=[mount("machine", "/machine", readOnly=True)], livenessProbe=probe)
    main["command"] = ["chroot", "/machine", sys.executable, "-c", GRPC_SERVER]
    volumes = [{"name": "machine", "hostPath": {"path": "/"}}]
    return pod(name, main, volumes=volumes, terminationGracePeriodSeconds=0)


@pytest.mark.conformance(
    "Pod liveness probe, using http endpoint, failure",
    "Pod liveness probe, using grpc call, success",
    "Pod liveness probe, using local file, no restart",
    "Pod liveness probe, using tcp socket, no restart",
    "Pod liveness probe, using http endpoint, restart",
    "Pod liveness probe, using grpc call, failure",
    "Pod liveness probe, using local file, restart",
)
def test_a_failing_liveness_probe_restarts_and_a_content_one_does_not(space: Space) -> None:
    """Those that stay well are asked as often as those that fail until these have failed."""
    health = {"exec": {"command": ["cat", "/tmp/health"]}}
    grpc_delay = {"initialDelaySeconds": 3}
    pods = Pods(space)
    probe = probing(http(), initialDelaySeconds=1)
    pods.create(pod("http-well", container(stay(SERVES), ports=WEB, livenessProbe=probe)))
    pods.create(pod("http-fails", container(stay(FAILS_LATER), ports=WEB, livenessProbe=probe)))
    tcp = probing({"tcpSocket": {"port": 8080}}, initialDelaySeconds=1)
    pods.create(pod("tcp-well", container(stay(FAILS_LATER), ports=WEB, livenessProbe=tcp)))
    probe = probing(health, initialDelaySeconds=1)
    pods.create(pod("exec-well", container(stay("echo ok > /tmp/health"), livenessProbe=probe)))
    fails = stay("echo ok > /tmp/health; sleep 2; rm -f /tmp/health")
    pods.create(pod("exec-fails", container(fails, livenessProbe=probe)))
    pods.create(grpc_pod("grpc-well", probing({"grpc": {"port": 5000}}, **grpc_delay)))
    pods.create(grpc_pod("grpc-named", probing({"grpc": {"port": 5000, "service": "known"}}, **grpc_delay)))
    pods.create(grpc_pod("grpc-fails", probing({"grpc": {"port": 2333}}, **grpc_delay)))
    for name in ("http-fails", "exec-fails", "grpc-fails"):
        found = pods.until(name, lambda pod: state(pod).get("restartCount", 0) >= 1)
        assert "terminated" in state(found)["lastState"]
    for name in ("http-well", "tcp-well", "exec-well", "grpc-well", "grpc-named"):
        found = pods.ready(name)
        assert (state(found)["restartCount"], state(found)["started"]) == (0, True), name
        assert "Unhealthy" not in space.events(name)
    space.until_told("http-fails", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 404")
    space.until_told("http-fails", "Killing", "Container main failed liveness probe, will be restarted")


@pytest.mark.conformance("Pod readiness probe, with initial delay", "Pod readiness probe, failure")
def test_a_pod_is_ready_after_the_initial_delay_or_never(space: Space) -> None:
    delay = 3
    pods = Pods(space)
    probe = probing(http(), initialDelaySeconds=delay)
    pods.create(pod("later", container(stay(SERVES), ports=WEB, readinessProbe=probe)))
    failing = probing({"exec": {"command": ["/bin/false"]}})
    pods.create(pod("never", container(stay(), readinessProbe=failing)))
    found = pods.ready("later")
    started = datetime.fromisoformat(state(found)["state"]["running"]["startedAt"])
    became = datetime.fromisoformat(condition(found, "Ready")["lastTransitionTime"])
    assert (became - started).total_seconds() >= delay - 1
    assert state(found)["restartCount"] == 0
    space.cluster.until("a failed probe", lambda: "Unhealthy" in space.events("never"))
    never = pods.get("never")
    assert condition(never, "Ready")["status"] == condition(never, "ContainersReady")["status"] == "False"
    assert (state(never)["ready"], state(never)["restartCount"]) == (False, 0)


@pytest.mark.nightly
@pytest.mark.conformance("Pod liveness probe, using http endpoint, multiple restarts (slow)")
def test_restarts_are_counted_one_by_one(space: Space) -> None:
    pods = Pods(space)
    probe = probing(http(), initialDelaySeconds=1)
    watching = pods.watch()
    pods.create(pod("again", container(stay(FAILS_LATER), ports=WEB, livenessProbe=probe)))
    counts = [0]
    while counts[-1] < 5:
        found = watching.until("MODIFIED", lambda pod: state(pod).get("restartCount", 0) != counts[-1])
        counts.append(state(found)["restartCount"])
    assert counts == [0, 1, 2, 3, 4, 5]
