"""Where a webhook is: a URL, or a service with a path.

Follows k8s.io/apiserver/pkg/util/webhook/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns_subdomain, required
from pybernetes.api.models.admissionregistration_v1 import ServiceReference, WebhookClientConfig

_FORM = "; desired format: https://host[/path]"


def check_client_config(config: WebhookClientConfig, path: FieldPath) -> Iterator[FieldError]:
    if (config.url is None) == (config.service is None):
        yield required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from check_url(config.url, path.url)
    elif config.service is not None:
        yield from check_service(config.service, path.service)


def check_url(url: str, path: FieldPath) -> Iterator[FieldError]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield required(path, f"url must be a valid URL: {error}{_FORM}")
        return
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    user, at_sign, host = parts.netloc.rpartition("@")
    if not host:
        yield invalid(path, host, f"host must be specified{_FORM}")
    if at_sign:
        yield invalid(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


def check_service(service: ServiceReference, path: FieldPath) -> Iterator[FieldError]:
    """A missing name is told at `namespace` and a missing namespace at `name`, as upstream has it."""
    if not service.namespace:
        yield required(path.name)
    if not service.name:
        yield required(path.namespace)
    port = service.port or 0
    if not 1 <= port <= 65535:
        yield invalid(path.port, port, "port is not valid: must be between 1 and 65535, inclusive")
    yield from _check_path(service.path or "", path.path)


def _check_path(text: str, path: FieldPath) -> Iterator[FieldError]:
    if text in ("", "/"):
        return
    if text == "//":
        yield invalid(path, text, "segment[0] may not be empty")
        return
    if not text.startswith("/"):
        yield invalid(path, text, "must start with a '/'")
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            yield invalid(path, text, f"segment[{index}] may not be empty")
            continue
        yield from (invalid(path, text, f"segment[{index}]: {message}") for message in is_dns_subdomain(step))
