"""Webhooks of the operator's that know tokens and decide what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from apiserver.hook_server import HookServer, hook_server, pki
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.authorization_webhook import AuthorizationWebhook, Opinion, WithWebhook
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, AlwaysAllow, AlwaysDeny, Attributes, Decision, User
from pybernetes.apiserver.auth.pki import client_context
from pybernetes.apiserver.auth.review_webhook import ReviewWebhook
from pybernetes.apiserver.auth.service_accounts import InvalidToken
from pybernetes.apiserver.auth.token_webhook import WebhookTokens
from pybernetes.apiserver.webhook_file import WebhookTarget

JANE = User("jane", "u1", ("devs",), {"a": ("b",)})
GET_PODS = Attributes("get", group="apps", version="v1", resource="pods", namespace="ns", name="web")


def webhook(hooks: HookServer) -> ReviewWebhook:
    tls = client_context(pki().apiserver_kubelet_client(), pki().ca_file)
    return ReviewWebhook(WebhookTarget(hooks.url, {"Authorization": "Bearer mine"}, tls), first_delay=0)


def token_review(**status: Any) -> dict[str, Any]:
    return {"kind": "TokenReview", "status": status}


def access_review(**status: Any) -> dict[str, Any]:
    return {"kind": "SubjectAccessReview", "status": status}


async def test_a_token_that_the_webhook_knows_is_its_users_and_is_remembered() -> None:
    user = {"username": "jane", "uid": "u1", "groups": ["devs"], "extra": {"a": ["b"]}}
    async with hook_server(lambda *_: token_review(authenticated=True, user=user)) as hooks:
        asked = webhook(hooks)
        tokens = WebhookTokens(asked, SystemClock())
        assert await tokens.find("secret") == JANE
        assert await tokens.find("secret") == JANE
        assert [review for _, review in hooks.asked] == [
            {
                "kind": "TokenReview",
                "apiVersion": "authentication.k8s.io/v1beta1",
                "spec": {"token": "secret"},
            }
        ]
        assert hooks.seen[0].headers["Authorization"] == "Bearer mine"
        await asked.close()


async def test_a_token_that_it_does_not_know_is_nobodys_and_asked_for_again() -> None:
    async with hook_server(lambda *_: token_review(authenticated=False)) as hooks:
        asked = webhook(hooks)
        tokens = WebhookTokens(asked, SystemClock())
        assert await tokens.find("secret") is None
        assert await tokens.find("secret") is None
        assert len(hooks.asked) == 2
        await asked.close()


async def test_what_is_wrong_with_a_token_is_told() -> None:
    async with hook_server(lambda *_: token_review(authenticated=False, error="expired")) as hooks:
        asked = webhook(hooks)
        with pytest.raises(InvalidToken, match="expired"):
            await WebhookTokens(asked, SystemClock()).find("secret")
        await asked.close()


async def test_a_token_for_others_does_not_count() -> None:
    answer = token_review(authenticated=True, user={"username": "jane"}, audiences=["vault"])
    async with hook_server(lambda *_: answer) as hooks:
        asked = webhook(hooks)
        assert await WebhookTokens(asked, SystemClock(), ("api",)).find("secret") is None
        assert hooks.asked[0][1]["spec"]["audiences"] == ["api"]
        await asked.close()


async def test_a_webhook_that_is_busy_is_asked_again() -> None:
    answers: list[Any] = [web.Response(status=503), token_review(authenticated=True, user={"username": "jane"})]
    async with hook_server(lambda *_: answers.pop(0)) as hooks:
        asked = webhook(hooks)
        assert await WebhookTokens(asked, SystemClock()).find("secret") == User("jane")
        await asked.close()


async def test_the_webhook_is_told_who_wants_what() -> None:
    async with hook_server(lambda *_: access_review(allowed=True, reason="why not")) as hooks:
        asked = webhook(hooks)
        judge = AuthorizationWebhook(asked, SystemClock())
        assert await judge.opinion(JANE, GET_PODS) == Opinion(allowed=True, reason="why not")
        assert await judge.opinion(JANE, GET_PODS) == Opinion(allowed=True, reason="why not")
        await judge.opinion(JANE, Attributes("get", "/healthz", is_resource=False))
        await judge.opinion(JANE, Attributes("list", resource="pods", field_selector="spec.nodeName!=n1"))
        first, second, third = (review["spec"] for _, review in hooks.asked)
        assert third["resourceAttributes"]["fieldSelector"] == {
            "requirements": [{"key": "spec.nodeName", "operator": "NotIn", "values": ["n1"]}]
        }
        assert first == {
            "user": "jane",
            "uid": "u1",
            "group": ["devs"],
            "extra": {"a": ["b"]},
            "resourceAttributes": {
                "namespace": "ns",
                "verb": "get",
                "group": "apps",
                "version": "v1",
                "resource": "pods",
                "name": "web",
            },
        }
        assert second["nonResourceAttributes"] == {"path": "/healthz", "verb": "get"}
        await asked.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"allowed": True, "reason": "yes"}, Decision(True, "yes")),
        ({"allowed": False, "reason": "no"}, Decision(False, "Everything is forbidden.\nno")),
        ({"allowed": True, "denied": True}, Decision(False, "Everything is forbidden.", denied=True)),
        ({}, Decision(False, "Everything is forbidden.")),
    ],
)
async def test_the_webhook_decides_what_the_cluster_does_not_allow(status: dict[str, Any], expected: Decision) -> None:
    async with hook_server(lambda *_: access_review(**status)) as hooks:
        asked = webhook(hooks)
        judge = AuthorizationWebhook(asked, SystemClock())
        assert await WithWebhook(AlwaysDeny(), judge).authorize(JANE, GET_PODS) == expected
        assert (await WithWebhook(AlwaysAllow(), judge).authorize(JANE, GET_PODS)).allowed
        root = User("root", groups=(MASTERS_GROUP,))
        assert not (await WithWebhook(AlwaysDeny(), judge).authorize(root, GET_PODS)).allowed
        assert len(hooks.asked) == 1
        await asked.close()


async def test_a_webhook_that_does_not_answer_has_no_opinion() -> None:
    async with hook_server(lambda *_: web.Response(status=404)) as hooks:
        asked = webhook(hooks)
        assert await AuthorizationWebhook(asked, SystemClock()).opinion(JANE, GET_PODS) == Opinion()
        await asked.close()
