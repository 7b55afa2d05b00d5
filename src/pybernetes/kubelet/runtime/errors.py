"""How a call to the container runtime fails: one type per way that the kubelet treats differently."""

from __future__ import annotations


class RuntimeFailure(Exception):
    """The runtime refused or failed `operation`; `message` is what it said."""

    def __init__(self, operation: str, message: str) -> None:
        super().__init__(f"{operation}: {message}")
        self.operation = operation
        self.message = message


class NotFound(RuntimeFailure):
    """No such sandbox, container or image."""


class Unavailable(RuntimeFailure):
    """The runtime does not answer: not started yet, restarting, or gone."""


class NotSupported(RuntimeFailure):
    """This runtime cannot do that at all."""


class ExecTimeout(RuntimeFailure):
    """A command run by `exec_sync` did not end in time; the runtime has killed it."""


class PullFailed(RuntimeFailure):
    """The image could not be pulled (ErrImagePull)."""


class InvalidImageName(RuntimeFailure):
    """The image reference cannot be parsed (InvalidImageName)."""


class ImageNotPresent(RuntimeFailure):
    """The container's image is not on this node."""
