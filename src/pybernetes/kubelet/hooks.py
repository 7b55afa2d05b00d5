"""Lifecycle hooks: what a container wants done right after it has started and right before it is stopped.

Follows pkg/kubelet/lifecycle/handlers.go.
"""

from __future__ import annotations

import asyncio

from pybernetes.api.models.core_v1 import LifecycleHandler

from . import probes
from .probes import Target
from .runtime import Runtime, RuntimeFailure


class HookFailure(Exception):
    """The hook did not do what it should; the text is for its event."""


async def run(handler: LifecycleHandler, target: Target, runtime: Runtime) -> None:
    """Returns when the hook is done. The caller limits its time."""
    if handler.exec is not None:
        await _exec(handler, target, runtime)
    elif handler.http_get is not None:
        await _http(handler, target)
    elif getattr(handler, "sleep", None) is not None:
        await asyncio.sleep(handler.sleep.seconds if handler.sleep is not None else 0)
    elif handler.tcp_socket is not None:
        raise HookFailure("invalid handler: tcpSocket is not a lifecycle handler")


async def _exec(handler: LifecycleHandler, target: Target, runtime: Runtime) -> None:
    command = list(handler.exec.command or ()) if handler.exec is not None else []
    shown = " ".join(command)
    metadata = target.pod.metadata
    pod = f"{metadata.name}_{metadata.namespace}({metadata.uid})"
    hook = f'Exec lifecycle hook ([{shown}]) for Container "{target.container.name}" in Pod "{pod}"'
    try:
        result = await runtime.exec_sync(target.container_id, command)
    except RuntimeFailure as error:
        raise HookFailure(f"{hook} failed - error: {error}") from error
    if result.exit_code != 0:
        output = (result.stdout + result.stderr).decode("utf-8", "replace")
        raise HookFailure(f"{hook} failed - error: command '{shown}' exited with {result.exit_code}: {output}")


async def _http(handler: LifecycleHandler, target: Target) -> None:
    action = handler.http_get
    assert action is not None
    try:
        port = probes.port_number(action.port, target.container)
    except LookupError as error:
        raise HookFailure(str(error)) from error
    headers = {"User-Agent": "kube-lifecycle/1.36", "Accept": "*/*"}
    for header in action.http_headers or ():
        headers[header.name] = header.value or ""
    url = probes.http_url(action, action.host or target.ip, port)
    status, text = await probes.http_get(url, headers, timeout=3600)
    if status is None and (action.scheme or "HTTP") == "HTTPS":
        url = "http" + url.removeprefix("https")
        status, text = await probes.http_get(url, headers, timeout=3600)
    if status is None:
        raise HookFailure(
            f'HTTP lifecycle hook ({action.path}) for Container "{target.container.name}" failed - error: {text}'
        )
