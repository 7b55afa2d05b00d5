"""Who is warned of what a write makes of an object."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import config_map, serving

WARNED = 'spec.template.spec.imagePullSecrets[0].name: invalid empty name ""'
JOB_WARNED = WARNED.replace("spec.", "spec.jobTemplate.spec.", 1)
APPS = "/apis/apps/v1/namespaces/default"
BATCH = "/apis/batch/v1/namespaces/default"
SPEC = {"containers": [{"name": "a", "image": "x"}], "imagePullSecrets": [{"name": ""}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": SPEC}
SELECTED = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
ONCE = {"template": {"spec": {**SPEC, "restartPolicy": "Never"}}}


@pytest.mark.parametrize(
    ("collection", "spec", "of_the_template", "expected"),
    [
        (f"{APPS}/deployments", SELECTED, {"minReadySeconds": 1}, WARNED),
        (f"{APPS}/replicasets", SELECTED, {"replicas": 2}, WARNED),
        (f"{APPS}/statefulsets", SELECTED, {"replicas": 2}, WARNED),
        (f"{APPS}/daemonsets", SELECTED, {"template": {"metadata": {"labels": {"more": "x"}}}}, WARNED),
        ("/api/v1/namespaces/default/replicationcontrollers", {"template": TEMPLATE}, {"replicas": 2}, WARNED),
        (f"{BATCH}/jobs", ONCE, {"suspend": True}, WARNED),
        (f"{BATCH}/cronjobs", {"schedule": "@daily", "jobTemplate": {"spec": ONCE}}, {"suspend": True}, JOB_WARNED),
    ],
)
async def test_of_a_template_only_who_changes_the_spec_is_warned(
    collection: str, spec: dict[str, Any], of_the_template: dict[str, Any], expected: str
) -> None:
    async with serving() as talk:
        made = await talk.post(collection, {"metadata": {"name": "web"}, "spec": spec})
        assert (made.status, made.response.warnings) == (201, (expected,)), made.message
        labelled = await talk.patch(f"{collection}/web", {"metadata": {"labels": {"a": "b"}}})
        assert (labelled.status, labelled.response.warnings) == (200, ())
        changed = await talk.patch(f"{collection}/web", {"spec": of_the_template})
        assert (changed.status, changed.response.warnings) == (200, (expected,)), changed.message


async def test_who_is_refused_because_the_name_is_taken_is_warned_all_the_same() -> None:
    async with serving() as talk:
        collection, document = f"{APPS}/deployments", {"metadata": {"name": "web"}, "spec": SELECTED}
        await talk.post(collection, document)
        again = await talk.post(collection, document)
        assert (again.status, again.response.warnings) == (409, (WARNED,))


async def test_what_is_found_wrong_is_not_warned_of() -> None:
    async with serving() as talk:
        wrong = {"metadata": {"name": "web"}, "spec": {**SELECTED, "replicas": -1}}
        refused = await talk.post(f"{APPS}/deployments", wrong)
        assert (refused.status, refused.response.warnings) == (422, ())


async def test_jobs_that_cannot_be_tracked_are_warned_of() -> None:
    async with serving() as talk:
        many = {"completionMode": "Indexed", "completions": 100_001, "parallelism": 10_001}
        spec = {"template": {"spec": {"containers": SPEC["containers"], "restartPolicy": "Never"}}, **many}
        made = await talk.post(f"{BATCH}/jobs", {"metadata": {"name": "many"}, "spec": spec})
        assert made.status == 201, made.message
        [warning] = made.response.warnings
        assert warning.startswith("spec: In Indexed Jobs with a number of completions higher than 10^5")


async def test_others_are_warned_of_nothing() -> None:
    async with serving() as talk:
        made = await talk.post("/api/v1/namespaces/default/configmaps", config_map("a"))
        assert made.response.warnings == ()
