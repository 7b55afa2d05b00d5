"""Who may act as whom, for what, and who they are then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from multidict import CIMultiDict

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.auth.contract import Attributes, Decision, User
from pybernetes.apiserver.auth.impersonation import NODE_NAME_KEY, Impersonator
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import parse

JANE = User("jane", groups=("devs",))
AGENT = User("system:serviceaccount:ns:agent", extra={NODE_NAME_KEY: ("n1",)})


class Rules:
    """Allows what is in a list of `verb resource name`; remembers what it was asked."""

    def __init__(self, *allowed: str, also: Callable[[Attributes], bool] = lambda asked: False) -> None:
        self._allowed = set(allowed)
        self._also = also
        self.asked: list[str] = []

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        resource = "/".join(part for part in (attributes.resource, attributes.subresource) if part)
        text = f"{attributes.verb} {resource} {attributes.name}".strip()
        self.asked.append(text)
        return Decision(text in self._allowed or self._also(attributes))


def request(path: str = "/api/v1/pods", **headers: str | tuple[str, ...]) -> ApiRequest:
    sent: CIMultiDict[str] = CIMultiDict()
    for name, values in headers.items():
        for value in (values,) if isinstance(values, str) else values:
            sent.add(f"Impersonate-{name.replace('_', '-')}", value)
    return ApiRequest("GET", path, {}, sent)


async def made(rules: Rules, asking: ApiRequest, user: User = JANE) -> User:
    return await Impersonator(rules).act_as(user, parse(asking), asking)


async def refusal(rules: Rules, asking: ApiRequest, user: User = JANE) -> str:
    with pytest.raises(ApiError) as refused:
        await made(rules, asking, user)
    return refused.value.message


ON_LIST = "impersonate-on:{}:list pods"


async def test_who_asks_for_nobody_stays_who_they_are() -> None:
    rules = Rules()
    assert await made(rules, request()) == JANE
    assert await made(rules, request(user="")) == JANE
    assert rules.asked == []


async def test_the_plain_verb_is_enough() -> None:
    rules = Rules("impersonate users bob", "impersonate groups ops", "impersonate uids 7", "impersonate userextras/a b")
    user = await made(rules, request(user="bob", group="ops", uid="7", extra_a="b"))
    assert user == User("bob", "7", ("ops", "system:authenticated"), {"a": ("b",)})


async def test_a_user_may_be_impersonated_for_some_verbs_only() -> None:
    rules = Rules(ON_LIST.format("user-info"), "impersonate:user-info users bob")
    assert await made(rules, request(user="bob")) == User("bob", groups=("system:authenticated",))
    message = await refusal(rules, request("/api/v1/nodes", user="bob"))
    assert message == (
        'nodes is forbidden: User "jane" cannot impersonate-on:user-info:list resource "nodes" in API group "" '
        "at the cluster scope"
    )


async def test_the_first_mode_that_applies_says_why_not() -> None:
    rules = Rules(ON_LIST.format("user-info"))
    assert await refusal(rules, request(user="bob")) == (
        'users.authentication.k8s.io "bob" is forbidden: User "jane" cannot impersonate:user-info resource "users" '
        'in API group "authentication.k8s.io" at the cluster scope'
    )
    assert await refusal(Rules(), request("/version", user="bob")) == (
        'forbidden: User "jane" cannot impersonate-on:user-info:get path "/version"'
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("system:node:n1", "arbitrary-node"),
        ("system:serviceaccount:ns:sa", "serviceaccount"),
        ("system:serviceaccount:ns:sa:x", "user-info"),
        ("system:node:N_1", "user-info"),
    ],
)
async def test_names_choose_the_mode(name: str, mode: str) -> None:
    assert f"cannot impersonate-on:{mode}:list" in await refusal(Rules(), request(user=name))


async def test_a_node_that_is_impersonated_has_the_groups_of_nodes() -> None:
    rules = Rules(ON_LIST.format("arbitrary-node"), "impersonate:arbitrary-node nodes n1")
    user = await made(rules, request(user="system:node:n1"))
    assert user.groups == ("system:nodes", "system:authenticated")


async def test_an_agent_may_act_as_the_node_that_it_runs_on() -> None:
    rules = Rules(ON_LIST.format("associated-node"), "impersonate:associated-node nodes *")
    user = await made(rules, request(user="system:node:n1"), AGENT)
    assert user == User("system:node:n1", groups=("system:nodes", "system:authenticated"))
    assert "arbitrary-node" in await refusal(rules, request(user="system:node:n2"), AGENT)


async def test_a_service_account_has_its_groups() -> None:
    user = await made(Rules("impersonate serviceaccounts sa"), request(user="system:serviceaccount:ns:sa"))
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")


async def test_the_groups_of_those_who_are_not_known_stay_theirs() -> None:
    everything = Rules(also=lambda asked: True)
    assert (await made(everything, request(user="system:anonymous"))).groups == ("system:unauthenticated",)
    user = await made(everything, request(user="bob", group="system:unauthenticated"))
    assert user.groups == ("system:unauthenticated",)


async def test_masters_are_impersonated_with_the_plain_verb_only() -> None:
    constrained = Rules(also=lambda asked: ":" in asked.verb)
    message = await refusal(constrained, request(user="bob", group="system:masters"))
    assert message.endswith("impersonating the system:masters group is not allowed")
    everything = Rules(also=lambda asked: True)
    assert "system:masters" in (await made(everything, request(user="bob", group="system:masters"))).groups


async def test_many_groups_are_asked_for_at_once() -> None:
    groups = ("a", "b", "c", "d")
    rules = Rules(ON_LIST.format("user-info"), "impersonate:user-info users bob", "impersonate:user-info groups *")
    assert (await made(rules, request(user="bob", group=groups))).groups == (*groups, "system:authenticated")


async def test_what_one_succeeded_with_is_tried_first() -> None:
    rules = Rules("impersonate users bob")
    impersonator = Impersonator(rules)
    for _ in range(2):
        asking = request(user="bob")
        await impersonator.act_as(JANE, parse(asking), asking)
    assert rules.asked == [ON_LIST.format("user-info"), "impersonate users bob", "impersonate users bob"]


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"uid": "7"}, 'UID:"7", Groups:[]string(nil), Extra:map[string][]string(nil)'),
        ({"group": ("a", 'b"c')}, 'UID:"", Groups:[]string{"a", "b\\"c"}, Extra:map[string][]string(nil)'),
        (
            {"extra_scope": "a", "extra_other%2fx": "b"},
            'UID:"", Groups:[]string(nil), Extra:map[string][]string{"other/x":[]string{"b"}, "scope":[]string{"a"}}',
        ),
    ],
)
async def test_parts_of_an_identity_without_a_name_are_refused(headers: dict[str, str], shown: str) -> None:
    message = f'requested &user.DefaultInfo{{Name:"", {shown}}} without impersonating a user name'
    assert await refusal(Rules(), request(**headers)) == message
