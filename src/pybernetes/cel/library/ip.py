"""IP addresses: `ip("10.0.0.1").family()`.

Follows k8s.io/apiserver/pkg/cel/library/ip.go.
"""

from __future__ import annotations

import ipaddress

from pybernetes.api.fields import quoted
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import Opaque

LIBRARY = Library()
LIBRARY.named("net.IP")
TYPE = types.opaque("net.IP")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Ip(Opaque):
    __slots__ = ("address",)
    type = TYPE

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)


LIBRARY.function("isIP", "string -> bool")(lambda text: _is_address(text))
LIBRARY.function("ip.isCanonical", "string -> bool")(lambda text: str(parse(text)) == text)
LIBRARY.function("string", "net.IP -> string")(lambda ip: str(ip.address))
LIBRARY.method("family", "net.IP -> int")(lambda ip: ip.address.version)
LIBRARY.method("isUnspecified", "net.IP -> bool")(lambda ip: ip.address.is_unspecified)
LIBRARY.method("isLoopback", "net.IP -> bool")(lambda ip: ip.address.is_loopback)
LIBRARY.method("isLinkLocalUnicast", "net.IP -> bool")(lambda ip: ip.address.is_link_local)


@LIBRARY.function("ip", "string -> net.IP")
def to_ip(text: str) -> Ip:
    return Ip(parse(text))


@LIBRARY.method("isLinkLocalMulticast", "net.IP -> bool")
def is_link_local_multicast(ip: Ip) -> bool:
    packed = ip.address.packed
    if ip.address.version == 4:
        return packed[:3] == bytes((224, 0, 0))
    return packed[0] == 0xFF and packed[1] & 0x0F == 2


@LIBRARY.method("isGlobalUnicast", "net.IP -> bool")
def is_global_unicast(ip: Ip) -> bool:
    address = ip.address
    return not (
        str(address) == "255.255.255.255"
        or address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )


def parse(text: str) -> Address:
    """Raises ``CelError``."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise CelError(
            f"IP Address {quoted(text)} parse error during conversion from string: {address_error(text)}"
        ) from None
    if "%" in text:
        raise CelError(f"IP address {quoted(text)} with zone value is not allowed")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise CelError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return address


def address_error(text: str) -> str:
    """Go's words for the commonest mistakes."""
    if "." in text and ":" not in text:
        parts = text.split(".")
        if not all(part.isdigit() for part in parts if part):
            why = "unexpected character"
        elif any(part and int(part) > 255 for part in parts):
            why = "IPv4 field has value >255"
        elif len(parts) > 4:
            why = "IPv4 address too long"
        elif any(len(part) > 1 and part.startswith("0") for part in parts):
            why = "IPv4 field has octet with leading zero"
        else:
            why = "IPv4 address too short"
        if why == "unexpected character":
            rest = next(text[at:] for at, letter in enumerate(text) if not letter.isdigit() and letter != ".")
            return f"ParseAddr({quoted(text)}): {why} (at {quoted(rest)})"
        return f"ParseAddr({quoted(text)}): {why}"
    return f"ParseAddr({quoted(text)}): unable to parse IP"


def _is_address(text: str) -> bool:
    try:
        parse(text)
    except CelError:
        return False
    return True
