"""What is remembered of pod specs is what reading and judging them says, whatever was read before."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.codec import from_document
from pybernetes.api.models.core_v1 import Pod
from pybernetes.api.schema import DecodeError, shape_of
from pybernetes.api.schema.shape import _struct
from pybernetes.apiserver.resources import pod as pod_kind
from pybernetes.apiserver.validation import pod_warnings

_NAMES = st.sampled_from(["a", "web", "Not A Name", ""])
_AMOUNTS = st.sampled_from(["100m", "0.1", 1, "1Gi", "-1", "many", None])
_CONTAINERS = st.fixed_dictionaries(
    {"name": _NAMES},
    optional={
        "image": st.sampled_from(["app:1", " app", 7, None]),
        "ports": st.lists(st.fixed_dictionaries({"containerPort": st.sampled_from([80, 0, "80"])}), max_size=2),
        "resources": st.fixed_dictionaries({"limits": st.dictionaries(st.sampled_from(["cpu", "memory"]), _AMOUNTS)}),
        "port": st.just(80),
    },
)
_SPECS = st.fixed_dictionaries(
    {"containers": st.lists(_CONTAINERS, max_size=2)},
    optional={
        "restartPolicy": st.sampled_from(["Always", "Sometimes", ""]),
        "nodeSelector": st.sampled_from([{"a": "b"}, {"a": None}, {"beta.kubernetes.io/os": "linux"}, {}]),
        "volumes": st.lists(
            st.sampled_from([{"name": "a", "emptyDir": {}}, {"name": "Long Name", "ephemeral": {}}, {"name": "b"}]),
            max_size=2,
        ),
        "activeDeadlineSeconds": st.sampled_from([1, 0, 2**70, float("nan")]),
    },
)


def _outcome(read: Any, spec: Any) -> tuple[Any, ...]:
    unknown: list[str] = []
    try:
        return read(deepcopy(spec), None, unknown), unknown
    except DecodeError as error:
        return (str(error),)


@given(st.lists(_SPECS, max_size=3).map(lambda specs: [*specs, *specs]))
def test_a_spec_reads_the_second_time_as_it_does_without_a_memory(specs: list[Any]) -> None:
    plain, shape = _struct("core_v1.PodSpec"), shape_of("", "v1", "Pod")
    for spec in specs:
        expected = _outcome(lambda *given: {"spec": plain(given[0], (None, "spec", "Pod"), given[2])}, spec)

        def whole(value: Any, _: None, unknown: list[str]) -> Any:
            reading = shape.read({"spec": value})
            unknown.extend(reading.unknown)
            return {"spec": reading.document["spec"]}

        assert _outcome(whole, spec) == expected


def test_who_changes_what_was_read_changes_nobody_elses() -> None:
    shape = shape_of("", "v1", "Pod")
    first, second = (shape.read({"spec": {"containers": [{"name": "own"}]}}).document for _ in range(2))
    first["spec"]["containers"][0]["name"] = "changed"
    again = shape.read({"spec": {"containers": [{"name": "own"}]}}).document
    assert second == again
    assert again["spec"]["containers"][0]["name"] == "own"


@given(_SPECS, _NAMES)
def test_problems_and_warnings_are_those_of_the_spec_itself(spec: Any, name: str) -> None:
    try:
        document = shape_of("", "v1", "Pod").read({"metadata": {"name": name}, "spec": spec}).document
    except DecodeError:
        return
    pod = from_document(Pod, document)
    expected = list(pod_kind._check_spec(pod.spec, name))
    assert [list(pod_kind._problems_of_spec(pod)) for _ in range(2)] == [expected, expected]
    warned = list(pod_warnings.spec_warnings(document["spec"], {}, pod_warnings._POD))
    told = list(pod_warnings.pod_warnings({**document, "metadata": {"resourceVersion": "1"}}))
    assert told == warned


@pytest.mark.parametrize("volumes", [[], [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]])
def test_a_claim_named_after_the_pod_is_judged_for_each_pod(volumes: list[Any]) -> None:
    spec = {"containers": [{"name": "a"}], "volumes": volumes}

    def about_names(name: str) -> list[str]:
        document = shape_of("", "v1", "Pod").read({"metadata": {"name": name}, "spec": spec}).document
        return [one.path for one in pod_kind._problems_of_spec(from_document(Pod, document)) if name in str(one)]

    assert (about_names("b" * 260) != []) == bool(volumes)
    assert about_names("b") == []
