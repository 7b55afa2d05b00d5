"""Plugins that ask who may do what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.owner_references import OwnerReferencesPermissionEnforcement
from pybernetes.apiserver.auth.contract import Attributes as Access
from pybernetes.apiserver.auth.contract import Decision, User
from pybernetes.apiserver.resource import Context, Resource
from pybernetes.apiserver.resources.certificate_signing_request import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from pybernetes.apiserver.resources.config_map import CONFIG_MAPS

CONTEXT = Context(User("jane"), datetime(2030, 1, 1, tzinfo=UTC))
CLIENT = "kubernetes.io/kube-apiserver-client"


class Allows:
    """An authorizer that remembers what it was asked."""

    def __init__(self, allowed: Callable[[Access], bool]) -> None:
        self._allowed = allowed
        self.asked: list[Access] = []

    async def authorize(self, user: User, attributes: Access) -> Decision:
        self.asked.append(attributes)
        return Decision(self._allowed(attributes))


async def refusal(
    plugin: Plugin, resource: Resource, new: dict[str, Any], old: dict[str, Any] | None = None, subresource: str = ""
) -> str:
    operation = Operation.CREATE if old is None else Operation.UPDATE
    try:
        await plugin.validate(Attributes(operation, resource, "default", "x", CONTEXT, new, old, subresource))
    except ApiError as error:
        return error.message.partition(" is forbidden: ")[2]
    return ""


def owned(*owners: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "x", "ownerReferences": list(owners)}}


def owner(name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, **fields}


def enforcement(authorizer: Allows) -> OwnerReferencesPermissionEnforcement:
    return OwnerReferencesPermissionEnforcement(authorizer, lambda: (CONFIG_MAPS,))


async def test_owners_are_changed_by_those_who_may_delete() -> None:
    nobody = Allows(lambda asked: False)
    assert await refusal(enforcement(nobody), CONFIG_MAPS, owned(owner("a"))) == ""
    assert await refusal(enforcement(nobody), CONFIG_MAPS, owned(owner("a")), owned(owner("a"))) == ""
    assert nobody.asked == []
    assert "you can't delete" in await refusal(enforcement(nobody), CONFIG_MAPS, owned(owner("a")), owned())
    deleter = Allows(lambda asked: asked.verb == "delete" and asked.name == "x")
    assert await refusal(enforcement(deleter), CONFIG_MAPS, owned(owner("a")), owned()) == ""


async def test_a_deletion_is_blocked_by_those_who_may_set_finalizers() -> None:
    blocking = owned(owner("a", blockOwnerDeletion=True))
    nobody = Allows(lambda asked: False)
    assert "you can't set finalizers on" in await refusal(enforcement(nobody), CONFIG_MAPS, blocking)
    finalizer = Allows(
        lambda asked: (asked.resource, asked.subresource, asked.name) == ("configmaps", "finalizers", "a")
    )
    assert await refusal(enforcement(finalizer), CONFIG_MAPS, blocking) == ""
    anything = Allows(lambda asked: asked.resource == "*")
    assert await refusal(enforcement(anything), CONFIG_MAPS, blocking) == ""
    unknown = owned(owner("a", kind="Nope", blockOwnerDeletion=True))
    assert 'no matches for kind "Nope" in version "v1"' in await refusal(enforcement(nobody), CONFIG_MAPS, unknown)


def certificate_request(organization: str) -> str:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "jane"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
    )
    built = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return base64.b64encode(built.public_bytes(serialization.Encoding.PEM)).decode()


async def test_nobody_asks_to_be_a_master() -> None:
    plugin = CertificateSubjectRestriction()
    master = {"metadata": {}, "spec": {"signerName": CLIENT, "request": certificate_request("system:masters")}}
    assert await refusal(plugin, REQUESTS, master) == (
        f"use of {CLIENT} signer with system:masters group is not allowed"
    )
    developer = {"metadata": {}, "spec": {"signerName": CLIENT, "request": certificate_request("devs")}}
    assert await refusal(plugin, REQUESTS, developer) == ""
    assert await refusal(plugin, REQUESTS, {**master, "spec": {**master["spec"], "signerName": "a.b/c"}}) == ""


@pytest.mark.parametrize(("plugin", "verb"), [(CertificateApproval, "approve"), (CertificateSigning, "sign")])
async def test_a_signers_requests_are_approved_and_signed_by_those_who_may(
    plugin: type[CertificateApproval | CertificateSigning], verb: str
) -> None:
    old = {"metadata": {}, "spec": {"signerName": "example.com/mine"}}
    new = {**old, "status": {"certificate": "c"}}
    nobody = plugin(Allows(lambda asked: False))
    assert await refusal(nobody, REQUESTS, new, old) == (
        f'user not permitted to {verb} requests with signerName "example.com/mine"'
    )
    for name in ("example.com/mine", "example.com/*"):
        allowed = Allows(lambda asked, name=name: (asked.verb, asked.name) == (verb, name))  # type: ignore[misc]
        assert await refusal(plugin(allowed), REQUESTS, new, old) == ""


async def test_other_changes_of_a_requests_status_need_no_signer() -> None:
    old = {"metadata": {}, "spec": {"signerName": "example.com/mine"}}
    assert await refusal(CertificateSigning(Allows(lambda asked: False)), REQUESTS, old, old) == ""
