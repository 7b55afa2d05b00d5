from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pybernetes.api import codec
from pybernetes.api.models import core_v1
from pybernetes.client.shared_reading import pod_event, pod_list
from pybernetes.client.watching import WatchDecoder

SPEC = {"containers": [{"name": "a", "image": "b"}], "tolerations": [{"key": "k"}]}
MANAGERS = [{"manager": "m", "fieldsV1": {"f:spec": {}}}]


def pod(name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "d", "labels": {"a": "b"}, "managedFields": MANAGERS, **metadata}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def line(document: dict[str, Any]) -> bytes:
    return json.dumps({"type": "MODIFIED", "object": document}, separators=(",", ":")).encode()


def read(document: dict[str, Any]) -> core_v1.Pod:
    return pod_event(line(document))[1]


def without_managers(document: dict[str, Any]) -> core_v1.Pod:
    usual = codec.decode(core_v1.Pod, json.dumps(document).encode())
    usual.metadata.managed_fields = []
    return usual


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        {**SPEC, "nodeName": "n-1"},
        {"nodeName": "n-1", **SPEC},
        {"nodeName": "n-1"},
        {**SPEC, "nodeName": 'a"b\\c'},
        {**SPEC, "nodeSelector": {"a": "b", "nodeName": "n-1"}},
        {**SPEC, "hostname": ',"nodeName":"n-1'},
        {**SPEC, "hostname": "nö", "nodeName": "nö"},
    ],
)
def test_what_is_read_is_what_was_sent_but_for_the_managers(spec: dict[str, Any]) -> None:
    document = pod("p", spec)
    assert msgspec.to_builtins(read(document)) == msgspec.to_builtins(without_managers(document))


def test_pods_of_a_template_share_its_spec() -> None:
    assert read(pod("a", SPEC)).spec is read(pod("b", SPEC)).spec


def test_pods_of_a_template_share_what_the_spec_is_made_of_wherever_they_are() -> None:
    waiting, placed, other = (read(pod("a", {**SPEC, **node})) for node in ({}, {"nodeName": "x"}, {"nodeName": "y"}))
    assert (waiting.spec.node_name, placed.spec.node_name, other.spec.node_name) == ("", "x", "y")
    assert waiting.spec.containers is placed.spec.containers is other.spec.containers


def test_a_list_shares_with_what_is_watched() -> None:
    listed = pod_list(json.dumps({"metadata": {"resourceVersion": "7"}, "items": [pod("a", SPEC)]}).encode())
    assert listed.resource_version == "7"
    compact = codec.encode(SPEC)
    assert pod_list(b'{"metadata":{},"items":[{"metadata":{},"spec":%b,"status":{}}]}' % compact).items[0].spec is (
        read(pod("b", SPEC)).spec
    )


def test_a_pod_with_nulls_is_read_the_usual_way() -> None:
    decoder = WatchDecoder(core_v1.Pod, read_only=True)
    document = pod("a", SPEC, labels=None)
    (event,) = decoder.feed(line(document) + b"\n")
    assert (event.object.metadata.name, event.object.metadata.labels) == ("a", {})
