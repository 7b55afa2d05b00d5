"""Addresses behind services.

Follows ValidateEndpoints in pkg/apis/core/validation and pkg/apis/discovery/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, invalid
from pybernetes.apiserver.validation.simple import check_ip


def check_endpoint_ip(text: str, path: FieldPath) -> Iterator[FieldError]:
    """An address that something else than the node itself can reach."""
    errors = list(check_ip(text, path))
    yield from errors
    if errors:
        return
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        yield invalid(path, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address.is_multicast and ((address.version == 6 and text.startswith("ff02")) or text.startswith("224.0.0.")):
        yield invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
