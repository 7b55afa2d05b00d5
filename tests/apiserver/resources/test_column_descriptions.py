"""What table answers tell about their columns."""

from __future__ import annotations

import pytest

from apiserver.serving import TABLE, serving
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources import load
from pybernetes.apiserver.resources.descriptions import described

RESOURCES = load()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.info.group_resource)
def test_every_column_says_what_it_is_for(resource: Resource) -> None:
    texts = described(resource.info.group_resource)
    silent = [
        column.name for column in resource.columns if column.name and not (column.description or texts.get(column.name))
    ]
    assert silent == (["Handler"] if resource.info.kind == "RuntimeClass" else [])


async def test_a_column_that_shows_a_field_has_the_description_of_the_field() -> None:
    async with serving() as talk:
        answer = await talk.get("/apis/batch/v1/jobs", TABLE)
    columns = {column["name"]: column for column in answer.body["columnDefinitions"]}
    text = columns["Completions"]["description"]
    assert text.startswith("The number of pods which reached phase Succeeded.")
    assert columns["Containers"] == {
        "name": "Containers",
        "type": "string",
        "format": "",
        "description": "Names of each container in the template.",
        "priority": 1,
    }


async def test_upstreams_tables_of_addresses_have_a_cell_more_than_columns() -> None:
    async with serving() as talk:
        address = {"metadata": {"name": "10.96.77.7"}, "spec": {"parentRef": {"resource": "services", "name": "s"}}}
        await talk.post("/apis/networking.k8s.io/v1/ipaddresses", address)
        answer = await talk.get("/apis/networking.k8s.io/v1/ipaddresses/10.96.77.7", TABLE)
    assert [column["name"] for column in answer.body["columnDefinitions"]] == ["Name", "ParentRef"]
    assert answer.body["rows"][0]["cells"] == ["10.96.77.7", "services/s", "0s"]


def test_a_description_may_be_that_of_an_older_version_which_said_less() -> None:
    text = described("rolebindings.rbac.authorization.k8s.io")["Role"]
    assert text.endswith("the Authorizer must return an error.")
