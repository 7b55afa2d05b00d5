"""How extenders are reached: HTTP or HTTPS, loaded when the first of them is asked.

Follows makeTransport in pkg/scheduler/extender.go and TLSConfigFor in k8s.io/client-go/rest.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from pybernetes.scheduler.configuration.documents import Extender, ExtenderTLSConfig
from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.extenders import ExtenderFailed, Post

_NOTHING = ExtenderTLSConfig()


def poster(given: Extender) -> Post:
    """Raises ConfigurationError."""
    tls = tls_of(given)
    name = (given.tls_config or _NOTHING).server_name or None

    async def post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=seconds)
        headers = {"Content-Type": "application/json"}
        try:
            # A session for each call: an extender may go away between two, and calls are rare.
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, data=body, headers=headers, ssl=tls, server_hostname=name) as answer,
            ):
                return answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ExtenderFailed(f'Post "{url}": {error or type(error).__name__}') from error

    return post


def tls_of(given: Extender) -> ssl.SSLContext | bool:
    """True: whatever the URL needs, by the machine's authorities. Raises ConfigurationError."""
    if not given.enable_https and given.tls_config is None:
        return True
    tls = given.tls_config or _NOTHING
    has_ca = bool(tls.ca_file or tls.ca_data)
    is_insecure = tls.insecure or (given.enable_https and not has_ca)
    if has_ca and is_insecure:
        raise _not_built("specifying a root certificates file with the insecure flag is not allowed")
    try:
        return _context(tls, is_insecure=is_insecure)
    except OSError as error:
        unread = error.filename is not None
        why = f"open {error.filename}: {(error.strerror or '').lower()}" if unread else f"tls: {error}"
        raise _not_built(why) from error


def _context(tls: ExtenderTLSConfig, *, is_insecure: bool) -> ssl.SSLContext:
    """What is given as data counts before a file. Raises OSError."""
    authorities = tls.ca_data.decode() if tls.ca_data else Path(tls.ca_file).read_text() if tls.ca_file else None
    context = ssl.create_default_context(cadata=authorities)
    if is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file or tls.cert_data:
        _load_certificate(context, tls)
    return context


def _load_certificate(context: ssl.SSLContext, tls: ExtenderTLSConfig) -> None:
    """OpenSSL reads certificates from files alone."""
    certificate = tls.cert_data or Path(tls.cert_file).read_bytes()
    key = tls.key_data or Path(tls.key_file).read_bytes()
    with tempfile.TemporaryDirectory() as directory:
        at_certificate, at_key = Path(directory, "certificate"), Path(directory, "key")
        at_certificate.write_bytes(certificate)
        at_key.touch(mode=0o600)
        at_key.write_bytes(key)
        context.load_cert_chain(at_certificate, at_key)


def _not_built(why: str) -> ConfigurationError:
    return ConfigurationError(f"couldn't build extenders: {why}")
