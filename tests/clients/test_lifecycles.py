"""Every kind's life: discovered, made, read, listed, watched, changed in each way, with its status, deleted one by one
and as a collection. Spoken by the official client that finds its kinds by discovery."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import config, dynamic

from clients.transcript import HERE
from e2e.cluster import UserCluster

SLOW = {"ServiceCIDR": [pytest.mark.nightly]}
"""A range is let go 10 seconds after its deletion."""
KINDS = [
    pytest.param(one, id=f"{one['kind']}-{one['apiVersion'].replace('/', '-')}", marks=SLOW.get(one["kind"], ()))
    for one in yaml.safe_load((HERE / "manifests" / "lifecycles.yaml").read_text())
]
OWN = "own=yes"


@pytest.fixture(scope="module")
def client(whole_cluster: UserCluster) -> Iterator[Any]:
    with config.new_client_from_config(str(whole_cluster.data_dir / "kubeconfig")) as made:
        yield dynamic.DynamicClient(made)


@pytest.fixture(scope="module")
def namespace(whole_cluster: UserCluster) -> Iterator[str]:
    """One for all kinds."""
    whole_cluster.kubectl("create", "namespace", "lives")
    whole_cluster.kubectl("wait", "-n", "lives", "--for=create", "serviceaccount/default", "--timeout=240s")
    yield "lives"
    whole_cluster.kubectl("delete", "namespace", "lives", "--wait=false")


def certificate_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def manifest(sample: dict[str, Any], namespace: str) -> dict[str, Any]:
    text = json.dumps({field: value for field, value in sample.items() if field not in NOT_FIELDS})
    made: dict[str, Any] = json.loads(text.replace("NAMESPACE", namespace).replace("REQUEST", certificate_request()))
    name = sample.get("name", f"own-{namespace}")
    return made | {"metadata": {"name": name, "labels": {"own": "yes"}}}


NOT_FIELDS = ("name", "other", "status")


@pytest.mark.parametrize("sample", KINDS)
def test_the_life_of(sample: dict[str, Any], client: Any, namespace: str) -> None:
    kind = client.resources.get(api_version=sample["apiVersion"], kind=sample["kind"])
    where = {"namespace": namespace} if kind.namespaced else {}
    body = manifest(sample, namespace)
    name = body["metadata"]["name"]
    start = kind.get(**where, label_selector=OWN).metadata.resourceVersion

    made = kind.create(body=body, **where)
    assert (made.kind, made.metadata.name) == (sample["kind"], name)
    assert made.metadata.uid
    with pytest.raises(dynamic.exceptions.ConflictError):
        kind.create(body=body, **where)
    assert kind.get(name=name, **where).metadata.uid == made.metadata.uid
    for everywhere in ({}, where):
        assert made.metadata.uid in {one.metadata.uid for one in kind.get(label_selector=OWN, **everywhere).items}
    assert kind.get(label_selector="own=no", **where).items == []

    merge = "application/merge-patch+json"
    patched = kind.patch(name=name, body={"metadata": {"annotations": {"a": "1"}}}, content_type=merge, **where)
    assert patched.metadata.annotations.a == "1"
    steps = [{"op": "replace", "path": "/metadata/annotations/a", "value": "2"}]
    patched = kind.patch(name=name, body=steps, content_type="application/json-patch+json", **where)
    assert patched.metadata.annotations.a == "2"
    changed = replaced(kind, name, where, lambda whole: whole["metadata"]["annotations"].update(a="3"))
    assert changed["metadata"]["annotations"]["a"] == "3"

    if "status" in sample:
        status_is_written(kind, name, where, sample["status"])
    elif hasattr(kind, "status"):
        assert kind.status.get(name=name, **where).metadata.name == name

    is_gone(kind, name, where)
    other = sample.get("other", {"name": f"{name}-2"})
    kind.create(body=body | without_name(other) | {"metadata": {**body["metadata"], "name": other["name"]}}, **where)
    kind.delete(label_selector=OWN, body=NOW, **where)
    told = []
    for event in kind.watch(**where, label_selector=OWN, resource_version=start, timeout=300):
        told.append((event["type"], event["object"].metadata.name))
        if told[-1] == ("DELETED", other["name"]):
            break
    assert told[0] == ("ADDED", name)
    assert {("MODIFIED", name), ("DELETED", name)} <= set(told)
    assert told[-1] == ("DELETED", other["name"])


NOW = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}


def without_name(other: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in other.items() if field != "name"}


def status_is_written(kind: Any, name: str, where: dict[str, str], status: dict[str, Any]) -> None:
    """By a patch and by an update of the subresource. Controllers may write it as well, so answers are looked at."""
    [(field, value)] = status.items()
    merge = "application/merge-patch+json"
    patched = kind.status.patch(name=name, body={"status": status}, content_type=merge, **where)
    assert holds(patched.to_dict()["status"][field], value)
    changed = replaced(kind.status, name, where, lambda whole: whole["status"].update(status))
    assert holds(changed["status"][field], value)


def replaced(kind: Any, name: str, where: dict[str, str], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Read, change and update, anew as long as a controller comes in between, as clients do."""
    while True:
        whole = kind.get(name=name, **where).to_dict()
        change(whole)
        try:
            answer: dict[str, Any] = kind.replace(body=whole, **where).to_dict()
        except dynamic.exceptions.ConflictError:
            continue
        return answer


def holds(found: Any, expected: Any) -> bool:
    """What others have added does not count."""
    if isinstance(expected, dict):
        return all(holds(found.get(field), value) for field, value in expected.items())
    if isinstance(expected, list):
        return all(any(holds(one, wanted) for one in found) for wanted in expected)
    return bool(found == expected)


def is_gone(kind: Any, name: str, where: dict[str, str]) -> None:
    before = kind.get(name=name, **where).metadata.resourceVersion
    kind.delete(name=name, body=NOW, **where)
    for event in kind.watch(**where, name=name, resource_version=before, timeout=300):
        if event["type"] == "DELETED":
            break
    with pytest.raises(dynamic.exceptions.NotFoundError):
        kind.get(name=name, **where)
