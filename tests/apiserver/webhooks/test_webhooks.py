from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from apiserver.hook_server import HookServer, endpoints, hook_server, patch_of, rule, webhook
from apiserver.serving import CONFIG_MAPS, Talk, config_map, pod, serving

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
ALLOWED = {"allowed": True}


async def configure(talk: Talk, resource: str, *webhooks: dict[str, Any], name: str = "hooks") -> None:
    made = await talk.post(f"{CONFIGURATIONS}/{resource}", {"metadata": {"name": name}, "webhooks": list(webhooks)})
    assert made.status == 201, made.message
    await talk.server.watch_cache.at_least(int(made.version))


def request_of(hooks: HookServer, index: int = -1) -> dict[str, Any]:
    request: dict[str, Any] = hooks.asked[index][1]["request"]
    return request


async def test_a_denial_tells_the_webhooks_name_message_code_and_reason() -> None:
    status = {"code": 403, "reason": "Forbidden", "message": "not on my watch"}
    async with hook_server(lambda *_: {"allowed": False, "status": status}) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config()))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert refused.status == 403
        assert refused.body == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'admission webhook "one.example.com" denied the request: not on my watch',
            "reason": "Forbidden",
            "code": 403,
        }
        assert (await talk.get(f"{CONFIG_MAPS}/a")).status == 404


async def test_a_denial_without_a_status_is_without_explanation_and_a_bad_request() -> None:
    async with hook_server(lambda *_: {"allowed": False}) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config()))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert (refused.status, refused.message) == (
            400,
            'admission webhook "one.example.com" denied the request without explanation',
        )
        assert "reason" not in refused.body


async def test_a_patch_is_applied_and_what_it_adds_gets_its_defaults() -> None:
    volume = {"op": "add", "path": "/spec/volumes/-", "value": {"name": "v", "secret": {"secretName": "s"}}}
    async with hook_server(lambda *_: patch_of(volume)) as hooks, serving() as talk:
        await configure(talk, MUTATING, webhook(hooks.config(), rules=[rule("pods", operations=("CREATE",))]))
        made = await talk.post("/api/v1/namespaces/default/pods", pod("web"))
        assert made.status == 201, made.message
        added = next(one for one in made.body["spec"]["volumes"] if one["name"] == "v")
        assert added == {"name": "v", "secret": {"secretName": "s", "defaultMode": 420}}


async def test_each_mutating_webhook_sees_what_those_before_it_have_made() -> None:
    def respond(path: str, review: dict[str, Any]) -> dict[str, Any]:
        data = review["request"]["object"]["data"]
        return patch_of({"op": "add", "path": f"/data/{path[1:]}", "value": str(len(data))})

    async with hook_server(respond) as hooks, serving() as talk:
        await configure(talk, MUTATING, webhook(hooks.config("/c")), name="second")
        await configure(
            talk,
            MUTATING,
            webhook(hooks.config("/a")),
            webhook(hooks.config("/b"), "two.example.com"),
            name="first",
        )
        made = await talk.post(CONFIG_MAPS, config_map("a", start="0"))
        assert made.body["data"] == {"start": "0", "a": "1", "b": "2", "c": "3"}


async def test_a_webhook_that_wants_it_is_asked_again_after_a_later_change() -> None:
    def respond(path: str, review: dict[str, Any]) -> dict[str, Any]:
        data = review["request"]["object"]["data"]
        if path == "/count":
            return patch_of({"op": "add", "path": "/data/seen", "value": ",".join(sorted(data))})
        return patch_of({"op": "add", "path": "/data/late", "value": "x"})

    async with hook_server(respond) as hooks, serving() as talk:
        await configure(
            talk,
            MUTATING,
            webhook(hooks.config("/count"), reinvocationPolicy="IfNeeded"),
            webhook(hooks.config("/late"), "two.example.com"),
        )
        made = await talk.post(CONFIG_MAPS, config_map("a", start="0"))
        assert made.body["data"]["seen"] == "late,seen,start"
        assert [path for path, _ in hooks.asked] == ["/count", "/late", "/count"]


