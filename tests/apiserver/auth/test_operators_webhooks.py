"""Webhooks of the operator's that know tokens and decide what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from apiserver.hook_server import HookServer, hook_server, pki
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.authorization_webhook import BOTH, AuthorizationWebhook, Manner, Opinion
from pybernetes.apiserver.auth.authorizer_chain import _ALLOWED, _DENIED, Always, AuthorizerChain, Named
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Decision, User
from pybernetes.apiserver.auth.figures import ChainFigures, WebhookFigures
from pybernetes.apiserver.auth.match_conditions import MatchConditions
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
        ({"allowed": True, "denied": True}, Decision(False, "", denied=True, error=BOTH)),
        ({"denied": True, "reason": "never"}, Decision(False, "never", denied=True)),
        ({}, Decision(False, "Everything is forbidden.")),
    ],
)
async def test_the_webhook_decides_what_the_others_do_not_allow(status: dict[str, Any], expected: Decision) -> None:
    async with hook_server(lambda *_: access_review(**status)) as hooks:
        asked = webhook(hooks)
        last = Named("Webhook", "default", AuthorizationWebhook(asked, SystemClock()))
        chain = AuthorizerChain((Named("AlwaysDeny", "alwaysdeny", Always(_DENIED)), last), ChainFigures())
        assert await chain.authorize(JANE, GET_PODS) == expected
        assert (await chain.authorize(User("root", groups=(MASTERS_GROUP,)), GET_PODS)).allowed
        allowing = AuthorizerChain((Named("AlwaysAllow", "alwaysallow", Always(_ALLOWED)), last), ChainFigures())
        assert (await allowing.authorize(JANE, GET_PODS)).allowed
        assert len(hooks.asked) == 1
        await asked.close()


async def test_a_webhook_that_does_not_answer_has_no_opinion_or_denies() -> None:
    async with hook_server(lambda *_: web.Response(status=404)) as hooks:
        asked = webhook(hooks)
        why = "the webhook answers 404"
        assert await AuthorizationWebhook(asked, SystemClock()).opinion(JANE, GET_PODS) == Opinion(error=why)
        strict = AuthorizationWebhook(asked, SystemClock(), Manner(denies_on_failure=True))
        assert await strict.opinion(JANE, GET_PODS) == Opinion(denied=True, error=why)
        await asked.close()


async def test_a_webhook_is_asked_only_about_what_its_conditions_match() -> None:
    async with hook_server(lambda *_: access_review(allowed=True)) as hooks:
        asked = webhook(hooks)
        conditions = MatchConditions(
            ["request.resourceAttributes.namespace == 'ns'", "'devs' in request.groups", "request.user != ''"]
        )
        figures = WebhookFigures()
        judge = AuthorizationWebhook(asked, SystemClock(), Manner("v1", conditions=conditions), figures)
        elsewhere = Attributes("get", group="apps", version="v1", resource="pods", namespace="other", name="web")
        assert (await judge.opinion(JANE, GET_PODS)).allowed
        assert await judge.opinion(JANE, elsewhere) == Opinion()
        unknown = await judge.opinion(JANE, Attributes("get", "/metrics", is_resource=False))
        assert unknown.error == (
            "cel evaluation error: expression 'request.resourceAttributes.namespace == 'ns'' resulted in error: "
            "no such key: resourceAttributes"
        )
        assert len(hooks.asked) == 1
        assert (figures.excluded, figures.unevaluated, figures.evaluations.count) == (1, 1, 3)
        await asked.close()


async def test_answers_are_kept_as_long_as_the_operator_says() -> None:
    async with hook_server(lambda *_: access_review(allowed=True)) as hooks:
        asked = webhook(hooks)
        judge = AuthorizationWebhook(asked, SystemClock(), Manner(allowed_seconds=0))
        for _ in range(2):
            await judge.opinion(JANE, GET_PODS)
        assert len(hooks.asked) == 2
        await asked.close()
