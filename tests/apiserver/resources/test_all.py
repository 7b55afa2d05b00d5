"""Every kind that is served."""

from __future__ import annotations

import pytest

from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources import load

RESOURCES = load()
CALLED_BY_UID = ("limitranges",)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.info.group_resource)
def test_an_empty_object_of_every_kind_is_judged_without_a_failure(resource: Resource) -> None:
    from apiserver.resources.support import problems

    found = problems(resource, {})
    nameless = any("metadata.name: Required value: name or generateName is required" in text for text in found)
    assert nameless is (resource.info.plural not in CALLED_BY_UID)
