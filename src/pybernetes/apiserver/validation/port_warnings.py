"""Ports of containers that are likely to be in each other's way.

Follows pkg/api/pod/warnings.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.apiserver.resource import Document

Placed = tuple[Document, str]
"""Something with its path."""


def port_warnings(containers: Sequence[Placed]) -> Iterator[str]:
    ports = [
        (port, f"{path}.ports[{index}]")
        for container, path in containers
        for index, port in enumerate(container.get("ports") or ())
    ]
    if not ports:
        return
    known: dict[tuple[int, str], list[Placed]] = {}
    for port, path in ports:
        if port.get("hostIP") and not port.get("hostPort"):
            yield f"{path}: hostIP set without hostPort: {_as_go_shows(port)}"
        others = known.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
        for other, at_other in others:
            if what := _clash(port, other):
                yield f"{path}: {what} with {at_other}"
        others.append((port, path))
    names: dict[str, str] = {}
    for port, path in ports:
        name = port.get("name")
        if name in names:
            other_path = names[name]
            yield (
                f'{path}: duplicate port name "{name}" with {other_path}, '
                f"services and probes that select ports by name will use {other_path}"
            )
        elif name:
            names[name] = path


def _clash(port: Document, other: Document) -> str:
    address, host = port.get("hostIP", ""), port.get("hostPort", 0)
    other_address, other_host = other.get("hostIP", ""), other.get("hostPort", 0)
    if (address, host) == (other_address, other_host):
        return "duplicate port definition"
    if not host or not other_host:
        return "overlapping port definition"
    if host == other_host and bool(address) != bool(other_address):
        return "dangerously ambiguous port definition"
    return ""


def _as_go_shows(port: Document) -> str:
    fields = (("Name", "name", ""), ("HostPort", "hostPort", 0), ("ContainerPort", "containerPort", 0))
    shown = [f"{name}:{port.get(field, default)}" for name, field, default in fields]
    shown += [f"Protocol:{port.get('protocol', '')}", f"HostIP:{port.get('hostIP', '')}"]
    return f"{{{' '.join(shown)}}}"
