"""Names of services and pods, as resolvers inside and outside of pods ask for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import dns.message
import dns.query
import dns.rcode
import pytest

from e2e.space import Manifest, Space, container, pod, service, stay
from e2e.talking import HTTP, asker, server

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("talking")]

PORTS = [{"name": "http", "port": 80, "targetPort": HTTP, "protocol": "TCP"}]


def resolver(space: Space) -> str:
    found = re.search(r"^nameserver (\S+)$", space.kubectl("exec", "asker", "--", "cat", "/etc/resolv.conf"), re.M)
    assert found is not None
    return found[1]


def records(at: str, name: str, kind: str = "A") -> set[str]:
    """What UDP and TCP answer alike, as dig asks: with EDNS and a question for recursion."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    answers = [dns.query.udp(query, at, timeout=120), dns.query.tcp(query, at, timeout=120)]
    texts = [{one.to_text() for group in answer.answer for one in group} for answer in answers]
    assert texts[0] == texts[1]
    assert answers[0].rcode() == answers[1].rcode()
    return texts[0]


def inside(space: Space, kind: str, names: Iterable[str], by: str = "asker") -> list[set[str]]:
    """What the resolver library of a pod finds for names that it may have to complete: addresses, or SRV's targets."""
    code = (
        "foreach (array_slice($argv, 2) as $name) { $found = $argv[1] == 'A' ? (gethostbynamel($name) ?: [])"
        " : array_map(fn($r) => $r['port'] . ' ' . $r['target'], dns_get_record($name, DNS_SRV) ?: []);"
        ' sort($found); echo json_encode($found), "\\n"; }'
    )
    lines = space.kubectl("exec", by, "--", "php", "-r", code, "--", kind, *names).splitlines()
    return [set(json.loads(line)) for line in lines]


