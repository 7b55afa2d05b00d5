"""Rulesets as nft text: whole, or only what changed. Each text is one transaction.

Guarantees  `whole` replaces the table atomically; `difference` touches only pieces that differ and keeps the memory of
            session affinity of the endpoints that stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybernetes.network.proxy.ruleset import MASQUERADE_BIT, Element, NodeFacts, Piece, Ruleset

_EMPTY = Piece()

_ADDRESS_MAP = "type ipv4_addr . inet_proto . inet_service : verdict;"
_PORT_MAP = "type inet_proto . inet_service : verdict;"
_BASE = """\
  map service-ips {{ {address_map} comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"; }}
  map service-nodeports {{ {port_map} comment "NodePort traffic"; }}
  map no-endpoint-services {{ {address_map} comment "addresses without endpoints"; }}
  map no-endpoint-nodeports {{ {port_map} comment "node ports without endpoints"; }}
  map firewall-ips {{ {address_map} comment "addresses with loadBalancerSourceRanges"; }}
  map hostports {{ {port_map} comment "host ports of pods"; }}
  map hostports-by-address {{ {address_map} comment "host ports with a hostIP"; }}
  set cluster-ips {{ type ipv4_addr; comment "every active ClusterIP"; }}

  chain mark-for-masquerade {{
    meta mark set meta mark or {bit}
  }}
  chain masquerading {{
    ip saddr {pod_cidr} ip daddr != {cluster_cidr} oifname != "{bridge}" masquerade fully-random
    meta mark and {bit} == 0x0 return
    meta mark set meta mark xor {bit}
    masquerade fully-random
  }}
  chain reject-traffic {{
    reject
  }}
  chain nodeports {{
    meta l4proto . th dport vmap @service-nodeports
    ip daddr . meta l4proto . th dport vmap @hostports-by-address
    meta l4proto . th dport vmap @hostports
  }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @service-ips
    fib daddr type local jump nodeports
  }}
  chain service-endpoints-check {{
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports
  }}
  chain cluster-ips-check {{
    ip daddr @cluster-ips reject
  }}
  chain firewall-check {{
    ip daddr . meta l4proto . th dport vmap @firewall-ips
  }}
  chain raw-prerouting {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop
  }}
  chain filter-prerouting-pre-dnat {{
    type filter hook prerouting priority dstnat - 10; policy accept;
    ct state new jump firewall-check
  }}
  chain filter-input {{
    type filter hook input priority filter; policy accept;
    ct state new jump service-endpoints-check
  }}
  chain filter-forward {{
    type filter hook forward priority filter; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-output {{
    type filter hook output priority filter; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain nat-prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }}
  chain nat-output {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    jump masquerading
  }}
"""


def whole(rules: Ruleset) -> str:
    table = rules.node.table
    lines = [f"add table ip {table}", f"delete table ip {table}", f"table ip {table} {{", _base(rules.node), "}"]
    for piece in rules.pieces.values():
        lines += _additions(table, _EMPTY, piece)
    return "\n".join(lines) + "\n"


def difference(old: Ruleset, new: Ruleset) -> str:
    """Empty when nothing changed. Both must be of the same node."""
    table = new.node.table
    removals: list[str] = []
    additions: list[str] = []
    ends: list[str] = []
    for key in old.pieces.keys() | new.pieces.keys():
        before, after = old.pieces.get(key, _EMPTY), new.pieces.get(key, _EMPTY)
        if before is after or before == after:
            continue
        removals += _elements("delete", table, before.elements - after.elements)
        additions += _additions(table, before, after)
        ends += _endings(table, before, after)
    lines = removals + additions + ends
    return "\n".join(lines) + "\n" if lines else ""


def removal(table: str) -> str:
    return f"add table ip {table}\ndelete table ip {table}\n"


def _base(node: NodeFacts) -> str:
    return _BASE.format(
        address_map=_ADDRESS_MAP,
        port_map=_PORT_MAP,
        bit=MASQUERADE_BIT,
        pod_cidr=node.pod_cidr,
        cluster_cidr=node.cluster_cidr,
        bridge=node.bridge,
    )


def _additions(table: str, before: Piece, after: Piece) -> Iterator[str]:
    for name, seconds in after.affinity.items():
        if name not in before.affinity:
            yield f"add set ip {table} {name} {{ type ipv4_addr; flags dynamic,timeout; timeout {seconds}s; }}"
    changed = [name for name, rules in after.chains.items() if before.chains.get(name) != rules]
    for name in changed:
        yield f"add chain ip {table} {name}"
        if name in before.chains:
            yield f"flush chain ip {table} {name}"
    for name in changed:
        for rule in after.chains[name]:
            yield f"add rule ip {table} {name} {rule}"
    yield from _elements("add", table, after.elements - before.elements)


def _endings(table: str, before: Piece, after: Piece) -> Iterator[str]:
    gone = [name for name in reversed(list(before.chains)) if name not in after.chains]
    for name in gone:
        yield f"flush chain ip {table} {name}"
    for name in gone:
        yield f"delete chain ip {table} {name}"
    for name in before.affinity:
        if name not in after.affinity:
            yield f"delete set ip {table} {name}"


def _elements(verb: str, table: str, elements: Iterable[Element]) -> Iterator[str]:
    for one in sorted(elements, key=lambda e: (e.container, e.key)):
        verdict = f" : {one.verdict}" if one.verdict else ""
        yield f"{verb} element ip {table} {one.container} {{ {one.key}{verdict} }}"
