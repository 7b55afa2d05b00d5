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
    silent = [column.name for column in resource.columns if not (column.description or texts.get(column.name))]
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
