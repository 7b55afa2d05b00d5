"""PodGroup and Workload: served when they are asked for, and judged as upstream does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from pybernetes.api.clock import SystemClock
from pybernetes.api.features import GENERIC_WORKLOAD
from pybernetes.apiserver.runtime_config import InvalidRuntimeConfig, chosen_modules
from pybernetes.client import Client
from pybernetes.store.memory import MemoryStore
from pybernetes.testing.control_plane import direct_transport, start_server

FEATURES = frozenset((GENERIC_WORKLOAD,))
GROUPS = "/apis/scheduling.k8s.io/v1alpha2/namespaces/default/podgroups"
WORKLOADS = "/apis/scheduling.k8s.io/v1alpha2/namespaces/default/workloads"


@pytest.fixture
async def server() -> AsyncIterator[Client]:
    store = MemoryStore()
    assembled = await start_server(store, SystemClock(), Random(1), FEATURES)
    yield Client(direct_transport(assembled.server))
    await assembled.stop()
    await store.close()


async def asked(client: Client, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    response = await client.raw(method, path, body=json.dumps(body).encode() if body is not None else b"")
    return response.status, json.loads(response.body)


def group(name: str = "g", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"schedulingPolicy": {"gang": {"minCount": 3}}, **spec}}


async def test_a_group_is_kept_without_what_is_off(server: Client) -> None:
    status, made = await asked(server, "POST", GROUPS, group(priority=5, disruptionMode="Pod", priorityClassName="x"))
    assert status == 201
    assert made["spec"] == {
        "podGroupTemplateRef": None,
        "disruptionMode": "Pod",
        "schedulingPolicy": {"gang": {"minCount": 3}},
    }
    assert made["metadata"]["finalizers"] == ["scheduling.k8s.io/podgroup-protection"]
    assert made["status"] == {}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"schedulingPolicy": {}}, 'spec.schedulingPolicy: Invalid value: "": must specify one of: `basic`, `gang`'),
        (
            {"schedulingPolicy": {"gang": {"minCount": -1}}},
            "spec.schedulingPolicy.gang.minCount: Invalid value: -1: must be greater than or equal to 1",
        ),
        ({"schedulingPolicy": {"gang": {}}}, "spec.schedulingPolicy.gang.minCount: Required value"),
        (
            {"schedulingPolicy": {"gang": {"minCount": 1}, "basic": {}}},
            'spec.schedulingPolicy: Invalid value: "{basic, gang}": must specify exactly one of: `basic`, `gang`',
        ),
    ],
)
async def test_a_policy_is_one_and_complete(server: Client, spec: dict[str, Any], message: str) -> None:
    status, said = await asked(server, "POST", GROUPS, group(**spec))
    assert status == 422
    assert said["message"] == f'PodGroup.scheduling.k8s.io "g" is invalid: {message}'


async def test_a_policy_stays_and_a_status_tells_in_the_table(server: Client) -> None:
    _, made = await asked(server, "POST", GROUPS, group())
    changed = {**made, "spec": {"schedulingPolicy": {"basic": {}}}}
    status, said = await asked(server, "PUT", f"{GROUPS}/g", changed)
    assert status == 422
    assert "spec.schedulingPolicy: Invalid value: null: field is immutable" in said["message"]
    condition = {
        "type": "PodGroupScheduled",
        "status": "True",
        "reason": "Scheduled",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status, told = await asked(server, "PUT", f"{GROUPS}/g/status", {**made, "status": {"conditions": [condition]}})
    assert (status, told["status"]["conditions"]) == (200, [condition])


async def test_a_workload_has_templates_with_names_of_their_own(server: Client) -> None:
    one = {"name": "workers", "schedulingPolicy": {"basic": {}}}
    status, said = await asked(
        server, "POST", WORKLOADS, {"metadata": {"name": "w"}, "spec": {"podGroupTemplates": []}}
    )
    assert (status, said["message"]) == (
        422,
        'Workload.scheduling.k8s.io "w" is invalid: spec.podGroupTemplates: Required value',
    )
    status, said = await asked(
        server, "POST", WORKLOADS, {"metadata": {"name": "w"}, "spec": {"podGroupTemplates": [one, one]}}
    )
    assert status == 422
    assert "spec.podGroupTemplates[1]: Duplicate value" in said["message"]
    status, _ = await asked(
        server, "POST", WORKLOADS, {"metadata": {"name": "w"}, "spec": {"podGroupTemplates": [one]}}
    )
    assert status == 201


def test_versions_are_chosen_by_name_and_need_their_feature() -> None:
    chosen = "scheduling.k8s.io/v1alpha2=true"
    assert chosen_modules(chosen, FEATURES) == ("workload", "pod_group")
    assert chosen_modules(chosen, frozenset()) == ()
    assert chosen_modules("", FEATURES) == ()
    assert chosen_modules(f"{chosen},scheduling.k8s.io/v1alpha2/workloads=false", FEATURES) == ("pod_group",)
    assert chosen_modules("api/all=true", FEATURES) == ("workload", "pod_group")
    with pytest.raises(InvalidRuntimeConfig, match="apps/v2: only"):
        chosen_modules("apps/v2=true", FEATURES)


async def test_a_group_from_a_template_finds_it_in_its_workload(server: Client) -> None:
    def referring(template: str) -> dict[str, Any]:
        return group(podGroupTemplateRef={"workload": {"workloadName": "w", "podGroupTemplateName": template}})

    status, said = await asked(server, "POST", GROUPS, referring("workers"))
    message = 'podgroups.scheduling.k8s.io "g" is forbidden: PodGroup rejected: '
    assert (status, said["message"]) == (403, f'{message}Workload "w" not found')
    one = {"name": "workers", "schedulingPolicy": {"basic": {}}}
    await asked(server, "POST", WORKLOADS, {"metadata": {"name": "w"}, "spec": {"podGroupTemplates": [one]}})
    status, said = await asked(server, "POST", GROUPS, referring("others"))
    assert said["message"] == f'{message}PodGroupTemplate "others" not found in Workload "w"'
    status, _ = await asked(server, "POST", GROUPS, referring("workers"))
    assert status == 201
