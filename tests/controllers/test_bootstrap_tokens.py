"""Bootstrap tokens: what their data mean, who signs with them, and that they go when they have expired."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controllers.make import NOW
from pybernetes.api import bootstrap_tokens
from pybernetes.api.bootstrap_tokens import Token
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.controllers.bootstrap_signer import signature, signed, signing_token
from pybernetes.testing.cluster import Cluster

OPTIONS = {"controllers": ("bootstrap-signer-controller", "token-cleaner-controller"), "scheduler": False}
TOKEN = Token("abcdef", "0123456789abcdef")


def token_secret(token_id: str = "abcdef", **data: str) -> core_v1.Secret:
    content = {
        "token-id": token_id,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
    } | {key.replace("_", "-"): value for key, value in data.items()}
    return core_v1.Secret(
        metadata=meta_v1.ObjectMeta(name=f"bootstrap-token-{token_id}", namespace="kube-system"),
        type="bootstrap.kubernetes.io/token",
        data={key: value.encode() for key, value in content.items()},
    )


def test_a_signature_is_a_detached_json_web_signature() -> None:
    content = "Hello from the other side. I must have called a thousand times."
    made = signature(content, Token("joshua", "my voice is my passcode"))
    assert made == "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"


def test_signatures_of_tokens_that_are_gone_are_removed_and_without_a_kubeconfig_nothing_is_signed() -> None:
    before = {"kubeconfig": "k", "jws-kubeconfig-oldone": "x", "other": "y"}
    assert signed(before, [TOKEN]) == {
        "kubeconfig": "k",
        "other": "y",
        "jws-kubeconfig-abcdef": signature("k", TOKEN),
    }
    assert signed({"jws-kubeconfig-oldone": "x"}, [TOKEN]) == {"jws-kubeconfig-oldone": "x"}


@pytest.mark.parametrize(
    "secret",
    [
        token_secret(token_id="abcdef", usage_bootstrap_signing="yes"),
        token_secret(token_id=""),
        token_secret(token_secret=""),
        token_secret(token_id="ABCDEF"),
        token_secret(expiration="2029-12-31T00:00:00Z"),
        token_secret(expiration="tomorrow"),
    ],
)
def test_only_a_whole_token_that_lives_and_is_meant_to_signs(secret: core_v1.Secret) -> None:
    assert signing_token(token_secret(), NOW) == TOKEN
    assert signing_token(secret, NOW) is None


def test_the_time_left_ends_with_zero_and_is_none_without_an_end() -> None:
    assert bootstrap_tokens.time_left({}, NOW) is None
    assert bootstrap_tokens.time_left({"expiration": b"2030-01-01T13:00:00+01:00"}, NOW) == timedelta()
    assert bootstrap_tokens.time_left({"expiration": b"2030-01-01T13:00:00Z"}, NOW) == timedelta(hours=1)
    assert bootstrap_tokens.time_left({"expiration": b"2030-01-01T13:00:00"}, NOW) == timedelta()


def test_groups_are_sorted_and_one_that_is_no_bootstrappers_spoils_the_token() -> None:
    data = {"auth-extra-groups": b"system:bootstrappers:b,system:bootstrappers:a"}
    assert bootstrap_tokens.groups_of(data) == (
        "system:bootstrappers",
        "system:bootstrappers:a",
        "system:bootstrappers:b",
    )
    assert bootstrap_tokens.groups_of({"auth-extra-groups": b"system:masters"}) is None


@pytest.mark.cluster(**OPTIONS)
async def test_cluster_info_carries_a_signature_of_each_token_until_it_expires(cluster: Cluster) -> None:
    await cluster.client.create(
        core_v1.ConfigMap(
            metadata=meta_v1.ObjectMeta(name="cluster-info", namespace="kube-public"), data={"kubeconfig": "k"}
        )
    )
    expiration = (cluster.clock.now() + timedelta(hours=1)).isoformat()
    await cluster.client.create(token_secret("abcdef"))
    await cluster.client.create(token_secret("ghijkl", expiration=expiration))
    await cluster.settle()
    info = await cluster.client.get(core_v1.ConfigMap, "cluster-info", "kube-public")
    assert set(info.data) == {"kubeconfig", "jws-kubeconfig-abcdef", "jws-kubeconfig-ghijkl"}
    await cluster.clock.advance(3601)
    await cluster.settle()
    info = await cluster.client.get(core_v1.ConfigMap, "cluster-info", "kube-public")
    assert set(info.data) == {"kubeconfig", "jws-kubeconfig-abcdef"}
    left = (await cluster.client.list(core_v1.Secret, "kube-system")).items
    assert [secret.metadata.name for secret in left] == ["bootstrap-token-abcdef"]
