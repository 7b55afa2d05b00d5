"""What admission says about a connection before it is made.

Guarantees  Plugins, policies and webhooks see the options of the connection as an object (`PodExecOptions` …) on the
            operation CONNECT; what they make of it counts.

Follows ConnectResource in k8s.io/apiserver/pkg/endpoints/handlers/rest.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Kind, Operation
from pybernetes.apiserver.contexts import context_of, reads_dry_run
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.server import ApiServer

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Options:
    """A kind of options: how each field reads from the query. ``always`` are written even when empty."""

    kind: str
    fields: Mapping[str, str]
    always: tuple[str, ...] = ()


_STREAMS = {"stdin": "flag", "stdout": "flag", "stderr": "flag", "tty": "flag", "container": "text"}
OPTIONS = {
    ("pods", "exec"): Options("PodExecOptions", {**_STREAMS, "command": "texts"}, ("command",)),
    ("pods", "attach"): Options("PodAttachOptions", _STREAMS),
    ("pods", "portforward"): Options("PodPortForwardOptions", {"ports": "numbers"}),
    ("pods", "proxy"): Options("PodProxyOptions", {"path": "path"}),
    ("services", "proxy"): Options("ServiceProxyOptions", {"path": "path"}),
    ("nodes", "proxy"): Options("NodeProxyOptions", {"path": "path"}),
}


class Connections:
    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def admit(self, call: Call) -> Query:
        """The query as it is now. Raises what refuses the connection."""
        info, request = call.info, call.request
        if request.query and reads_dry_run(request):
            raise errors.bad_request("dryRun is not supported")
        endpoint = self._server.endpoints.get((info.group, info.version, info.resource))
        if endpoint is None:
            return request.query
        options = OPTIONS[info.resource, info.subresource]
        document = document_of(options, call)
        before = dict(document)
        namespace = info.namespace if endpoint.info.namespaced else ""
        await self._server.admission.admit(
            Attributes(
                Operation.CONNECT,
                endpoint.resource,
                namespace,
                info.name,
                context_of(call, self._server.clock),
                document,
                subresource=info.subresource,
                of_kind=Kind("", "v1", options.kind),
            )
        )
        return request.query if document == before else {**request.query, **query_of(options, document)}


def document_of(options: Options, call: Call) -> Document:
    """Raises 400 for a number that is none."""
    document: Document = {"kind": options.kind, "apiVersion": "v1"}
    for name, form in options.fields.items():
        value = _read(name, form, call)
        if value or name in options.always:
            document[name] = value
    return document


def _read(name: str, form: str, call: Call) -> Any:
    request = call.request
    match form:
        case "flag":
            return request.flag(name)
        case "text":
            return request.param(name)
        case "texts":
            return list(request.query.get(name, ()))
        case "numbers":
            return [_number(text) for text in request.query.get(name, ())]
    path = "/".join(call.info.parts[3:])
    path = f"/{path}" if path and not path.startswith("/") else path
    return f"{path}/" if request.path.endswith("/") and not path.endswith("/") else path


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def query_of(options: Options, document: Document) -> dict[str, list[str]]:
    """The other way round, but for the path of a proxy, which is part of the request's own."""
    query: dict[str, list[str]] = {}
    for name, form in options.fields.items():
        value = document.get(name)
        match form:
            case "flag":
                query[name] = ["true" if value else "false"]
            case "text":
                query[name] = [value] if value else []
            case "texts" | "numbers":
                query[name] = [str(one) for one in value or ()]
    return query
