"""What the metadata of any object is refused for, whatever its kind's own rules look at."""

from __future__ import annotations

import pytest

from pybernetes.api.fields import at
from pybernetes.api.models.apps_v1 import Deployment
from pybernetes.api.models.meta_v1 import ObjectMeta, OwnerReference
from pybernetes.apiserver.resources.deployment import DEPLOYMENTS
from pybernetes.apiserver.rules import MainRule, Models
from pybernetes.apiserver.validation.metadata import check_any_update, check_owner_references


@pytest.mark.parametrize(
    ("finalizers", "found"),
    [
        (["a b/c"], "prefix part a lowercase RFC 1123 subdomain must consist of"),
        (["orphan", "foregroundDeletion"], "finalizer orphan and foregroundDeletion cannot be both set"),
    ],
)
def test_an_update_is_refused_for_finalizers_that_the_kind_does_not_look_at(finalizers: list[str], found: str) -> None:
    new = Deployment(metadata=ObjectMeta(name="a", namespace="default", finalizers=finalizers))
    old = Deployment(metadata=ObjectMeta(name="a", namespace="default"))
    errors = [str(one) for one in check_any_update(new.metadata, old.metadata)]
    assert any(found in one for one in errors)
    models = Models({}, {}, lambda document: new)
    models._old = old
    judged = [str(one) for one in MainRule(DEPLOYMENTS).problems(models)]
    assert judged[: len(errors)] == errors


def test_the_version_of_an_owner_is_no_version_with_two_slashes() -> None:
    owner = OwnerReference(api_version="a/b/c", kind="Pod", name="a", uid="u")
    assert [str(one) for one in check_owner_references([owner], at.metadata.ownerReferences)] == [
        'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty'
    ]
