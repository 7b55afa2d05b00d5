"""Config maps and secrets that may not change any more, as a typed client has them."""

from __future__ import annotations

import pytest

from conformance.rest_server import labels_of, rest_server
from conformance.typed_client import Document, Verbs
from pybernetes.api.errors import ApiError


async def refused(verbs: Verbs, document: Document, *fields: str) -> None:
    """The update changes nothing, and the error names the fields."""
    before = await verbs.get(document["metadata"]["name"])
    with pytest.raises(ApiError) as error:
        await verbs.update(document)
    assert (error.value.code, error.value.reason) == (422, "Invalid")
    assert {cause["field"] for cause in (error.value.details or {})["causes"]} == set(fields)
    assert await verbs.get(document["metadata"]["name"]) == before


@pytest.mark.conformance("ConfigMap Volume, immutability", "Secrets Volume, immutability")
@pytest.mark.parametrize(
    ("plural", "one", "two"), [("configmaps", "value-1", "value-2"), ("secrets", "dmFsdWUtMQ==", "dmFsdWUtMg==")]
)
async def test_what_is_immutable_keeps_all_but_its_labels_and_can_be_deleted(plural: str, one: str, two: str) -> None:
    async with rest_server() as client:
        verbs = client.of("", "v1", plural)
        made = await verbs.create({"metadata": {"name": "fixed"}, "data": {"data-1": one}})
        changed = await verbs.update({**made, "data": {"data-1": two}})
        assert (await verbs.get("fixed"))["data"] == {"data-1": two}
        fixed = await verbs.update({**changed, "immutable": True})
        assert fixed["immutable"] is True
        await refused(verbs, {**fixed, "data": {"data-1": one}}, "data")
        await refused(verbs, {**fixed, "data": {**fixed["data"], "data-2": one}}, "data")
        await refused(verbs, {**fixed, "immutable": False}, "immutable")
        await refused(verbs, {name: value for name, value in fixed.items() if name != "immutable"}, "immutable")
        labelled = {**fixed, "metadata": {**fixed["metadata"], "labels": {"label1": "value1"}}}
        assert labels_of(await verbs.update(labelled)) == {"label1": "value1"}
        await verbs.delete("fixed")
        with pytest.raises(ApiError, match="not found"):
            await verbs.get("fixed")
