"""APIServices as objects; the cases and messages are upstream's."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import cells, problems
from apiserver.serving import Talk, serving
from pybernetes.apiserver.resources.api_service import API_SERVICES

PATH = "/apis/apiregistration.k8s.io/v1/apiservices"


def service(name: str = "v1.example.com", **spec: Any) -> dict[str, Any]:
    version, _, group = name.partition(".")
    whole = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 10, **spec}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


REFERENCE = {"namespace": "default", "name": "wardle", "port": 443}
POSITIVE = "must be positive and less than"


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (service(), []),
        (service("v1."), []),
        (service(service=REFERENCE, caBundle="Zm9v"), []),
        (
            service(version="v2"),
            ['metadata.name: Invalid value: "v1.example.com": must be `spec.version+"."+spec.group`: "v2.example.com"'],
        ),
        (service("v2."), ["spec.group: Required value: only v1 may have an empty group and it better be legacy kube"]),
        (service(groupPriorityMinimum=0), [f"spec.groupPriorityMinimum: Invalid value: 0: {POSITIVE} 20000"]),
        (service(groupPriorityMinimum=20001), [f"spec.groupPriorityMinimum: Invalid value: 20001: {POSITIVE} 20000"]),
        (service(versionPriority=1001), [f"spec.versionPriority: Invalid value: 1001: {POSITIVE} 1000"]),
        (
            service(caBundle="Zm9v", insecureSkipTLSVerify=True),
            [
                'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ],
        ),
        (
            service(service={"port": 70000}),
            [
                "spec.service.namespace: Required value",
                "spec.service.name: Required value",
                "spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            service(service=REFERENCE, caBundle="Zm9v", insecureSkipTLSVerify=True),
            ["spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present"],
        ),
    ],
)
def test_faults_are_told_as_upstream_tells_them(manifest: dict[str, Any], expected: list[str]) -> None:
    assert problems(API_SERVICES, manifest) == expected


@pytest.mark.parametrize(
    ("spec", "conditions", "shown"),
    [
        ({}, [{"type": "Available", "status": "True", "reason": "Local"}], ("Local", "True")),
        ({"service": REFERENCE}, [], ("default/wardle", "Unknown")),
        (
            {"service": REFERENCE},
            [{"type": "Available", "status": "False", "reason": "ServiceNotFound"}],
            ("default/wardle", "False (ServiceNotFound)"),
        ),
        ({"service": REFERENCE}, [{"type": "Available", "status": "False"}], ("default/wardle", "False")),
    ],
)
def test_the_columns_tell_the_service_and_whether_it_is_available(
    spec: dict[str, Any], conditions: list[dict[str, str]], shown: tuple[str, str]
) -> None:
    row = cells(API_SERVICES, {**service(**spec), "status": {"conditions": conditions}})
    assert (row["Service"], row["Available"]) == shown


async def made(talk: Talk, **spec: Any) -> dict[str, Any]:
    answer = await talk.post(PATH, {**service(**spec), "status": {"conditions": [{"type": "X", "status": "True"}]}})
    assert answer.status == 201, answer.message
    document: dict[str, Any] = answer.body
    return document


async def test_a_local_one_is_available_from_the_start_and_the_port_of_a_service_is_443() -> None:
    async with serving() as talk:
        (condition,) = (await made(talk))["status"]["conditions"]
        assert (condition["type"], condition["reason"]) == ("Available", "Local")
        await talk.delete(f"{PATH}/v1.example.com")
        remote = await made(talk, service={"namespace": "default", "name": "wardle"})
        assert remote["spec"]["service"]["port"] == 443
        assert remote["status"] == {}


async def test_the_status_has_a_door_of_its_own_that_lets_nothing_else_through() -> None:
    async with serving() as talk:
        await made(talk, service=REFERENCE)
        change: dict[str, Any] = {
            "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
            "spec": {"versionPriority": 50},
            "status": {"conditions": [{"type": "Available", "status": "Maybe"}]},
        }
        refused = await talk.patch(f"{PATH}/v1.example.com/status", change)
        assert (refused.status, refused.body["details"]["causes"][0]) == (
            422,
            {
                "reason": "FieldValueNotSupported",
                "message": 'Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
                "field": "status.conditions[0].status",
            },
        )
        change["status"]["conditions"][0]["status"] = "Unknown"
        changed = (await talk.patch(f"{PATH}/v1.example.com/status", change)).body
        assert changed["status"]["conditions"][0]["status"] == "Unknown"
        assert changed["spec"]["versionPriority"] == 10
        assert {"labels", "annotations"}.isdisjoint(changed["metadata"])
        again = {**service(), "status": {}}
        assert (await talk.put(f"{PATH}/v1.example.com", again)).status == 422
        again["metadata"]["resourceVersion"] = changed["metadata"]["resourceVersion"]
        assert (await talk.put(f"{PATH}/v1.example.com", again)).body["status"] == changed["status"]
