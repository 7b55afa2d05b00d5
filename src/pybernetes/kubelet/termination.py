"""What a container has left to say: its termination message, from its file or from the end of its log.

Follows pkg/kubelet/kuberuntime/kuberuntime_container.go (getTerminationMessage).
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from .runtime import ContainerState, ContainerStatus
from .runtime.labels import TERMINATION_MESSAGE_PATH, TERMINATION_MESSAGE_POLICY

LONGEST = 4096
LONGEST_LOG = 2048
LOG_LINES = 80


def message_of(status: ContainerStatus) -> str:
    """The container's last words, or nothing while it has not ended."""
    if status.state is not ContainerState.EXITED:
        return ""
    path = status.annotations.get(TERMINATION_MESSAGE_PATH, "")
    text = _file(status, path) if path else ""
    falls_back = status.annotations.get(TERMINATION_MESSAGE_POLICY) == "FallbackToLogsOnError"
    if not text and falls_back and status.exit_code != 0 and status.log_path:
        text = _log_tail(Path(status.log_path))
    return f"{status.message}: {text}" if status.message and text else (text or status.message)


def _file(status: ContainerStatus, path: str) -> str:
    for mount in status.mounts:
        if mount.container_path == path:
            return _read(Path(mount.host_path))
    return ""


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error reading termination log: {error}"


def _log_tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            lines = deque(file, maxlen=LOG_LINES)
    except OSError as error:
        return f"Error reading termination message from logs: {error}"
    text = b"".join(_content(line) for line in lines)
    return text[-LONGEST_LOG:].decode("utf-8", "replace")


def _content(line: bytes) -> bytes:
    """A line of a container log without its time, stream and tag; a partial line has no end."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return line
    return parts[3].rstrip(b"\n") if parts[2] == b"P" else parts[3]
