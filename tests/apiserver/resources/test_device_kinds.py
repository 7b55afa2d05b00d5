"""What the kinds of dynamic resource allocation refuse, word for word."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import problems
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.device_class import DEVICE_CLASSES
from pybernetes.apiserver.resources.resource_claim import RESOURCE_CLAIMS
from pybernetes.apiserver.resources.resource_slice import RESOURCE_SLICES

CASES: list[tuple[Resource, Document, list[str]]] = [
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {"devices": {"requests": [{"name": "Upper", "exactly": {"deviceClassName": "gpu"}}]}},
        },
        [
            "spec.devices.requests[0].name: Invalid value: \"Upper\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        ],
    ),
    (
        RESOURCE_CLAIMS,
        {"metadata": {"name": "one"}, "spec": {"devices": {"requests": [{"name": "r"}]}}},
        ["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "devices": {
                    "requests": [
                        {"name": "r", "exactly": {"deviceClassName": "gpu"}},
                        {"name": "r", "exactly": {"deviceClassName": "gpu"}},
                    ]
                }
            },
        },
        ['spec.devices.requests[1]: Duplicate value: "r"'],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "devices": {
                    "requests": [{"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "Some"}}]
                }
            },
        },
        [
            'spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"'
        ],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "devices": {
                    "requests": [
                        {"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "All", "count": 2}}
                    ]
                }
            },
        },
        [
            "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"
        ],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu", "count": -1}}]}},
        },
        ["spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero"],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "devices": {
                    "requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}],
                    "constraints": [{"requests": ["s"], "matchAttribute": "model"}],
                }
            },
        },
        [
            "spec.devices.constraints[0].requests[0]: Invalid value: \"s\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
            'spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash',
        ],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "devices": {
                    "requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}],
                    "config": [{"requests": ["r"]}],
                }
            },
        },
        ["spec.devices.config[0].opaque: Required value"],
    ),
    (
        RESOURCE_CLAIMS,
        {
            "metadata": {"name": "one"},
            "spec": {
                "devices": {
                    "requests": [
                        {
                            "name": "r",
                            "firstAvailable": [
                                {"name": "a", "deviceClassName": "x"},
                                {"name": "a", "deviceClassName": "_"},
                            ],
                        }
                    ]
                }
            },
        },
        [
            "spec.devices.requests[0].firstAvailable[1].deviceClassName: Invalid value: \"_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            'spec.devices.requests[0].firstAvailable[1]: Duplicate value: "a"',
        ],
    ),
    (
        DEVICE_CLASSES,
        {"metadata": {"name": "one"}, "spec": {"extendedResourceName": "gpu"}},
        ['spec.extendedResourceName: Invalid value: "gpu": must be a valid extended resource name'],
    ),
    (
        DEVICE_CLASSES,
        {"metadata": {"name": "one"}, "spec": {"config": [{"opaque": {"driver": "d.example", "parameters": None}}]}},
        ["spec.config[0].opaque.parameters: Required value"],
    ),
    (
        RESOURCE_SLICES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "driver": "d.example",
                "pool": {"name": "p", "resourceSliceCount": 0},
                "nodeName": "n",
                "allNodes": True,
            },
        },
        [
            "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
        ],
    ),
    (
        RESOURCE_SLICES,
        {"metadata": {"name": "one"}, "spec": {"driver": "d_", "pool": {"name": "", "resourceSliceCount": 1}}},
        [
            "spec.driver: Invalid value: \"d_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.pool.name: Required value",
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required",
        ],
    ),
    (
        RESOURCE_SLICES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "driver": "d",
                "pool": {"name": "p", "resourceSliceCount": 1},
                "nodeName": "n",
                "devices": [{"name": "x", "attributes": {"a": {}}}, {"name": "x"}],
            },
        },
        [
            'spec.devices[0].attributes[a]: Invalid value: "": exactly one value must be specified',
            'spec.devices[1]: Duplicate value: "x"',
        ],
    ),
    (
        RESOURCE_SLICES,
        {
            "metadata": {"name": "one"},
            "spec": {
                "driver": "d",
                "pool": {"name": "p", "resourceSliceCount": 1},
                "nodeName": "n",
                "devices": [{"name": "x", "taints": [{"key": "k", "effect": "Never"}]}],
            },
        },
        [
            'spec.devices[0].taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"'
        ],
    ),
]


@pytest.mark.parametrize(("resource", "manifest", "expected"), CASES)
def test_the_errors_of_a_creation_come_in_upstreams_order_and_words(
    resource: Resource, manifest: dict[str, Any], expected: list[str]
) -> None:
    assert problems(resource, manifest) == expected
