"""/statusz and /flagz: what the server is and how it was started, for people and, in a versioned form, for programs.

Plain text goes to whoever does not ask for more; `application/json;g=config.k8s.io;v=v1beta1;as=Statusz` and its like
get an object. The text's separators are not to be relied on, as upstream says of its own.

Not here: profiles of the process (`/debug/pprof`) and its log level (`/debug/flags/v`). They answer 404, as upstream's
do with `--profiling=false`.

Follows k8s.io/component-base/zpages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import orjson

from pybernetes.api import errors, zpage_text
from pybernetes.api.clock import Clock
from pybernetes.api.meta import format_time
from pybernetes.apiserver.health import GIT_VERSION, MAJOR, MINOR
from pybernetes.apiserver.http import JSON, PLAIN_TEXT, ApiResponse
from pybernetes.apiserver.negotiation import YAML
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call, Handler, Routes

COMPONENT = "apiserver"
GROUP = "config.k8s.io"
VERSIONS = ("v1beta1", "v1alpha1")
_DEPRECATED = frozenset({"v1alpha1"})
_SHOWN_PATHS = ("/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz", "/version")
_TEXTS = frozenset({"*/*", "text/*", "text/plain"})
_STRUCTURED = frozenset({JSON, YAML})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A form of the answer; without a version it is plain text."""

    media: str = ""
    version: str = ""


def register(routes: Routes, clock: Clock, flags: Mapping[str, str]) -> None:
    """``flags`` are the options that the server was started with, as they would be given."""
    started = clock.now().replace(microsecond=0)

    def about() -> Document:
        return _status(started, clock.now())

    shown = dict(sorted(flags.items()))
    routes.exact("/statusz", _page("Statusz", about, _status_text))
    routes.exact("/flagz", _page("Flagz", lambda: {"flags": shown}, _flags_text))


def _page(kind: str, about: Callable[[], Document], text: Callable[[Document], str]) -> Handler:
    async def handle(call: Call) -> ApiResponse:
        wanted = wanted_of(call.request.headers.get("accept", ""), kind)
        if wanted is None:
            accepted = ", ".join((JSON, YAML, "text/plain"))
            raise errors.not_acceptable(f"only the following media types are accepted: {accepted}")
        if not wanted.version:
            body = zpage_text.title(COMPONENT, kind.lower()) + text(about())
            return ApiResponse(200, body.encode(), {"Content-Type": PLAIN_TEXT})
        return _structured(wanted, kind, about())

    return handle


@lru_cache(maxsize=64)
def wanted_of(accept: str, kind: str) -> Wanted | None:
    """The first that can be served; None if nothing can be."""
    if not accept:
        return Wanted()
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        if media in _TEXTS:
            return Wanted()
        stated = dict(part.split("=", 1) for part in rest if "=" in part)
        version = stated.get("v", "")
        if media in _STRUCTURED and stated.get("as") == kind and stated.get("g") == GROUP and version in VERSIONS:
            return Wanted(media, version)
    return None


def _structured(wanted: Wanted, kind: str, about: Document) -> ApiResponse:
    document = {
        "kind": kind,
        "apiVersion": f"{GROUP}/{wanted.version}",
        "metadata": {"name": COMPONENT},
        **about,
    }
    warnings: tuple[str, ...] = ()
    if wanted.version in _DEPRECATED:
        warnings = (f"This version of the {kind.lower()} endpoint is deprecated. Please use a newer version.",)
    headers = {"Content-Type": f"{wanted.media};g={GROUP};v={wanted.version};as={kind}"}
    return ApiResponse(200, _written(wanted.media, document), headers, warnings)


def _written(media: str, document: Document) -> bytes:
    if media == JSON:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)
    from pybernetes.apiserver.yaml_answer import write_yaml

    return write_yaml(document)


def _status(started: datetime, now: datetime) -> Document:
    return {
        "startTime": format_time(started),
        "uptimeSeconds": int((now - started).total_seconds()),
        "goVersion": "",
        "binaryVersion": GIT_VERSION.removeprefix("v"),
        "emulationVersion": f"{MAJOR}.{MINOR}",
        "paths": list(_SHOWN_PATHS),
    }


def _status_text(about: Document) -> str:
    return zpage_text.status(
        datetime.fromisoformat(about["startTime"]),
        about["uptimeSeconds"],
        f"Go version: {about['goVersion']}",
        about["binaryVersion"],
        about["emulationVersion"],
        about["paths"],
    )


def _flags_text(about: Document) -> str:
    return "".join(f"{name}: {value}\n" for name, value in about["flags"].items())
