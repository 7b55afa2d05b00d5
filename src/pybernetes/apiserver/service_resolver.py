"""Where a service is served: a ready endpoint of the port that is meant.

The API server is no node: it has no service proxy beneath it, so it dials endpoints itself.

Follows k8s.io/apiserver/pkg/util/proxy (ResolveEndpoint).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.proxy.locate import Address
from pybernetes.apiserver.resource import Document

SERVICE_LABEL = "kubernetes.io/service-name"
_SLICES = "endpointslices.discovery.k8s.io"
_ROUTABLE = ("ClusterIP", "LoadBalancer", "NodePort")


def slices_of(reader: Reader, namespace: str, name: str) -> list[Document]:
    """The endpoint slices of a service."""
    return [
        one
        for one in reader.list(_SLICES, namespace)
        if (one["metadata"].get("labels") or {}).get(SERVICE_LABEL) == name
    ]


def resolve(reader: Reader, random: Random, namespace: str, name: str, port: int) -> Address:
    """Raises 404 for a service that is not there, 503 for one without such a port or without a ready endpoint."""
    service = reader.get("services", namespace, name)
    if service is None:
        raise errors.not_found("service", name)
    spec = service["spec"]
    kind = spec.get("type", "ClusterIP")
    if kind not in _ROUTABLE:
        raise errors.ApiError(500, "InternalError", f'unsupported service type "{kind}"')
    declared = next((one for one in spec.get("ports") or () if one["port"] == port), None)
    if declared is None:
        raise errors.service_unavailable(f'no service port {port} found for service "{name}"')
    slices = slices_of(reader, namespace, name)
    family = (spec.get("ipFamilies") or [""])[0]
    random.shuffle(slices)
    slices.sort(key=lambda one: one.get("addressType") != family)
    for found in _ready(slices, declared.get("name", ""), random):
        return found
    raise errors.service_unavailable(f'no endpoints available for service "{name}"')


def _ready(slices: Sequence[Document], port_name: str, random: Random) -> Iterator[Address]:
    for endpoint_slice in slices:
        endpoints = [
            one
            for one in endpoint_slice.get("endpoints") or ()
            if (one.get("conditions") or {}).get("ready", True) is not False and one.get("addresses")
        ]
        for port in endpoint_slice.get("ports") or ():
            if (port.get("name") or "") == port_name and port.get("port") and endpoints:
                yield Address(random.choice(endpoints)["addresses"][0], port["port"])
