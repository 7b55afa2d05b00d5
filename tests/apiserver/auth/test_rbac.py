from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.auth import bootstrap_roles
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.auth.escalation import check
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.rbac_feed import RbacFeed
from pybernetes.apiserver.auth.rules import PolicyRule, uncovered
from pybernetes.store.contract import Delete, Put
from pybernetes.store.memory import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JANE = User("jane", groups=("system:authenticated",))


def role(name: str, namespace: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": list(rules)}


def binding(name: str, namespace: str, role_name: str, /, **subject: str) -> dict[str, Any]:
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": "Role" if namespace else "ClusterRole", "name": role_name},
        "subjects": [subject],
    }


PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}


def asks(
    verb: str, resource: str, namespace: str = "", name: str = "", group: str = "", subresource: str = ""
) -> Attributes:
    return Attributes(verb, "", True, group, "v1", resource, subresource, namespace, name)


def bootstrapped() -> Rbac:
    rbac = Rbac()
    for _, document in bootstrap_roles.defaults():
        rbac.put(document)
    return rbac


def test_a_role_binding_grants_in_its_namespace_only() -> None:
    rbac = Rbac()
    rbac.put(role("reader", "default", PODS))
    rbac.put(binding("b", "default", "reader", kind="User", name="jane"))
    assert rbac.decide(JANE, asks("get", "pods", "default", "web")).allowed
    assert not rbac.decide(JANE, asks("get", "pods", "other", "web")).allowed
    assert not rbac.decide(JANE, asks("list", "pods")).allowed
    assert not rbac.decide(JANE, asks("delete", "pods", "default", "web")).allowed
    assert not rbac.decide(JANE, asks("get", "pods", "default", "web", subresource="log")).allowed


def test_the_reason_names_binding_role_and_subject() -> None:
    rbac = Rbac()
    rbac.put(role("reader", "default", PODS))
    rbac.put(binding("b", "default", "reader", kind="ServiceAccount", name="robot"))
    robot = User("system:serviceaccount:default:robot")
    decision = rbac.decide(robot, asks("list", "pods", "default"))
    assert decision.reason == (
        'RBAC: allowed by RoleBinding "b/default" of Role "reader" to ServiceAccount "robot/default"'
    )


def test_a_rule_with_names_grants_those_names_only() -> None:
    rbac = Rbac()
    rbac.put(role("one", "default", {**PODS, "resourceNames": ["web"]}))
    rbac.put(binding("b", "default", "one", kind="User", name="jane"))
    assert rbac.decide(JANE, asks("get", "pods", "default", "web")).allowed
    assert not rbac.decide(JANE, asks("get", "pods", "default", "db")).allowed
    assert not rbac.decide(JANE, asks("list", "pods", "default")).allowed


def test_removing_a_binding_takes_the_grant_away() -> None:
    rbac = Rbac()
    rbac.put(role("reader", "default", PODS))
    rbac.put(binding("b", "default", "reader", kind="Group", name="system:authenticated"))
    assert rbac.decide(JANE, asks("list", "pods", "default")).allowed
    rbac.remove("RoleBinding", "default", "b")
    assert not rbac.decide(JANE, asks("list", "pods", "default")).allowed


def test_a_binding_to_a_missing_role_says_so() -> None:
    rbac = Rbac()
    rbac.put(binding("b", "", "ghost", kind="User", name="jane"))
    decision = rbac.decide(JANE, asks("list", "pods", "default"))
    assert decision.reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "ghost" not found'


def test_masters_may_do_everything_and_nodes_what_nodes_need() -> None:
    authorizer = ClusterAuthorizer(bootstrapped())
    admin = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))
    node = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
    assert authorizer.decide(admin, asks("anything", "whatever", group="example.com")).allowed
    assert authorizer.decide(node, asks("patch", "nodes", name="n1", subresource="status")).allowed
    assert not authorizer.decide(node, asks("delete", "namespaces", name="default")).allowed


def test_the_default_roles_let_everyone_known_discover_and_nobody_else_but_health() -> None:
    authorizer = ClusterAuthorizer(bootstrapped())
    anonymous = User("system:anonymous", groups=("system:unauthenticated",))
    assert authorizer.decide(JANE, Attributes("get", "/apis/apps/v1", is_resource=False)).allowed
    assert not authorizer.decide(anonymous, Attributes("get", "/api", is_resource=False)).allowed
    assert authorizer.decide(anonymous, Attributes("get", "/readyz", is_resource=False)).allowed
    assert authorizer.decide(JANE, asks("create", "selfsubjectaccessreviews", group="authorization.k8s.io")).allowed


