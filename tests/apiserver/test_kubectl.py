"""An unmodified kubectl against a whole API server over TLS: who one is, what one may, what there is to know."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pybernetes.apiserver import metrics_api
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.auth import kubeconfig, reviews
from pybernetes.apiserver.auth.access import Access, AccessOptions
from pybernetes.apiserver.auth.pki import Pki, serving_context
from pybernetes.apiserver.auth.tokens import TokenFile
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.serve import Edge
from pybernetes.store.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class Said:
    code: int | None
    out: str
    err: str


@dataclass
class Served:
    directory: Path
    pki: Pki
    server: str

    def write(self, name: str, credentials: kubeconfig.ClientCertificate | kubeconfig.BearerToken) -> str:
        path = self.directory / name
        content = kubeconfig.document(server=self.server, authority=self.pki.ca_pem, credentials=credentials)
        kubeconfig.write(path, content)
        return str(path)

    async def kubectl(self, *arguments: str, given: str = "", config: str = "admin") -> Said:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("kubectl"),
            f"--kubeconfig={self.directory / config}",
            f"--cache-dir={self.directory / 'cache'}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(self.directory)},
        )
        out, err = await process.communicate(given.encode())
        return Said(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    pki = Pki(tmp_path / "pki")
    store = MemoryStore()
    options = AccessOptions(pki.service_account_key.read_bytes(), tmp_path / "tokens.json", pki=pki)
    access = Access(store, options)
    assembled = assemble(
        store,
        authenticator=access.authenticator,
        authorizer=access.authorizer,
        impersonation=access.impersonation,
        more_plugins=access.plugins(),
    )
    access.register(assembled.server.routes)
    virtual = (*reviews.SERVED, *metrics_api.SERVED)
    describe(assembled.server, address="127.0.0.1:0", version="v1.36.0", virtual=virtual)
    await access.start()
    await assembled.start()
    edge = Edge(assembled.server, port=0, tls=serving_context(pki.serving(), pki.ca_file))
    await edge.start()
    served = Served(tmp_path, pki, f"https://127.0.0.1:{edge.address[1]}")
    served.write("admin", kubeconfig.ClientCertificate.of(pki.admin()))
    yield served
    await edge.stop()
    await assembled.stop()
    await access.close()
    await store.close()


async def test_certificates_and_tokens_say_who_one_is(served: Served) -> None:
    said = await served.kubectl("auth", "whoami", "-o", "json")
    assert orjson.loads(said.out)["status"]["userInfo"]["username"] == "kubernetes-admin"
    served.write("token", kubeconfig.BearerToken(TokenFile(served.directory / "tokens.json").add_admin(name="boss")))
    said = await served.kubectl("auth", "whoami", "-o", "json", config="token")
    assert orjson.loads(said.out)["status"]["userInfo"] == {
        "username": "boss",
        "groups": ["system:masters", "system:authenticated"],
    }
    served.write("wrong", kubeconfig.BearerToken("nobody-knows-this"))
    said = await served.kubectl("get", "pods", config="wrong")
    assert "You must be logged in to the server" in said.err


async def test_an_account_may_what_its_roles_say_and_grant_no_more(served: Served) -> None:
    # Roles that others are added to are empty until a controller adds them: what is added is bound here.
    for command in (
        "create sa robot",
        "create rolebinding view --clusterrole=system:aggregate-to-view --serviceaccount=default:robot",
        "create rolebinding admin --clusterrole=system:aggregate-to-admin --serviceaccount=default:robot",
    ):
        assert (await served.kubectl(*command.split())).code == 0
    token = (await served.kubectl("create", "token", "robot")).out.strip()
    served.write("robot", kubeconfig.BearerToken(token))
    assert (await served.kubectl("get", "pods", config="robot")).code == 0
    said = await served.kubectl("get", "nodes", config="robot")
    assert said.err.strip() == (
        'Error from server (Forbidden): nodes is forbidden: User "system:serviceaccount:default:robot" '
        'cannot list resource "nodes" in API group "" at the cluster scope'
    )
    said = await served.kubectl("create", "role", "more", "--verb=get", "--resource=nodes", config="robot")
    assert "is attempting to grant RBAC permissions not currently held" in said.err
    assert '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}' in said.err
    assert (await served.kubectl("delete", "sa", "robot")).code == 0
    assert (await served.kubectl("get", "pods", config="robot")).code != 0


async def test_permissions_can_be_asked_for_others(served: Served) -> None:
    assert (await served.kubectl("auth", "can-i", "list", "pods")).out == "yes\n"
    assert (await served.kubectl("auth", "can-i", "list", "pods", "--as=jane")).out == "no\n"
    said = await served.kubectl("auth", "can-i", "--list", "--as=jane")
    assert "selfsubjectaccessreviews.authorization.k8s.io" in said.out


async def test_fields_are_explained_and_unknown_ones_refused(served: Served) -> None:
    said = await served.kubectl("explain", "pods.spec.containers", "--recursive")
    assert "imagePullPolicy\t<string>" in said.out
    said = await served.kubectl("explain", "deployments.spec.strategy")
    assert "rollingUpdate\t<RollingUpdateDeployment>" in said.out
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, date: {a: b}}"
    said = await served.kubectl("create", "-f", "-", given=manifest)
    assert 'strict decoding error: unknown field "date"' in said.err
    said = await served.kubectl("create", "--validate=warn", "-f", "-", given=manifest)
    assert 'Warning: unknown field "date"' in said.err
    assert said.code == 0


async def test_a_list_is_created_and_its_members_are_checked(served: Served) -> None:
    member = "{apiVersion: v1, kind: Namespace, metadata: {name: a}}"
    said = await served.kubectl("create", "-f", "-", given=f"{{apiVersion: v1, kind: List, items: [{member}]}}")
    assert (said.code, said.out, said.err) == (0, "namespace/a created\n", "")
    wrong = member.replace("metadata", "metadate")
    said = await served.kubectl("create", "-f", "-", given=f"{{apiVersion: v1, kind: List, items: [{wrong}]}}")
    assert 'unknown field "metadate" in io.k8s.api.core.v1.Namespace' in said.err


async def test_everything_served_is_told(served: Served) -> None:
    said = await served.kubectl("api-resources", "--no-headers", "-o", "name")
    told = set(said.out.split())
    assert {"pods", "deployments.apps", "clusterroles.rbac.authorization.k8s.io", "nodes.metrics.k8s.io"} <= told
    said = await served.kubectl("get", "--raw", "/")
    assert {"/api/v1", "/apis/apps/v1", "/openapi/v3", "/readyz"} <= set(orjson.loads(said.out)["paths"])


def certificate_request(name: str, signer: str, subject: x509.Name) -> tuple[str, bytes]:
    """(manifest, private key)"""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    manifest = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
            "signerName": signer,
            "usages": ["client auth"],
            "expirationSeconds": 3600,
        },
    }
    return orjson.dumps(manifest).decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


async def signed(served: Served, name: str, config: str = "admin") -> bytes:
    path = "jsonpath={.status.certificate}"
    said = await served.kubectl("wait", f"csr/{name}", f"--for={path}", "--timeout=240s", config=config)
    assert said.code == 0, said.err
    return base64.b64decode((await served.kubectl("get", "csr", name, "-o", path, config=config)).out)


async def who(served: Served, config: str) -> str:
    said = await served.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", config=config)
    return said.out


async def test_a_user_comes_by_a_certificate_that_an_administrator_approves(served: Served) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    manifest, key = certificate_request("jane", "kubernetes.io/kube-apiserver-client", subject)
    assert (await served.kubectl("create", "-f", "-", given=manifest)).code == 0
    assert "Pending" in (await served.kubectl("get", "csr")).out
    assert (await served.kubectl("certificate", "approve", "jane")).code == 0
    served.write("jane", kubeconfig.ClientCertificate(await signed(served, "jane"), key))
    assert await who(served, "jane") == "jane"


async def test_nobody_comes_by_a_certificate_of_the_masters(served: Served) -> None:
    names = [(NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "jane")]
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
    manifest, _ = certificate_request("jane", "kubernetes.io/kube-apiserver-client", subject)
    said = await served.kubectl("create", "-f", "-", given=manifest)
    assert "signer with system:masters group is not allowed" in said.err


async def test_a_node_comes_by_its_certificate_with_a_join_token(served: Served) -> None:
    served.write("joining", kubeconfig.BearerToken(TokenFile(served.directory / "tokens.json").add_join()))
    names = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:n9")]
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
    manifest, key = certificate_request("n9", "kubernetes.io/kube-apiserver-client-kubelet", subject)
    said = await served.kubectl("create", "-f", "-", given=manifest, config="joining")
    assert said.code == 0, said.err
    served.write("n9", kubeconfig.ClientCertificate(await signed(served, "n9", "joining"), key))
    assert await who(served, "n9") == "system:node:n9"
    assert (
        "node 'n9' cannot read all nodes, only its own Node object"
        in (await served.kubectl("get", "nodes", config="n9")).err
    )
    assert 'nodes "n9" not found' in (await served.kubectl("get", "node", "n9", config="n9")).err
    assert (await served.kubectl("get", "secrets", config="n9")).code != 0
