"""What admission policies, their bindings and definitions of custom kinds are refused for, word for word."""

from __future__ import annotations

import pytest

from apiserver.resources.support import completed_by, problems
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.custom_resource_definition import CUSTOM_RESOURCE_DEFINITIONS
from pybernetes.apiserver.resources.mutating_admission_policy_binding import MUTATING_ADMISSION_POLICY_BINDINGS
from pybernetes.apiserver.resources.validating_admission_policy_binding import VALIDATING_ADMISSION_POLICY_BINDINGS


def binding(**rule: object) -> Document:
    whole = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], **rule}
    return {"metadata": {"name": "a"}, "spec": {"policyName": "p", "matchResources": {"resourceRules": [whole]}}}


@pytest.mark.parametrize(
    ("resource", "places"),
    [
        (VALIDATING_ADMISSION_POLICY_BINDINGS, ["resourceRules[0].operations[0]"]),
        (MUTATING_ADMISSION_POLICY_BINDINGS, ["resourceRules[0].operations[0]", "resourceRules.operations"]),
    ],
)
def test_only_kinds_that_know_fewer_operations_name_unknown_ones_twice(resource: Resource, places: list[str]) -> None:
    found = [one for one in problems(resource, binding(operations=["SEE"])) if "SEE" in one]
    assert [one.partition(":")[0] for one in found] == [f"spec.matchResources.{place}" for place in places]


def test_an_empty_scope_is_none_though_an_absent_one_is_every_scope() -> None:
    of = VALIDATING_ADMISSION_POLICY_BINDINGS
    rules = completed_by(of, binding())["spec"]["matchResources"]["resourceRules"]
    assert rules[0]["scope"] == "*"
    assert (
        'spec.matchResources.resourceRules[0].scope: Unsupported value: "": '
        'supported values: "*", "Cluster", "Namespaced"'
    ) in problems(of, binding(scope=""))


def test_a_definition_without_versions_or_names_of_them_says_so_once() -> None:
    spec = {"group": "example.com", "scope": "Namespaced", "names": {"plural": "as", "kind": "A"}}
    metadata = {"name": "as.example.com"}
    empty = problems(CUSTOM_RESOURCE_DEFINITIONS, {"metadata": metadata, "spec": {**spec, "versions": []}})
    assert "spec.versions: Invalid value: null: must have exactly one version marked as storage version" in empty
    unnamed = {"name": "", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    found = problems(CUSTOM_RESOURCE_DEFINITIONS, {"metadata": metadata, "spec": {**spec, "versions": [unnamed]}})
    assert [one.partition(":")[0] for one in found if "DNS-1035" in one] == ["spec.versions[0].name"]
