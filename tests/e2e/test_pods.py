"""What a node does for its pods: starting, restarting, probing, feeding and ending real containers."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import subprocess
from pathlib import Path

import pytest

from e2e.cluster import PROGRAMS
from e2e.space import Space, config_map, container, mount, pod, secret, service, stay

pytestmark = pytest.mark.node

SCRATCH = [{"name": "scratch", "emptyDir": {}}]
AT_SCRATCH = [mount("scratch", "/scratch")]


# ---- starting and ending


def test_init_containers_run_one_after_another_before_the_others(space: Space) -> None:
    steps = [
        container(f"cat /scratch/log 2>/dev/null | wc -l; echo {name} >> /scratch/log", name, volumeMounts=AT_SCRATCH)
        for name in ("first", "second", "third")
    ]
    main = container(stay("cat /scratch/log"), volumeMounts=AT_SCRATCH)
    space.start(pod("ordered", main, initContainers=steps, volumes=SCRATCH))
    assert space.kubectl("logs", "ordered", "-c", "main").split() == ["first", "second", "third"]
    assert space.kubectl("logs", "ordered", "-c", "third") == "2\n"
    done = [one["state"]["terminated"] for one in space.get("pod", "ordered")["status"]["initContainerStatuses"]]
    assert [one["reason"] for one in done] == ["Completed"] * 3
    assert all(before["finishedAt"] <= after["startedAt"] for before, after in itertools.pairwise(done))


def test_a_failing_init_container_keeps_the_others_from_starting(space: Space) -> None:
    broken = container("exit 4", "broken")
    space.apply(pod("never", container(stay()), initContainers=[broken], restartPolicy="Never"))
    space.wait_for(".status.phase", "Failed", "never")
    status = space.get("pod", "never")["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert "Init:Error" in space.kubectl("get", "pod", "never")


def test_a_crashing_container_is_restarted_with_back_off(space: Space) -> None:
    space.apply(pod("crashing", container("echo attempt; exit 3")))
    # It waits for most of the time without being said to, so look at the moment when it is.
    found = space.wait_for(".status.containerStatuses[0].state.waiting.reason", "CrashLoopBackOff", "crashing")
    (status,) = found["status"]["containerStatuses"]
    delay = {1: "10s", 2: "20s", 3: "40s", 4: "1m20s"}[status["restartCount"]]
    uid = found["metadata"]["uid"]
    wanted = f"back-off {delay} restarting failed container=main pod=crashing_{space.name}({uid})"
    assert status["state"]["waiting"]["message"] == wanted
    assert status["lastState"]["terminated"]["exitCode"] == 3
    space.until_told("crashing", "BackOff", "Back-off restarting failed container main in pod crashing_")
    so_far = status["restartCount"]
    space.cluster.until("another restart", lambda: space.status("crashing")["restartCount"] > so_far)
    assert space.kubectl("logs", "crashing", "--previous") == "attempt\n"


def test_the_restart_policy_says_who_is_started_again(space: Space) -> None:
    succeeds = container("exit 0")
    fails_once = container("test -e /scratch/ran || { touch /scratch/ran; exit 1; }", volumeMounts=AT_SCRATCH)
    space.apply(
        pod("done", succeeds, restartPolicy="OnFailure"),
        pod("once", container("exit 1"), restartPolicy="Never"),
        pod("again", fails_once, restartPolicy="OnFailure", volumes=SCRATCH),
    )
    space.wait_for(".status.phase", "Succeeded", "done")
    space.wait_for(".status.phase", "Failed", "once")
    space.wait_for(".status.phase", "Succeeded", "again")
    assert [space.status(name)["restartCount"] for name in ("done", "once", "again")] == [0, 0, 1]
    assert space.status("once")["state"]["terminated"]["reason"] == "Error"


def test_a_container_that_ends_with_a_code_of_its_rules_makes_all_begin_anew(space: Space) -> None:
    rules = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]
    once = stay("test -e /scratch/ran || { touch /scratch/ran; exit 42; }")
    to_blame = container(once, "blame", volumeMounts=AT_SCRATCH, restartPolicy="Never", restartPolicyRules=rules)
    first = container("echo init >> /scratch/log", "first", volumeMounts=AT_SCRATCH)
    containers = (to_blame, container(stay(), "other"))
    space.apply(pod("anew", *containers, initContainers=[first], restartPolicy="Never", volumes=SCRATCH))
    space.wait_for(".status.containerStatuses[1].restartCount", 1, "anew")
    space.wait("--for=condition=Ready", "pod/anew")
    status = space.get("pod", "anew")["status"]
    everybody = [*status["initContainerStatuses"], *status["containerStatuses"]]
    assert [one["restartCount"] for one in everybody] == [1, 1, 1]
    ended = [one["lastState"]["terminated"] for one in everybody]
    assert [(one["reason"], one["exitCode"]) for one in ended] == [("RestartingAllContainers", 137)] * 3
    (told,) = [one for one in status["conditions"] if one["type"] == "AllContainersRestarting"]
    assert told["status"] == "False"
    assert space.run("anew", "cat /scratch/log", "blame").split() == ["init", "init"]


def test_a_container_out_of_memory_is_reported_as_such_and_restarted(space: Space) -> None:
    greedy = "test -e /scratch/ran && exec sleep 10000; touch /scratch/ran; x=a; while :; do x=$x$x; done"
    limits = {"limits": {"memory": "24Mi"}}
    space.apply(pod("greedy", container(greedy, resources=limits, volumeMounts=AT_SCRATCH), volumes=SCRATCH))
    space.wait_for(".status.containerStatuses[0].restartCount", 1, "greedy")
    space.wait("--for=condition=Ready", "pod/greedy")
    ended = space.status("greedy")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_a_pod_ends_gracefully_after_its_pre_stop_hook(space: Space, tmp_path: Path) -> None:
    volumes = [{"name": "record", "hostPath": {"path": str(tmp_path)}}]
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /record/ended"]}}}
    script = "trap 'echo term >> /record/ended; exit 0' TERM; touch /record/on; while :; do sleep 1 & wait $!; done"
    main = container(script, lifecycle=hook, volumeMounts=[mount("record", "/record")])
    space.start(pod("polite", main, volumes=volumes, terminationGracePeriodSeconds=200))
    space.cluster.until("its readiness for the signal", (tmp_path / "on").exists)
    space.kubectl("delete", "pod", "polite", "--timeout=240s")
    assert (tmp_path / "ended").read_text() == "hook\nterm\n"


def test_a_container_that_ignores_the_signal_is_killed_after_its_grace(space: Space) -> None:
    space.start(pod("stubborn", container("trap '' TERM; while :; do sleep 1; done"), terminationGracePeriodSeconds=1))
    space.kubectl("delete", "pod", "stubborn", "--timeout=240s")
    assert space.kubectl("get", "pods") == ""


def test_a_container_leaves_a_termination_message(space: Space) -> None:
    fallback = container("echo last words; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    space.apply(
        pod("says", container("echo -n because > /dev/termination-log; exit 2"), restartPolicy="Never"),
        pod("logs", fallback, restartPolicy="Never"),
    )
    space.wait_for(".status.phase", "Failed", "says")
    space.wait_for(".status.phase", "Failed", "logs")
    assert space.status("says")["state"]["terminated"]["message"] == "because"
    assert space.status("logs")["state"]["terminated"]["message"] == "last words\n"


# ---- what a container is given


def test_command_and_arguments_see_the_environment_from_fields_resources_and_maps(space: Space) -> None:
    def field(name: str, path: str) -> dict[str, object]:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    def resource(name: str, of: str, divisor: str) -> dict[str, object]:
        return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": of, "divisor": divisor}}}

    main = container("")
    main["command"] = ["sh", "-c"]
    main["args"] = ["env; echo 'said $(GREETING) $$(GREETING)'"]
    main["env"] = [
        {"name": "WHO", "value": "world"},
        {"name": "GREETING", "value": "hello $(WHO)"},
        field("POD", "metadata.name"),
        field("LABEL", "metadata.labels['app']"),
        field("ADDRESS", "status.podIP"),
        field("NODE", "spec.nodeName"),
        field("ACCOUNT", "spec.serviceAccountName"),
        resource("CPU_LIMIT", "limits.cpu", "1m"),
        resource("MEMORY", "requests.memory", "1Mi"),
    ]
    main["envFrom"] = [{"prefix": "MAP_", "configMapRef": {"name": "map"}}, {"secretRef": {"name": "secret"}}]
    main["resources"] = {"limits": {"cpu": "250m", "memory": "64Mi"}, "requests": {"memory": "32Mi"}}
    space.apply(config_map("map", one="1"), secret("secret", PASSWORD="s3cret"))
    space.apply(pod("given", main, restartPolicy="Never"))
    space.wait_for(".status.phase", "Succeeded", "given")
    found = space.get("pod", "given")
    lines = space.kubectl("logs", "given").splitlines()
    wanted = {
        "GREETING=hello world",
        "POD=given",
        "LABEL=given",
        f"ADDRESS={found['status']['podIP']}",
        f"NODE={found['spec']['nodeName']}",
        "ACCOUNT=default",
        "CPU_LIMIT=250",
        "MEMORY=32",
        "MAP_one=1",
        "PASSWORD=s3cret",
        "KUBERNETES_SERVICE_PORT=443",
        "said hello world $(GREETING)",
    }
    assert wanted - set(lines) == set()


def test_a_container_waits_for_the_config_map_that_it_needs(space: Space) -> None:
    needs = [{"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "key"}}}]
    space.apply(pod("waiting", container("echo $KEY", env=needs), restartPolicy="Never"))
    space.wait_for(".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError", "waiting")
    assert space.status("waiting")["state"]["waiting"]["message"] == 'configmap "late" not found'
    space.apply(config_map("late", key="there"))
    space.wait_for(".status.phase", "Succeeded", "waiting")
    assert space.kubectl("logs", "waiting") == "there\n"


def test_the_security_context_decides_the_user_and_what_may_be_written(space: Space) -> None:
    main = container(stay(), volumeMounts=AT_SCRATCH, securityContext={"readOnlyRootFilesystem": True})
    context = {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "runAsNonRoot": True}
    space.start(pod("secured", main, securityContext=context, volumes=SCRATCH))
    assert space.run("secured", "id -u; id -g; id -G").splitlines() == ["1000", "3000", "3000 2000"]
    space.run("secured", "echo x > /scratch/file")
    assert space.run("secured", "stat -c %g /scratch/file") == "2000\n"
    refused = space.attempt("secured", "echo x > /tmp/file")
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr
    space.apply(pod("root", container("true"), securityContext={"runAsNonRoot": True}))
    space.wait_for(".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError", "root")


def test_the_containers_of_a_pod_share_address_host_name_and_ipc(space: Space) -> None:
    serving = container("nc -ll -p 7000 -e hostname", "serving")
    space.start(pod("shared", serving, container(stay()), hostname="chosen"))
    ask = "until nc -w 60 127.0.0.1 7000 </dev/null; do usleep 100000; done; hostname"
    assert space.run("shared", ask) == "chosen\nchosen\n"
    space.run("shared", "echo segment > /dev/shm/there", "serving")
    assert space.run("shared", "cat /dev/shm/there") == "segment\n"
    look = "for one in net ipc uts; do readlink /proc/self/ns/$one; done"
    assert space.run("shared", look) == space.run("shared", look, "serving")
    assert f"{space.address('shared')}\tchosen\n" in space.run("shared", "cat /etc/hosts")


def test_exec_carries_input_of_any_bytes(space: Space) -> None:
    space.start(pod("reader", container(stay())))
    content = os.urandom(400_000)
    environment = {**os.environ, "KUBECONFIG": str(space.cluster.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "-n", space.name, "exec", "-i", "reader", "--", "md5sum"]
    done = subprocess.run(command, env=environment, input=content, capture_output=True, check=True, timeout=400)
    assert done.stdout.split()[0].decode() == hashlib.md5(content).hexdigest()


def test_the_service_account_opens_the_api_from_inside_a_pod(space: Space) -> None:
    """The unmodified kubectl runs in the container, as an in-cluster client does."""
    programs = [{"name": "programs", "hostPath": {"path": str(PROGRAMS / "kubectl"), "type": "File"}}]
    main = container(stay(), volumeMounts=[mount("programs", "/usr/local/bin/kubectl", readOnly=True)])
    space.start(pod("inside", main, volumes=programs))
    identity = space.run("inside", "kubectl auth whoami -o jsonpath='{.status.userInfo.username}'")
    assert identity == f"system:serviceaccount:{space.name}:default"
    by_name = (
        "at=/var/run/secrets/kubernetes.io/serviceaccount;"
        "kubectl --server=https://kubernetes.default.svc --certificate-authority=$at/ca.crt --token=$(cat $at/token)"
    )
    refused = space.attempt("inside", f"{by_name} get pods")
    assert f'User "system:serviceaccount:{space.name}:default" cannot list resource "pods"' in refused.stderr
    account = f"--serviceaccount={space.name}:default"
    space.kubectl("create", "rolebinding", "viewer", "--clusterrole=view", account)
    space.cluster.until("the role's effect", lambda: "inside" in space.attempt("inside", f"{by_name} get pods").stdout)
    assert space.run("inside", "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace") == space.name


# ---- volumes


def test_an_empty_directory_outlives_containers_and_goes_with_the_pod(space: Space) -> None:
    space.start(pod("keeper", container(stay("echo run >> /scratch/log"), volumeMounts=AT_SCRATCH), volumes=SCRATCH))
    directory = Path("/var/lib/kubelet/pods") / space.uid("keeper")
    log = directory / "volumes" / "kubernetes.io~empty-dir" / "scratch" / "log"
    space.cluster.until("its first word", lambda: log.exists() and log.read_text() == "run\n")
    space.attempt("keeper", "kill -TERM 1")
    space.wait_for(".status.containerStatuses[0].restartCount", 1, "keeper")
    space.wait("--for=condition=Ready", "pod/keeper")
    space.cluster.until("its second word", lambda: log.read_text() == "run\nrun\n")
    space.kubectl("delete", "pod", "keeper")
    space.cluster.until("the removal of the pod's directory", lambda: not os.path.lexists(directory))


def test_an_empty_directory_may_lie_in_memory(space: Space) -> None:
    volumes = [{"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    space.start(pod("memory", container(stay(), volumeMounts=AT_SCRATCH), volumes=volumes))
    assert "tmpfs" in space.run("memory", "grep ' /scratch ' /proc/mounts")
    full = space.attempt("memory", "dd if=/dev/zero of=/scratch/file bs=1M count=2")
    assert "No space left on device" in full.stderr


def test_a_host_path_is_the_directory_of_the_host(space: Space, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("from the host\n")
    volumes = [
        {"name": "known", "hostPath": {"path": str(tmp_path), "type": "Directory"}},
        {"name": "made", "hostPath": {"path": str(tmp_path / "made"), "type": "DirectoryOrCreate"}},
    ]
    main = container(stay(), volumeMounts=[mount("known", "/known", readOnly=True), mount("made", "/made")])
    space.start(pod("host", main, volumes=volumes))
    assert space.run("host", "cat /known/there; echo from the pod > /made/there") == "from the host\n"
    assert (tmp_path / "made" / "there").read_text() == "from the pod\n"
    assert space.attempt("host", "touch /known/more").returncode != 0
    missing = [{"name": "missing", "hostPath": {"path": str(tmp_path / "none"), "type": "Directory"}}]
    main = container(stay(), volumeMounts=[mount("missing", "/missing")])
    space.apply(pod("missing", main, volumes=missing))
    space.until_told("missing", "FailedMount", "hostPath type check failed")


def test_config_maps_and_secrets_are_files_whose_update_arrives_at_once(space: Space) -> None:
    watching = (
        "while :; do cd -P /map/..data; one=$(cat one 2>/dev/null) && two=$(cat two 2>/dev/null) &&"
        " [ $one != $two ] && echo torn; usleep 2000; done"
    )
    volumes = [
        {"name": "map", "configMap": {"name": "map"}},
        {"name": "part", "secret": {"secretName": "key", "defaultMode": 0o400, "items": [{"key": "a", "path": "x/a"}]}},
    ]
    mounts = [mount("map", "/map"), mount("part", "/part"), mount("map", "/sub", subPath="one")]
    main = container(watching, volumeMounts=mounts)
    space.apply(config_map("map", one="old", two="old"), secret("key", a="first", b="second"))
    space.start(pod("fed", main, volumes=volumes))
    seen = space.run("fed", "cat /map/one; echo; ls /part /part/x; stat -Lc %a /part/x/a")
    assert seen.split() == ["old", "/part:", "x", "/part/x:", "a", "400"]
    space.apply(config_map("map", one="new", two="new"), secret("key", a="third", b="second"))
    arrived = "cat /map/one /map/two /part/x/a"
    space.cluster.until("the update", lambda: space.run("fed", arrived) == "newnewthird")
    assert space.run("fed", "cat /sub") == "old"
    assert space.kubectl("logs", "fed") == ""


def test_the_downward_api_is_files_that_follow_the_pods_labels(space: Space) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "limit", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"}},
    ]
    limits = {"limits": {"memory": "32Mi"}}
    main = container(stay(), volumeMounts=[mount("about", "/about")], resources=limits)
    space.start(pod("self", main, volumes=[{"name": "about", "downwardAPI": {"items": items}}]))
    assert space.run("self", "cat /about/labels; echo; cat /about/limit") == f'app="self"\n{32 << 20}'
    space.kubectl("label", "pod", "self", "stage=later")
    wanted = 'app="self"\nstage="later"'
    space.cluster.until("the label", lambda: space.run("self", "cat /about/labels") == wanted)


# ---- probes


def exec_probe(script: str, **more: int) -> dict[str, object]:
    return {
        "exec": {"command": ["sh", "-c", script]},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "timeoutSeconds": 60,
        **more,
    }


def test_a_failing_liveness_probe_restarts_the_container(space: Space) -> None:
    main = container(stay(), livenessProbe=exec_probe("test ! -e /tmp/ill || { echo ill; false; }"))
    space.start(pod("alive", main))
    space.run("alive", "touch /tmp/ill")
    space.wait_for(".status.containerStatuses[0].restartCount", 1, "alive")
    space.cluster.until("the events", lambda: {"Unhealthy", "Killing"} <= set(space.events("alive")))
    events = space.events("alive")
    assert events["Unhealthy"] == "Liveness probe failed: ill\n"
    assert events["Killing"] == "Container main failed liveness probe, will be restarted"


def test_a_failing_readiness_probe_takes_the_pod_out_of_its_service(space: Space) -> None:
    script = stay("mkdir /www; echo ok > /www/ready; httpd -p 8080 -h /www")
    probe = {"httpGet": {"path": "/ready", "port": "web"}, "periodSeconds": 1, "failureThreshold": 1}
    probe["timeoutSeconds"] = 60
    ports = [{"name": "web", "containerPort": 8080}]
    space.apply(service("web", "web"))
    space.start(pod("web", container(script, readinessProbe=probe, ports=ports)))
    space.until_endpoints("web", 1)
    space.run("web", "rm /www/ready")
    space.until_endpoints("web", 0)
    status = space.status("web")
    assert (status["ready"], status["restartCount"]) == (False, 0)
    space.until_told("web", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    space.run("web", "echo ok > /www/ready")
    space.until_endpoints("web", 1)


def test_a_startup_probe_holds_back_the_others(space: Space) -> None:
    main = container(
        stay("touch /tmp/alive"),
        startupProbe=exec_probe("test -e /tmp/started", failureThreshold=10000),
        livenessProbe=exec_probe("test -e /tmp/started"),
        readinessProbe={"tcpSocket": {"port": 9000}, "periodSeconds": 1},
    )
    space.apply(pod("slow", main))
    space.until_told("slow", "Unhealthy", "Startup probe failed:")
    status = space.status("slow")
    assert (status["started"], status["ready"], status["restartCount"]) == (False, False, 0)
    space.run("slow", "touch /tmp/started; nc -ll -p 9000 -e true >/dev/null 2>&1 &")
    space.wait("--for=condition=Ready", "pod/slow")
    assert space.status("slow")["restartCount"] == 0


# ---- logs and restarts of the node itself


def test_logs_lie_where_log_collectors_look_and_are_rotated(space: Space) -> None:
    space.start(pod("talking", container(stay("echo first line"))))
    found = space.get("pod", "talking")
    identifier = found["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    log = Path("/var/log/pods") / f"{space.name}_talking_{found['metadata']['uid']}" / "main" / "0.log"
    space.cluster.until("its line", lambda: log.exists() and log.read_text().endswith(" stdout F first line\n"))
    link = Path("/var/log/containers") / f"talking_{space.name}_main-{identifier}.log"
    assert link.resolve() == log.resolve()
    space.run("talking", "yes 0123456789012345678901234567890123456789 | head -n 270000 > /proc/1/fd/1")
    space.cluster.until("the rotation", lambda: len(list(log.parent.iterdir())) > 1)
    space.run("talking", "echo last line > /proc/1/fd/1")
    space.until_said("talking", "last line\n", "--tail=1")
    space.kubectl("delete", "pod", "talking")
    space.cluster.until("the removal of logs", lambda: not os.path.lexists(log.parent.parent))
    space.cluster.until("the removal of links", lambda: not os.path.lexists(link))


def test_containers_run_on_while_the_kubelet_is_killed_and_comes_back(space: Space) -> None:
    space.start(pod("steady", container(stay())))
    before = space.status("steady")
    killed = space.cluster.pids()["node"]
    os.kill(killed, signal.SIGKILL)
    space.cluster.until("a new node process", lambda: space.cluster.pids().get("node", killed) != killed)
    space.start(pod("later", container(stay())))
    after = space.status("steady")
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    assert after["ready"]
    assert space.run("steady", "echo reached") == "reached\n"
