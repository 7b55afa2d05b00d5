"""One request and its answer, over a connection of its own so that nothing of the last one is left."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    """Names in lower case; several values of one name are joined by line breaks."""
    body: bytes


@dataclass(frozen=True)
class Server:
    url: str
    token: str
    tls: ssl.SSLContext = field(default_factory=ssl._create_unverified_context)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        address = urlsplit(self.url)
        assert address.hostname is not None
        connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=TIMEOUT, context=self.tls)
        try:
            sent = {"Authorization": f"Bearer {self.token}", **headers}
            connection.request(method, path, body or None, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            return Answer(response.status, _headers(response), response.read())
        finally:
            connection.close()


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}\n{value}"
    return headers
