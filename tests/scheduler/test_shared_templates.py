"""What is worked out once for the pods of a template is what each would have given."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler import pod_info as module
from pybernetes.scheduler.pod_info import PodInfo, pod_info

SPEC: dict[str, Any] = {
    "containers": [
        {"name": "a", "resources": {"requests": {"cpu": "1"}}, "ports": [{"hostPort": 80, "containerPort": 80}]}
    ],
    "volumes": [
        {"name": "v", "ephemeral": {"volumeClaimTemplate": {}}},
        {"name": "d", "rbd": {"monitors": ["m"], "image": "i"}},
    ],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "z", "labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["rev"]}
            ]
        }
    },
}
OWNER = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u1", "controller": True}
GRANTED = {"containerStatuses": [{"name": "a", "resources": {"requests": {"cpu": "3"}}}]}
FIRST = msgspec.convert({"metadata": {"name": "p", "namespace": "n"}, "spec": SPEC}, core_v1.Pod)


def like_first(change: dict[str, Any]) -> core_v1.Pod:
    """A pod that shares the first one's spec, as an informer's do, but for what is said."""
    given = change.get("spec", {})
    document = {"metadata": {"name": "q", "namespace": "n"}, **change, "spec": given}
    other = msgspec.convert(document, core_v1.Pod)
    fields = {one.encode_name: one.name for one in msgspec.structs.fields(core_v1.PodSpec)}
    said = {fields[name]: getattr(other.spec, fields[name]) for name in given}
    return msgspec.structs.replace(other, spec=msgspec.structs.replace(FIRST.spec, **said))


def afresh(pod: core_v1.Pod) -> PodInfo:
    module._worked_out.clear()
    return pod_info(pod)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"metadata": {"name": "q", "namespace": "other"}},
        {"metadata": {"name": "q", "namespace": "n", "labels": {"rev": "7"}}},
        {"metadata": {"name": "q", "namespace": "n", "ownerReferences": [OWNER]}},
        {"spec": {"nodeName": "x"}},
        {"spec": {"hostNetwork": True}},
        {"spec": {"schedulerName": "mine"}},
        {"spec": {"tolerations": [{"key": "k"}]}},
        {"spec": {"nodeSelector": {"a": "b"}}},
        {"spec": {"overhead": {"cpu": "2"}}},
        {"spec": {"initContainers": [{"name": "i", "resources": {"requests": {"cpu": "9"}}}]}},
        {"spec": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z"}]}},
        {"spec": {"volumes": []}},
        {"spec": {"affinity": None}},
        {"status": GRANTED},
    ],
    ids=str,
)
def test_sharing_a_template_never_changes_what_is_known_of_a_pod(change: dict[str, Any]) -> None:
    pod = like_first(change)
    expected = afresh(pod)
    module._worked_out.clear()
    pod_info(FIRST)
    assert pod_info(pod) == expected
    assert pod_info(FIRST) == afresh(FIRST)


def test_names_are_the_pods_own() -> None:
    pod_info(FIRST)
    info = pod_info(like_first({"metadata": {"name": "other", "namespace": "n"}}))
    assert (info.key, info.claims) == (Key("n", "other"), ("other-v",))


def test_what_pods_share_is_the_same_object() -> None:
    first, second = pod_info(FIRST), pod_info(like_first({}))
    assert first.requests is second.requests
    assert first.template is second.template
