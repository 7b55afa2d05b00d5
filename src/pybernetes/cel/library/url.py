"""URLs: `url("https://example.com:80/").getHost()`.

Follows k8s.io/apiserver/pkg/cel/library/urls.go.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from pybernetes.api.fields import quoted
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import Opaque

LIBRARY = Library()
_U = "kubernetes.URL"
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


class Url(Opaque):
    __slots__ = ("parts", "text")
    type = types.opaque(_U)

    def __init__(self, text: str, parts: SplitResult) -> None:
        self.text = text
        self.parts = parts

    @property
    def host(self) -> str:
        return self.parts.netloc.rpartition("@")[2]

    @property
    def port(self) -> str:
        return re.sub(r"^.*?(?::(\d*))?$", lambda found: found[1] or "", self.host.rpartition("]")[2] or self.host)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


LIBRARY.method("getScheme", f"{_U} -> string")(lambda one: one.parts.scheme)
LIBRARY.method("getHost", f"{_U} -> string")(lambda one: one.host)
LIBRARY.method("getPort", f"{_U} -> string")(lambda one: one.port)
LIBRARY.method("getQuery", f"{_U} -> map(string, list(string))")(
    lambda one: parse_qs(one.parts.query, keep_blank_values=True)
)


@LIBRARY.method("getHostname", f"{_U} -> string")
def hostname(one: Url) -> str:
    host = one.host
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


@LIBRARY.method("getEscapedPath", f"{_U} -> string")
def escaped_path(one: Url) -> str:
    path = one.parts.path
    return path if "%" in path else quote(path, safe="/:@!$&'()*+,;=~[]")


@LIBRARY.function("url", f"string -> {_U}")
def to_url(text: str) -> Url:
    error = problem(text)
    if error:
        raise CelError(f"URL parse error during conversion from string: {error}")
    return Url(text, urlsplit(text))


@LIBRARY.function("isURL", "string -> bool")
def is_url(text: str) -> bool:
    return not problem(text)


def problem(text: str) -> str:
    """What Go's url.ParseRequestURI has against ``text``; empty if nothing."""
    prefix = f"parse {quoted(text)}: "
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        return prefix + "net/url: invalid control character in URL"
    if not text:
        return prefix + "empty url"
    if text.startswith(":"):
        return prefix + "missing protocol scheme"
    if not text.startswith("/") and _SCHEME.match(text) is None:
        return prefix + "invalid URI for request"
    if _ESCAPE.search(text):
        found = _ESCAPE.search(text)
        return prefix + f"invalid URL escape {quoted(text[found.start() : found.start() + 3])}" if found else ""
    rest = text.partition(":")[2] if not text.startswith("/") else text
    if not rest.startswith("/"):
        return ""
    authority = rest[2:].partition("/")[0].partition("?")[0] if rest.startswith("//") else ""
    host = authority.rpartition("@")[2]
    if " " in host or "<" in host or ">" in host or '"' in host:
        letter = next(one for one in host if one in ' <>"')
        return prefix + f"invalid character {quoted(letter)} in host name"
    if "[" in host and "]" not in host:
        return prefix + "missing ']' in host"
    port = host.rpartition("]")[2] if "[" in host else host
    tail = port.partition(":")[2]
    if ":" in port and tail and not tail.isdigit():
        return prefix + f"invalid port {quoted(':' + tail)} after host"
    return ""
