"""How a node gets its certificate: it asks with a token, as upstream's TLS bootstrapping does.

The key never leaves the node. A certificate that the node has already is used again until it is near its end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pybernetes.api.errors import ApiError
from pybernetes.api.models.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestSpec
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.apiserver.auth.files import write_private, write_public
from pybernetes.apiserver.auth.pki import KeyPair
from pybernetes.cli.problems import Problem
from pybernetes.client import Client, Unreachable

SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SIGNING_SECONDS = 120.0
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Joining:
    server: str
    node: str
    directory: Path

    @property
    def pair(self) -> KeyPair:
        return KeyPair(self.directory / f"{self.node}.crt", self.directory / f"{self.node}.key")

    async def certificate(self, by_token: Client) -> KeyPair:
        if not still_valid(self.pair):
            key, request = key_and_request(self.node)
            try:
                certificate = await self._signed(by_token, request)
            except ApiError as error:
                raise self._refusal(error) from error
            except Unreachable as error:
                raise Problem(f"{self.server} cannot be reached ({error})", "check --server and the network") from error
            write_private(self.pair.key, key)
            write_public(self.pair.certificate, certificate)
        return self.pair

    async def _signed(self, client: Client, request: bytes) -> bytes:
        made = await client.create(
            CertificateSigningRequest(
                metadata=ObjectMeta(generate_name=f"node-{self.node}-"),
                spec=CertificateSigningRequestSpec(
                    request=request,
                    signer_name=SIGNER,
                    usages=["digital signature", "client auth"],
                ),
            )
        )
        name = made.metadata.name
        try:
            async with asyncio.timeout(SIGNING_SECONDS):
                while not made.status.certificate:
                    await asyncio.sleep(0.1)
                    made = await client.get(CertificateSigningRequest, name)
        except TimeoutError:
            raise Problem(
                f"the request {name} was not signed within {SIGNING_SECONDS:.0f} s",
                f"look at it with `kubectl describe csr {name}`",
            ) from None
        return made.status.certificate

    def _refusal(self, error: ApiError) -> Problem:
        if error.code == 401:
            return Problem("the server does not know the token", "make one on the server with `p8s token create`")
        return Problem(f"the server refused ({error})", "make a token on the server with `p8s token create`")


def still_valid(pair: KeyPair) -> bool:
    from cryptography import x509

    if not (pair.certificate.exists() and pair.key.exists()):
        return False
    end = x509.load_pem_x509_certificate(pair.certificate_pem).not_valid_after_utc
    return end - RENEW_BEFORE > datetime.now(UTC)


def key_and_request(node: str) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return private, request.public_bytes(serialization.Encoding.PEM)
