"""What the DNS server knows, asked one name at a time: no table is rebuilt when something changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from pybernetes.api.meta import Key
from pybernetes.api.models.core_v1 import Namespace, Service
from pybernetes.api.models.discovery_v1 import Endpoint, EndpointSlice
from pybernetes.client import Informer

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SERVICE_INDEX = "service"
ADDRESS_INDEX = "address"


class Records(Protocol):
    def service(self, namespace: str, name: str) -> Service | None: ...
    def slices(self, namespace: str, name: str) -> Sequence[EndpointSlice]: ...
    def has_namespace(self, name: str) -> bool: ...
    def services_at(self, address: str) -> Sequence[Service]: ...
    def slices_at(self, address: str) -> Sequence[EndpointSlice]: ...


class InformedRecords:
    """Records out of informers."""

    def __init__(
        self, services: Informer[Service], slices: Informer[EndpointSlice], namespaces: Informer[Namespace]
    ) -> None:
        self._services, self._slices, self._namespaces = services, slices, namespaces
        services.add_index(ADDRESS_INDEX, _addresses_of_service)
        slices.add_index(SERVICE_INDEX, lambda piece: [f"{piece.metadata.namespace}/{service_name(piece)}"])
        slices.add_index(ADDRESS_INDEX, lambda piece: [a for one in piece.endpoints for a in one.addresses])

    def service(self, namespace: str, name: str) -> Service | None:
        return self._services.get(Key(namespace, name))

    def slices(self, namespace: str, name: str) -> Sequence[EndpointSlice]:
        return self._slices.by_index(SERVICE_INDEX, f"{namespace}/{name}")

    def has_namespace(self, name: str) -> bool:
        return self._namespaces.get(Key("", name)) is not None

    def services_at(self, address: str) -> Sequence[Service]:
        return self._services.by_index(ADDRESS_INDEX, address)

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        return self._slices.by_index(ADDRESS_INDEX, address)


def service_name(piece: EndpointSlice) -> str:
    return piece.metadata.labels.get(SERVICE_NAME_LABEL, "")


def is_headless(service: Service) -> bool:
    return service.spec.cluster_ip in ("", "None")


def ready_endpoints(slices: Sequence[EndpointSlice], address_type: str) -> Iterator[tuple[EndpointSlice, Endpoint]]:
    """publishNotReadyAddresses needs no rule here: the slices of such a Service say ready for every pod."""
    for piece in slices:
        if piece.address_type == address_type:
            for endpoint in piece.endpoints:
                if endpoint.conditions.ready is not False:
                    yield piece, endpoint


def endpoint_label(endpoint: Endpoint, address: str) -> str:
    """The first label of an endpoint's own name: its hostname, or its address with dashes."""
    return endpoint.hostname or address.replace(".", "-").replace(":", "-")


def _addresses_of_service(service: Service) -> list[str]:
    spec = service.spec
    return [] if is_headless(service) or spec.type == "ExternalName" else list(spec.cluster_ips or [spec.cluster_ip])
