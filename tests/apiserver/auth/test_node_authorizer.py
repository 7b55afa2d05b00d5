"""What a node may ask for, and the reason it is given where it may not."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.apiserver.auth.contract import Attributes
from pybernetes.apiserver.auth.node_authorizer import NO_OPINION, NodeAuthorizer

STORED: dict[str, dict[str, Any]] = {
    "/registry/pods/default/mine": {"spec": {"nodeName": "n1"}},
    "/registry/pods/default/theirs": {"spec": {"nodeName": "n2"}},
    "/registry/persistentvolumes/disk": {"spec": {"claimRef": {"namespace": "default", "name": "data"}}},
    "/registry/persistentvolumes/spare": {"spec": {}},
    "/registry/volumeattachments/a1": {"spec": {"nodeName": "n1"}},
    "/registry/resourceslices/s2": {"spec": {"nodeName": "n2"}},
}
NODES = NodeAuthorizer(lambda *asked: asked == ("n1", "persistentvolumeclaims", "default", "data"), STORED.get)
UNRELATED = "no relationship found between node 'n1' and this object"
SLICES = ("resource.k8s.io", "resourceslices")
DRIVERS = ("storage.k8s.io", "csinodes")
LEASES = ("coordination.k8s.io", "leases")
CORE_PODS = ("", "pods")
CORE_NODES = ("", "nodes")


def asks(verb: str, kind: tuple[str, str], name: str = "", namespace: str = "", **more: str) -> Attributes:
    group, resource = kind
    return Attributes(verb, group=group, resource=resource, name=name, namespace=namespace, **more)


@pytest.mark.parametrize(
    "asked",
    [
        asks("get", CORE_PODS, "mine", "default"),
        asks("list", CORE_PODS, field_selector="spec.nodeName=n1"),
        asks("watch", CORE_PODS, field_selector="spec.nodeName=n1"),
        asks("get", CORE_NODES, "n1"),
        asks("patch", CORE_NODES, "n1", subresource="status"),
        asks("get", ("", "persistentvolumes"), "disk"),
        asks("get", ("", "persistentvolumeclaims"), "data", "default"),
        asks("get", ("storage.k8s.io", "volumeattachments"), "a1"),
        asks("create", SLICES),
        asks("deletecollection", SLICES, field_selector="spec.nodeName=n1"),
        asks("update", DRIVERS, "n1"),
    ],
)
def test_a_node_may_do_what_its_pods_and_itself_need(asked: Attributes) -> None:
    assert NODES.refusal("n1", asked) == ""


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (asks("get", CORE_PODS, "theirs", "default"), UNRELATED),
        (asks("list", CORE_PODS), "can only list/watch pods with spec.nodeName field selector"),
        (
            asks("list", CORE_PODS, field_selector="spec.nodeName=n2"),
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (asks("update", CORE_PODS, "mine", "default"), NO_OPINION),
        (asks("get", CORE_NODES, "n2"), "node 'n1' cannot read 'n2', only its own Node object"),
        (asks("list", CORE_NODES), "node 'n1' cannot read all nodes, only its own Node object"),
        (asks("delete", CORE_NODES, "n1"), NO_OPINION),
        (asks("update", ("", "secrets"), "s", "default"), "can only read resources of this type"),
        (asks("get", ("", "secrets"), "s", "default"), UNRELATED),
        (asks("list", ("", "configmaps"), "", "default"), "No Object name found"),
        (asks("get", ("", "persistentvolumes"), "spare"), UNRELATED),
        (asks("list", ("", "persistentvolumes")), "can only get individual resources of this type"),
        (
            asks("create", ("", "serviceaccounts"), "", "default", subresource="token"),
            "can only create tokens for individual service accounts",
        ),
        (asks("get", SLICES, "s2"), UNRELATED),
        (asks("list", SLICES), "can only list/watch/deletecollection resourceslices with nodeName field selector"),
        (asks("list", DRIVERS), "can only get, create, update, patch, or delete a CSINode"),
        (asks("get", DRIVERS, "n2"), "can only access CSINode with the same name as the requesting node"),
        (
            asks("get", LEASES, "n1", "kube-system"),
            'can only access leases in the "kube-node-lease" system namespace',
        ),
    ],
)
def test_a_node_is_told_why_it_may_not(asked: Attributes, reason: str) -> None:
    assert NODES.refusal("n1", asked) == reason


def test_other_kinds_are_left_to_the_nodes_role() -> None:
    assert not NODES.knows(asks("list", ("", "services")))
