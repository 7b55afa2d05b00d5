from __future__ import annotations

from collections.abc import Sequence

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from network.builders import endpoint, port, service, slice_of
from pybernetes.api.models.core_v1 import Service
from pybernetes.api.models.discovery_v1 import EndpointSlice
from pybernetes.network.dns.answer import Answer, Zone, answer


class FixedRecords:
    def __init__(self, services: Sequence[Service] = (), slices: Sequence[EndpointSlice] = ()) -> None:
        self._services, self._slices = services, slices

    def service(self, namespace: str, name: str) -> Service | None:
        found = (one for one in self._services if (one.metadata.namespace, one.metadata.name) == (namespace, name))
        return next(found, None)

    def slices(self, namespace: str, name: str) -> Sequence[EndpointSlice]:
        return [
            one
            for one in self._slices
            if one.metadata.namespace == namespace and one.metadata.labels["kubernetes.io/service-name"] == name
        ]

    def has_namespace(self, name: str) -> bool:
        return name in ("default", "kube-system")

    def services_at(self, address: str) -> Sequence[Service]:
        return [one for one in self._services if one.spec.cluster_ip == address]

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        return [one for one in self._slices if any(address in end.addresses for end in one.endpoints)]


WEB = service("web", "10.96.0.20", port(80, name="http"))
DB = service("db", "None", port(6379, name="redis"))
OUT = service("out", "", type="ExternalName", external_name="example.com")
DB_SLICE = slice_of(
    "db",
    endpoint("10.244.0.5", hostname="db-0"),
    endpoint("10.244.0.6"),
    endpoint("10.244.0.7", ready=False),
    number=6379,
    port_name="redis",
)
ZONE = Zone(FixedRecords([WEB, DB, OUT], [DB_SLICE]), "10.96.0.10")


def ask(name: str, rdtype: str = "A", zone: Zone = ZONE) -> Answer | None:
    return answer(dns.name.from_text(name), dns.rdatatype.from_text(rdtype), zone)


def values(found: Answer | None) -> list[str]:
    assert found is not None
    assert found.code == dns.rcode.NOERROR
    return sorted(str(record.data) for record in found.records)


def test_a_service_has_its_cluster_ip() -> None:
    assert values(ask("web.default.svc.cluster.local.")) == ["10.96.0.20"]


def test_names_are_asked_without_regard_to_case() -> None:
    assert values(ask("WEB.Default.svc.Cluster.LOCAL.")) == ["10.96.0.20"]


def test_a_headless_service_has_the_addresses_of_its_ready_pods() -> None:
    assert values(ask("db.default.svc.cluster.local.")) == ["10.244.0.5", "10.244.0.6"]


def test_a_pod_with_a_hostname_has_a_name_below_its_service() -> None:
    assert values(ask("db-0.db.default.svc.cluster.local.")) == ["10.244.0.5"]


def test_a_pod_without_a_hostname_is_found_by_its_address_with_dashes() -> None:
    assert values(ask("10-244-0-6.db.default.svc.cluster.local.")) == ["10.244.0.6"]


def test_a_pod_record_is_its_own_address() -> None:
    assert values(ask("10-244-0-9.default.pod.cluster.local.")) == ["10.244.0.9"]


def test_srv_of_a_service_names_the_service_itself() -> None:
    found = ask("_http._tcp.web.default.svc.cluster.local.", "SRV")
    assert values(found) == ["0 100 80 web.default.svc.cluster.local."]
    assert found is not None
    assert [str(one.data) for one in found.additional] == ["10.96.0.20"]


def test_srv_of_a_headless_service_names_each_pod() -> None:
    assert values(ask("_redis._tcp.db.default.svc.cluster.local.", "SRV")) == [
        "0 50 6379 10-244-0-6.db.default.svc.cluster.local.",
        "0 50 6379 db-0.db.default.svc.cluster.local.",
    ]


def test_an_external_name_is_an_alias_whose_target_is_still_to_be_found() -> None:
    found = ask("out.default.svc.cluster.local.")
    assert values(found) == ["example.com."]
    assert found is not None
    assert found.chase == dns.name.from_text("example.com.")


def test_addresses_lead_back_to_names() -> None:
    assert values(ask("20.0.96.10.in-addr.arpa.", "PTR")) == ["web.default.svc.cluster.local."]
    assert values(ask("5.0.244.10.in-addr.arpa.", "PTR")) == ["db-0.db.default.svc.cluster.local."]


def test_the_version_of_the_schema_is_told() -> None:
    assert values(ask("dns-version.cluster.local.", "TXT")) == ['"1.1.0"']


@pytest.mark.parametrize(
    "name",
    [
        "missing.default.svc.cluster.local.",
        "web.nowhere.svc.cluster.local.",
        "x.web.default.svc.cluster.local.",
        "_other._tcp.web.default.svc.cluster.local.",
        "300-1-1-1.default.pod.cluster.local.",
        "example.com.cluster.local.",
    ],
)
def test_what_does_not_exist_is_denied_with_the_start_of_authority(name: str) -> None:
    found = ask(name)
    assert found is not None
    assert found.code == dns.rcode.NXDOMAIN
    assert [one.data.rdtype for one in found.authority] == [dns.rdatatype.SOA]


def test_a_name_without_the_asked_type_is_empty_and_not_denied() -> None:
    found = ask("web.default.svc.cluster.local.", "AAAA")
    assert values(found) == []
    assert found is not None
    assert [one.data.rdtype for one in found.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize("name", ["example.com.", "web.", "9.9.9.9.in-addr.arpa."])
def test_names_outside_the_cluster_are_for_others(name: str) -> None:
    assert ask(name, "PTR" if name.endswith("arpa.") else "A") is None
