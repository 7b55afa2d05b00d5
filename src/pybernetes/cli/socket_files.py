"""HTTP over the socket files of a cluster, for whoever may open them.

The kernel takes 107 bytes of such a file's name, and the directories of clusters may be longer.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, *, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_path(self._path) as path:
            self.sock.connect(path)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a file that is short enough for the kernel, however deep the file lies."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
