"""Who decides: the operator's file, policies, and what happens when the file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth import abac
from pybernetes.apiserver.auth.authorization_configuration import read_configuration
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import AUTHENTICATED_GROUP, Attributes, User
from pybernetes.apiserver.auth.operators_authorization import OperatorsAuthorization
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.static_tokens import StaticTokens

HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n"
JANE = User("jane", groups=("devs", AUTHENTICATED_GROUP))
GET_PODS = Attributes("get", version="v1", resource="pods", namespace="ns", name="web")
DELETE_PODS = Attributes("delete", version="v1", resource="pods", namespace="ns", name="web")


def read(text: str) -> None:
    read_configuration((HEAD + text).encode())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  []", "authorizers: Required value: at least one authorization mode must be defined"),
        ("- {name: x}", "authorizers[0].type: Required value"),
        (
            "- {type: Nobody, name: x}",
            'authorizers[0].type: Unsupported value: "Nobody": supported values: "ABAC", "AlwaysAllow", '
            '"AlwaysDeny", "Node", "RBAC", "Webhook"',
        ),
        (
            "- {type: RBAC, name: rbac}\n- {type: RBAC, name: other}",
            'authorizers[1].type: Duplicate value: "RBAC"',
        ),
        ("- {type: RBAC, name: mine}", "expected name rbac for authorizer RBAC instead of mine"),
        (
            "- {type: RBAC, name: rbac, more: 1}",
            "failed to load AuthorizationConfiguration from file: strict decoding error: unknown field "
            '"authorizers[0].more"',
        ),
        (
            "- {type: Webhook, name: x, webhook: {timeout: abc}}",
            'failed to load AuthorizationConfiguration from file: time: invalid duration "abc"',
        ),
        ("- {type: Webhook, name: x}", "authorizers[0].webhook: Required value: required when type=Webhook"),
        (
            "- {type: RBAC, name: rbac, webhook: {}}",
            'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook',
        ),
        (
            "- type: Webhook\n  name: x\n  webhook: {timeout: 40s, subjectAccessReviewVersion: v1, "
            "failurePolicy: Deny, connectionInfo: {type: KubeConfigFile, kubeConfigFile: rel}}",
            '[authorizers[0].timeout: Invalid value: "40s": must be > 0s and <= 30s, '
            'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "rel": must be an absolute path]',
        ),
        (
            "- type: Webhook\n  name: x\n  webhook: {timeout: 3s, subjectAccessReviewVersion: v1, failurePolicy: Deny, "
            "connectionInfo: {type: InClusterConfig}, matchConditions: [{expression: request.user}]}",
            "[authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions "
            'are specified, authorizers[0].matchConditions[0].expression: Invalid value: "request.user": must '
            "evaluate to bool but got string]",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_the_fields_path(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(text)
    assert str(refused.value) == problem


async def test_a_changed_file_is_taken_in_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "authorization.yaml"
    file.write_text(HEAD + "- {type: RBAC, name: rbac}\n")
    wanted = read_configuration(file.read_bytes())
    authorization = OperatorsAuthorization(ClusterAuthorizer(Rbac()), SystemClock(), wanted)
    reloader = authorization.following(str(file))
    authorizer = authorization.authorizer
    assert not (await authorizer.authorize(JANE, GET_PODS)).allowed

    async def change(text: str) -> None:
        draft = tmp_path / "draft"
        draft.write_text(text)
        os.replace(draft, file)
        await reloader.look()

    await change(HEAD + "- {type: RBAC, name: rbac}\n- {type: AlwaysAllow, name: alwaysallow}\n")
    assert (await authorizer.authorize(JANE, GET_PODS)).allowed
    assert authorization.figures.decisions == {("AlwaysAllow", "alwaysallow", "allowed"): 1}
    await change(HEAD + "- {type: AlwaysDeny, name: alwaysdeny}\n")
    assert (await authorizer.authorize(JANE, GET_PODS)).allowed
    assert (reloader.successes, reloader.failures) == (1, 1)
    await authorization.close()


def test_policies_are_read_in_both_forms(tmp_path: Path) -> None:
    file = tmp_path / "policies"
    file.write_text(
        "# who may do what\n"
        '{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"group":"devs",'
        '"namespace":"ns","resource":"pods","apiGroup":"*","readonly":true}}\n'
        "\n"
        '{"user":"old","namespace":"ns"}\n'
        '{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"user":"*",'
        '"nonResourcePath":"/version*"}}\n'
    )
    policies = abac.read_policies(str(file))
    assert abac.allowed(policies, JANE, GET_PODS)
    assert not abac.allowed(policies, JANE, DELETE_PODS)
    assert abac.allowed(policies, User("old"), DELETE_PODS)
    assert not abac.allowed(policies, User("old"), Attributes("get", "/healthz", is_resource=False))
    version = Attributes("get", "/version/x", is_resource=False)
    assert abac.allowed(policies, JANE, version)
    assert not abac.allowed(policies, User("system:anonymous", groups=("system:unauthenticated",)), version)
    file.write_text("{")
    with pytest.raises(ConfigurationError, match=r"error reading policy file .*, line 1: {"):
        abac.read_policies(str(file))


async def test_tokens_of_a_file_are_their_users(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('secret,jane,u1,"devs,ops"\nother,bob,u2\n,nobody,u3\n')
    tokens = StaticTokens(str(file))
    assert await tokens.find("secret") == User("jane", "u1", ("devs", "ops", AUTHENTICATED_GROUP))
    assert await tokens.find("other") == User("bob", "u2", (AUTHENTICATED_GROUP,))
    assert await tokens.find("") is None
    file.write_text("secret,jane\n")
    with pytest.raises(ConfigurationError, match=r"must have at least 3 columns .* found 2"):
        StaticTokens(str(file))