def test_an_aggregated_role_grants_the_rules_that_stand_in_it_and_no_others() -> None:
    rbac = bootstrapped()
    assert rbac.rules_of("ClusterRole", "", "admin") == ()
    edit = rbac.role("ClusterRole", "", "system:aggregate-to-edit")
    assert edit is not None
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"


def test_uncovered_rules_are_put_together_by_resource_and_keep_their_order() -> None:
    owned = [PolicyRule.of(PODS)]
    asked = [
        {"verbs": ["get", "delete", "create"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get", "post"], "nonResourceURLs": ["/x"]},
    ]
    assert [str(rule) for rule in uncovered(owned, asked)] == [
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
        '{NonResourceURLs:["/x"], Verbs:["post"]}',
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "create"]}',
    ]


CLERK = User("clerk", groups=("office", "system:authenticated"))


def refused(rbac: Rbac, new: dict[str, Any], old: dict[str, Any] | None = None) -> str:
    with pytest.raises(ApiError) as raised:
        check(ClusterAuthorizer(rbac), CLERK, new, old)
    return raised.value.message


def test_a_role_is_refused_with_every_rule_that_its_writer_lacks() -> None:
    rbac = Rbac()
    rbac.put(binding("gone", "default", "ghost", kind="Group", name="office"))
    new = role("much", "default", {"verbs": ["watch", "get"], "apiGroups": ["apps"], "resources": ["deployments"]})
    assert refused(rbac, new) == (
        'roles.rbac.authorization.k8s.io "much" is forbidden: user "clerk" (groups=["office" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:["apps"], Resources:["deployments"], Verbs:["watch" "get"]}'
        '; resolution errors: [roles.rbac.authorization.k8s.io "ghost" not found]'
    )


def test_only_whom_everything_is_allowed_may_collect_rules() -> None:
    new = {
        "kind": "ClusterRole",
        "metadata": {"name": "sum"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    }
    assert refused(Rbac(), new) == (
        'clusterroles.rbac.authorization.k8s.io "sum" is forbidden: '
        "must have cluster-admin privileges to use the aggregationRule"
    )


def test_a_binding_to_a_role_that_is_not_there_is_refused_as_not_found() -> None:
    new = binding("b", "default", "ghost", kind="User", name="clerk")
    assert refused(Rbac(), new) == 'rolebindings.rbac.authorization.k8s.io "ghost" not found'


def test_a_binding_of_the_cluster_can_have_no_role_of_a_namespace() -> None:
    new = binding("b", "", "reader", kind="User", name="clerk")
    new["roleRef"]["kind"] = "Role"
    assert refused(Rbac(), new) == "Namespace parameter required."


def test_what_the_garbage_collector_changes_needs_no_rights() -> None:
    old = role("much", "default", {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
    new = {**old, "metadata": {**old["metadata"], "finalizers": ["example.com/wait"]}}
    check(ClusterAuthorizer(Rbac()), CLERK, new, old)
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
    assert "not currently held" in refused(Rbac(), labelled, old)


async def test_the_defaults_are_written_once_and_mended_afterwards() -> None:
    store = MemoryStore()
    first = await bootstrap_roles.ensure(store, NOW)
    assert first == len(dict(bootstrap_roles.defaults()))
    assert await bootstrap_roles.ensure(store, NOW) == 0
    key = "/registry/clusterroles/system:aggregate-to-view"
    entry = await store.get(key)
    assert entry is not None
    changed = orjson.loads(entry.value)
    extra = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
    changed["rules"] = [*changed["rules"][1:], extra]
    await store.transact(write=[Put(key, orjson.dumps(changed))])
    assert await bootstrap_roles.ensure(store, NOW) == 1
    mended = await store.get(key)
    assert mended is not None
    rules = orjson.loads(mended.value)["rules"]
    assert extra in rules
    assert rules[: len(changed["rules"])] == changed["rules"]
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]} in rules
    await store.close()


async def test_the_feed_follows_the_store() -> None:
    store, rbac = MemoryStore(), Rbac()
    feed = RbacFeed(store, rbac)
    await feed.start()
    bound = binding("b", "default", "reader", kind="User", name="jane")
    await store.transact(
        write=[
            Put("/registry/roles/default/reader", orjson.dumps(role("reader", "default", PODS))),
            Put("/registry/rolebindings/default/b", orjson.dumps(bound)),
        ]
    )
    await _until(lambda: rbac.decide(JANE, asks("list", "pods", "default")).allowed)
    await store.transact(write=[Delete("/registry/rolebindings/default/b")])
    await _until(lambda: not rbac.decide(JANE, asks("list", "pods", "default")).allowed)
    await feed.close()
    await store.close()


async def _until(holds: Any) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0)
    pytest.fail("never came to hold")
