"""Mutating admission policies: what becomes of an object."""

from __future__ import annotations

from typing import Any

from apiserver.serving import CONFIG_MAPS, Talk, config_map, pod, serving

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
PODS = "/api/v1/namespaces/default/pods"


def patch(expression: str) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def configuration(expression: str) -> dict[str, Any]:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


async def seen(talk: Talk) -> None:
    """Policies count as soon as the server has seen them."""
    await talk.server.watch_cache.at_least(talk.server.store.revision)


async def declare(
    talk: Talk, *mutations: dict[str, Any], name: str = "p", resource: str = "configmaps", **spec: Any
) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    stated = {
        "reinvocationPolicy": "Never",
        "mutations": mutations,
        "matchConstraints": {"resourceRules": [rule]},
        **spec,
    }
    for plural, document in (
        ("mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": stated}),
        ("mutatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": {"policyName": name}}),
    ):
        made = await talk.post(f"{REGISTRATION}/{plural}", document)
        assert made.status == 201, made.message
    await seen(talk)


async def test_mutations_of_a_policy_build_on_each_other() -> None:
    async with serving() as talk:
        await declare(
            talk,
            configuration("Object{metadata: Object.metadata{labels: {'a': variables.label}}, data: {'added': 'x'}}"),
            patch("[JSONPatch{op: 'add', path: '/data/more', value: object.data.added + '1'}]"),
            variables=[{"name": "label", "expression": "namespaceObject.metadata.name"}],
        )
        made = await talk.post(CONFIG_MAPS, config_map("c", own="1"))
        assert made.body["data"] == {"own": "1", "added": "x", "more": "x1"}
        assert made.body["metadata"]["labels"] == {"a": "default"}


async def test_elements_are_merged_by_their_keys_and_completed_with_defaults() -> None:
    async with serving() as talk:
        spec = "Object.spec{containers: [Object.spec.containers{name: 'side', image: 'x'}]}"
        await declare(talk, configuration(f"Object{{spec: {spec}}}"), resource="pods")
        made = await talk.post(PODS, pod("p"))
        containers = {one["name"]: one for one in made.body["spec"]["containers"]}
        assert set(containers) == {"main", "side"}
        assert containers["side"]["terminationMessagePath"] == "/dev/termination-log"


async def test_a_patch_whose_test_fails_changes_nothing() -> None:
    async with serving() as talk:
        test = "JSONPatch{op: 'test', path: '/data/own', value: '2'}"
        await declare(talk, patch(f"[{test}, JSONPatch{{op: 'remove', path: '/data'}}]"))
        made = await talk.post(CONFIG_MAPS, config_map("c", own="1"))
        assert made.body["data"] == {"own": "1"}


async def test_a_mutation_that_cannot_be_done_refuses_the_write() -> None:
    cases = {
        "Object{spec: Object.spec{nope: 1}}": (
            "error applying patch: failed to convert patch object to typed object: .spec: field not declared in schema"
        ),
        "Object{data: Object.wrong{}}": (
            'type mismatch: unexpected type name "Object.wrong", expected "Object.data", '
            "which matches field name path from root Object type"
        ),
        "Object{data: {'a': object.data.missing}}": (
            "expression 'Object{data: {'a': object.data.missing}}' resulted in error: no such key: missing"
        ),
    }
    for expression, message in cases.items():
        async with serving() as talk:
            await declare(talk, configuration(expression))
            refused = await talk.post(CONFIG_MAPS, config_map("c", own="1"))
            told = f"policy 'p' with binding 'p' denied request: {message}"
            assert (refused.status, refused.body["reason"], refused.message) == (403, "Invalid", told)
            assert refused.body["details"]["causes"] == [{"message": told}]


async def test_what_is_one_value_cannot_be_changed_in_part() -> None:
    async with serving() as talk:
        await declare(talk, configuration("Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}"), resource="pods")
        refused = await talk.post(PODS, pod("p"))
        assert refused.message.endswith("may not mutate atomic arrays, maps or structs: .spec.nodeSelector")


async def test_a_policy_is_asked_again_when_another_has_changed_the_object_after_it() -> None:
    async with serving() as talk:
        counted = patch("[JSONPatch{op: 'add', path: '/data/keys', value: string(size(object.data))}]")
        added = configuration("Object{data: {'added': 'x'}}")
        await declare(talk, counted, name="a", reinvocationPolicy="IfNeeded")
        await declare(talk, added, name="b")
        made = await talk.post(CONFIG_MAPS, config_map("c", own="1"))
        assert made.body["data"] == {"own": "1", "added": "x", "keys": "3"}


async def test_what_is_deleted_cannot_be_the_business_of_a_mutating_policy() -> None:
    async with serving() as talk:
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"]}
        spec = {
            "reinvocationPolicy": "Never",
            "mutations": [patch("[JSONPatch{op: 'remove', path: '/spec'}]")],
            "matchConstraints": {"resourceRules": [rule]},
        }
        refused = await talk.post(
            f"{REGISTRATION}/mutatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec}
        )
        [cause] = refused.body["details"]["causes"]
        assert cause["field"] == "spec.matchConstraints.resourceRules.operations"
