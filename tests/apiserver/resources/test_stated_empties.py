"""Lists that are stated to be empty raise the generation of the kinds that upstream compares as Go values."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import MERGE_PATCH, STRATEGIC_PATCH, serving

POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
DAEMONS = "/apis/apps/v1/namespaces/default/daemonsets"
APPLY = "application/apply-patch+yaml"
CLOSED = {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
HOOK = {
    "name": "a.example.com",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"url": "https://a.example.com/b"},
}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
DAEMON = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}


@pytest.mark.parametrize(
    ("collection", "made", "sent", "generation"),
    [
        (POLICIES, CLOSED, CLOSED, 1),
        (POLICIES, CLOSED, {"spec": {**CLOSED["spec"], "ingress": []}}, 2),
        (POLICIES, CLOSED, {"spec": {**CLOSED["spec"], "podSelector": {"matchLabels": {}}}}, 2),
        (WEBHOOKS, {"webhooks": [HOOK]}, {"webhooks": [{**HOOK, "namespaceSelector": {}}]}, 1),
        (WEBHOOKS, {"webhooks": [HOOK]}, {"webhooks": [{**HOOK, "namespaceSelector": {"matchLabels": {}}}]}, 2),
        (WEBHOOKS, {}, {"webhooks": []}, 2),
    ],
)
async def test_only_some_kinds_tell_an_empty_list_from_none(
    collection: str, made: dict[str, Any], sent: dict[str, Any], generation: int
) -> None:
    async with serving() as talk:
        first = await talk.post(collection, {"metadata": {"name": "a"}, **made})
        assert (first.status, first.body["metadata"]["generation"]) == (201, 1)
        document = {"apiVersion": first.body["apiVersion"], "kind": first.body["kind"], "metadata": {"name": "a"}}
        doors = [
            talk.patch(f"{collection}/a", sent, MERGE_PATCH, dryRun="All"),
            talk.patch(f"{collection}/a", sent, STRATEGIC_PATCH, dryRun="All"),
            talk.patch(f"{collection}/a", {**document, **sent}, APPLY, fieldManager="me", force="true", dryRun="All"),
            talk.put(f"{collection}/a", {**first.body, **sent}, dryRun="All"),
        ]
        for door in doors:
            changed = await door
            assert (changed.status, changed.body["metadata"]["generation"]) == (200, generation)


async def test_most_kinds_take_an_empty_list_for_none() -> None:
    async with serving() as talk:
        assert (await talk.post(DAEMONS, {"metadata": {"name": "a"}, **DAEMON})).status == 201
        sent: dict[str, Any] = {"spec": {"template": {"spec": {"volumes": [], "nodeSelector": {}}}}}
        changed = await talk.patch(f"{DAEMONS}/a", sent, STRATEGIC_PATCH)
        assert (changed.status, changed.body["metadata"]["generation"]) == (200, 1)


@pytest.mark.parametrize(("data", "shown"), [({}, "{}"), ({"a": {}, "b": []}, '{"a":{},"b":[]}')])
async def test_the_data_of_a_revision_is_shown_as_it_is(data: dict[str, Any], shown: str) -> None:
    revisions = "/apis/apps/v1/namespaces/default/controllerrevisions"
    async with serving() as talk:
        made = await talk.post(revisions, {"metadata": {"name": "a"}, "revision": 1, "data": {"x": 1}})
        refused = await talk.put(f"{revisions}/a", {**made.body, "data": data})
        assert f"data: Invalid value: {shown}: field is immutable" in refused.message
