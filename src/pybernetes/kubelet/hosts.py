"""The hosts file that a pod's containers share.

Guarantees  Pure text; the pod's own name and its host aliases resolve inside the pod.
Follows     pkg/kubelet/kubelet_pods.go (managedHostsFileContent).
"""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.api.models.core_v1 import HostAlias, Pod

_LOCAL = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


def hostname_of(pod: Pod, node: str) -> str:
    """What `hostname` prints inside the pod: at most 63 characters."""
    if pod.spec.host_network:
        return node
    override = getattr(pod.spec, "hostname_override", None)
    name = override if override is not None else (pod.spec.hostname or pod.metadata.name or "")
    return str(name) if override is not None else str(name)[:63].rstrip("-.")


def domain_of(pod: Pod, cluster_domain: str) -> str:
    """The rest of the pod's fully qualified name, or nothing when it has no subdomain."""
    if not pod.spec.subdomain or getattr(pod.spec, "hostname_override", None) is not None:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def managed(ips: Sequence[str], hostname: str, domain: str, aliases: Sequence[HostAlias]) -> str:
    """The file of a pod with its own network."""
    lines = ["# Kubernetes-managed hosts file.", *_LOCAL]
    for ip in ips:
        lines.append(f"{ip}\t{hostname}.{domain}\t{hostname}" if domain else f"{ip}\t{hostname}")
    return "\n".join(lines) + "\n" + _aliases(aliases)


def host_network(node_file: str, aliases: Sequence[HostAlias]) -> str:
    """The file of a pod in the node's network: the node's own, and the aliases."""
    return "# Kubernetes-managed hosts file (host network).\n" + node_file + _aliases(aliases)


def _aliases(aliases: Sequence[HostAlias]) -> str:
    if not aliases:
        return ""
    lines = [f"{alias.ip}\t" + "\t".join(alias.hostnames or ()) for alias in aliases]
    return "\n# Entries added by HostAliases.\n" + "\n".join(lines) + "\n"
