"""/healthz, /livez, /readyz and /version.

Named checks answer None when well and a sentence when not. `?verbose` lists them, `?exclude=` leaves some out, and each
has its own path. Follows k8s.io/apiserver/pkg/server/healthz and k8s.io/component-base/version.
"""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable

import orjson

from pybernetes.apiserver.http import ApiResponse, json_response
from pybernetes.apiserver.routes import Call, Routes

Check = Callable[[], Awaitable[str | None]]

MAJOR, MINOR = "1", "36"
GIT_VERSION = f"v{MAJOR}.{MINOR}.0+pybernetes"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PLAIN = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}


async def ping() -> str | None:
    return None


class Health:
    """``live`` checks say whether to restart the server, ``ready`` ones whether to send it requests."""

    def __init__(self) -> None:
        self.live: dict[str, Check] = {"ping": ping}
        self.ready: dict[str, Check] = {"ping": ping}

    def register(self, routes: Routes) -> None:
        for root, checks in (("healthz", self.live), ("livez", self.live), ("readyz", self.ready)):
            routes.prefix(f"/{root}", _handler(root, checks))
        routes.exact("/version", version)


def _handler(root: str, checks: dict[str, Check]) -> Callable[[Call], Awaitable[ApiResponse]]:
    async def handle(call: Call) -> ApiResponse:
        only = call.info.path.strip("/").partition("/")[2]
        if only and only not in checks:
            return ApiResponse(404, b"404 page not found\n", _PLAIN.copy())
        excluded = set(call.request.query.get("exclude", ()))
        wanted = {only: checks[only]} if only else {n: c for n, c in checks.items() if n not in excluded}
        problems = {name: problem for name, check in wanted.items() if (problem := await check()) is not None}
        if not problems and "verbose" not in call.request.query:
            return ApiResponse(200, b"ok", _PLAIN.copy())
        lines = [f"[-]{name} failed: {problems[name]}" if name in problems else f"[+]{name} ok" for name in wanted]
        lines += [f"[+]{name} excluded: ok" for name in checks if name in excluded and not only]
        lines.append(f"{root} check {'failed' if problems else 'passed'}\n")
        return ApiResponse(500 if problems else 200, "\n".join(lines).encode(), _PLAIN.copy())

    return handle


async def version(call: Call) -> ApiResponse:
    machine = platform.machine()
    return json_response(
        orjson.dumps(
            {
                "major": MAJOR,
                "minor": MINOR,
                "gitVersion": GIT_VERSION,
                "gitCommit": "",
                "gitTreeState": "clean",
                "buildDate": "1970-01-01T00:00:00Z",
                "goVersion": "",
                "compiler": platform.python_implementation(),
                "platform": f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}",
            },
            option=orjson.OPT_INDENT_2,
        )
    )
