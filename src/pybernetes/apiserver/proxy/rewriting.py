"""Pages behind a proxy, whose links must lead through the proxy again. Pure.

Guarantees  Links with an absolute path on the server behind (or on the host that the client asked) gain the proxy's
            path; relative ones and those to other hosts stay. Everything between a page's start tags stays byte for
            byte; the tags themselves are written as Go's tokenizer writes them.
Follows     k8s.io/apimachinery/pkg/util/proxy/transport.go.
"""

from __future__ import annotations

import gzip
import posixpath
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit, urlunsplit

HTML = "text/html"
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~"
_LINKS: Mapping[str, frozenset[str]] = {
    tag: frozenset(attributes.split())
    for tag, attributes in {
        "a": "href",
        "applet": "codebase",
        "area": "href",
        "audio": "src",
        "base": "href",
        "blockquote": "cite",
        "body": "background",
        "button": "formaction",
        "command": "icon",
        "del": "cite",
        "embed": "src",
        "form": "action",
        "frame": "longdesc src",
        "head": "profile",
        "html": "manifest",
        "iframe": "longdesc src",
        "img": "longdesc src usemap",
        "input": "src usemap formaction",
        "ins": "cite",
        "link": "href",
        "object": "classid codebase data usemap",
        "q": "cite",
        "script": "src",
        "source": "src",
        "video": "poster src",
    }.items()
}
_ESCAPES = str.maketrans({"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "\r": "&#13;"})

Attributes = Sequence[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxied server is, seen from outside: below ``prefix``, asked as ``hosts`` (its own and the client's)."""

    prefix: str
    hosts: frozenset[str]

    def link(self, text: str) -> str:
        """The link as it must read for who comes through the proxy. What is no URL stays."""
        try:
            url = urlsplit(text)
        except ValueError:
            return text
        path = quote(url.path, safe=_SAFE_IN_PATH)
        if (url.netloc and url.netloc not in self.hosts) or not path.startswith("/"):
            return urlunsplit(url._replace(path=path)) or text
        if not path.startswith(self.prefix):
            path = joined(self.prefix, path)
        return urlunsplit(("", "", path, url.query, url.fragment))


def joined(prefix: str, path: str) -> str:
    """The path below the prefix, without double slashes or dots; a slash at its end stays."""
    whole = posixpath.normpath(f"{prefix}/{path}").replace("//", "/")
    return f"{whole}/" if path.endswith("/") and not whole.endswith("/") else whole


def page(body: bytes, encoding: str, place: Place) -> bytes:
    """The page with its links turned. One in an encoding that is not known here, or is not what it says, stays."""
    try:
        match encoding:
            case "":
                return _turned(body, place)
            case "gzip":
                return gzip.compress(_turned(gzip.decompress(body), place))
            case "deflate":
                plain = zlib.decompress(body, -zlib.MAX_WBITS)
                packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
                return packing.compress(_turned(plain, place)) + packing.flush()
    except (OSError, EOFError, zlib.error):
        return body
    return body


def _turned(body: bytes, place: Place) -> bytes:
    return "".join(_pieces(body.decode("utf-8", "surrogateescape"), place)).encode("utf-8", "surrogateescape")


def _pieces(text: str, place: Place) -> Iterator[str]:
    found = _StartTags(text)
    copied = 0
    for tag in found.tags:
        yield text[copied : tag.start]
        yield _written(tag, place)
        copied = tag.start + tag.length
    yield text[copied:]


@dataclass(frozen=True, slots=True)
class _StartTag:
    start: int
    length: int
    name: str
    attributes: Attributes
    closed: bool


class _StartTags(HTMLParser):
    """The start tags of a text, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[_StartTag] = []
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self._note(tag, attrs, closed=False)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self._note(tag, attrs, closed=True)

    def _note(self, tag: str, attrs: Attributes, *, closed: bool) -> None:
        line, column = self.getpos()
        length = len(self.get_starttag_text() or "")
        self.tags.append(_StartTag(self._lines[line - 1] + column, length, tag, attrs, closed))


def _written(tag: _StartTag, place: Place) -> str:
    links = _LINKS.get(tag.name, frozenset())
    words = [tag.name]
    for name, value in tag.attributes:
        text = value or ""
        words.append(f'{name}="{(place.link(text) if name in links else text).translate(_ESCAPES)}"')
    return f"<{' '.join(words)}{'/' if tag.closed else ''}>"
