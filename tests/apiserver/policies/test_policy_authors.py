"""Who writes a policy with parameters must be allowed to read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.serving import serving
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Decision, EveryoneIs, User

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
JANE = User("jane", "u1", ("devs",), {"a": ("b",)})
SHOWN = "&{jane u1 [devs] map[a:[b]]}"


class Allowing:
    def __init__(self, allowed: Callable[[Attributes], bool]) -> None:
        self._allowed = allowed
        self.asked: list[Attributes] = []

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        if attributes.group == "admissionregistration.k8s.io" or attributes.resource == "serviceaccounts":
            return Decision(True)
        self.asked.append(attributes)
        return Decision(self._allowed(attributes))


NOTHING = Allowing(lambda asked: False)


def policy(api_version: str = "v1", kind: str = "Secret") -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "paramKind": {"apiVersion": api_version, "kind": kind},
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "true"}],
    }
    return {"metadata": {"name": "p"}, "spec": spec}


def binding(**ref: Any) -> dict[str, Any]:
    spec = {
        "policyName": "p",
        "paramRef": {"parameterNotFoundAction": "Deny", **ref},
        "validationActions": ["Deny"],
    }
    return {"metadata": {"name": "b"}, "spec": spec}


async def refusals(*documents: tuple[str, dict[str, Any]], user: User = JANE, may: Allowing = NOTHING) -> list[str]:
    """What is said to each of the creations, "" to one that is let through."""
    async with serving(authenticator=EveryoneIs(user), authorizer=may) as talk:
        said = []
        for plural, document in documents:
            answer = await talk.post(f"{REGISTRATION}/{plural}", document)
            said.append("" if answer.status == 201 else answer.message)
            await talk.server.watch_cache.at_least(talk.server.store.revision)
        return said


POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"


async def test_a_policy_needs_the_right_to_get_all_its_parameters() -> None:
    assert await refusals((POLICIES, policy())) == [
        'ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.paramKind: Forbidden: '
        f"user {SHOWN} "
        'must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)'
    ]


async def test_what_is_asked_is_every_object_of_the_kind() -> None:
    may = Allowing(lambda asked: True)
    assert await refusals((POLICIES, policy()), may=may) == [""]
    assert may.asked == [Attributes("get", version="v1", resource="secrets", namespace="*", name="*")]


async def test_of_a_kind_that_is_not_served_every_resource_is_asked_for() -> None:
    may = Allowing(lambda asked: True)
    await refusals((POLICIES, policy("foo.io/v1", "Foo")), may=may)
    assert may.asked == [Attributes("get", group="foo.io", version="v1", resource="*", namespace="*", name="*")]


async def test_masters_and_policies_without_parameters_are_not_asked() -> None:
    plain = policy()
    del plain["spec"]["paramKind"]
    assert await refusals((POLICIES, policy()), user=User("root", groups=(MASTERS_GROUP,))) == [""]
    assert await refusals((POLICIES, plain)) == [""]


async def test_a_binding_needs_the_right_to_read_what_it_names() -> None:
    may = Allowing(lambda asked: asked.name == "*")
    said = await refusals(
        (POLICIES, policy()),
        (BINDINGS, binding(name="x", namespace="default")),
        (BINDINGS, binding(selector={})),
        may=may,
    )
    start = 'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io "b" is invalid: spec.paramRef: Forbidden: '
    end = "permission on the object referenced by paramRef"
    assert said == ["", *(f'{start}user {SHOWN} does not have "{verb}" {end}' for verb in ("get", "list"))]
    assert may.asked[1:] == [
        Attributes("get", version="v1", resource="secrets", namespace="default", name="x"),
        Attributes("list", version="v1", resource="secrets"),
    ]


async def test_a_binding_to_nothing_known_needs_every_right() -> None:
    start = 'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io "b" is invalid: spec.paramRef: Forbidden: '
    end = (
        f'to determine minimum required permissions and user {SHOWN} does not have "get" permission for all groups, '
        "versions and resources"
    )
    assert await refusals((BINDINGS, binding(name="x"))) == [f"{start}unable to get policy p {end}"]
    may = Allowing(lambda asked: asked.namespace == "*")
    said = await refusals((POLICIES, policy("foo.io/v1", "Foo")), (BINDINGS, binding(name="x")), may=may)
    assert said == ["", f"{start}unable to resolve paramKind &{{foo.io/v1 Foo}} {end}"]
