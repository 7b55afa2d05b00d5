"""Where a request goes that is not about a served kind: paths, groups served elsewhere, special subresources.

Each room registers its own: discovery `/api`, `/apis` …, health `/healthz`, and so on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import RequestInfo


class Call(msgspec.Struct, frozen=True):
    """A request that has been authenticated and authorized."""

    request: ApiRequest
    info: RequestInfo
    user: User


Handler = Callable[[Call], Awaitable[ApiResponse]]


class Routes:
    """Guarantees  An exact path wins over every prefix, a longer prefix over a shorter one."""

    def __init__(self) -> None:
        self._exact: dict[str, Handler] = {}
        self._unlisted: set[str] = set()
        self._more: list[Callable[[], Iterable[str]]] = []
        self._prefixes: list[tuple[str, Handler]] = []
        self._groups: dict[tuple[str, str], Handler] = {}
        self._resources: dict[tuple[str, str, str], Handler] = {}
        self._subresources: dict[tuple[str, str, str], Handler] = {}
        self.elsewhere: dict[tuple[str, str], Handler] = {}
        """Group versions that another server answers for, whatever is served here under their names."""

    def exact(self, path: str, handler: Handler) -> None:
        self._exact[path] = handler

    def unlisted(self, path: str, handler: Handler) -> None:
        """An exact path that clients are not told of."""
        self._exact[path] = handler
        self._unlisted.add(path)

    def tell_of(self, paths: Callable[[], Iterable[str]]) -> None:
        """Paths below a prefix that clients are told of, too."""
        self._more.append(paths)

    def drop_exact(self, path: str) -> None:
        self._exact.pop(path, None)

    def prefix(self, prefix: str, handler: Handler) -> None:
        """``prefix`` itself and everything under it."""
        self._prefixes = [(one, kept) for one, kept in self._prefixes if one != prefix.rstrip("/")]
        self._prefixes.append((prefix.rstrip("/"), handler))
        self._prefixes.sort(key=lambda row: -len(row[0]))

    def group(self, group: str, version: str, handler: Handler) -> None:
        """Resource requests to a group and version that no ``Resource`` serves (metrics.k8s.io, aggregation)."""
        self._groups[group, version] = handler

    def resource(self, group: str, version: str, resource: str, handler: Handler) -> None:
        """Requests to one resource of a served group that is never stored, and so has no ``Resource`` (bindings)."""
        self._resources[group, version, resource] = handler

    def subresource(self, group: str, resource: str, name: str, handler: Handler) -> None:
        """The handler of a ``SpecialSubresource`` (pods/log, pods/exec, nodes/proxy …)."""
        self._subresources[group, resource, name] = handler

    def of_path(self, path: str) -> Handler | None:
        found = self._exact.get(path)
        if found is not None:
            return found
        for prefix, handler in self._prefixes:
            if path == prefix or path.startswith(prefix + "/"):
                return handler
        return None

    def of_group(self, group: str, version: str) -> Handler | None:
        return self._groups.get((group, version))

    def of_resource(self, group: str, version: str, resource: str) -> Handler | None:
        return self._resources.get((group, version, resource))

    def of_subresource(self, group: str, resource: str, name: str) -> Handler | None:
        return self._subresources.get((group, resource, name))

    @property
    def paths(self) -> list[str]:
        """What clients are told of."""
        below = (path for paths in self._more for path in paths())
        return sorted({*self._exact, *(prefix for prefix, _ in self._prefixes), *below} - self._unlisted)
