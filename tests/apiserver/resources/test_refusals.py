"""What the kinds of networking, storage, priorities and leases refuse, word for word."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import problems
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.csi_driver import CSI_DRIVERS
from pybernetes.apiserver.resources.flow_schema import FLOW_SCHEMAS
from pybernetes.apiserver.resources.ingress import INGRESSES
from pybernetes.apiserver.resources.lease import LEASES
from pybernetes.apiserver.resources.network_policy import NETWORK_POLICIES
from pybernetes.apiserver.resources.priority_class import PRIORITY_CLASSES
from pybernetes.apiserver.resources.runtime_class import RUNTIME_CLASSES

CASES: list[tuple[Resource, Document, list[str]]] = [
    (
        CSI_DRIVERS,
        {
            "metadata": {"name": "One_"},
            "spec": {
                "fsGroupPolicy": "Never",
                "volumeLifecycleModes": ["Now"],
                "tokenRequests": [{"audience": "a"}, {"audience": "a", "expirationSeconds": 5}],
            },
        },
        [
            "metadata.name: Invalid value: \"One_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            'spec.fsGroupPolicy: Unsupported value: "Never": supported values: "File", "None", "ReadWriteOnceWithFSType"',
            'spec.tokenRequests[1].audience: Duplicate value: "a"',
            'spec.volumeLifecycleModes: Unsupported value: "Now": supported values: "Persistent", "Ephemeral"',
        ],
    ),
    (
        FLOW_SCHEMAS,
        {
            "metadata": {"name": "one"},
            "spec": {"matchingPrecedence": 10001, "priorityLevelConfiguration": {"name": ""}},
        },
        [
            "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000",
            "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
        ],
    ),
    (
        FLOW_SCHEMAS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "matchingPrecedence": 5,
                "priorityLevelConfiguration": {"name": "p"},
                "distinguisherMethod": {"type": "ByMoon"},
                "rules": [
                    {
                        "subjects": [{"kind": "User"}],
                        "resourceRules": [
                            {"verbs": ["*", "get"], "apiGroups": ["*"], "resources": ["Pods"], "namespaces": ["*"]}
                        ],
                    }
                ],
            },
        },
        [
            'spec.distinguisherMethod.type: Unsupported value: {"Type":"ByMoon"}: supported values: "ByNamespace", "ByUser"',
            "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
            'spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
        ],
    ),
    (
        LEASES,
        {
            "metadata": {"name": "one"},
            "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1, "holderIdentity": ""},
        },
        [
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    (
        RUNTIME_CLASSES,
        {
            "metadata": {"name": "one"},
            "handler": "Bad_",
            "overhead": {"podFixed": {"cpu": "-1"}},
            "scheduling": {"nodeSelector": {"a b": "c"}, "tolerations": [{"operator": "Exists", "value": "x"}]},
        },
        [
            "handler: Invalid value: \"Bad_\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            "scheduling.nodeSelector: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            "scheduling.tolerations[0].operator: Invalid value: \"x\": value must be empty when `operator` is 'Exists'",
        ],
    ),
    (
        PRIORITY_CLASSES,
        {"metadata": {"name": "system-mine"}, "value": 5},
        [
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class"
        ],
    ),
    (
        PRIORITY_CLASSES,
        {"metadata": {"name": "one"}, "value": 1000000001},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    (
        PRIORITY_CLASSES,
        {"metadata": {"name": "one"}, "value": 1, "preemptionPolicy": "Sometimes"},
        ['preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"'],
    ),
    (
        INGRESSES,
        {"metadata": {"name": "one"}, "spec": {}},
        ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
    ),
    (
        INGRESSES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "rules": [
                    {
                        "host": "1.2.3.4",
                        "http": {
                            "paths": [
                                {"path": "a//b", "pathType": "Exact", "backend": {"service": {"name": "s", "port": {}}}}
                            ]
                        },
                    }
                ]
            },
        },
        [
            'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
            'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path',
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b\": must not contain '//'",
            "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
        ],
    ),
    (
        INGRESSES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "defaultBackend": {
                    "service": {"name": "s", "port": {"number": 80, "name": "http"}},
                    "resource": {"kind": "K", "name": "n"},
                }
            },
        },
        ['spec.defaultBackend: Invalid value: "": cannot set both resource and service backends'],
    ),
    (
        INGRESSES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "ingressClassName": "No_",
                "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}},
                "tls": [{"hosts": ["*.x", "a_b"]}],
            },
        },
        [
            "spec.tls[0].hosts[1]: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.ingressClassName: Invalid value: \"No_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    ),
    (
        NETWORK_POLICIES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "podSelector": {},
                "policyTypes": ["Ingress", "Sideways"],
                "ingress": [{"from": [{}], "ports": [{"protocol": "ICMP", "port": 0}]}],
            },
        },
        [
            'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
            "spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ingress[0].from[0]: Required value: must specify a peer",
            'spec.policyTypes[1]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"',
        ],
    ),
    (
        NETWORK_POLICIES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "podSelector": {},
                "egress": [
                    {
                        "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}, "podSelector": {}}],
                        "ports": [{"port": 80, "endPort": 79}],
                    }
                ],
            },
        },
        [
            "spec.egress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
            'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
            "spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer",
        ],
    ),
]


@pytest.mark.parametrize(("resource", "manifest", "expected"), CASES)
def test_the_errors_of_a_creation_come_in_upstreams_order_and_words(
    resource: Resource, manifest: dict[str, Any], expected: list[str]
) -> None:
    assert problems(resource, manifest) == expected
