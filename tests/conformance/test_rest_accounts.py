"""Service accounts: their tokens, what they may do, and the authority that every namespace knows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import pytest_asyncio

from conformance.live_server import Live, live
from conformance.typed_client import TypedClient
from e2e.cluster import PROGRAMS
from e2e.space import Space, container, mount, pod, stay
from pybernetes.testing.cluster import Cluster


@pytest.mark.conformance("RootCA ConfigMap test")
async def test_the_authority_is_in_every_namespace_again_and_again(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    await client.of("", "v1", "namespaces").create({"metadata": {"name": "own"}})
    maps = client.of("", "v1", "configmaps", "own")
    await cluster.settle()
    bundle = (await maps.get("kube-root-ca.crt"))["data"]
    assert list(bundle) == ["ca.crt"]
    assert bundle["ca.crt"]
    await maps.delete("kube-root-ca.crt")
    await cluster.settle()
    again = await maps.get("kube-root-ca.crt")
    assert again["data"] == bundle
    again["data"] = {"ca.crt": ""}
    assert not any((await maps.update(again))["data"].values())
    await cluster.settle()
    assert (await maps.get("kube-root-ca.crt"))["data"] == bundle


@pytest.mark.conformance("ServiceAccount, create and review token")
async def test_a_token_that_was_asked_for_is_known(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    accounts = client.of("", "v1", "serviceaccounts")
    await accounts.create({"metadata": {"name": "own"}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    made = await client.call("POST", accounts.path("own", "token"), asked)
    token = made["status"]["token"]
    assert token
    assert made["status"]["expirationTimestamp"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    reviewed = await client.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert reviewed["status"]["authenticated"] is True
    assert not reviewed["status"].get("error")
    assert reviewed["status"]["user"]["username"] == "system:serviceaccount:default:own"
    assert "system:serviceaccounts:default" in reviewed["status"]["user"]["groups"]


TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.mark.conformance("Service account tokens auto mount optionally")
async def test_an_account_or_a_pod_may_do_without_a_token(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    accounts, pods = client.of("", "v1", "serviceaccounts"), client.of("", "v1", "pods")
    choices: dict[str, dict[str, Any]] = {
        "default": {},
        "mount": {"automountServiceAccountToken": True},
        "nomount": {"automountServiceAccountToken": False},
    }
    for name, choice in choices.items():
        if name != "default":
            await accounts.create({"metadata": {"name": name}, **choice})
    await cluster.settle()
    for account, of_account in choices.items():
        for name, of_pod in choices.items():
            spec = {"serviceAccountName": account, "containers": [{"name": "token-test", "image": "agnhost"}], **of_pod}
            made = await pods.create({"metadata": {"name": f"pod-{account}-{name}"}, "spec": spec})
            mounts = [one["mountPath"] for one in made["spec"]["containers"][0].get("volumeMounts", ())]
            wanted = of_pod or of_account or {"automountServiceAccountToken": True}
            assert (TOKEN_PATH in mounts) is wanted["automountServiceAccountToken"]
            assert bool(made["spec"].get("volumes")) is (TOKEN_PATH in mounts)


@pytest_asyncio.fixture
async def served(server: Path) -> AsyncIterator[Live]:
    async with live(server) as own:
        yield own


@pytest.mark.conformance("SubjectReview, API Operations")
async def test_reviews_say_what_the_account_itself_may_do(served: Live) -> None:
    namespace = served.namespace
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "e2e"}}
    await served.create(f"{served.core}/serviceaccounts", account)
    user = f"system:serviceaccount:{namespace}:e2e"
    asked = {"namespace": namespace, "verb": "list", "resource": "configmaps", "version": "v1"}
    spec = {"user": user, "resourceAttributes": asked}
    group = "authorization.k8s.io/v1"
    everywhere = f"/apis/{group}/subjectaccessreviews"
    here = f"/apis/{group}/namespaces/{namespace}/localsubjectaccessreviews"

    async def allowed() -> set[bool]:
        """As both reviews say it, and as it is."""
        reviewed = await served.create(
            everywhere, {"apiVersion": group, "kind": "SubjectAccessReview", "metadata": {}, "spec": spec}
        )
        local = await served.create(
            here,
            {
                "apiVersion": group,
                "kind": "LocalSubjectAccessReview",
                "metadata": {"namespace": namespace},
                "spec": spec,
            },
        )
        answer = await served.http.get(f"{served.core}/configmaps", headers={"Impersonate-User": user})
        assert answer.status_code in (200, 403)
        return {reviewed["status"]["allowed"], local["status"]["allowed"], answer.status_code == 200}

    assert await allowed() == {False}
    rbac = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{rbac}/v1",
        "kind": "Role",
        "metadata": {"name": "viewer"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}],
    }
    await served.create(f"/apis/{rbac}/v1/namespaces/{namespace}/roles", role)
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "viewer"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": namespace}],
    }
    await served.create(f"/apis/{rbac}/v1/namespaces/{namespace}/rolebindings", binding)
    assert await allowed() == {True}


@pytest.mark.node
@pytest.mark.conformance("Service Account Tokens Must AutoMount")
def test_a_container_reads_its_token_the_authority_and_its_namespace(space: Space) -> None:
    space.start(pod("mounted", container(stay())))
    token, authority, namespace = (
        space.run("mounted", f"cat {TOKEN_PATH}/{name}") for name in ("token", "ca.crt", "namespace")
    )
    assert namespace == space.name
    assert authority == space.get("configmap", "kube-root-ca.crt")["data"]["ca.crt"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = json.loads(space.kubectl("create", "-f", "-", "-o", "json", text=json.dumps(review)))["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{space.name}:default"
    assert {"system:authenticated", "system:serviceaccounts"} <= set(status["user"]["groups"])
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["mounted"]
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-uid"] == [space.uid("mounted")]


@pytest.mark.node
@pytest.mark.conformance(
    "OIDC Discovery (ServiceAccountIssuerDiscovery)",
    "TokenRequestProjection should mount a projected volume with token using TokenRequest API.",
)
def test_a_pod_finds_the_keys_of_its_token_at_the_issuer_that_the_token_names(space: Space) -> None:
    """From inside the container: by the issuer's name, then where the document says that the keys are."""
    audience = "oidc-discovery-test"
    source = {"serviceAccountToken": {"path": "sa-token", "audience": audience, "expirationSeconds": 7200}}
    volumes = [
        {"name": "sa-token", "projected": {"sources": [source]}},
        {"name": "programs", "hostPath": {"path": str(PROGRAMS / "kubectl"), "type": "File"}},
    ]
    mounts = [mount("sa-token", "/tokens"), mount("programs", "/usr/local/bin/kubectl", readOnly=True)]
    space.start(pod("verifier", container(stay(), volumeMounts=mounts), volumes=volumes))
    token = space.run("verifier", "cat /tokens/sa-token")
    claims = jwt.decode(token, options={"verify_signature": False})
    get = (
        f"kubectl --kubeconfig=/dev/null --certificate-authority={TOKEN_PATH}/ca.crt --token=$(cat {TOKEN_PATH}/token) "
        "--server={server} get --raw {path}"
    )
    described = get.format(server=claims["iss"], path="/.well-known/openid-configuration")
    found = json.loads(space.run("verifier", described))
    assert found["issuer"] == claims["iss"]
    keys = urlsplit(found["jwks_uri"])
    listed = space.run("verifier", get.format(server=f"{keys.scheme}://{keys.netloc}", path=keys.path))
    by_id = {key.key_id: key for key in jwt.PyJWKSet.from_json(listed).keys}
    key = by_id[jwt.get_unverified_header(token)["kid"]]
    known = found["id_token_signing_alg_values_supported"]
    verified = jwt.decode(token, key, algorithms=known, audience=audience, issuer=found["issuer"])
    assert verified["sub"] == f"system:serviceaccount:{space.name}:default"
    assert verified["kubernetes.io"]["pod"]["name"] == "verifier"
