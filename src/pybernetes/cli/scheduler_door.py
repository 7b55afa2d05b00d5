"""Asking the scheduler of a cluster on this machine: HTTP over the socket file `DIR/run/scheduler.sock`."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from urllib.parse import quote

from pybernetes.cli.layout import Layout
from pybernetes.cli.probe import Reply
from pybernetes.cli.problems import Problem

PATIENCE = 30.0


def door_of(layout: Layout) -> Path:
    """Where the scheduler of a cluster listens, whichever process it is in."""
    return layout.run / "scheduler.sock"


def ask_why(layout: Layout, namespace: str, pod: str, *, now: bool) -> bytes:
    """The explanation as JSON. Raises Problem."""
    path = f"/why/{quote(namespace, safe='')}/{quote(pod, safe='')}{'?now=true' if now else ''}"
    connection = _SocketConnection(door_of(layout))
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.read())
    except PermissionError as error:
        raise Problem(f"{door_of(layout)} cannot be opened", "run as the user whose scheduler it is") from error
    except (OSError, http.client.HTTPException) as error:
        raise Problem(
            f"no scheduler answers at {door_of(layout)}",
            "start the cluster with `p8s up`, or name the directory that its scheduler was started with (--data-dir)",
        ) from error
    finally:
        connection.close()
    if reply.status != 200:
        raise Problem(_message(reply), "see `p8s kubectl get pods -A` for the pods that there are")
    return reply.body


def _message(reply: Reply) -> str:
    try:
        return str(reply.document.get("message") or f"the scheduler answered {reply.status}")
    except json.JSONDecodeError:
        return f"the scheduler answered {reply.status}"


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        from pybernetes.scheduler.explaining.short_path import short_path

        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        with short_path(self._path) as path:
            self.sock.connect(path)
