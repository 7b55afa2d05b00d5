from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pybernetes.apiserver.auth import kubeconfig
from pybernetes.apiserver.auth.authenticators import certificate_user
from pybernetes.apiserver.auth.pki import API_SERVER_NAMES, Pki
from pybernetes.apiserver.auth.tokens import TokenFile

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def loaded(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_everything_issued_is_signed_by_the_authority(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki", lambda: NOW)
    authority = loaded(pki.ca_pem)
    for pair in (pki.serving(), pki.admin(), pki.node("n1"), pki.kubelet_serving("n1", ["10.0.0.1"])):
        loaded(pair.certificate_pem).verify_directly_issued_by(authority)


def test_the_serving_certificate_names_the_service_and_what_is_asked_for(tmp_path: Path) -> None:
    certificate = loaded(Pki(tmp_path, lambda: NOW).serving(["node1", "192.168.7.1"]).certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = {*names.get_values_for_type(x509.DNSName), *(str(ip) for ip in names.get_values_for_type(x509.IPAddress))}
    assert found == {*API_SERVER_NAMES, "node1", "192.168.7.1"}


def test_a_client_certificate_is_the_user_it_was_issued_for(tmp_path: Path) -> None:
    pki = Pki(tmp_path, lambda: NOW)
    user = certificate_user(loaded(pki.node("n1").certificate_pem).public_bytes(Encoding.DER))
    assert (user.name, user.groups) == ("system:node:n1", ("system:nodes",))


def test_a_certificate_is_issued_once_and_again_near_its_end_or_for_other_names(tmp_path: Path) -> None:
    first = Pki(tmp_path, lambda: NOW).serving().certificate_pem
    assert Pki(tmp_path, lambda: NOW + timedelta(days=200)).serving().certificate_pem == first
    renewed = Pki(tmp_path, lambda: NOW + timedelta(days=320)).serving().certificate_pem
    assert renewed != first
    assert Pki(tmp_path, lambda: NOW + timedelta(days=320)).serving(["other"]).certificate_pem != renewed


def test_private_files_are_the_owners_only(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki", lambda: NOW)
    path = tmp_path / "kubeconfig"
    credentials = kubeconfig.ClientCertificate.of(pki.admin())
    kubeconfig.write(
        path, kubeconfig.document(server="https://127.0.0.1:6443", authority=pki.ca_pem, credentials=credentials)
    )
    for private in (path, pki.admin().key, pki.service_account_key, tmp_path / "pki" / "ca.key"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert orjson.loads(path.read_bytes())["current-context"] == "kubernetes-admin@pybernetes"


def test_a_token_is_known_from_the_moment_it_is_added_until_it_ends(tmp_path: Path) -> None:
    reader, writer = TokenFile(tmp_path / "tokens.json"), TokenFile(tmp_path / "tokens.json")
    assert reader.find("nothing", NOW) is None
    token = writer.add_admin()
    found = reader.find(token, datetime.now(UTC))
    assert found is not None
    assert found.groups == ("system:masters",)
    assert token.encode() not in (tmp_path / "tokens.json").read_bytes()
    join = writer.add_join(lifetime=timedelta(hours=1))
    assert reader.find(join, datetime.now(UTC)) is not None
    assert reader.find(join, datetime.now(UTC) + timedelta(hours=2)) is None
    assert writer.revoke(token)
    assert reader.find(token, datetime.now(UTC)) is None


def test_a_request_is_signed_as_it_stands_for_the_usages_asked_for(tmp_path: Path) -> None:
    pki = Pki(tmp_path, lambda: NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n2")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = pki.sign_request(request.public_bytes(Encoding.PEM), lifetime=timedelta(days=1), usages=["client auth"])
    certificate = loaded(pem)
    certificate.verify_directly_issued_by(loaded(pki.ca_pem))
    assert certificate.subject == subject
    assert certificate.not_valid_after_utc == NOW + timedelta(days=1)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
