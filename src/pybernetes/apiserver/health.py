"""/healthz, /livez, /readyz and /version.

Named checks answer None when well and a sentence when not. `?verbose` lists them, `?exclude=` leaves some out, and each
has its own path. Why a check fails is for the server's log, not for the client.
Follows k8s.io/apiserver/pkg/server/healthz and k8s.io/component-base/version.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.http import PLAIN_TEXT, ApiResponse, json_response, no_such_page, text_response
from pybernetes.apiserver.negotiation import require_json_acceptable
from pybernetes.apiserver.routes import Call, Handler, Routes

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]

MAJOR, MINOR = "1", "36"
OLDEST_MINOR = "35"
"""The oldest minor version whose components this server works with, as upstream states it."""
GIT_VERSION = f"v{MAJOR}.{MINOR}.0+pybernetes"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


async def ping() -> str | None:
    return None


class Health:
    """``live`` checks say whether to restart the server, ``ready`` ones whether to send it requests.

    Checks are told in the order in which they were added; ``start_hooks`` puts its own in upstream's.
    """

    def __init__(self) -> None:
        self.live: dict[str, Check] = {"ping": ping, "log": ping}
        self.ready: dict[str, Check] = {"ping": ping, "log": ping}

    def register(self, routes: Routes) -> None:
        for root, checks in (("healthz", self.live), ("livez", self.live), ("readyz", self.ready)):
            routes.prefix(f"/{root}", _handler(root, checks))
        routes.exact("/metrics/slis", self.indicators)
        routes.exact("/version", version)
        routes.unlisted("/version/", version)
        routes.tell_of(lambda: self.paths)

    async def indicators(self, call: Call) -> ApiResponse:
        """How each check answers now, as metrics of its own path."""
        lines = [
            "# HELP kubernetes_healthcheck [STABLE] What a health check answers: 1 when well.",
            "# TYPE kubernetes_healthcheck gauge",
        ]
        for root, checks in (("healthz", self.live), ("livez", self.live), ("readyz", self.ready)):
            for name, check in checks.items():
                well = 1 if await check() is None else 0
                lines.append(f'kubernetes_healthcheck{{name="{name}",type="{root}"}} {well}')
        body = "\n".join(lines).encode() + b"\n"
        return ApiResponse(200, body, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    @property
    def paths(self) -> list[str]:
        """Each check's own."""
        rows = (("healthz", self.live), ("livez", self.live), ("readyz", self.ready))
        return [f"/{root}/{name}" for root, checks in rows for name in checks]


def _handler(root: str, checks: dict[str, Check]) -> Handler:
    async def handle(call: Call) -> ApiResponse:
        only = call.info.path.removeprefix(f"/{root}")
        if not only:
            return await _all(root, checks, call.request.query)
        check = checks.get(only[1:])
        return no_such_page() if check is None else await _one(only[1:], check)

    return handle


async def _one(name: str, check: Check) -> ApiResponse:
    problem = await check()
    if problem is None:
        return ApiResponse(200, b"ok", {"Content-Type": PLAIN_TEXT})
    log.warning("a health check failed", extra={"check": name, "problem": problem})
    return text_response(f"internal server error: {problem}\n", 500)


async def _all(root: str, checks: Mapping[str, Check], query: Mapping[str, Sequence[str]]) -> ApiResponse:
    excluded = {name for value in query.get("exclude", ()) for name in value.split(",") if name}
    lines, failed = [], []
    for name, check in checks.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok\n")
            continue
        problem = await check()
        if problem is not None:
            failed.append(name)
            log.warning("a health check failed", extra={"check": name, "problem": problem})
        lines.append(f"[+]{name} ok\n" if problem is None else f"[-]{name} failed: reason withheld\n")
    unknown = sorted(excluded - set(checks))
    if unknown:
        names = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}\n")
    if failed:
        return text_response(f"{''.join(lines)}{root} check failed\n", 500)
    if "verbose" not in query:
        return text_response("ok")
    return text_response(f"{''.join(lines)}{root} check passed\n")


async def version(call: Call) -> ApiResponse:
    if call.request.method != "GET":
        raise errors.method_not_allowed()
    require_json_acceptable(call.request)
    return json_response(_VERSION)


_MACHINE = platform.machine()
_VERSION = orjson.dumps(
    {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": OLDEST_MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_ARCHITECTURES.get(_MACHINE, _MACHINE)}",
    },
    option=orjson.OPT_INDENT_2,
)
