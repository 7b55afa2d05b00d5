"""What the server holds and what reads and writes of it cost, under upstream's names; read off when somebody asks.

Follows k8s.io/apiserver/pkg/storage/etcd3/metrics, storage/cacher/metrics, pkg/registry/core/service/ipallocator and
portallocator, and pkg/controllers/status/metrics of kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.api.figures import Counts, Histogram, Labels
from pybernetes.api.metric_families import counter, gauge, histogram, single
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.resources.api_service import API_SERVICES, available
from pybernetes.apiserver.resources.service_reservations import ServiceReservations
from pybernetes.apiserver.server import ApiServer

_KIND = ("group", "resource")
_ADDRESSES = "/registry/ipaddresses/"
_SHOWN_DIGITS = 10**15


class StorageMetrics(Collector):
    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        kinds = self._kinds()
        yield from self._held(kinds)
        yield from _lists(kinds)
        yield from _followed(kinds)
        yield from self._commits()
        yield _unavailable(self._server)
        for reservations in self._server.reservations:
            if isinstance(reservations, ServiceReservations):
                yield from self._addresses(reservations)
                yield from _ports(reservations)

    def _kinds(self) -> dict[tuple[str, str], KindCache]:
        """By group and plural; the first of several versions."""
        found: dict[str, tuple[tuple[str, str], KindCache]] = {}
        for endpoint in self._server.endpoints.values():
            cache = endpoint.registry.cache
            found.setdefault(cache.prefix, ((endpoint.info.group, endpoint.info.plural), cache))
        return dict(found.values())

    def _held(self, kinds: Mapping[tuple[str, str], KindCache]) -> Iterator[Metric]:
        yield gauge(
            "apiserver_storage_objects",
            "[STABLE] (Deprecated since 1.34.0) Objects that are stored.",
            ("resource",),
            {(".".join(filter(None, (plural, group))),): len(one.objects) for (group, plural), one in kinds.items()},
        )
        counts = {labels: len(one.objects) for labels, one in kinds.items()}
        yield gauge("apiserver_resource_objects", "[ALPHA] Objects that are stored.", _KIND, counts)
        sizes = {labels: _bytes_of(one) for labels, one in kinds.items()}
        yield gauge("apiserver_resource_size_estimate_bytes", "[ALPHA] Bytes of objects.", _KIND, sizes)
        versions = dict.fromkeys(kinds, self._server.watch_cache.revision % _SHOWN_DIGITS)
        yield gauge("apiserver_watch_cache_resource_version", "[ALPHA] What watchers know.", _KIND, versions)

    def _commits(self) -> Iterator[Metric]:
        found: dict[Labels, Histogram] = {}
        for endpoint in self._server.endpoints.values():
            for (operation,), one in endpoint.registry.commits.items():
                labels = (operation, endpoint.info.group, endpoint.info.plural)
                found.setdefault(labels, Histogram(one.bounds)).include(one)
        labelled = ("operation", *_KIND)
        yield histogram(
            "etcd_request_duration_seconds", "[ALPHA] Time until a write was in the store.", labelled, found
        )
        counts = {labels: one.count for labels, one in found.items()}
        yield counter("etcd_requests_total", "[ALPHA] Writes to the store.", labelled, counts)

    def _addresses(self, reservations: ServiceReservations) -> Iterator[Metric]:
        addresses = self._server.endpoints.get(("networking.k8s.io", "v1", "ipaddresses"))
        held = addresses.registry.cache.objects.keys() if addresses is not None else ()
        known = [ip_address(key.removeprefix(_ADDRESSES)) for key in held]
        taken = {(str(one.network),): sum(map(one.__contains__, known)) for one in reservations.addresses.ranges}
        free = {(str(one.network),): one.size - taken[(str(one.network),)] for one in reservations.addresses.ranges}
        start = "kube_apiserver_clusterip_allocator"
        yield gauge(f"{start}_allocated_ips", "[ALPHA] Cluster IPs that services hold.", ("cidr",), taken)
        yield gauge(f"{start}_available_ips", "[ALPHA] Cluster IPs that are free.", ("cidr",), free)
        by = ("cidr", "scope")
        ranges = reservations.addresses
        yield counter(f"{start}_allocation_total", "[ALPHA] Cluster IPs handed out.", by, ranges.allocated)
        yield counter(f"{start}_allocation_errors_total", "[ALPHA] Those that could not be.", by, ranges.refused)


class AggregationMetrics(Collector):
    """How often group versions of other servers became unavailable."""

    def __init__(self, lost: Counts) -> None:
        self._lost = lost

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        text = "[ALPHA] How often APIServices became unavailable."
        yield counter("aggregator_unavailable_apiservice_total", text, ("name", "reason"), self._lost)


class StoreFile(Collector):
    """How large the file of an embedded store is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        size = sum(one.stat().st_size for one in files if one.exists())
        text = "[STABLE] Bytes on the disk."
        yield gauge("apiserver_storage_size_bytes", text, ("storage_cluster_id",), {("sqlite-0",): size})


