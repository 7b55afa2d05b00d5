"""What the options about identities lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybernetes.apiserver.auth.access import AccessOptions
from pybernetes.cli.identities import with_identities
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

OPTIONS = AccessOptions(b"key")
START = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"


def test_without_a_choice_nothing_is_changed() -> None:
    assert with_identities(OPTIONS, Settings()) == OPTIONS


def test_nobody_may_come_without_credentials_if_that_is_chosen() -> None:
    chosen = with_identities(OPTIONS, Settings(anonymous_auth=False)).authentication
    assert chosen is not None
    assert chosen.anonymous is not None
    assert not chosen.anonymous.enabled


def test_the_file_and_the_flag_cannot_both_say_so(tmp_path: Path) -> None:
    file = tmp_path / "authentication.yaml"
    file.write_text(START + "anonymous: {enabled: true}\n")
    with pytest.raises(Problem, match="--anonymous-auth flag cannot be set when anonymous field is configured"):
        with_identities(OPTIONS, Settings(anonymous_auth=False, authentication_config=str(file)))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("{}")
    with pytest.raises(Problem, match='context "" does not exist'):
        with_identities(OPTIONS, Settings(authorization_webhook_config_file=str(file)))


def test_the_oidc_flags_are_an_issuer_as_the_file_would_describe_it() -> None:
    settings = Settings(
        oidc_issuer_url="https://id.example.com",
        oidc_client_id="me",
        oidc_groups_claim="roles",
        oidc_groups_prefix="oidc:",
        oidc_required_claim="hd=example.com",
        oidc_signing_algs="ES256,RS256",
    )
    chosen = with_identities(OPTIONS, settings)
    assert chosen.algorithms == ("ES256", "RS256")
    assert chosen.authentication is not None
    (one,) = chosen.authentication.jwt
    assert (one.issuer.url, one.issuer.audiences) == ("https://id.example.com", ["me"])
    assert (one.claim_mappings.username.claim, one.claim_mappings.username.prefix) == ("sub", "https://id.example.com#")
    assert (one.claim_mappings.groups.claim, one.claim_mappings.groups.prefix) == ("roles", "oidc:")
    assert [(rule.claim, rule.required_value) for rule in one.claim_validation_rules] == [("hd", "example.com")]


@pytest.mark.parametrize(
    ("claim", "prefix", "expected"), [("email", "", ""), ("sub", "-", ""), ("sub", "x:", "x:"), ("email", "x:", "x:")]
)
def test_names_are_prefixed_as_upstream_does(claim: str, prefix: str, expected: str) -> None:
    settings = Settings(
        oidc_issuer_url="https://id.example.com",
        oidc_client_id="me",
        oidc_username_claim=claim,
        oidc_username_prefix=prefix,
    )
    chosen = with_identities(OPTIONS, settings).authentication
    assert chosen is not None
    assert chosen.jwt[0].claim_mappings.username.prefix == expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (Settings(oidc_client_id="me"), "oidc-issuer-url and oidc-client-id must be specified together"),
        (Settings(oidc_issuer_url="http://id", oidc_client_id="me"), "URL scheme must be https"),
        (Settings(authorization_mode="Node,Nobody"), 'authorization-mode "Nobody" is not a valid mode'),
        (Settings(authorization_mode="ABAC"), "authorization-mode ABAC's authorization policy file not passed"),
        (
            Settings(authorization_mode="RBAC,RBAC"),
            r'authorization-mode \["RBAC" "RBAC"\] has mode specified more than',
        ),
        (Settings(authorization_mode="Webhook"), "authorization-mode Webhook's authorization config file not passed"),
        (Settings(authorization_policy_file="x"), "cannot specify --authorization-policy-file without mode ABAC"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: Settings, problem: str) -> None:
    with pytest.raises(Problem, match=problem):
        with_identities(OPTIONS, settings)
