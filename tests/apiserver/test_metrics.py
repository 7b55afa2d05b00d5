"""What `/metrics` tells of the rooms of a server."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apiserver.serving import CONFIG_MAPS, PODS, Talk, config_map, pod, serving
from pybernetes.api.figures import Histograms
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.auth.contract import AlwaysDeny, User
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.metrics import EVENT_BYTES, Metrics
from pybernetes.store.memory import MemoryStore


def _read(metrics: Metrics, name: str) -> Mapping[str, float]:
    """The samples of that name, by their labels as they are written."""
    found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", metrics.text().decode(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


class _Knows:
    def __init__(self, name: str) -> None:
        self._user = User(name) if name else None

    async def authenticate(self, request: ApiRequest) -> User | None:
        return self._user


async def _ask(metrics: Metrics, talk: Talk, method: str, path: str, **query: str) -> None:
    """As the edge does."""
    request = ApiRequest(method, path, {name: [value] for name, value in query.items()})
    metrics.count(request, await talk.server.handle(request), 0.001)


async def test_admission_is_timed_by_step_and_by_plugin() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        await talk.post(PODS, pod("web"))
        refused = await talk.post("/api/v1/namespaces/nowhere/pods", pod("web"))
        assert refused.status == 404
        start = "apiserver_admission"
        steps = _read(metrics, f"{start}_step_admission_duration_seconds_count")
        plugins = _read(metrics, f"{start}_controller_admission_duration_seconds_count")
    assert steps['{operation="CREATE",rejected="true",type="admit"}'] == 1
    assert steps['{operation="CREATE",rejected="false",type="validate"}'] >= 1
    refusing = '{name="NamespaceLifecycle",operation="CREATE",rejected="true",type="admit"}'
    assert plugins[refusing] == 1
    assert 'name="Priority"' in "".join(plugins)


async def test_requests_are_told_by_whether_they_were_known_and_allowed() -> None:
    server = assemble(MemoryStore(), authenticator=_Knows("jane@example.com"), authorizer=AlwaysDeny()).server
    metrics = Metrics(server)
    assert (await server.handle(ApiRequest("GET", CONFIG_MAPS))).status == 403
    server.authenticator = _Knows("")
    assert (await server.handle(ApiRequest("GET", CONFIG_MAPS))).status == 401
    attempts = _read(metrics, "authentication_attempts")
    assert attempts == {'{result="success"}': 1, '{result="failure"}': 1}
    assert _read(metrics, "authorization_attempts_total") == {'{result="no-opinion"}': 1}
    assert _read(metrics, "authenticated_user_requests") == {'{username="email_id"}': 1}


async def test_lists_and_changes_are_counted_by_kind() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        kind = '{group="",resource="configmaps"}'
        received = _read(metrics, "apiserver_watch_cache_events_received_total")[kind]
        await talk.post(CONFIG_MAPS, config_map("one"))
        await talk.post(CONFIG_MAPS, config_map("two"))
        await talk.get(CONFIG_MAPS, limit="1")
        kind = '{group="",index="",resource="configmaps"}'
        assert _read(metrics, "apiserver_cache_list_total")[kind] == 1
        assert _read(metrics, "apiserver_cache_list_fetched_objects_total")[kind] == 1
        kind = '{group="",resource="configmaps"}'
        assert _read(metrics, "apiserver_watch_cache_events_received_total")[kind] == received + 2
        assert _read(metrics, "apiserver_resource_objects")[kind] >= 2
        assert _read(metrics, "apiserver_resource_size_estimate_bytes")[kind] > 100
        written = '{group="",operation="create",resource="configmaps"}'
        assert _read(metrics, "etcd_requests_total")[written] >= 2


async def test_the_sizes_of_what_is_sent_and_how_unknown_fields_are_met_are_counted() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        request = ApiRequest("POST", CONFIG_MAPS, {"fieldValidation": ["Strict"]}, body=b'{"metadata":{"name":"a"}}')
        metrics.count(request, await talk.server.handle(request), 0.07)
        sizes = _read(metrics, "apiserver_request_body_size_bytes_sum")
        assert sizes == {'{group="",resource="configmaps",verb="create"}': 25}
        validated = _read(metrics, "field_validation_request_duration_seconds_bucket")
        assert validated['{field_validation="Strict",le="0.05"}'] == 0
        assert validated['{field_validation="Strict",le="0.1"}'] == 1


async def test_a_request_that_found_a_seat_waited_for_no_time() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        await _ask(metrics, talk, "GET", CONFIG_MAPS)
        waits = _read(metrics, "apiserver_flowcontrol_request_wait_duration_seconds_sum")
        counts = _read(metrics, "apiserver_flowcontrol_request_wait_duration_seconds_count")
        assert waits
        assert all(seconds == 0 for seconds in waits.values())
        assert sum(counts.values()) >= 1


async def test_a_deprecated_resource_that_was_asked_for_is_told() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        await _ask(metrics, talk, "GET", CONFIG_MAPS)
        assert not _read(metrics, "apiserver_requested_deprecated_apis")
        await _ask(metrics, talk, "GET", "/api/v1/endpoints")
        asked = '{group="",removed_release="",resource="endpoints",subresource="",version="v1"}'
        assert _read(metrics, "apiserver_requested_deprecated_apis") == {asked: 1}


async def test_the_names_are_upstreams_even_where_the_library_would_add_to_them() -> None:
    async with serving() as talk:
        text = Metrics(talk.server).text()
    assert b"# TYPE authentication_attempts counter" in text
    assert b"authentication_attempts_total" not in text
    assert b'registered_metrics_total{deprecated_version="",stability_level="STABLE"}' in text


def test_histograms_add_up() -> None:
    one, other = Histograms(EVENT_BYTES), Histograms(EVENT_BYTES)
    one[("a",)].observe(1000)
    other[("a",)].observe(3000)
    one[("a",)].include(other[("a",)])
    assert (one[("a",)].count, one[("a",)].total) == (2, 4000)
    assert one[("a",)].counts[:3] == [1, 0, 1]


async def test_pods_that_were_judged_are_counted() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        await talk.post(PODS, pod("web"))
        labels = {"enforce": "restricted", "enforce-version": "v1.30"}
        marks = {f"pod-security.kubernetes.io/{name}": value for name, value in labels.items()}
        await talk.patch("/api/v1/namespaces/default", {"metadata": {"labels": marks}})
        await talk.get("/api/v1/namespaces")
        assert (await talk.post(PODS, pod("again"))).status == 403
        found = _read(metrics, "pod_security_evaluations_total")
    about = 'request_operation="create",resource="pod",subresource=""'
    assert found == {
        f'{{decision="allow",mode="enforce",policy_level="privileged",policy_version="latest",{about}}}': 1,
        f'{{decision="deny",mode="enforce",policy_level="restricted",policy_version="v1.30",{about}}}': 1,
    }


async def test_addresses_and_node_ports_that_are_handed_out_are_counted() -> None:
    async with serving() as talk:
        metrics = Metrics(talk.server)
        service = {
            "metadata": {"name": "web"},
            "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]},
        }
        start, cidr = "kube_apiserver_clusterip_allocator", "10.96.0.0/16"
        picked = f'{{cidr="{cidr}",scope="dynamic"}}'
        before = _read(metrics, f"{start}_allocation_total").get(picked, 0)
        path = "/api/v1/namespaces/default/services"
        assert (await talk.post(path, service)).status == 201
        assert (await talk.post(path, {**service, "metadata": {"name": "again"}})).status == 422
        assert _read(metrics, f"{start}_allocation_total")[picked] >= before + 1
        ports = "kube_apiserver_nodeport_allocator"
        assert _read(metrics, f"{ports}_allocation_total") == {'{scope="static"}': 1}
        assert _read(metrics, f"{ports}_allocation_errors_total") == {'{scope="static"}': 1}
        assert _read(metrics, f"{ports}_allocated_ports") == {"": 1}
