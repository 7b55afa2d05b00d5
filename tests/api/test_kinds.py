from __future__ import annotations

import pytest

from pybernetes.api import kinds
from pybernetes.api.models import apps_v1, core_v1


def test_paths_are_those_of_the_api() -> None:
    pods, deployments, nodes = (kinds.info_of(m) for m in (core_v1.Pod, apps_v1.Deployment, core_v1.Node))
    assert pods.path("default", "web", "log") == "/api/v1/namespaces/default/pods/web/log"
    assert deployments.path() == "/apis/apps/v1/deployments"
    assert nodes.path(None, "one", "status") == "/api/v1/nodes/one/status"


def test_names_print_as_upstream_prints_them() -> None:
    info = kinds.by_resource("apps", "v1", "deployments")
    assert (info.api_version, info.group_resource, info.group_kind) == (
        "apps/v1",
        "deployments.apps",
        "Deployment.apps",
    )


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Endpoints", "endpoints"),
        ("NetworkPolicy", "networkpolicies"),
        ("Ingress", "ingresses"),
        ("StorageClass", "storageclasses"),
        ("ComponentStatus", "componentstatuses"),
        ("IPAddress", "ipaddresses"),
        ("Pod", "pods"),
    ],
)
def test_plurals(kind: str, plural: str) -> None:
    assert kinds.plural_of(kind) == plural


def test_what_is_no_resource_is_refused_by_name() -> None:
    with pytest.raises(LookupError, match=r"core_v1\.Container is not the model of a resource"):
        kinds.info_of(core_v1.Container)
    with pytest.raises(LookupError, match='no kind "Deployment" in v1'):
        kinds.by_gvk("", "v1", "Deployment")
    with pytest.raises(LookupError, match="no resource deployment in apps/v1"):
        kinds.by_resource("apps", "v1", "deployment")
