"""Users, privileges, sysctls and the file systems of containers."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods, Refused, state
from e2e.space import Space, container, mount, pod, stay

pytestmark = pytest.mark.node


@pytest.mark.conformance(
    "Security Context, runAsUser=65534",
    "Security Context, privileged=false.",
    "Security Context, readOnlyRootFilesystem=false.",
    "Security Context, test RunAsGroup at container level",
    "Security Context, test RunAsGroup at pod level",
    "Security Context, allowPrivilegeEscalation=false.",
    "Kubelet, pod with read only root file system",
)
def test_a_container_has_the_user_and_the_privileges_that_were_asked_for(space: Space) -> None:
    pods = Pods(space)
    for name, script, own in (
        ("nobody", "test $(id -u) -eq 65534", {"runAsUser": 65534}),
        ("plain", "ip link add dummy0 type dummy || true", {"privileged": False}),
        ("privileged", "ip link set lo mtu 1400", {"privileged": True}),
        ("writable", "touch checkfile", {"readOnlyRootFilesystem": False}),
        ("read-only", "echo test > /file; echo ended", {"readOnlyRootFilesystem": True}),
        ("group", "id", {"runAsUser": 1001, "runAsGroup": 2002}),
        (
            "confined",
            "id -u; grep NoNewPrivs /proc/self/status",
            {"runAsUser": 1000, "allowPrivilegeEscalation": False},
        ),
        ("may-rise", "grep NoNewPrivs /proc/self/status", {"runAsUser": 1000, "allowPrivilegeEscalation": True}),
    ):
        pods.create(pod(name, container(script, securityContext=own), restartPolicy="Never"))
    of_pod = {"runAsUser": 1001, "runAsGroup": 2002}
    pods.create(pod("pods-group", container("id"), securityContext=of_pod, restartPolicy="Never"))
    said = {one["metadata"]["name"]: pods.said(one["metadata"]["name"]) for one in pods.list()}
    assert "Operation not permitted" in said["plain"]
    assert said["privileged"] == ""
    assert "can't create /file: Read-only file system" in said["read-only"]
    assert said["group"].startswith("uid=1001 gid=2002")
    assert said["pods-group"].startswith("uid=1001 gid=2002")
    assert said["confined"].split() == ["1000", "NoNewPrivs:", "1"]
    assert said["may-rise"].split() == ["NoNewPrivs:", "0"]


@pytest.mark.conformance("Sysctl, test sysctls", "Sysctls, reject invalid sysctls")
def test_safe_sysctls_are_set_and_wrong_or_unsafe_ones_are_refused(space: Space) -> None:
    def asking(name: str, **sysctls: str) -> dict[str, object]:
        stated = [{"name": key, "value": value} for key, value in sysctls.items()]
        main = container("cat /proc/sys/kernel/shm_rmid_forced")
        found: dict[str, object] = pod(name, main, securityContext={"sysctls": stated}, restartPolicy="Never")
        return found

    pods = Pods(space)
    assert pods.output(asking("safe", **{"kernel.shm_rmid_forced": "1"})) == "1\n"
    with pytest.raises(Refused) as refused:
        pods.create(
            asking("wrong", **{"foo-": "bar", "kernel.shmmax": "100000000", "safe-and-unsafe": "x", "bar..": "42"})
        )
    message = str(refused.value)
    assert 'Invalid value: "foo-"' in message
    assert 'Invalid value: "bar.."' in message
    assert "safe-and-unsafe" not in message
    assert "kernel.shmmax" not in message
    assert refused.value.status["code"] == 422
    pods.create(asking("unsafe", **{"kernel.msgmax": "10000000000"}))
    found = pods.until("unsafe", lambda pod: pod["status"]["phase"] == "Failed")
    assert found["status"]["reason"] == "SysctlForbidden"
    assert found["status"]["message"] == 'forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert "running" not in state(found).get("state", {})


@pytest.mark.conformance("Kubelet, hostAliases", "Kubelet, managed etc hosts")
def test_the_hosts_file_is_managed_unless_the_pod_brings_its_own_or_the_nodes_network(space: Space) -> None:
    managed = "# Kubernetes-managed hosts file."
    volumes = [{"name": "hosts", "hostPath": {"path": "/etc/hosts", "type": "File"}}]
    own = container(stay(), "own", volumeMounts=[mount("hosts", "/etc/hosts")])
    aliases = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]
    with_original = [mount("hosts", "/etc/hosts-original")]
    pods = Pods(space)
    shown = container("cat /etc/hosts", volumeMounts=with_original)
    pods.create(pod("aliases", shown, hostAliases=aliases, restartPolicy="Never", volumes=volumes))
    pods.create(pod("mixed", container(stay(), "one"), container(stay(), "two"), own, volumes=volumes))
    host = container(stay(), volumeMounts=with_original)
    pods.create(pod("host", host, hostNetwork=True, volumes=volumes))
    pods.ended("aliases")
    assert "123.45.67.89\tfoo\tbar" in pods.logs("aliases")
    address = pods.ready("mixed")["status"]["podIP"]
    for one in ("one", "two"):
        text = space.run("mixed", "cat /etc/hosts", one)
        assert text.startswith(managed)
        assert f"{address}\tmixed" in text
    assert managed not in space.run("mixed", "cat /etc/hosts", "own")
    pods.ready("host")
    text = space.run("host", "cat /etc/hosts")
    assert managed not in text
    assert space.run("host", "cat /etc/hosts-original") in text