def _lists(kinds: Mapping[tuple[str, str], KindCache]) -> Iterator[Metric]:
    indexed = ("group", "resource", "index")
    seen = {(group, plural, ""): one.lists for (group, plural), one in kinds.items() if one.lists.served}
    start = "apiserver_cache_list"
    from_memory = {labels: one.served for labels, one in seen.items()}
    yield counter(f"{start}_total", "[ALPHA] Lists served from memory.", indexed, from_memory)
    looked_at = {labels: one.looked_at for labels, one in seen.items()}
    yield counter(f"{start}_fetched_objects_total", "[ALPHA] Objects looked at for lists.", indexed, looked_at)
    shown = {labels[:2]: one.shown for labels, one in seen.items()}
    yield counter(f"{start}_returned_objects_total", "[ALPHA] Objects in lists.", _KIND, shown)
    past = {labels: one.lists_of_the_past for labels, one in kinds.items() if one.lists_of_the_past.served}
    start = "apiserver_storage_list"
    served = {kind: one.served for kind, one in past.items()}
    yield counter(f"{start}_total", "[ALPHA] Lists of the past, read from the store.", _KIND, served)
    evaluated = {kind: one.looked_at for kind, one in past.items()}
    yield counter(f"{start}_fetched_objects_total", "[ALPHA] Objects read from the store for lists.", _KIND, evaluated)
    yield counter(f"{start}_evaluated_objects_total", "[ALPHA] Objects looked at for them.", _KIND, evaluated)
    returned = {kind: one.shown for kind, one in past.items()}
    yield counter(f"{start}_returned_objects_total", "[ALPHA] Objects in them.", _KIND, returned)


def _followed(kinds: Mapping[tuple[str, str], KindCache]) -> Iterator[Metric]:
    seen = {labels: one for labels, one in kinds.items() if one.fillings}
    received = {labels: one.received for labels, one in seen.items()}
    yield counter("apiserver_storage_events_received_total", "[BETA] Changes told by the store.", _KIND, received)
    start = "apiserver_watch_cache"
    yield counter(f"{start}_events_received_total", "[ALPHA] Changes taken in.", _KIND, received)
    yield counter(f"{start}_events_dispatched_total", "[ALPHA] Changes passed on.", _KIND, received)
    fillings = {labels: one.fillings for labels, one in seen.items()}
    yield counter(f"{start}_initializations_total", "[ALPHA] Readings from scratch.", _KIND, fillings)
    filled = {labels: one.filled for labels, one in seen.items()}
    yield counter("apiserver_init_events_total", "[ALPHA] Objects read from scratch.", _KIND, filled)


def _bytes_of(cache: KindCache) -> int:
    return sum(len(one.value) for one in cache.objects.values())


def _unavailable(server: ApiServer) -> Metric:
    text = "[ALPHA] APIServices that cannot be had."
    found = GaugeMetricFamily("aggregator_unavailable_apiservice", text, labels=("name",))
    for service in server.reader.list(API_SERVICES.info.group_resource):
        condition = available(service)
        unavailable = condition is None or condition["status"] != "True"
        found.add_metric((service["metadata"]["name"],), int(unavailable))
    return found


def _ports(reservations: ServiceReservations) -> Iterator[Metric]:
    ports = reservations.ports
    start = "kube_apiserver_nodeport_allocator"
    yield gauge(f"{start}_allocated_ports", "[ALPHA] Node ports that services hold.", (), single(ports.taken))
    yield gauge(f"{start}_available_ports", "[ALPHA] Node ports that are free.", (), single(ports.size - ports.taken))
    by = ("scope",)
    yield counter(f"{start}_allocation_total", "[ALPHA] Node ports handed out.", by, ports.allocated)
    yield counter(f"{start}_allocation_errors_total", "[ALPHA] Those that could not be.", by, ports.refused)
