"""Asking the scheduler of a cluster on this machine: HTTP over the socket file `DIR/run/scheduler.sock`."""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote

from pybernetes.cli.layout import Layout
from pybernetes.cli.probe import Reply
from pybernetes.cli.problems import Problem
from pybernetes.cli.socket_files import SocketConnection

PATIENCE = 30.0


def ask_why(layout: Layout, namespace: str, pod: str, *, now: bool) -> bytes:
    """The explanation as JSON. Raises Problem."""
    path = f"/why/{quote(namespace, safe='')}/{quote(pod, safe='')}{'?now=true' if now else ''}"
    connection = SocketConnection(layout.scheduler_socket, patience=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.read())
    except PermissionError as error:
        raise Problem(f"{layout.scheduler_socket} cannot be opened", "run as the user whose scheduler it is") from error
    except (OSError, http.client.HTTPException) as error:
        raise Problem(
            f"no scheduler answers at {layout.scheduler_socket}",
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