async def test_the_review_says_who_does_what_to_which_object() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config("/check")))
        await talk.post(CONFIG_MAPS, config_map("a"), fieldManager="me", dryRun="All")
        path, review = hooks.asked[0]
        request = review["request"]
        assert (path, review["kind"], review["apiVersion"]) == ("/check", "AdmissionReview", "admission.k8s.io/v1")
        assert request["kind"] == request["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (request["name"], request["namespace"], request["operation"]) == ("a", "default", "CREATE")
        assert request["userInfo"] == {"username": "system:anonymous", "groups": ["system:unauthenticated"]}
        assert (request["dryRun"], request["oldObject"]) == (True, None)
        assert request["options"] == {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "dryRun": ["All"],
            "fieldManager": "me",
        }
        assert hooks.seen[0].query_string == "timeout=10s"


async def test_updates_show_the_old_object_and_deletions_only_that() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("a", x="1"))
        await configure(talk, VALIDATING, webhook(hooks.config()))
        await talk.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "2"}})
        await talk.delete(f"{CONFIG_MAPS}/a", {"kind": "DeleteOptions", "propagationPolicy": "Background"})
        update, deletion = request_of(hooks, 0), request_of(hooks, 1)
        assert (update["object"]["data"], update["oldObject"]["data"]) == ({"x": "2"}, {"x": "1"})
        assert (deletion["object"], deletion["oldObject"]["data"]) == (None, {"x": "2"})
        assert deletion["options"]["propagationPolicy"] == "Background"


async def test_a_collection_is_judged_object_by_object() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        for name in ("a", "b"):
            await talk.post(CONFIG_MAPS, config_map(name))
        await configure(talk, VALIDATING, webhook(hooks.config(), rules=[rule("configmaps", operations=("DELETE",))]))
        await talk.delete(CONFIG_MAPS)
        reviews = [review["request"] for _, review in hooks.asked]
        assert sorted(review["oldObject"]["metadata"]["name"] for review in reviews) == ["a", "b"]
        assert not any("name" in review for review in reviews)


async def test_a_webhook_that_cannot_be_reached_fails_the_write_or_is_ignored() -> None:
    async with serving() as talk:
        nowhere = {"url": "https://127.0.0.1:1/x"}
        await configure(talk, VALIDATING, webhook(nowhere, timeoutSeconds=3))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert (refused.status, refused.body["reason"]) == (500, "InternalError")
        assert refused.message == (
            'Internal error occurred: failed calling webhook "one.example.com": failed to call webhook: '
            'Post "https://127.0.0.1:1/x?timeout=3s": dial tcp 127.0.0.1:1: connect: connection refused'
        )
        await talk.delete(f"{CONFIGURATIONS}/{VALIDATING}/hooks")
        await configure(talk, VALIDATING, webhook(nowhere, failurePolicy="Ignore"))
        assert (await talk.post(CONFIG_MAPS, config_map("a"))).status == 201


async def test_a_webhook_that_takes_too_long_has_failed() -> None:
    async def respond() -> dict[str, Any]:
        await asyncio.sleep(30)
        return ALLOWED

    async with hook_server(lambda *_: respond()) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config(), timeoutSeconds=1))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert refused.message.endswith('?timeout=1s": context deadline exceeded')


async def test_a_certificate_of_another_authority_is_not_believed() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        config = hooks.config()
        del config["caBundle"]
        await configure(talk, VALIDATING, webhook(config))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in refused.message


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        ({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}, "webhook response was absent"),
        ({"uid": "x", "allowed": True}, 'expected response.uid="'),
        ({"allowed": True, "patchType": "JSONPatch"}, "webhook returned response.patchType but not response.patch"),
        ({"allowed": True, "patch": "W10="}, "webhook returned response.patch but not response.patchType"),
    ],
)
async def test_an_answer_that_is_none_is_a_failure(response: dict[str, Any], problem: str) -> None:
    async with hook_server(lambda *_: response) as hooks, serving() as talk:
        await configure(talk, MUTATING, webhook(hooks.config()))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert refused.status == 500
        assert f"received invalid webhook response: {problem}" in refused.message


async def test_warnings_reach_the_client_whatever_the_answer_is() -> None:
    response = {"allowed": False, "warnings": ["careful", "careful"]}
    async with hook_server(lambda *_: response) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config()))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert (refused.status, tuple(refused.response.warnings)) == (400, ("careful",))


async def test_a_webhook_without_side_effects_is_asked_about_a_dry_run_and_told_so() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config()))
        assert (await talk.post(CONFIG_MAPS, config_map("a"), dryRun="All")).status == 201
        assert request_of(hooks)["dryRun"] is True


async def test_selectors_choose_by_the_namespaces_and_the_objects_labels() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        await talk.post("/api/v1/namespaces", {"metadata": {"name": "checked", "labels": {"check": "yes"}}})
        await configure(
            talk,
            VALIDATING,
            webhook(hooks.config("/namespace"), namespaceSelector={"matchLabels": {"check": "yes"}}),
            webhook(hooks.config("/object"), "two.example.com", objectSelector={"matchLabels": {"check": "me"}}),
        )
        await talk.post(CONFIG_MAPS, config_map("plain"))
        assert hooks.asked == []
        await talk.post("/api/v1/namespaces/checked/configmaps", config_map("a"))
        await talk.post(CONFIG_MAPS, config_map("b", labels={"check": "me"}))
        assert [path for path, _ in hooks.asked] == ["/namespace", "/object"]


