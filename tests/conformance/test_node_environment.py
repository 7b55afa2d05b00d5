"""What containers are given in their environment, commands and arguments: by pods, config maps, secrets, services."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods, Verbs
from e2e.space import Manifest, Space, config_map, container, pod, secret, service

pytestmark = pytest.mark.node

PREFIXES = ["", "p-", "$_-", "1-", "a.b/", "#!~ "]
"""Any printable character but the equals sign may stand in a variable's name."""


def given(name: str, **value_from: Manifest) -> Manifest:
    return {"name": name, "valueFrom": value_from}


def field(name: str, path: str) -> Manifest:
    return given(name, fieldRef={"apiVersion": "v1", "fieldPath": path})


def resource(name: str, of: str, divisor: str = "0") -> Manifest:
    return given(name, resourceFieldRef={"resource": of, "divisor": divisor})


@pytest.mark.conformance(
    "ConfigMap, from environment field with various prefixes",
    "ConfigMap, from environment field",
    "ConfigMap, from environment variables",
    "Secrets, pod environment field",
    "Secrets, pod environment from source",
)
def test_config_maps_and_secrets_are_variables_under_any_prefix(space: Space) -> None:
    Verbs(space, "configmaps").create(config_map("map", **{"data-1": "value-1", "data_2": "value=2\nmore"}))
    Verbs(space, "secrets").create(secret("secret", **{"hush-1": "sh-1", "hush_2": "a $(b) $$c"}))
    main = {**container(""), "command": ["env"]}
    main["envFrom"] = [{"prefix": one, "configMapRef": {"name": "map"}} for one in PREFIXES]
    main["envFrom"] += [{"prefix": one, "secretRef": {"name": "secret"}} for one in PREFIXES]
    main["env"] = [
        given("ONE", configMapKeyRef={"name": "map", "key": "data-1"}),
        given("HUSH", secretKeyRef={"name": "secret", "key": "hush_2"}),
        given("ABSENT", secretKeyRef={"name": "none", "key": "none", "optional": True}),
    ]
    found = Pods(space).output(pod("given", main, restartPolicy="Never"))
    for prefix in PREFIXES:
        for line in ("data-1=value-1\n", "data_2=value=2\nmore\n", "hush-1=sh-1\n", "hush_2=a $(b) $$c\n"):
            assert f"\n{prefix}{line}" in f"\n{found}"
    assert "\nONE=value-1\n" in f"\n{found}"
    assert "\nHUSH=a $(b) $$c\n" in f"\n{found}"
    assert "ABSENT" not in found


@pytest.mark.conformance(
    "DownwardAPI, environment for CPU and memory limits and requests",
    "DownwardAPI, environment for default CPU and memory limits and requests",
    "DownwardAPI, environment for host ip",
    "DownwardAPI, environment for hostIPs",
    "DownwardAPI, environment for Pod UID",
    "DownwardAPI, environment for name, namespace and ip",
)
def test_a_pod_knows_itself_by_its_environment(space: Space) -> None:
    own = [
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_UID", "metadata.uid"),
        field("POD_IP", "status.podIP"),
        field("POD_IPS", "status.podIPs"),
        field("HOST_IP", "status.hostIP"),
        field("HOST_IPS", "status.hostIPs"),
    ]
    resources = [
        resource(name.upper().replace(".", "_"), name)
        for name in ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
    ]
    asked = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
    pods = Pods(space)
    limited = container("env", env=[*own, *resources], resources=asked)
    pods.create(pod("limited", limited, restartPolicy="Never"))
    pods.create(pod("default", container("env", env=resources), restartPolicy="Never"))
    found = pods.ended("limited")
    status, said = found["status"], pods.logs("limited").splitlines()
    assert {
        "POD_NAME=limited",
        f"POD_NAMESPACE={space.name}",
        f"POD_UID={found['metadata']['uid']}",
        f"POD_IP={status['podIP']}",
        f"POD_IPS={','.join(one['ip'] for one in status['podIPs'])}",
        f"HOST_IP={status['hostIP']}",
        f"HOST_IPS={','.join(one['ip'] for one in status['hostIPs'])}",
        "LIMITS_CPU=2",
        "LIMITS_MEMORY=67108864",
        "REQUESTS_CPU=1",
        "REQUESTS_MEMORY=33554432",
    } <= set(said)
    pods.ended("default")
    default = dict(line.split("=", 1) for line in pods.logs("default").splitlines())
    allocatable = space.cluster.get("node", found["spec"]["nodeName"])["status"]["allocatable"]
    assert default["LIMITS_CPU"] == allocatable["cpu"]
    assert default["LIMITS_MEMORY"] == str(int(allocatable["memory"].removesuffix("Ki")) * 1024)
    assert (default["REQUESTS_CPU"], default["REQUESTS_MEMORY"]) == ("0", "0")


@pytest.mark.conformance(
    "Environment variables, expansion",
    "Environment variables, command argument expansion",
    "Environment variables, command expansion",
    "Pods, service environment variables",
)
def test_variables_are_put_into_others_into_commands_and_arguments(space: Space) -> None:
    Verbs(space, "services").create(service("fooservice", "server", [{"port": 8765, "targetPort": 8080}]))
    main = container("")
    main["env"] = [
        {"name": "FOO", "value": "foo-value"},
        {"name": "BAR", "value": "bar-value"},
        {"name": "FOOBAR", "value": "$(FOO);;$(BAR)"},
        {"name": "KEPT", "value": "$$(FOO) $(NONE) $"},
        {"name": "LINKED", "value": "$(FOOSERVICE_SERVICE_PORT)"},
    ]
    main["command"] = ["sh", "-c", "FOO=shell; env; echo 'command $(FOO) $$(FOO)'; echo args \"$@\"", "sh"]
    main["args"] = ["$(FOOBAR)", "$(NONE)"]
    said = Pods(space).output(pod("expanded", main, restartPolicy="Never")).splitlines()
    address = Verbs(space, "services").get("fooservice")["spec"]["clusterIP"]
    assert {
        "FOOBAR=foo-value;;bar-value",
        "KEPT=$(FOO) $(NONE) $",
        "LINKED=8765",
        "command foo-value $(FOO)",
        "args foo-value;;bar-value $(NONE)",
        f"FOOSERVICE_SERVICE_HOST={address}",
        "FOOSERVICE_SERVICE_PORT=8765",
        f"FOOSERVICE_PORT=tcp://{address}:8765",
        f"FOOSERVICE_PORT_8765_TCP=tcp://{address}:8765",
        "FOOSERVICE_PORT_8765_TCP_PROTO=tcp",
        "FOOSERVICE_PORT_8765_TCP_PORT=8765",
        f"FOOSERVICE_PORT_8765_TCP_ADDR={address}",
    } <= set(said)
