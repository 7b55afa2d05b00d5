"""What goes wrong on the way to another server, in the words that clients of an API server know.

Follows the errors of Go's net, crypto/tls and net/http packages, which reach clients in conditions and messages.
"""

from __future__ import annotations

import errno
import socket
import ssl

_DIALING = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ETIMEDOUT: "connection timed out",
    errno.ECONNRESET: "connection reset by peer",
}
_VERIFYING = "tls: failed to verify certificate: x509: "
_EXPIRED, _NOT_YET, _HOSTNAME, _ADDRESS = 10, 9, 62, 64
"""OpenSSL's X509_V_ERR_… that mean something else than an unknown authority."""


def wording(error: BaseException, address: str, server_name: str = "") -> str:
    """``address`` is host and port that were dialled, ``server_name`` whom the certificate had to name."""
    import aiohttp

    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    certificate = _certificate_error(error)
    if certificate is not None:
        return _VERIFYING + _of_certificate(certificate, server_name)
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(_cause(error), socket.gaierror):
        return f"dial tcp: lookup {address.rpartition(':')[0]}: no such host"
    cause = _cause(error)
    if isinstance(cause, ssl.SSLError):
        return _of_tls(cause)
    if isinstance(cause, OSError) and cause.errno in _DIALING:
        return f"dial tcp {address}: connect: {_DIALING[cause.errno]}"
    return str(cause) or type(cause).__name__


def _cause(error: BaseException) -> BaseException:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    return error


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    import aiohttp

    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else _cause(error)
    return cause if isinstance(cause, ssl.SSLCertVerificationError) else None


def _of_certificate(error: ssl.SSLCertVerificationError, server_name: str) -> str:
    match error.verify_code:
        case code if code in (_EXPIRED, _NOT_YET):
            return "certificate has expired or is not yet valid"
        case code if code == _HOSTNAME:
            return f"certificate is not valid for any names, but wanted to match {server_name}"
        case code if code == _ADDRESS:
            return f"cannot validate certificate for {server_name} because it doesn't contain any IP SANs"
    return "certificate signed by unknown authority"


def _of_tls(error: ssl.SSLError) -> str:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return "http: server gave HTTP response to HTTPS client"
    return f"remote error: tls: {(error.reason or 'internal error').lower().replace('_', ' ')}"
