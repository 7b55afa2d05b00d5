"""Ranges of addresses: `cidr("10.0.0.0/8").containsIP("10.1.2.3")`.

Follows k8s.io/apiserver/pkg/cel/library/cidr.go.
"""

from __future__ import annotations

import ipaddress

from pybernetes.api.fields import quoted
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.library.ip import Address, Ip, parse
from pybernetes.cel.values import Opaque

LIBRARY = Library()
LIBRARY.named("net.CIDR")
_PREFIX = "network address parse error during conversion from string: "


class Cidr(Opaque):
    __slots__ = ("address", "length")
    type = types.opaque("net.CIDR")

    def __init__(self, address: Address, length: int) -> None:
        self.address = address
        self.length = length

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network((self.address, self.length), strict=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and (self.address, self.length) == (other.address, other.length)

    def __hash__(self) -> int:
        return hash((self.address, self.length))


@LIBRARY.method("containsCIDR", "net.CIDR, net.CIDR -> bool")
def contains(cidr: Cidr, other: Cidr) -> bool:
    return (
        cidr.address.version == other.address.version and cidr.length <= other.length and other.address in cidr.network
    )


@LIBRARY.function("cidr", "string -> net.CIDR")
def to_cidr(text: str) -> Cidr:
    address, slash, length = text.rpartition("/")
    if not slash:
        raise CelError(f"{_PREFIX}{_PREFIX}netip.ParsePrefix({quoted(text)}): no '/'")
    try:
        found = ipaddress.ip_address(address)
        bits = int(length) if length.isascii() and length.isdigit() and str(int(length)) == length else -1
    except ValueError:
        raise CelError(f"{_PREFIX}{_PREFIX}netip.ParsePrefix({quoted(text)}): ParseAddr({quoted(address)})") from None
    if not 0 <= bits <= found.max_prefixlen:
        why = "prefix length out of range" if bits >= 0 else f"bad bits after slash: {quoted(length)}"
        raise CelError(f"{_PREFIX}{_PREFIX}netip.ParsePrefix({quoted(text)}): {why}")
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        raise CelError(f"{_PREFIX}IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return Cidr(found, bits)


@LIBRARY.function("isCIDR", "string -> bool")
def is_cidr(text: str) -> bool:
    try:
        to_cidr(text)
    except CelError:
        return False
    return True


LIBRARY.function("string", "net.CIDR -> string")(lambda cidr: f"{cidr.address}/{cidr.length}")
LIBRARY.method("ip", "net.CIDR -> net.IP")(lambda cidr: Ip(cidr.address))
LIBRARY.method("prefixLength", "net.CIDR -> int")(lambda cidr: cidr.length)
LIBRARY.method("masked", "net.CIDR -> net.CIDR")(lambda cidr: Cidr(cidr.network.network_address, cidr.length))
LIBRARY.method("containsIP", "net.CIDR, net.IP -> bool")(lambda cidr, ip: ip.address in cidr.network)
LIBRARY.method("containsIP", "net.CIDR, string -> bool")(lambda cidr, text: parse(text) in cidr.network)
LIBRARY.method("containsCIDR", "net.CIDR, string -> bool")(lambda cidr, text: contains(cidr, to_cidr(text)))
