"""Where a request about a pod or node goes, and what the kubelet is asked there. Pure: documents in, addresses out.

Follows pkg/registry/core/pod/strategy.go (log, exec, attach and port-forward locations) and pkg/registry/core/node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, invalid

Document = Mapping[str, Any]
Query = Mapping[str, Sequence[str]]

KUBELET_PORT = 10250
ADDRESS_PREFERENCE = ("InternalIP", "InternalDNS", "Hostname", "ExternalIP", "ExternalDNS")

# What the API calls a stream, and what the kubelet calls it.
_STREAMS = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))
_LOG_NUMBERS = ("sinceSeconds", "tailLines", "limitBytes")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def kubelet_address(node: Document) -> Address:
    """Raises an error when the node tells no address."""
    status = node.get("status") or {}
    name = node["metadata"]["name"]
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
    addresses: dict[str, str] = {
        one.get("type"): one.get("address", "") for one in reversed(status.get("addresses") or ())
    }
    for kind in ADDRESS_PREFERENCE:
        if addresses.get(kind):
            return Address(addresses[kind], port)
    raise errors.internal_error(f'no preferred addresses found for node "{name}"; known addresses: []')


def node_of(pod: Document) -> str:
    """The node a pod runs on. Raises 400 when it has none yet."""
    node: str = (pod.get("spec") or {}).get("nodeName", "")
    if not node:
        raise errors.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    return node


def container_of(pod: Document, asked: str) -> str:
    """The container meant: the one asked for, or the only one."""
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    containers: list[str] = [one["name"] for one in spec.get("containers") or ()]
    init = [one["name"] for one in spec.get("initContainers") or ()]
    ephemeral = [one["name"] for one in spec.get("ephemeralContainers") or ()]
    if asked:
        if asked not in (*containers, *init, *ephemeral):
            raise errors.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1:
        return containers[0]
    message = f"a container name must be specified for pod {name}"
    if containers:
        message += f", choose one of: [{' '.join(containers)}]"
        if init:
            message += f" or one of the init containers: [{' '.join(init)}]"
        if ephemeral:
            message += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise errors.bad_request(message)


def stream_path(operation: str, pod: Document, query: Query) -> str:
    """The kubelet's path of `exec` or `attach`. Raises 400 for options that make no sense."""
    container = container_of(pod, _first(query, "container"))
    node_of(pod)
    asked = {name: _flag(query, name) for name, _ in _STREAMS}
    if not (asked["stdin"] or asked["stdout"] or asked["stderr"]):
        raise errors.bad_request("you must specify at least one of stdin, stdout, stderr")
    if asked["tty"] and asked["stderr"]:
        raise errors.bad_request("tty and stderr cannot both be true")
    command = list(query.get("command", ()))
    if operation == "exec" and not command:
        raise errors.bad_request("you must specify at least 1 command")
    sent = [(theirs, "1") for ours, theirs in _STREAMS if asked[ours]]
    if operation == "exec":
        sent += [("command", word) for word in command]
    return _path(operation, pod, container) + "?" + urlencode(sent)


def port_forward_path(pod: Document, query: Query) -> str:
    ports = [("port", port) for value in query.get("ports", ()) for port in value.split(",")]
    path = _path("portForward", pod)
    return f"{path}?{urlencode(ports)}" if ports else path


def check_log_options(pod: str, query: Query) -> None:
    """Raises 422 for options out of range: before anybody looks for the pod."""
    problems = list(_log_problems(query))
    if problems:
        raise errors.invalid("", "PodLogOptions", pod, problems)


def log_path(pod: Document, query: Query) -> str:
    """The kubelet's path of a container's log. Assumes checked options."""
    container = container_of(pod, _first(query, "container"))
    sent = [(name, "true") for name in ("follow", "previous", "timestamps") if _flag(query, name)]
    sent += [(name, _first(query, name)) for name in (*_LOG_NUMBERS, "sinceTime", "stream") if _first(query, name)]
    path = _path("containerLogs", pod, container)
    return f"{path}?{urlencode(sent)}" if sent else path


def _log_problems(query: Query) -> list[FieldError]:
    problems = []
    for name, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        text = _first(query, name)
        if not text:
            continue
        try:
            number = int(text)
        except ValueError:
            raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
        if number < least:
            path = getattr(at, name)
            problems.append(
                invalid(path, number, f"must be greater than {'or equal to 0' if least == 0 else least - 1}")
            )
    if _first(query, "sinceSeconds") and _first(query, "sinceTime"):
        problems.append(forbidden(FieldPath(), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    return problems


def _path(operation: str, pod: Document, *rest: str) -> str:
    metadata = pod["metadata"]
    parts = (operation, metadata["namespace"], metadata["name"], *rest)
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _first(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def _flag(query: Query, name: str) -> bool:
    values = query.get(name)
    return values is not None and (not values or values[0].lower() not in ("", "0", "false"))
