from __future__ import annotations

from typing import Any

import pytest

from pybernetes.api.schema import DecodeError, definition, find_duplicates, shape_of
from pybernetes.api.schema.conversion import convert

POD = shape_of("", "v1", "Pod")
DEPLOYMENT = shape_of("apps", "v1", "Deployment")


def pod(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", **container}]}}


def test_what_upstream_always_writes_is_added() -> None:
    assert POD.read(pod()).document == {
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "resources": {}}]},
        "status": {},
    }
    status = {"containerStatuses": [{"name": "c"}], "conditions": [{"type": "Ready", "status": "True"}]}
    read = POD.read({"status": status}).document["status"]
    assert read["containerStatuses"][0] == {
        "name": "c",
        "state": {},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }
    assert read["conditions"][0] == {
        "type": "Ready",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": None,
    }


def test_a_deployments_template_has_no_creation_timestamp() -> None:
    read = DEPLOYMENT.read({"spec": {"template": {}}}).document
    assert read["spec"] == {"template": {"metadata": {}, "spec": {"containers": []}}, "strategy": {}}
    assert read["status"] == {}


def test_nulls_and_empty_values_go_but_meaningful_zeros_stay() -> None:
    document = {"spec": {"replicas": 0, "paused": False, "revisionHistoryLimit": None, "minReadySeconds": 0}}
    spec = DEPLOYMENT.read(document).document["spec"]
    assert spec["replicas"] == 0
    assert not {"paused", "revisionHistoryLimit", "minReadySeconds"} & set(spec)
    assert POD.read(pod(env=[])).document["spec"]["containers"][0].keys() == {"name", "resources"}


def test_empty_pointers_stay() -> None:
    volumes = {"spec": {"securityContext": {}, "volumes": [{"name": "v", "emptyDir": {}}]}}
    read = POD.read(volumes).document["spec"]
    assert read["securityContext"] == {}
    assert read["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_quantities_and_times_become_canonical() -> None:
    document = pod(resources={"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": 1}})
    document["metadata"]["deletionTimestamp"] = "2026-01-02T15:04:05.9+01:00"
    read = POD.read(document).document
    assert read["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "1"},
    }
    assert read["metadata"]["deletionTimestamp"] == "2026-01-02T14:04:05Z"


def test_reading_what_was_read_changes_nothing_and_the_argument_is_left_alone() -> None:
    document = pod(resources={"limits": {"cpu": 0.5}}, port=1)
    again = pod(resources={"limits": {"cpu": 0.5}}, port=1)
    first = POD.read(document)
    assert document == again
    assert POD.read(first.document) == (first.document, [])


def test_unknown_fields_are_dropped_and_named() -> None:
    document = pod(port=80, ports=[{"containerPort": 80, "hots": None}])
    document["spec"]["foo"] = {}
    reading = POD.read(document)
    assert reading.unknown == ["spec.containers[0].port", "spec.containers[0].ports[0].hots", "spec.foo"]
    assert "foo" not in reading.document["spec"]
    assert reading.document["spec"]["containers"][0]["ports"] == [{"containerPort": 80}]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"spec": {"replicas": "3"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": 1.5}},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": 2**31}},
            "json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": True}},
            "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ({"spec": []}, "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        (
            {"metadata": {"labels": {"a": 1}}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            {"spec": {"template": {"spec": {"containers": [{"env": [{"name": "a", "value": 1}]}]}}}},
            "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value "
            "of type string",
        ),
        (
            {"spec": {"template": {"spec": {"containers": {}}}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers "
            "of type []v1.Container",
        ),
        (
            {"spec": {"template": {"spec": {"restartPolicy": 1}}}},
            "json: cannot unmarshal number into Go struct field PodSpec.spec.template.spec.restartPolicy "
            "of type v1.RestartPolicy",
        ),
        (
            {"metadata": {"creationTimestamp": "yesterday"}},
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_in_upstreams_words(document: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        DEPLOYMENT.read(document)
    assert str(caught.value) == message


def test_embedded_structs_are_part_of_the_path_and_elements_have_their_own_type() -> None:
    with pytest.raises(DecodeError, match=r"Probe\.spec\.containers\.livenessProbe\.ProbeHandler\.exec of type v1\."):
        POD.read(pod(livenessProbe={"exec": []}))
    with pytest.raises(DecodeError, match=r"capabilities\.add of type v1\.Capability$"):
        POD.read(pod(securityContext={"capabilities": {"add": [{}]}}))
    with pytest.raises(DecodeError, match=r"capabilities\.add of type \[\]v1\.Capability$"):
        POD.read(pod(securityContext={"capabilities": {"add": {}}}))


def test_what_reads_its_values_itself_is_named_by_its_place_but_not_where_maps_are_converted() -> None:
    odd = {"metadata": {"creationTimestamp": []}}
    with pytest.raises(DecodeError, match=r"field ObjectMeta\.metadata\.creationTimestamp of type string"):
        POD.read(odd)
    with pytest.raises(DecodeError, match="into Go value of type string"):
        convert(odd, POD.read, POD.definition)


def test_empty_bytes_are_left_out() -> None:
    hooks = shape_of("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration")
    read = hooks.read({"webhooks": [{"clientConfig": {"caBundle": ""}}]}).document
    assert "caBundle" not in read["webhooks"][0]["clientConfig"]


def test_a_wrong_quantity_is_refused() -> None:
    with pytest.raises(DecodeError, match="quantities must match the regular expression"):
        POD.read(pod(resources={"limits": {"cpu": "much"}}))


def test_base64_is_checked_and_kept() -> None:
    secrets = shape_of("", "v1", "Secret")
    assert secrets.read({"data": {"a": "YQ=="}}).document["data"] == {"a": "YQ=="}
    with pytest.raises(DecodeError, match="illegal base64 data at input byte 1"):
        secrets.read({"data": {"a": "a*=="}})


def test_free_form_values_are_kept_whole() -> None:
    revisions = shape_of("apps", "v1", "ControllerRevision")
    data = {"spec": {"x": None, "y": [None, {}]}}
    assert revisions.read({"data": data, "revision": 1}).document["data"] == data


def test_repeated_fields_are_found_with_their_paths() -> None:
    assert find_duplicates(b'{"a":1,"b":{"c":1}}') == []
    assert find_duplicates(b'{ "a": 1, "b": {"c": "\\u003c"} }') == []
    raw = b'{"a":1,"b":{"c":1,"c":2},"l":[{},{"x":1,"x":2,"x":3}],"a":2}'
    assert find_duplicates(raw) == ["b.c", "l[1].x", "a"]


def test_facts_lead_to_merge_keys() -> None:
    ports = definition("core_v1.Container").fields["ports"]
    assert (ports.merge_key, ports.keys, ports.list_type) == ("containerPort", ("containerPort", "protocol"), "map")


def test_a_conversion_tells_of_the_first_field_that_does_not_fit_however_they_were_sent() -> None:
    odd = {"spec": {"priority": "high", "containers": "none"}, "metadata": {"name": []}}
    with pytest.raises(DecodeError, match="unrecognized type: string"):
        convert(odd, POD.read, POD.definition)
    with pytest.raises(DecodeError, match="cannot restore slice from string"):
        convert({"spec": odd["spec"]}, POD.read, POD.definition)


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"ports": {}}, "cannot restore slice from map"),
        ({"resources": {"limits": []}}, "cannot restore map from slice"),
        ({"resources": []}, "cannot restore struct from: slice"),
    ],
)
def test_a_conversion_names_what_it_cannot_restore(container: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        convert({"spec": {"containers": [container]}}, POD.read, POD.definition)
