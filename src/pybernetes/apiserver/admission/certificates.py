"""CertificateApproval, CertificateSigning and CertificateSubjectRestriction: who may let a signer give what to whom.

Guarantees  An approval needs the verb `approve`, a certificate or a condition in the status the verb `sign`, on the
signer of the request or on its whole domain. Nobody gets a client certificate of the group system:masters.
Follows plugin/pkg/admission/certificates.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Authorizer, User
from pybernetes.apiserver.auth.contract import Attributes as Access
from pybernetes.apiserver.resource import Document

GROUP = "certificates.k8s.io"
REQUESTS = f"certificatesigningrequests.{GROUP}"
CLIENT = "kubernetes.io/kube-apiserver-client"


class _OfSigner(Plugin):
    """Needs a verb on the signer that the request names."""

    operations = frozenset({Operation.UPDATE})
    resources = frozenset({REQUESTS})
    verb: str

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attributes: Attributes) -> None:
        if attributes.old is None or not self._concerns(attributes.document or {}, attributes.old):
            return
        signer = (attributes.old.get("spec") or {}).get("signerName", "")
        if not await may_use(self._authorizer, attributes.user, self.verb, signer):
            why = f'user not permitted to {self.verb} requests with signerName "{signer}"'
            raise forbidden(attributes, why)

    def _concerns(self, new: Document, old: Document) -> bool:
        return True


class CertificateApproval(_OfSigner):
    name = "CertificateApproval"
    subresources = frozenset({"approval"})
    verb = "approve"

    @classmethod
    def build(cls, host: Host) -> CertificateApproval:
        return cls(host.authorizer)


class CertificateSigning(_OfSigner):
    name = "CertificateSigning"
    subresources = frozenset({"status"})
    verb = "sign"

    @classmethod
    def build(cls, host: Host) -> CertificateSigning:
        return cls(host.authorizer)

    def _concerns(self, new: Document, old: Document) -> bool:
        now, before = new.get("status") or {}, old.get("status") or {}
        return any((now.get(name) or None) != (before.get(name) or None) for name in ("certificate", "conditions"))


class CertificateSubjectRestriction(Plugin):
    name = "CertificateSubjectRestriction"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({REQUESTS})

    async def validate(self, attributes: Attributes) -> None:
        spec = (attributes.document or {}).get("spec") or {}
        if spec.get("signerName") != CLIENT:
            return
        from pybernetes.apiserver.auth.certificates import requested_subject

        try:
            organizations = requested_subject(spec.get("request", ""))[1]
        except ValueError as error:
            raise forbidden(attributes, f"failed to parse CSR: {error}") from error
        if MASTERS_GROUP in organizations:
            raise forbidden(attributes, f"use of {CLIENT} signer with {MASTERS_GROUP} group is not allowed")


async def may_use(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """On the signer, or on all signers of its domain."""
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        asked = Access(verb, group=GROUP, version="*", resource="signers", name=name)
        if (await authorizer.authorize(user, asked)).allowed:
            return True
    return False
