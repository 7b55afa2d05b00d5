"""Puts the default roles and bindings into the store, and back into shape at every start.

Guarantees
  What is missing is created; what exists gains what it does not allow and the subjects it lacks, and loses none.
  An object annotated `rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone. A binding to another role
  is replaced. Aggregated roles get their rules from a controller.
  One transaction at most; none when nothing is to do.

Follows pkg/registry/rbac/rest and pkg/registry/rbac/reconciliation.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from pybernetes.api.features import GENERIC_WORKLOAD
from pybernetes.apiserver import features
from pybernetes.apiserver.auth.bootstrap_controller_policy import CONTROLLER_ROLES, WORKLOAD_CONTROLLER_ROLES
from pybernetes.apiserver.auth.bootstrap_policy import (
    AGGREGATED,
    AGGREGATES_TO,
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    ROLES,
    WORKLOAD_RULES,
    Subjects,
)
from pybernetes.apiserver.auth.policy_words import Rule
from pybernetes.apiserver.auth.rules import PolicyRule, each_uncovered
from pybernetes.store.contract import ModRevisionIs, Put, Refused, Store, Write

Document = dict[str, Any]

API_GROUP = "rbac.authorization.k8s.io"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
LABEL_PREFIX = "rbac.authorization.k8s.io/"


def defaults() -> Iterator[tuple[str, Document]]:
    """(store key, object) of every default; the objects lack uid and creation time."""
    for name, rules in (*_cluster_roles(), *((name, ()) for name in AGGREGATED), *_controller_roles()):
        yield f"/registry/clusterroles/{name}", _cluster_role(name, rules)
    for name, (role, subjects) in (*CLUSTER_BINDINGS.items(), *_controller_bindings()):
        yield (
            f"/registry/clusterrolebindings/{name}",
            _binding("ClusterRoleBinding", name, "", ("ClusterRole", role), subjects),
        )
    for (namespace, name), rules in ROLES.items():
        yield f"/registry/roles/{namespace}/{name}", _object("Role", name, namespace) | {"rules": list(rules)}
    for (namespace, name), (role, subjects) in BINDINGS.items():
        yield (
            f"/registry/rolebindings/{namespace}/{name}",
            _binding("RoleBinding", name, namespace, ("Role", role), subjects),
        )


async def ensure(store: Store, now: datetime, new_uid: Callable[[], str] = lambda: str(uuid.uuid4())) -> int:
    """Bring the store to the defaults; returns how many objects were written."""
    created = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    while True:
        present = {
            entry.key: entry
            for prefix in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
            for entry in (await store.range(f"/registry/{prefix}/")).entries
        }
        conditions: list[ModRevisionIs] = []
        writes: list[Write] = []
        for key, default in defaults():
            entry = present.get(key)
            wanted = default if entry is None else reconciled(orjson.loads(entry.value), default)
            if wanted is None:
                continue
            wanted["metadata"].setdefault("uid", new_uid())
            wanted["metadata"].setdefault("creationTimestamp", created)
            conditions.append(ModRevisionIs(key, entry.mod_revision if entry else 0))
            writes.append(Put(key, orjson.dumps(wanted)))
        if not writes:
            return 0
        outcome = await store.transact(require=conditions, write=writes)
        if not isinstance(outcome, Refused):
            return len(writes)


def reconciled(current: Document, default: Document) -> Document | None:
    """What to write over `current`, or None if it may stay."""
    if current["metadata"].get("annotations", {}).get(AUTO_UPDATE) == "false":
        return None
    wanted = orjson.loads(orjson.dumps(current))
    for part in ("labels", "annotations"):
        merged = {**default["metadata"].get(part, {}), **current["metadata"].get(part, {})}
        if merged:
            wanted["metadata"][part] = merged
    if "roleRef" in default and current.get("roleRef") != default["roleRef"]:
        return default
    if "aggregationRule" in default:
        wanted["aggregationRule"] = default["aggregationRule"]
    if default.get("rules"):
        kept = current.get("rules") or []
        lacks = each_uncovered([PolicyRule.of(rule) for rule in kept], default["rules"])
        wanted["rules"] = [*kept, *(lack.document() for lack in lacks)]
    if "subjects" in default:
        kept = current.get("subjects") or []
        wanted["subjects"] = [*kept, *(item for item in default["subjects"] if item not in kept)]
    return None if wanted == current else wanted


def _cluster_roles() -> Iterator[tuple[str, tuple[Rule, ...]]]:
    added = WORKLOAD_RULES if features.is_on(GENERIC_WORKLOAD) else {}
    for name, rules in CLUSTER_ROLES.items():
        yield name, (*rules, *added.get(name, ()))


def _by_controller() -> Mapping[str, tuple[Rule, ...]]:
    if not features.is_on(GENERIC_WORKLOAD):
        return CONTROLLER_ROLES
    return {**CONTROLLER_ROLES, **WORKLOAD_CONTROLLER_ROLES}


def _controller_roles() -> Iterator[tuple[str, tuple[Rule, ...]]]:
    for name, rules in _by_controller().items():
        yield f"system:controller:{name}", rules


def _controller_bindings() -> Iterator[tuple[str, tuple[str, Subjects]]]:
    for name in _by_controller():
        role = f"system:controller:{name}"
        yield role, (role, Subjects(service_accounts=f"kube-system/{name}"))


def _object(kind: str, name: str, namespace: str = "") -> Document:
    metadata: Document = {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {AUTO_UPDATE: "true"},
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": f"{API_GROUP}/v1", "kind": kind, "metadata": metadata}


def _cluster_role(name: str, rules: tuple[Rule, ...]) -> Document:
    document = _object("ClusterRole", name)
    if label := AGGREGATES_TO.get(name):
        document["metadata"]["labels"][LABEL_PREFIX + label] = "true"
    if label := AGGREGATED.get(name):
        document["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {LABEL_PREFIX + label: "true"}}]}
    document["rules"] = list(rules) or None
    return document


def _binding(kind: str, name: str, namespace: str, role: tuple[str, str], subjects: Subjects) -> Document:
    document = _object(kind, name, namespace)
    document["roleRef"] = {"apiGroup": API_GROUP, "kind": role[0], "name": role[1]}
    named = [
        *({"kind": "Group", "apiGroup": API_GROUP, "name": group} for group in subjects.groups.split()),
        *({"kind": "User", "apiGroup": API_GROUP, "name": user} for user in subjects.users.split()),
    ]
    for account in subjects.service_accounts.split():
        account_namespace, account_name = account.split("/")
        named.append({"kind": "ServiceAccount", "name": account_name, "namespace": account_namespace})
    if named:
        document["subjects"] = named
    return document
