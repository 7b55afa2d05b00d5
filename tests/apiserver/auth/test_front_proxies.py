"""Proxies that say whom they speak for."""

from __future__ import annotations

from pathlib import Path

import pytest
from multidict import CIMultiDict

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.auth.authenticators import RequestAuthenticator
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.pki import KeyPair, Pki, Request
from pybernetes.apiserver.auth.request_header import FrontProxies, RequestHeaders
from pybernetes.apiserver.http import ApiRequest, PeerCertificate

JANE = [
    ("X-Remote-User", "jane"),
    ("X-Remote-Group", "devs"),
    ("X-Remote-Group", "ops"),
    ("X-Remote-Extra-Example.com%2FScope", "a"),
    ("X-Remote-Extra-Example.com%2FScope", "b"),
    ("X-Remote-Uid", "u-1"),
]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def der(pair: KeyPair) -> PeerCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return PeerCertificate(x509.load_pem_x509_certificate(pair.certificate_pem).public_bytes(Encoding.DER))


def authenticator(pki: Pki, client_ca: Path | None = None, **changes: tuple[str, ...]) -> RequestAuthenticator:
    trusted = RequestHeaders(client_ca or pki.front_proxy.ca_file, **changes)
    return RequestAuthenticator((), FrontProxies(trusted, pki.ca_file))


async def known(who: RequestAuthenticator, pair: KeyPair, headers: list[tuple[str, str]]) -> User | None:
    return await who.authenticate(ApiRequest("GET", "/", headers=CIMultiDict(headers), peer=der(pair)))


async def test_a_trusted_proxy_says_who_asks(pki: Pki) -> None:
    user = await known(authenticator(pki), pki.front_proxy_client(), JANE)
    extra = {"example.com/scope": ("a", "b")}
    assert user == User("jane", groups=("devs", "ops", "system:authenticated"), extra=extra)


async def test_the_uid_counts_where_its_header_is_named(pki: Pki) -> None:
    user = await known(authenticator(pki, uid_headers=("X-Remote-Uid",)), pki.front_proxy_client(), JANE)
    assert user is not None
    assert user.uid == "u-1"


async def test_headers_of_other_names_are_read_if_they_are_trusted(pki: Pki) -> None:
    who = authenticator(pki, username_headers=("X-A", "X-B"), group_headers=(), extra_headers_prefix=())
    user = await known(who, pki.front_proxy_client(), [("X-B", "bob"), ("X-A", ""), *JANE])
    assert user == User("bob", groups=("system:authenticated",))


async def test_the_headers_of_a_user_are_nobodys(pki: Pki) -> None:
    user = await known(authenticator(pki), pki.scheduler(), JANE)
    assert user is not None
    assert (user.name, user.groups) == ("system:kube-scheduler", ("system:authenticated",))
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


async def test_a_certificate_of_the_proxies_authority_is_no_users(pki: Pki) -> None:
    """Or that authority could make administrators."""
    forged = pki.front_proxy.issue("forged", Request("root", ("system:masters",), client=True))
    for headers in ([], JANE):
        with pytest.raises(ApiError) as refused:
            await known(authenticator(pki), forged, headers)
        assert refused.value.code == 401


async def test_a_proxy_that_names_nobody_is_refused(pki: Pki) -> None:
    with pytest.raises(ApiError) as refused:
        await known(authenticator(pki), pki.front_proxy_client(), [("X-Remote-Group", "system:masters")])
    assert refused.value.code == 401


async def test_without_allowed_names_any_certificate_of_the_authority_is_a_proxys(pki: Pki) -> None:
    other = pki.front_proxy.issue("other", Request("other-proxy", client=True))
    user = await known(authenticator(pki, allowed_names=()), other, JANE)
    assert user is not None
    assert user.name == "jane"


async def test_one_authority_for_both_tells_them_apart_by_name_and_headers(pki: Pki) -> None:
    proxy = pki.issue("proxy", Request("front-proxy-client", client=True))
    who = authenticator(pki, pki.ca_file)
    assert [user.name for headers in ([], JANE) if (user := await known(who, proxy, headers))] == [
        "front-proxy-client",
        "jane",
    ]


def test_the_proxies_authority_is_kept_beside_the_clusters(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    shown = pki.front_proxy_client()
    assert {path.name for path in tmp_path.glob("*.crt")} == {"front-proxy-ca.crt", "front-proxy-client.crt"}
    assert Pki(tmp_path).front_proxy_client().certificate_pem == shown.certificate_pem
    pki.admin()
    assert pki.front_proxy.ca_file.read_bytes() != pki.ca_pem
    assert Pki(tmp_path).front_proxy_client().certificate_pem == shown.certificate_pem
