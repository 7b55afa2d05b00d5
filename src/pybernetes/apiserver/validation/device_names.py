"""Names of dynamic resource allocation: drivers, pools, qualified attribute names, uids.

Follows pkg/apis/resource/validation and ValidateCSIDriverName in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    invalid,
    is_c_identifier,
    is_dns_label,
    is_dns_subdomain,
    required,
    too_long,
)
from pybernetes.apiserver.validation.metadata import label_key_messages, label_value_messages

DRIVER_LENGTH = 63
POOL_LENGTH = 253
DOMAIN_LENGTH = 63
IDENTIFIER_LENGTH = 32
QUALIFIED_LENGTH = DOMAIN_LENGTH + 1 + IDENTIFIER_LENGTH
"""How much of an attribute's name is shown in a path."""

_HEX_UID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANY_UID = re.compile(
    r"(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}|[0-9a-f]{32}",
    re.IGNORECASE,
)
_UID_LENGTHS = (32, 36, 38, 45)


def check_label_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, name, message) for message in label_key_messages(name))


def check_label_value(value: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, value, message) for message in label_value_messages(value))


def check_dns_label(name: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, name, message) for message in is_dns_label(name))


def check_dns_subdomain(name: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, name, message) for message in is_dns_subdomain(name))


def check_driver_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    """Of a storage driver or a device driver: upper case letters are let through."""
    if not name:
        yield required(path)
        return
    if len(name.encode()) > DRIVER_LENGTH:
        yield too_long(path, name, DRIVER_LENGTH)
    yield from (invalid(path, name, message) for message in is_dns_subdomain(name.lower()))


def check_pool_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if len(name.encode()) > POOL_LENGTH:
        yield too_long(path, name, POOL_LENGTH)
    for part in name.split("/"):
        yield from check_dns_subdomain(part, path)


def check_uid(uid: str, path: FieldPath) -> Iterator[FieldError]:
    if not _ANY_UID.fullmatch(uid):
        length = len(uid.encode())
        wrong = "invalid UUID format" if length in _UID_LENGTHS else f"invalid UUID length: {length}"
        yield invalid(path, uid, f"error validating uid: {wrong}")
    elif not _HEX_UID.fullmatch(uid):
        form = "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`"
        yield invalid(
            path, uid, f"uid must be in RFC 4122 normalized form, {form} with lowercase hexadecimal characters"
        )


def check_qualified_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    """A name with or without a domain; like upstream it takes anything that has more than one slash."""
    domain, *rest = name.split("/")
    if not rest:
        yield from _check_identifier(domain, path)
    elif len(rest) == 1:
        if not domain:
            yield invalid(path, "", "the domain must not be empty")
        else:
            yield from check_driver_name(domain, path)
        if not rest[0]:
            yield invalid(path, "", "the name must not be empty")
        else:
            yield from _check_identifier(rest[0], path)


def check_fully_qualified_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    yield from check_qualified_name(name, path)
    if "/" not in name:
        yield invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash")


def _check_identifier(name: str, path: FieldPath) -> Iterator[FieldError]:
    if len(name.encode()) > IDENTIFIER_LENGTH:
        yield too_long(path, name, IDENTIFIER_LENGTH)
    yield from (invalid(path, name, message) for message in is_c_identifier(name))
