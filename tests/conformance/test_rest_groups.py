"""Kinds whose whole API is asked for: discovered, and each verb, as typed clients use them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conformance.rest_server import Kind, annotations_of, has_a_life, is_discovered, names_of, rest_server
from conformance.typed_client import MERGE, condition

FLOW_SCHEMA = Kind(
    "flowcontrol.apiserver.k8s.io",
    "flowschemas",
    {
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": "global-default"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                }
            ],
        }
    },
    {"conditions": [{"type": "PatchStatusFailed", "status": "False", "reason": "E2E", "message": "set by a test"}]},
)
PRIORITY_LEVEL = Kind(
    "flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations",
    {
        "spec": {
            "type": "Limited",
            "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
        }
    },
    {"conditions": [{"type": "PatchStatusFailed", "status": "False", "reason": "E2E", "message": "set by a test"}]},
)
INGRESS = Kind(
    "networking.k8s.io",
    "ingresses",
    {
        "spec": {
            "defaultBackend": {"service": {"name": "default-backend", "port": {"number": 80}}},
            "rules": [
                {
                    "host": "foo.bar.com",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "ImplementationSpecific",
                                "backend": {"service": {"name": "test-backend", "port": {"number": 8080}}},
                            }
                        ]
                    },
                }
            ],
        }
    },
    {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
)
INGRESS_CLASS = Kind(
    "networking.k8s.io",
    "ingressclasses",
    {"spec": {"controller": "example.com/controller"}},
)
ENDPOINT_SLICE = Kind(
    "discovery.k8s.io",
    "endpointslices",
    {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}]},
)
ADDRESS = Kind(
    "networking.k8s.io",
    "ipaddresses",
    {"spec": {"parentRef": {"resource": "services", "namespace": "other", "name": "own"}}},
    names=("10.96.200.1", "10.96.200.2", "2001:db8::3"),
)
RUNTIME_CLASS = Kind("node.k8s.io", "runtimeclasses", {"handler": "runc"})
CAPACITY = Kind(
    "storage.k8s.io",
    "csistoragecapacities",
    {"storageClassName": "mysc", "capacity": "10Gi", "maximumVolumeSize": "1Gi", "nodeTopology": {}},
)


@pytest.mark.parametrize(
    "kind",
    [FLOW_SCHEMA, PRIORITY_LEVEL, INGRESS, INGRESS_CLASS, ENDPOINT_SLICE, ADDRESS, RUNTIME_CLASS, CAPACITY],
    ids=lambda kind: kind.plural,
)
@pytest.mark.conformance(
    "Priority and Fairness FlowSchema API",
    "Priority and Fairness PriorityLevelConfiguration API",
    "Ingress API",
    "IngressClass API",
    "EndpointSlice API",
    "IPAddress API",
    "RuntimeClass API",
    "CSIStorageCapacity API",
)
async def test_a_kind_is_discovered_and_has_every_verb(kind: Kind) -> None:
    async with rest_server() as client:
        subresources = (f"{kind.plural}/status",) if kind.status else ()
        await is_discovered(client, kind.group, "v1", kind.plural, *subresources)
        verbs = client.of(kind.group, "v1", kind.plural)
        await has_a_life(client, verbs, kind)


OF_SIGNER = {"fieldSelector": "spec.signerName=example.com/e2e-own"}


@pytest.mark.conformance("CertificateSigningRequest API")
async def test_requests_for_certificates_are_approved_and_signed_through_their_subresources() -> None:
    async with rest_server() as client:
        group, plural = "certificates.k8s.io", "certificatesigningrequests"
        await is_discovered(client, group, "v1", plural, f"{plural}/approval", f"{plural}/status")
        spec = {
            "request": certificate_request(),
            "signerName": "example.com/e2e-own",
            "expirationSeconds": 3600,
            "usages": ["digital signature", "key encipherment", "server auth"],
        }
        verbs = client.of(group, "v1", plural)
        await has_a_life(client, verbs, Kind(group, plural, {"spec": spec}))

        made = await verbs.create({"metadata": {"generateName": "e2e-example-csr-"}, "spec": spec})
        name = made["metadata"]["name"]
        assert name.startswith("e2e-example-csr-")
        assert made["spec"]["username"] == "kubernetes-admin"
        of_signer = await verbs.page(**OF_SIGNER)
        assert names_of(of_signer["items"]) == [name]
        assert (await verbs.page(fieldSelector="spec.signerName=example.com/other")).get("items", []) == []

        assert (await verbs.get(name, "approval"))["metadata"]["uid"] == made["metadata"]["uid"]
        patch = {
            "metadata": {"annotations": {"patchedapproval": "true"}},
            "status": {"conditions": [{"type": "ApprovalPatch", "status": "True", "reason": "e2e"}]},
        }
        patched = await verbs.patch(name, patch, MERGE, "approval")
        assert (condition(patched, "ApprovalPatch") or {})["reason"] == "e2e"
        assert annotations_of(patched)["patchedapproval"] == "true"
        patched["status"]["conditions"].append({"type": "Approved", "status": "True", "reason": "E2E", "message": "m"})
        approved = await verbs.update(patched, "approval")
        assert (condition(approved, "Approved") or {})["reason"] == "E2E"

        assert (await verbs.get(name, "status"))["metadata"]["uid"] == made["metadata"]["uid"]
        signed = base64.b64encode(certificate()).decode()
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": signed}}
        patched = await verbs.patch(name, patch, MERGE, "status")
        assert patched["status"]["certificate"] == signed
        assert annotations_of(patched)["patchedstatus"] == "true"
        patched["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E"})
        updated = await verbs.update(patched, "status")
        assert {one["type"] for one in updated["status"]["conditions"]} == {"ApprovalPatch", "Approved", "StatusUpdate"}
        await client.call("DELETE", verbs.path(), {"apiVersion": "v1", "kind": "DeleteOptions"}, OF_SIGNER)
        assert (await verbs.page(**OF_SIGNER)).get("items", []) == []


def certificate_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "e2e.example.com")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def certificate() -> bytes:
    """Any that is signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "e2e.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
