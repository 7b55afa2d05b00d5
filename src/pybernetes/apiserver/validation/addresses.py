"""Addresses and ranges of addresses in fields: old values stay whatever they are, odd forms are warned of.

Follows k8s.io/apimachinery/pkg/util/validation/ip.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_cidr, is_ip, quoted


def check_ip_or_known(text: str, path: FieldPath, known: Collection[str] = ()) -> Iterator[FieldError]:
    """For fields older than strict validation: what the object held before may stay."""
    if text not in known:
        yield from (invalid(path, text, message) for message in is_ip(text))


def check_cidr_or_known(text: str, path: FieldPath, known: Collection[str] = ()) -> Iterator[FieldError]:
    if text not in known:
        yield from (invalid(path, text, message) for message in is_cidr(text))


def is_loose_ip(text: str) -> bool:
    """Whether it is an address, or one but for leading zeros or an IPv4 address inside."""
    return not is_ip(text) or is_ip(text) != is_ip("")


def parse_loosely(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Of a text in an old form too: leading zeros, an IPv4 address inside an IPv6 one."""
    plain = text if ":" in text else ".".join(part.lstrip("0") or part[:1] for part in text.split("."))
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or (None if "%" in text else address)


def canonical_ip_messages(text: str) -> list[str]:
    """What keeps a text from being the one way to write its address."""
    messages = is_ip(text)
    if not messages and (canonical := str(ipaddress.ip_address(text))) != text:
        return [f"must be in canonical form ({quoted(canonical)})"]
    return messages


def check_canonical_cidr(text: str, path: FieldPath) -> Iterator[FieldError]:
    messages = is_cidr(text)
    if not messages and (canonical := str(ipaddress.ip_network(text, strict=False))) != text:
        messages = [f"must be in canonical form ({quoted(canonical)})"]
    yield from (invalid(path, text, message) for message in messages)


def parse_cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Of a well-formed text, bits beyond the prefix dropped; None otherwise."""
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def ip_warnings(text: str, path: FieldPath) -> Iterator[str]:
    """About an address that has passed its check, or that the check did not look at."""
    if is_ip(text) and (loose := parse_loosely(text)) is not None:
        yield f"{path}: non-standard IP address {quoted(text)} is invalid: use {quoted(str(loose))}"
    if ":" in text and not is_ip(text) and (canonical := str(ipaddress.ip_address(text))) != text:
        yield f"{path}: IPv6 address {quoted(text)} should be in RFC 5952 canonical format ({quoted(canonical)})"


def cidr_warnings(text: str, path: FieldPath) -> Iterator[str]:
    if ":" in text and not is_cidr(text) and (canonical := str(ipaddress.ip_network(text, strict=False))) != text:
        yield f"{path}: IPv6 CIDR value {quoted(text)} should be in RFC 5952 canonical format ({quoted(canonical)})"
