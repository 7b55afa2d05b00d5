"""What a pod's resolver is told, by its dnsPolicy and dnsConfig.

Guarantees  Pure. Never more name servers or search domains than the resolver reads; what was left out is reported.
Follows     pkg/kubelet/network/dns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pybernetes.api.models.core_v1 import Pod, PodDNSConfig

MAX_SERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Resolver:
    """The contents of a resolv.conf, as values."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse(text: str) -> Resolver:
    """A resolv.conf read as the C library does: the last `search` line wins."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        fields = line.split("#")[0].split(";")[0].split()
        match fields:
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *names]:
                searches = tuple(name if name == "." else name.rstrip(".") for name in names)
            case ["options", *names]:
                options = tuple(names)
    return Resolver(tuple(servers), searches, options)


def resolver_of(
    pod: Pod, host: Resolver, cluster_dns: Sequence[str], cluster_domain: str
) -> tuple[Resolver, list[str]]:
    """The pod's resolver, and messages for what did not fit into it."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    in_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network)
    if policy == "None":
        resolver = Resolver()
    elif in_cluster and cluster_dns:
        domains = (f"{pod.metadata.namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        resolver = Resolver(tuple(cluster_dns), _unique((*domains, *host.searches)), ("ndots:5",))
    else:
        resolver = host
    if pod.spec.dns_config is not None:
        resolver = _with_config(resolver, pod.spec.dns_config)
    return _limited(resolver)


def _with_config(resolver: Resolver, config: PodDNSConfig) -> Resolver:
    options = dict(_split_option(option) for option in resolver.options)
    for option in config.options or ():
        options[option.name or ""] = option.value
    return Resolver(
        _unique((*resolver.servers, *(config.nameservers or ()))),
        _unique((*resolver.searches, *(config.searches or ()))),
        tuple(name if value is None else f"{name}:{value}" for name, value in options.items()),
    )


def _limited(resolver: Resolver) -> tuple[Resolver, list[str]]:
    messages: list[str] = []
    if len(resolver.servers) > MAX_SERVERS:
        resolver = replace(resolver, servers=resolver.servers[:MAX_SERVERS])
        applied = " ".join(resolver.servers)
        omitted = "Nameserver limits were exceeded, some nameservers have been omitted"
        messages.append(f"{omitted}, the applied nameserver line is: {applied}")
    kept = list(resolver.searches[:MAX_SEARCHES])
    while len(" ".join(kept)) > MAX_SEARCH_CHARACTERS:
        kept.pop()
    if len(kept) < len(resolver.searches):
        resolver = replace(resolver, searches=tuple(kept))
        applied = " ".join(kept)
        omitted = "Search Line limits were exceeded, some search paths have been omitted"
        messages.append(f"{omitted}, the applied search line is: {applied}")
    return resolver, messages


def _split_option(option: str) -> tuple[str, str | None]:
    name, colon, value = option.partition(":")
    return name, value if colon else None


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
