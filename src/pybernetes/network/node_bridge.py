"""Several nodes on one machine: the machine itself is the first, each further one a network namespace at a bridge.

To every node the others are neighbours on one network, as machines at a switch are: routes, Services and DNS need to
know nothing of it. What further nodes send to the rest of the world the machine sends on under its own address.

Guarantees  `prepare` may be called again at any time and leaves alone what is there. After `remove` nothing of it is
            left, whatever was there; a namespace lives until the last process in it has ended.
Assumes     Root, iproute2, nft, and util-linux's unshare and nsenter; one caller at a time.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.network import host
from pybernetes.network.command import run_now
from pybernetes.network.names import NAMESPACES, NetworkNames, namespace_of, node_port
from pybernetes.network.proxy import render

INSIDE = "eth0"
"""What a further node's only device is called there."""

_TABLE = """\
{removal}table ip {table} {{
  chain raw-prerouting {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{device}" ip daddr 127.0.0.0/8 drop
  }}
{more}}}
"""
_MASQUERADE = """\
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {nodes} ip daddr != {{ {nodes}, {pods} }} oifname != "{bridge}" masquerade fully-random
  }}
"""


@dataclass(frozen=True, slots=True)
class NodeBridge:
    """The network `cidr` of one cluster's nodes. Their numbers begin with 1, the machine's."""

    cluster: str
    cidr: str
    pod_cidr: str

    @property
    def name(self) -> str:
        return NetworkNames.of(self.cluster).node_bridge

    def address(self, number: int) -> str:
        return address_of(self.cidr, number)

    def prepare(self, numbers: Iterable[int]) -> None:
        """The bridge, and the further nodes `numbers` at it."""
        host.write_sysctl("net/ipv4/ip_forward", "1")
        host.make_bridge(self.name, self._with_length(1))
        masquerade = _MASQUERADE.format(nodes=self.cidr, pods=self.pod_cidr, bridge=self.name)
        _lead_loopback((), self.name, self._table(self.name, masquerade))
        for number in numbers:
            self._join(number)

    def _join(self, number: int) -> None:
        namespace, port = namespace_of(self.cluster, number), node_port(self.cluster, number)
        _make_namespace(namespace)
        if not host.device_exists(port):
            peer = ("peer", "name", INSIDE, "address", host.fixed_mac(f"{port}-{INSIDE}"), "netns", str(namespace))
            run_now("ip", "link", "add", port, "address", host.fixed_mac(port), "type", "veth", *peer)
        run_now("ip", "link", "set", port, "master", self.name, "up")
        # A node that asks another one for a Service may be led back to a pod of its own.
        run_now("ip", "link", "set", port, "type", "bridge_slave", "hairpin", "on")
        for words in (
            ("address", "replace", self._with_length(number), "dev", INSIDE),
            ("link", "set", "lo", "up"),
            ("link", "set", INSIDE, "up"),
            ("route", "replace", "default", "via", self.address(1)),
        ):
            run_now("nsenter", f"--net={namespace}", "ip", *words)
        _lead_loopback(("nsenter", f"--net={namespace}"), INSIDE, self._table(INSIDE, ""))

    def _with_length(self, number: int) -> str:
        return f"{self.address(number)}/{ipaddress.ip_network(self.cidr).prefixlen}"

    def _table(self, device: str, more: str) -> str:
        return _TABLE.format(removal=render.removal(self.name), table=self.name, device=device, more=more)


def address_of(cidr: str, number: int) -> str:
    return str(ipaddress.ip_network(cidr)[number])


def further_nodes(cluster: str) -> Sequence[int]:
    """Those that have a namespace now."""
    found = (path.name.removeprefix(f"p8s-{cluster}-") for path in NAMESPACES.glob(f"p8s-{cluster}-*"))
    return sorted(int(rest) for rest in found if rest.isdecimal())


def leave(cluster: str, number: int) -> None:
    """Takes one further node away."""
    host.remove_device(node_port(cluster, number))
    namespace = namespace_of(cluster, number)
    if namespace.exists():
        subprocess.run(("umount", "--lazy", str(namespace)), check=False, capture_output=True)
        namespace.unlink(missing_ok=True)


def remove(cluster: str) -> None:
    """All further nodes and the bridge."""
    for number in further_nodes(cluster):
        leave(cluster, number)
    bridge = NetworkNames.of(cluster).node_bridge
    for device in (*host.ports_of(bridge), bridge):
        host.remove_device(device)
    run_now("nft", "-f", "-", text=render.removal(bridge))


def _make_namespace(path: Path) -> None:
    """Not with `ip netns add`: that would put a second mount over namespaces which others have there."""
    if os.path.ismount(path):
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.touch()
    run_now("unshare", f"--net={path}", "true")


def _lead_loopback(place: Sequence[str], device: str, table: str) -> None:
    """Node ports of the loopback address lead to other nodes' pods, too. From there nobody gets at what is on it."""
    run_now(*place, "nft", "-f", "-", text=table)
    run_now(*place, "tee", f"/proc/sys/net/ipv4/conf/{device}/route_localnet", text="1")
