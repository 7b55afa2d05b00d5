"""What OpenAPI says of kinds that users define."""

from __future__ import annotations

import pytest

from apiserver.custom.definitions import DEFINITIONS, becomes, definition, version
from apiserver.serving import serving
from pybernetes.apiserver.describe import describe

WIDGETS = "/apis/example.com/v1/namespaces/{namespace}/widgets"
SCALE = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}


async def test_custom_kinds_have_documents_of_their_own_kind() -> None:
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        scaled = version(subresources={"status": {}, "scale": SCALE})
        assert (await talk.post(DEFINITIONS, definition(versions=[scaled]))).status == 201
        await becomes(talk, "widgets.example.com", "Established", "True")
        found = (await talk.get("/openapi/v3/apis/example.com/v1")).body
    assert found["info"] == {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
    assert list(found["components"]) == ["schemas"]
    options = found["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]
    known = {one["group"] for one in options["x-kubernetes-group-version-kind"]}
    assert ("apps" in known, "apiextensions.k8s.io" in known, "admission.k8s.io" in known) == (True, False, False)
    assert "/apis/example.com/v1/" not in found["paths"]
    collection, item = found["paths"][WIDGETS], found["paths"][f"{WIDGETS}/{{name}}"]
    assert list(collection["post"]["requestBody"]["content"]) == ["application/json", "application/yaml"]
    assert "requestBody" not in collection["delete"]
    assert [one["name"] for one in item["get"]["parameters"]] == ["resourceVersion"]
    assert list(item["patch"]["responses"]) == ["200", "401"]
    assert item["delete"]["description"] == "delete a Widget"
    scale = found["paths"][f"{WIDGETS}/{{name}}/scale"]["get"]
    assert scale["x-kubernetes-group-version-kind"]["kind"] == "Widget"
    assert scale["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("autoscaling.v1.Scale")


@pytest.mark.parametrize(
    ("group", "name", "tag", "word"),
    [
        ("example-apps.com", "v1", "exampleAppsCom_v1", "ExampleAppsComV1"),
        ("my.example.org", "v1-10-0", "myExampleOrg_v1100", "MyExampleOrgV1100"),
        ("9lives.com", "v1", "LivesCom_v1", "LivesComV1"),
    ],
)
async def test_ids_of_operations_hold_letters_and_digits_alone(group: str, name: str, tag: str, word: str) -> None:
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        await talk.post(DEFINITIONS, definition(group=group, versions=[version(name, storage=True)]))
        await becomes(talk, f"widgets.{group}", "Established", "True")
        found = (await talk.get(f"/openapi/v3/apis/{group}/{name}")).body
    operation = found["paths"][f"/apis/{group}/{name}/widgets"]["get"]
    assert (operation["tags"], operation["operationId"]) == ([tag], f"list{word}WidgetForAllNamespaces")
