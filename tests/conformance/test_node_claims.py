"""Devices and claims of them: what the API alone promises."""

from __future__ import annotations

import orjson
import pytest

from conformance.rest_server import Kind, has_a_life, is_discovered, manifest, rest_server
from conformance.typed_client import JSON_PATCH
from pybernetes.api.errors import ApiError

GROUP = "resource.k8s.io"
REQUESTS = {"devices": {"requests": [{"name": "req-0", "exactly": {"deviceClassName": "example"}}]}}
RESULT = {"request": "req-0", "driver": "driver.example.com", "pool": "cluster", "device": "device-0"}
SELECTOR = {"cel": {"expression": 'device.driver == "driver.example.com"'}}
DEVICES = [{"name": "device-0", "attributes": {"model": {"string": "a"}}, "capacity": {"memory": {"value": "1Gi"}}}]

CLASS = Kind(GROUP, "deviceclasses", {"spec": {"selectors": [SELECTOR]}})
CLAIM = Kind(GROUP, "resourceclaims", {"spec": REQUESTS}, {"allocation": {"devices": {"results": [RESULT]}}})
TEMPLATE = Kind(GROUP, "resourceclaimtemplates", {"spec": {"spec": REQUESTS}})
SLICE = Kind(
    GROUP,
    "resourceslices",
    {
        "spec": {
            "driver": "driver.example.com",
            "pool": {"name": "cluster", "resourceSliceCount": 1, "generation": 1},
            "allNodes": True,
            "devices": DEVICES,
        }
    },
)


@pytest.mark.parametrize("kind", [CLASS, CLAIM, TEMPLATE, SLICE], ids=lambda kind: kind.plural)
@pytest.mark.conformance(
    "CRUD operations for deviceclasses",
    "CRUD operations for resourceclaims",
    "CRUD operations for resourceclaimtemplates",
    "CRUD operations for resoureslices",
)
async def test_devices_and_claims_have_every_verb(kind: Kind) -> None:
    async with rest_server() as client:
        subresources = (f"{kind.plural}/status",) if kind.status else ()
        await is_discovered(client, GROUP, "v1", kind.plural, *subresources)
        verbs = client.of(GROUP, "v1", kind.plural)
        await has_a_life(client, verbs, kind)
        made = await verbs.create(manifest(kind, "again"))
        patched = await verbs.patch("again", [{"op": "add", "path": "/metadata/labels/a", "value": "b"}], JSON_PATCH)
        assert patched["metadata"]["labels"] == {"special": "own", "a": "b"}
        assert patched["spec"] == made["spec"]
        await verbs.delete("again", preconditions={"uid": made["metadata"]["uid"]})
        with pytest.raises(ApiError) as gone:
            await verbs.get("again")
        assert gone.value.code == 404
        for status, labels in ((201, {"a": "b"}), (200, {"a": "c"})):
            wanted = {"apiVersion": f"{GROUP}/v1", "kind": verbs.info.kind, **kind.body}
            body = orjson.dumps({**wanted, "metadata": {"name": "applied", "labels": labels}})
            owner = {"fieldManager": "a-client", "force": "true"}
            answer = await client.send("PATCH", verbs.path("applied"), body, "application/apply-patch+yaml", owner)
            assert answer.status == status
            found = await verbs.get("applied")
            assert (found["metadata"]["labels"], found["spec"]) == (labels, made["spec"])
