"""Names of images as Kubernetes and containerd see them: `busybox` is `docker.io/library/busybox:latest`.

Follows github.com/distribution/reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DOMAIN = (
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?:{_DOMAIN}|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


class InvalidReference(ValueError):
    """The text cannot name an image."""


@dataclass(frozen=True, slots=True)
class Reference:
    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.domain}/{self.path}{tag}{digest}"


def parse(text: str) -> Reference:
    """The full reference: with registry, `library/` for official images, `latest` without tag and digest."""
    match = _REFERENCE.fullmatch(text)
    if match is None or _ID.fullmatch(text):
        raise InvalidReference(f"couldn't parse image name {text!r}: invalid reference format")
    first, slash, rest = match["name"].partition("/")
    is_domain = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    domain, path = (first, rest) if is_domain else ("docker.io", match["name"])
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"
    digest = match["digest"] or ""
    tag = match["tag"] or ("" if digest else "latest")
    return Reference(domain, path, tag, digest)


def normalise(text: str) -> str:
    return str(parse(text))
