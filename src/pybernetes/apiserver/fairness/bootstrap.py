"""The FlowSchemas and PriorityLevelConfigurations that every cluster has.

Mandatory ones are kept as they are here; suggested ones as long as nobody says otherwise in the annotation.
Follows k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = dict[str, Any]

AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
_EVERYONE = ("system:unauthenticated", "system:authenticated")


def _metadata(name: str) -> Document:
    return {"name": name, "annotations": {AUTO_UPDATE: "true"}}


def _level(name: str, shares: int, lendable: int, queues: int, hand: int) -> Document:
    """A limited level; without queues it rejects."""
    response: Document = {"type": "Reject"}
    if queues:
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
        response = {"type": "Queue", "queuing": queuing}
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return {"metadata": _metadata(name), "spec": {"type": "Limited", "limited": limited}}


def _groups(*names: str) -> list[Document]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Document]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _system_accounts() -> list[Document]:
    return [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}]


def _resources(verbs: Sequence[str], group: str, resources: Sequence[str], *, cluster: Mapping[str, bool]) -> Document:
    rule = {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}
    return {**rule, **cluster, "namespaces": ["*"]}


_CLUSTER_TOO = {"clusterScope": True}
_NAMESPACED: dict[str, bool] = {}
_ANY_RESOURCE = _resources("*", "*", "*", cluster=_CLUSTER_TOO)
_ANY_PATH = {"verbs": ["*"], "nonResourceURLs": ["*"]}


def _schema(name: str, level: str, precedence: int, distinguisher: str, rule: Document) -> Document:
    spec: Document = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    return {"metadata": _metadata(name), "spec": {**spec, "rules": [rule]}}


def _everything_of(subjects: list[Document]) -> Document:
    return {"subjects": subjects, "resourceRules": [_ANY_RESOURCE], "nonResourceRules": [_ANY_PATH]}


def _some_of(subjects: list[Document], *rules: Document) -> Document:
    return {"subjects": subjects, "resourceRules": list(rules)}


_EXEMPT: Document = {
    "metadata": _metadata("exempt"),
    "spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
}
_LEASES = _resources("*", "coordination.k8s.io", ("leases",), cluster=_NAMESPACED)
_ELECTION = _resources(("get", "create", "update"), "coordination.k8s.io", ("leases",), cluster=_NAMESPACED)
_NODES = _resources("*", "", ("nodes", "nodes/status"), cluster=_CLUSTER_TOO)
_ELECTORS = [*_users("system:kube-controller-manager", "system:kube-scheduler"), *_system_accounts()]
_PROBES = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
_PROBED = {"subjects": _groups(*_EVERYONE), "nonResourceRules": [_PROBES]}
_NODE_GROUP = _groups("system:nodes")
_MANAGER = _everything_of(_users("system:kube-controller-manager"))
_SCHEDULER = _everything_of(_users("system:kube-scheduler"))

MANDATORY_LEVELS = (_level("catch-all", 5, 0, 0, 0), _EXEMPT)
SUGGESTED_LEVELS = (
    _level("system", 30, 33, 64, 6),
    _level("node-high", 40, 25, 64, 6),
    _level("leader-election", 10, 0, 16, 4),
    _level("workload-high", 40, 50, 128, 6),
    _level("workload-low", 100, 90, 128, 6),
    _level("global-default", 20, 50, 128, 6),
)
MANDATORY_SCHEMAS = (
    _schema("exempt", "exempt", 1, "", _everything_of(_groups("system:masters"))),
    _schema("catch-all", "catch-all", 10000, "ByUser", _everything_of(_groups(*_EVERYONE))),
)
SUGGESTED_SCHEMAS = (
    _schema("system-nodes", "system", 500, "ByUser", _everything_of(_NODE_GROUP)),
    _schema("system-node-high", "node-high", 400, "ByUser", _some_of(_NODE_GROUP, _NODES, _LEASES)),
    _schema("probes", "exempt", 2, "", _PROBED),
    _schema("system-leader-election", "leader-election", 100, "ByUser", _some_of(_ELECTORS, _ELECTION)),
    _schema("kube-controller-manager", "workload-high", 800, "ByNamespace", _MANAGER),
    _schema("kube-scheduler", "workload-high", 800, "ByNamespace", _SCHEDULER),
    _schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", _everything_of(_system_accounts())),
    _schema("service-accounts", "workload-low", 9000, "ByUser", _everything_of(_groups("system:serviceaccounts"))),
    _schema("global-default", "global-default", 9900, "ByUser", _everything_of(_groups(*_EVERYONE))),
)