async def test_configurations_of_webhooks_are_not_subject_to_webhooks() -> None:
    async with hook_server(lambda *_: {"allowed": False}) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config(), rules=[rule("*/*")]))
        assert (await talk.post(CONFIG_MAPS, config_map("a"))).status == 400
        assert (await talk.delete(f"{CONFIGURATIONS}/{VALIDATING}/hooks")).status == 200


async def test_a_rule_about_one_version_is_about_its_equivalents_unless_it_says_exactly() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        about = [rule("events", group="", version="v1")]
        await configure(
            talk,
            VALIDATING,
            webhook(hooks.config("/equivalent"), rules=about),
            webhook(hooks.config("/exact"), "two.example.com", rules=about, matchPolicy="Exact"),
        )
        made = await talk.post(
            "/apis/events.k8s.io/v1/namespaces/default/events",
            {
                "metadata": {"name": "x"},
                "eventTime": "2026-01-01T00:00:00.000000Z",
                "reportingController": "example.com/x",
                "reportingInstance": "x",
                "action": "Run",
                "reason": "Ran",
                "note": "it ran",
                "type": "Normal",
                "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
            },
        )
        assert made.status == 201, made.message
        assert [path for path, _ in hooks.asked] == ["/equivalent"]
        request = request_of(hooks)
        assert (request["kind"]["group"], request["requestKind"]["group"]) == ("", "events.k8s.io")
        assert (request["object"]["apiVersion"], request["object"]["message"]) == ("v1", "it ran")


async def test_a_generated_name_is_empty_for_mutating_and_known_to_validating_webhooks() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        await configure(talk, MUTATING, webhook(hooks.config("/mutate")))
        await configure(talk, VALIDATING, webhook(hooks.config("/validate")))
        made = await talk.post(CONFIG_MAPS, {"metadata": {"generateName": "x-"}})
        first, second = request_of(hooks, 0), request_of(hooks, 1)
        assert "name" not in first
        assert second["name"] == made.body["metadata"]["name"]


async def test_a_service_is_dialled_at_its_ready_endpoints_by_its_own_name() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        config = {"service": {"name": "hook", "namespace": "default", "path": "/check"}, "caBundle": hooks.authority}
        await configure(talk, VALIDATING, webhook(config))
        absent = await talk.post(CONFIG_MAPS, config_map("a"))
        assert absent.message.endswith(
            'Post "https://hook.default.svc:443/check?timeout=10s": service "hook" not found'
        )
        await talk.post(
            "/api/v1/namespaces/default/services",
            {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443, "targetPort": 8443}]}},
        )
        unready = await talk.post(CONFIG_MAPS, config_map("a"))
        assert unready.message.endswith('no endpoints available for service "hook"')
        await endpoints(talk, "hook", hooks.port)
        assert (await talk.post(CONFIG_MAPS, config_map("a"))).status == 201
        assert hooks.seen[0].headers["Host"] == "hook.default.svc:443"


async def test_connections_to_a_webhook_are_kept() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config()))
        for name in ("a", "b", "c"):
            await talk.post(CONFIG_MAPS, config_map(name))
        assert len({id(request.transport) for request in hooks.seen}) == 1


async def test_a_webhook_that_answers_no_json_has_failed() -> None:
    async with hook_server(lambda *_: web.Response(status=500, text="boom")) as hooks, serving() as talk:
        await configure(talk, VALIDATING, webhook(hooks.config()))
        refused = await talk.post(CONFIG_MAPS, config_map("a"))
        assert refused.message.endswith(
            'failed to call webhook: an error on the server ("boom") has prevented the request from succeeding'
        )


async def test_match_conditions_narrow_down_who_is_asked_and_their_failure_follows_the_policy() -> None:
    async with hook_server(lambda *_: ALLOWED) as hooks, serving() as talk:
        only_b = [{"name": "only-b", "expression": "object.metadata.name == 'b'"}]
        await configure(talk, VALIDATING, webhook(hooks.config(), matchConditions=only_b))
        await talk.post(CONFIG_MAPS, config_map("a"))
        await talk.post(CONFIG_MAPS, config_map("b"))
        assert [review["request"]["name"] for _, review in hooks.asked] == ["b"]
        broken = [{"name": "broken", "expression": "object.data.missing == 'x'"}]
        await configure(talk, VALIDATING, webhook(hooks.config(), matchConditions=broken), name="broken")
        refused = await talk.post(CONFIG_MAPS, config_map("c"))
        assert refused.status == 403
        assert refused.message.startswith('configmaps "c" is forbidden: expression ')