@pytest.mark.conformance("DNS, cluster", "DNS, services", "DNS, PQDN for services", "Kubernetes Service")
def test_services_are_found_by_every_form_of_their_names(space: Space) -> None:
    headless = service("headless", "web", ports=[{**PORTS[0], "port": HTTP}], clusterIP="None")
    space.apply(headless, service("normal", "web", ports=PORTS))
    space.start(server("a", app="web"), server("b", app="web"), asker())
    at, domain = resolver(space), f"{space.name}.svc.cluster.local"
    pods = {space.address(name) for name in ("a", "b")}
    address = space.get("service", "normal")["spec"]["clusterIP"]
    kubernetes = space.cluster.get("-n", "default", "service", "kubernetes")["spec"]["clusterIP"]

    space.cluster.until("the names", lambda: records(at, f"headless.{domain}") == pods)
    assert records(at, f"normal.{domain}") == {address}
    assert records(at, f"_http._tcp.normal.{domain}", "SRV") == {f"0 100 80 normal.{domain}."}
    targets = {text.split()[3] for text in records(at, f"_http._tcp.headless.{domain}", "SRV")}
    assert {one for target in targets for one in records(at, target)} == pods
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa."
    assert records(at, reverse, "PTR") == {f"normal.{domain}."}
    for own in pods:
        assert records(at, f"{own.replace('.', '-')}.{space.name}.pod.cluster.local") == {own}
    assert records(at, "kubernetes.default.svc.cluster.local") == {kubernetes}

    forms = ("", f".{space.name}", f".{space.name}.svc", f".{domain}")
    assert inside(space, "A", [f"normal{form}" for form in forms]) == [{address}] * 4
    assert inside(space, "A", [f"headless{form}" for form in forms]) == [pods] * 4
    assert inside(space, "SRV", [f"_http._tcp.normal{form}" for form in forms]) == [{f"80 normal.{domain}"}] * 4
    found = {f"{HTTP} {target.rstrip('.')}" for target in targets}
    assert inside(space, "SRV", [f"_http._tcp.headless{form}" for form in forms]) == [found] * 4
    short = ["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    assert inside(space, "A", short) == [{kubernetes}] * 3


@pytest.mark.conformance("DNS, resolve the hostname", "DNS, resolve the subdomain", "DNS, cluster")
def test_pods_with_host_names_are_found_below_their_service(space: Space) -> None:
    """The pod also finds itself in /etc/hosts, by its own name and by the full one."""
    space.apply(service("family", "member", ports=PORTS, clusterIP="None"))
    member = server("querier", app="member", hostname="chosen", subdomain="family")
    space.start(member, asker())
    at, domain, address = resolver(space), f"family.{space.name}.svc.cluster.local", space.address("querier")
    space.cluster.until("the name", lambda: records(at, f"chosen.{domain}") == {address})
    assert records(at, domain) == {address}
    assert inside(space, "A", [f"chosen.{domain}", "chosen.family", "family"]) == [{address}] * 3
    assert space.kubectl("exec", "querier", "--", "hostname") == "chosen\n"
    assert space.kubectl("exec", "querier", "--", "hostname", "-f") == f"chosen.{domain}\n"
    hosts = space.kubectl("exec", "querier", "--", "cat", "/etc/hosts").splitlines()
    assert f"{address}\tchosen.{domain}\tchosen" in hosts
    assert {"127.0.0.1\tlocalhost"} <= set(hosts)


@pytest.mark.conformance("DNS, for ExternalName Services")
def test_an_alias_changes_and_becomes_a_service(space: Space) -> None:
    space.apply(service("alias", "", ports=[], type="ExternalName", externalName="foo.example.com"))
    space.start(asker())
    at, name = resolver(space), f"alias.{space.name}.svc.cluster.local"
    space.cluster.until("the first alias", lambda: records(at, name, "CNAME") == {"foo.example.com."})
    change = {"spec": {"externalName": "bar.example.com"}}
    space.kubectl("patch", "service", "alias", "-p", json.dumps(change))
    space.cluster.until("the second alias", lambda: records(at, name, "CNAME") == {"bar.example.com."})
    own = {"spec": {"type": "ClusterIP", "externalName": None, "ports": PORTS}}
    space.kubectl("patch", "service", "alias", "-p", json.dumps(own))
    address = space.get("service", "alias")["spec"]["clusterIP"]
    space.cluster.until("the address", lambda: records(at, name) == {address})
    assert records(at, name, "CNAME") == set()


def told(space: Space, name: str) -> list[str]:
    return space.run(name, "cat /etc/resolv.conf").splitlines()


@pytest.mark.conformance("DNS, custom dnsConfig")
def test_a_pod_is_told_of_the_resolvers_that_it_asks_for(space: Space) -> None:
    def with_dns(name: str, policy: str, **dns_config: object) -> Manifest:
        return pod(name, container(stay()), dnsPolicy=policy, dnsConfig=dns_config)

    options = [{"name": "ndots", "value": "2"}, {"name": "edns0"}]
    space.start(
        with_dns("alone", "None", nameservers=["1.1.1.1"], searches=["resolv.conf.local"]),
        with_dns("given", "None", nameservers=["1.1.1.1", "8.8.8.8"], searches=["one.local", "two"], options=options),
        with_dns("added", "ClusterFirst", nameservers=["1.1.1.1"], searches=["resolv.conf.local"], options=options),
        asker(),
    )
    assert told(space, "alone") == ["search resolv.conf.local", "nameserver 1.1.1.1"]
    assert told(space, "given") == [
        "search one.local two",
        "nameserver 1.1.1.1",
        "nameserver 8.8.8.8",
        "options ndots:2 edns0",
    ]
    search, *servers, options_line = told(space, "added")
    domains = f"search {space.name}.svc.cluster.local svc.cluster.local cluster.local "
    assert search.startswith(domains)
    assert search.endswith(" resolv.conf.local")
    assert servers == [f"nameserver {resolver(space)}", "nameserver 1.1.1.1"]
    assert sorted(options_line.split()) == ["edns0", "ndots:2", "options"]
