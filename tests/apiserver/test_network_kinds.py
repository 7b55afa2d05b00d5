"""Endpoints, slices, ingresses and their like through the server: refusals and warnings as upstream gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.serving import Talk, serving

NAMESPACED = "/api/v1/namespaces/default"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
DEPRECATED = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
CLASS_ANNOTATION = (
    "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
)


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with serving() as talk:
        yield talk


def endpoints(*addresses: str) -> dict[str, Any]:
    return {"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": one} for one in addresses]}]}


def slice_of(kind: str, *addresses: str, **endpoint: Any) -> dict[str, Any]:
    rows = [{"addresses": list(addresses), **endpoint}]
    return {"metadata": {"name": "s"}, "addressType": kind, "endpoints": rows, "ports": [{"name": "p", "port": 80}]}


@pytest.mark.parametrize(
    ("address", "problems"),
    [
        ("127.0.0.1", ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]),
        ("0.0.0.0", ["may not be unspecified (0.0.0.0)"]),
        ("ff02::1", ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]),
        ("01.2.3.4", ["must not have leading 0s"]),
        ("x", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)", "must be a valid IP address"]),
    ],
)
async def test_an_address_that_nothing_can_reach_is_refused(talk: Talk, address: str, problems: list[str]) -> None:
    refused = await talk.post(f"{NAMESPACED}/endpoints", endpoints(address))
    causes = [one["message"] for one in refused.body["details"]["causes"]]
    assert causes == [f'Invalid value: "{address}": {problem}' for problem in problems]
    assert refused.response.warnings == (DEPRECATED,)


async def test_addresses_in_odd_forms_are_warned_of(talk: Talk) -> None:
    made = await talk.post(f"{NAMESPACED}/endpoints", endpoints("FD00::0001"))
    odd = 'subsets[0].addresses[0].ip: IPv6 address "FD00::0001" should be in RFC 5952 canonical format ("fd00::1")'
    assert made.response.warnings == (DEPRECATED, odd)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (slice_of("IPv4", "fd00::1"), 'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address'),
        (
            slice_of("IPv6", "FD00::1"),
            'endpoints[0].addresses[0]: Invalid value: "FD00::1": must be in canonical form ("fd00::1")',
        ),
        (
            slice_of("FQDN", "one"),
            'endpoints[0].addresses[0]: Invalid value: "one": '
            "should be a domain with at least two segments separated by dots",
        ),
        (
            slice_of("IPv4", "1.2.3.4", hints={"forZones": [{"name": "a"}, {"name": "a"}]}),
            'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
        ),
        (
            slice_of("IPv4", "1.2.3.4", hints={"forNodes": [{"name": f"n{n}"} for n in range(9)]}),
            "endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items",
        ),
    ],
)
async def test_a_slice_is_refused_with_the_message_of_upstream(talk: Talk, sent: dict[str, Any], message: str) -> None:
    assert (await talk.post(SLICES, sent)).message == f'EndpointSlice.discovery.k8s.io "s" is invalid: {message}'


async def test_names_in_slices_are_warned_of_when_they_are_made_only(talk: Talk) -> None:
    made = await talk.post(SLICES, slice_of("FQDN", "a.example"))
    assert made.response.warnings == ("spec.addressType: FQDN endpoints are deprecated",)
    changed = await talk.patch(f"{SLICES}/s", {"metadata": {"labels": {"a": "b"}}})
    assert (changed.response.warnings, changed.body["metadata"]["generation"]) == ((), 2)


async def test_topology_of_an_older_version_is_dropped(talk: Talk) -> None:
    made = await talk.post(SLICES, slice_of("IPv4", "1.2.3.4", deprecatedTopology={"a b": "c"}))
    assert made.body["endpoints"] == [{"addresses": ["1.2.3.4"], "conditions": {}}]


async def test_the_class_annotation_of_an_ingress_is_warned_of_when_it_is_made(talk: Talk) -> None:
    annotated = {"metadata": {"name": "i", "annotations": {"kubernetes.io/ingress.class": "x"}}}
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    made = await talk.post(INGRESSES, {**annotated, "spec": {"defaultBackend": backend}})
    assert made.response.warnings == (CLASS_ANNOTATION,)
    changed = await talk.patch(f"{INGRESSES}/i", {"metadata": {"labels": {"a": "b"}}})
    assert changed.response.warnings == ()


async def test_an_empty_scope_is_no_missing_one(talk: Talk) -> None:
    parameters = {"kind": "K", "name": "n"}
    made = await talk.post(
        CLASSES, {"metadata": {"name": "a"}, "spec": {"controller": "a.com/b", "parameters": parameters}}
    )
    assert made.body["spec"]["parameters"]["scope"] == "Cluster"
    spec = {"controller": "a.com/b", "parameters": {**parameters, "scope": ""}}
    refused = await talk.post(CLASSES, {"metadata": {"name": "b"}, "spec": spec})
    assert 'spec.parameters.scope: Unsupported value: "": supported values: "Cluster", "Namespace"' in refused.message
