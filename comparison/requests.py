"""One request and its answer: over a connection of its own, so that nothing is left of the last, or over a kept one."""

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


class KeptServer:
    """Sends over one connection for as long as it lasts: for thousands of requests."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token
        self._connection: http.client.HTTPSConnection | None = None

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Status 0 where the server closes the connection instead of answering."""
        connection = self._connection or self._connected()
        connection.request(
            method,
            path,
            body or None,
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **headers},
        )
        try:
            response = connection.getresponse()
        except http.client.RemoteDisconnected:
            self._connection = None
            return Answer(0, {}, b"")
        answer = Answer(response.status, _headers(response), response.read())
        if response.will_close:
            connection.close()
            self._connection = None
        return answer

    def _connected(self) -> http.client.HTTPSConnection:
        address = urlsplit(self.url)
        assert address.hostname is not None
        context = ssl._create_unverified_context()
        self._connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=TIMEOUT, context=context)
        return self._connection


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}\n{value}"
    return headers
