"""What OpenAPI says of kinds that users define."""

from __future__ import annotations

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
