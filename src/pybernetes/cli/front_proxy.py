"""The options about proxies in front of the API server, and about the API server as one, with upstream's names.

They are remembered in the cluster's settings, as one text each. Where nothing is chosen the cluster's own front-proxy
authority is trusted, and its client certificate shown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.pki import KeyPair, Pki
    from pybernetes.apiserver.auth.request_header import RequestHeaders

F = TypeVar("F", bound=Callable[..., Any])
_FILES = (
    ("--requestheader-client-ca-file", "The authorities of the proxies whose headers are trusted."),
    ("--proxy-client-cert-file", "What the API server shows to extension API servers."),
    ("--proxy-client-key-file", "The key of that certificate."),
)
_NAMES = (
    ("--requestheader-allowed-names", "Common names of trusted proxies, comma-separated; empty: any."),
    ("--requestheader-username-headers", "Headers that name the user, comma-separated."),
    ("--requestheader-uid-headers", "Headers that give the user's uid, comma-separated."),
    ("--requestheader-group-headers", "Headers that name the user's groups, comma-separated."),
    ("--requestheader-extra-headers-prefix", "What the headers of the user's extra values begin with."),
)


def choose_front_proxy(function: F) -> F:
    """--requestheader-client-ca-file and its like."""
    for option, text in _NAMES:
        function = click.option(option, metavar="NAMES", help=text)(function)
    for option, text in _FILES:
        path = click.Path(exists=True, dir_okay=False, resolve_path=True)
        function = click.option(option, type=path, help=text)(function)
    return function


def check_front_proxy(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    if bool(settings.proxy_client_cert_file) != bool(settings.proxy_client_key_file):
        raise Problem(
            "a certificate and its key go together", "give --proxy-client-cert-file and --proxy-client-key-file"
        )
    authorities = settings.requestheader_client_ca_file
    if not authorities:
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(authorities)
    except (ssl.SSLError, OSError) as error:
        raise Problem(f"{authorities} holds no certificates", "--requestheader-client-ca-file takes PEM") from error


def request_headers(settings: Settings, pki: Pki) -> RequestHeaders:
    from pybernetes.apiserver.auth.request_header import RequestHeaders

    file = settings.requestheader_client_ca_file
    return RequestHeaders(
        Path(file) if file else pki.front_proxy.ca_file,
        _names(settings.requestheader_allowed_names),
        _names(settings.requestheader_username_headers),
        _names(settings.requestheader_uid_headers),
        _names(settings.requestheader_group_headers),
        _names(settings.requestheader_extra_headers_prefix),
    )


def proxy_client(settings: Settings, pki: Pki) -> KeyPair:
    from pybernetes.apiserver.auth.pki import KeyPair

    if settings.proxy_client_cert_file and settings.proxy_client_key_file:
        return KeyPair(Path(settings.proxy_client_cert_file), Path(settings.proxy_client_key_file))
    return pki.front_proxy_client()


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
