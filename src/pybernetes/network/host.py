"""What the node's kernel must be told before pods can talk: forwarding, the bridge, the address of the cluster's DNS.

Guarantees  `prepare` may be called again at any time; `remove` takes away every device and table that `prepare` and the
            proxy made, and succeeds when they are already gone.
Assumes     Root, iproute2 and nft.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from pathlib import Path

import structlog

from pybernetes.network.command import CommandFailed, run_now
from pybernetes.network.names import NetworkNames
from pybernetes.network.proxy import render

log = structlog.get_logger("network")

_SYSCTL = Path("/proc/sys")


def prepare(names: NetworkNames, pod_cidr: str, dns_address: str) -> None:
    write_sysctl("net/ipv4/ip_forward", "1")
    if not (_SYSCTL / "net/bridge").exists():
        _load_bridge_filter()
    if (_SYSCTL / "net/bridge/bridge-nf-call-iptables").exists():
        write_sysctl("net/bridge/bridge-nf-call-iptables", "1")
    else:
        log.warning("bridge netfilter is missing: pods of one node do not reach each other through Services")
    network = ipaddress.ip_network(pod_cidr)
    make_bridge(names.bridge, f"{network[1]}/{network.prefixlen}")
    write_sysctl(f"net/ipv4/conf/{names.bridge}/route_localnet", "1")
    make_bridge(names.dns_device, f"{dns_address}/32")


def remove(names: NetworkNames) -> None:
    for device in (names.dns_device, names.bridge):
        remove_device(device)
    run_now("nft", "-f", "-", text=render.removal(names.table))


def devices_of(names: NetworkNames) -> list[str]:
    """The bridge, the DNS device, and the host's ends of pods' pairs: those whose master is the bridge."""
    own = [name for name in (names.dns_device, names.bridge) if device_exists(name)]
    return own + ports_of(names.bridge)


def ports_of(bridge: str) -> list[str]:
    """The devices whose master it is, in the namespace of the machine."""
    return [link.name for link in (Path("/sys/class/net") / bridge / "brif").glob("*")]


def device_exists(name: str) -> bool:
    """In the network namespace that we are in: /sys has the devices of the one where it was mounted."""
    return any(name == known for _, known in socket.if_nameindex())


def remove_device(name: str) -> None:
    """A pair's end goes by itself, a moment after its namespace: to be too late is no failure."""
    if device_exists(name):
        try:
            run_now("ip", "link", "delete", name)
        except CommandFailed:
            if device_exists(name):
                raise


def make_bridge(name: str, address: str) -> None:
    if not device_exists(name):
        run_now("ip", "link", "add", name, "address", fixed_mac(name), "type", "bridge")
    run_now("ip", "address", "replace", address, "dev", name)
    run_now("ip", "link", "set", name, "up")


def fixed_mac(name: str) -> str:
    """A bridge without one takes that of a port, and pods would lose their gateway whenever that pod goes."""
    digest = hashlib.sha256(name.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def write_sysctl(name: str, value: str) -> None:
    path = _SYSCTL / name
    if path.read_text().strip() != value:
        path.write_text(value)


def _load_bridge_filter() -> None:
    try:
        run_now("modprobe", "br_netfilter")
    except CommandFailed as error:
        log.info("br_netfilter could not be loaded", error=str(error))
