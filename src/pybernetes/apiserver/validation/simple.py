"""Checks of single values, with upstream's wording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    invalid,
    is_dns_subdomain,
    is_ip,
    not_supported,
    range_error,
    regex_error,
    required,
)
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import IMMUTABLE

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"


def check_not_negative(value: int | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def check_positive(value: int | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None and value <= 0:
        yield invalid(path, value, POSITIVE)


def check_unchanged(new: object, old: object, path: FieldPath) -> Iterator[FieldError]:
    if new != old:
        yield invalid(path, internal_form(new), IMMUTABLE)


_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_is_http_path = re.compile(_HTTP_PATH).fullmatch


def check_domain_prefixed_path(text: str, path: FieldPath) -> Iterator[FieldError]:
    """`example.com/some/path`: it must be given, and each part is judged by itself."""
    domain, _, rest = text.partition("/")
    if not text:
        yield required(path)
    elif not domain or not rest:
        yield invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from (invalid(path, domain, message) for message in is_dns_subdomain(domain))
        if not _is_http_path(rest):
            yield invalid(path, rest, regex_error("Invalid path", _HTTP_PATH))


in_range = range_error


def check_ip(text: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, text, message) for message in is_ip(text))


def check_choice(value: str | None, choices: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    """A value that must be given and be one of a few."""
    if not value:
        yield required(path)
    elif value not in choices:
        yield not_supported(path, value, choices)
