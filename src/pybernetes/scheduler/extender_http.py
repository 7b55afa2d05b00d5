"""How extenders are reached: HTTP or HTTPS, loaded when the first of them is asked."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from pybernetes.scheduler.configuration.documents import Extender, ExtenderTLSConfig
from pybernetes.scheduler.extenders import ExtenderFailed, Post

_NOTHING = ExtenderTLSConfig()


def poster(given: Extender) -> Post:
    async def post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=seconds)
        headers = {"Content-Type": "application/json"}
        try:
            # A session for each call: an extender may go away between two, and calls are rare.
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, data=body, headers=headers, ssl=_tls(given)) as answer,
            ):
                return answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ExtenderFailed(f'Post "{url}": {error or type(error).__name__}') from error

    return post


def _tls(given: Extender) -> ssl.SSLContext | bool:
    """True: whatever the URL needs, by the machine's authorities."""
    tls = given.tls_config or _NOTHING
    has_ca = bool(tls.ca_file or tls.ca_data)
    if not given.enable_https and given.tls_config is None:
        return True
    context = ssl.create_default_context(
        cafile=tls.ca_file or None, cadata=tls.ca_data.decode() if tls.ca_data else None
    )
    if tls.insecure or not has_ca:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file or tls.cert_data:
        _load_certificate(context, tls)
    return context


def _load_certificate(context: ssl.SSLContext, tls: ExtenderTLSConfig) -> None:
    """OpenSSL reads certificates from files alone."""
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = Path(tls.cert_file), Path(tls.key_file)
        if tls.cert_data:
            certificate = Path(directory, "certificate")
            certificate.write_bytes(tls.cert_data)
        if tls.key_data:
            key = Path(directory, "key")
            key.touch(mode=0o600)
            key.write_bytes(tls.key_data)
        context.load_cert_chain(certificate, key)
