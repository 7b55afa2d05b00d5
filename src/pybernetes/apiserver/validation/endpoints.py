"""Addresses behind services.

Follows ValidateEndpointIP in pkg/apis/core/validation and IsFullyQualifiedDomainName in
k8s.io/apimachinery/pkg/util/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns_label, is_dns_subdomain, required
from pybernetes.apiserver.validation.addresses import parse_loosely


def check_endpoint_ip(text: str, path: FieldPath) -> Iterator[FieldError]:
    """An address that something else than the node itself can reach, however it is written."""
    address = parse_loosely(text)
    if address is None:
        yield invalid(path, text, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(path, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    local = str(address).startswith("224.0.0.") or (address.version == 6 and address.packed[1] & 0x0F == 2)
    if address.is_multicast and local:
        yield invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def check_full_name(text: str, path: FieldPath) -> Iterator[FieldError]:
    """A domain of at least two labels; the first thing wrong is told."""
    name = text.removesuffix(".")
    if not text:
        yield required(path)
    elif messages := is_dns_subdomain(name):
        yield invalid(path, name, ",".join(messages))
    elif "." not in name:
        yield invalid(path, name, "should be a domain with at least two segments separated by dots")
    else:
        for label in name.split("."):
            if messages := is_dns_label(label):
                yield invalid(path, label, ",".join(messages))
                return
