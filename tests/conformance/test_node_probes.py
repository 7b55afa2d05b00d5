"""Probes of every kind: who is restarted, who is left alone, and who is ready when."""

from __future__ import annotations

import sys
from datetime import datetime

import pytest

from conformance.pods_client import Pods, condition, state
from e2e.space import Manifest, Space, container, mount, pod, stay

pytestmark = pytest.mark.node

SERVES = "mkdir /www; echo ok > /www/healthz; httpd -p 8080 -h /www"
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
    return {**handler, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 60, **more}


def guarded(handler: Manifest) -> dict[str, Manifest]:
    """A liveness probe, and one of the start: however long a program needs to begin, it counts as well."""
    return {"livenessProbe": probing(handler), "startupProbe": probing(handler, failureThreshold=10_000)}


def http(port: int | str = "web", path: str = "/healthz") -> Manifest:
    return {"httpGet": {"path": path, "port": port}}


def grpc_pod(name: str, probe: Manifest) -> Manifest:
    """The server is this machine's Python, in a container that sees the machine's files."""
    start = probing({"grpc": {"port": 5000}}, failureThreshold=10_000)
    mounts = [mount("machine", "/machine", readOnly=True)]
    main = container("", volumeMounts=mounts, livenessProbe=probing(probe), startupProbe=start)
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
    pods = Pods(space)
    serving = {"ports": WEB}
    health = {"exec": {"command": ["cat", "/tmp/health"]}}
    healthy = stay("echo ok > /tmp/health")
    pods.create(pod("http-well", container(stay(SERVES), **serving, **guarded(http()))))
    pods.create(pod("http-fails", container(stay(SERVES), **serving, **guarded(http()))))
    pods.create(pod("tcp-well", container(stay(SERVES), **serving, **guarded({"tcpSocket": {"port": 8080}}))))
    pods.create(pod("exec-well", container(healthy, **guarded(health))))
    pods.create(pod("exec-fails", container(healthy, **guarded(health))))
    pods.create(grpc_pod("grpc-well", {"grpc": {"port": 5000}}))
    pods.create(grpc_pod("grpc-named", {"grpc": {"port": 5000, "service": "known"}}))
    pods.create(grpc_pod("grpc-fails", {"grpc": {"port": 2333}}))
    for name, breaks in (
        ("http-fails", "rm /www/healthz"),
        ("tcp-well", "rm /www/healthz"),
        ("exec-fails", "rm /tmp/health"),
    ):
        pods.ready(name)
        space.run(name, breaks)
    for name in ("http-fails", "exec-fails", "grpc-fails"):
        found = pods.until(name, lambda pod: state(pod).get("restartCount", 0) >= 1)
        assert "terminated" in state(found)["lastState"]
    for name in ("http-well", "tcp-well", "exec-well", "grpc-well", "grpc-named"):
        found = pods.ready(name)
        assert (state(found)["restartCount"], state(found)["started"]) == (0, True), name
        assert not any(one.startswith("Liveness") for one in space.messages(name, "Unhealthy")), name
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
    """It is well at each start, and fails a little later."""
    pods = Pods(space)
    watching = pods.watch("app=again")
    fails_later = f"{SERVES}; sleep 2; rm /www/healthz"
    main = container(stay(fails_later), ports=WEB, livenessProbe=probing(http(), initialDelaySeconds=1))
    pods.create(pod("again", main))
    for count in range(1, 6):
        found = watching.until("MODIFIED", lambda pod: bool(state(pod).get("restartCount", 0) >= count))  # noqa: B023
        assert state(found)["restartCount"] == count
