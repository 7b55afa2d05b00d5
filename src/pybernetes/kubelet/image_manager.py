"""Making sure that a container's image is on the node, by its pull policy.

Guarantees  One pull of an image at a time; failed pulls wait longer each time. A failure is `StartFailure` with the
            reason and message that the container's status shows, and its event has been told.
Follows     pkg/kubelet/images/image_manager.go.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod

from . import backoff
from .backoff import Backoff
from .env import Objects, secret_bytes
from .runtime import Credentials, Image, InvalidImageName, Runtime, RuntimeFailure, SandboxConfig

Say = Callable[[str, str, str], None]
"""type, reason, message: an event about the container."""


class StartFailure(Exception):
    """A container could not be started: `reason` and `message` are what its status says."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Failed:
    wait: Backoff
    at: datetime
    message: str


class ImageManager:
    def __init__(self, runtime: Runtime, objects: Objects, clock: Clock) -> None:
        self._runtime = runtime
        self._objects = objects
        self._clock = clock
        self._failures: dict[str, Failed] = {}
        self._pulling: dict[str, asyncio.Lock] = {}

    async def ensure(
        self, pod: Pod, name: str, policy: str, sandbox: SandboxConfig, say: Say
    ) -> tuple[str, Image | None]:
        """The reference to give to the runtime, and what is known of the image."""
        present = await self._status(name, say)
        if present is not None and policy != "Always":
            say(
                "Normal",
                "Pulled",
                f'Container image "{name}" already present on machine and can be accessed by the pod',
            )
            return present.id, present
        if present is None and policy == "Never":
            message = f'Container image "{name}" is not present with pull policy of Never'
            say("Warning", "ErrImageNeverPull", message)
            raise StartFailure("ErrImageNeverPull", message)
        async with self._pulling.setdefault(name, asyncio.Lock()):
            reference = await self._pull(pod, name, sandbox, say)
        return reference, await self._status(reference, say)

    async def _status(self, name: str, say: Say) -> Image | None:
        try:
            return await self._runtime.image_status(name)
        except InvalidImageName as error:
            message = f'Failed to apply default image tag "{name}": {error.message}'
            say("Warning", "InspectFailed", message)
            raise StartFailure("InvalidImageName", message) from error
        except RuntimeFailure as error:
            message = f'Failed to inspect image "{name}": {error}'
            say("Warning", "InspectFailed", message)
            raise StartFailure("ImageInspectError", message) from error

    async def _pull(self, pod: Pod, name: str, sandbox: SandboxConfig, say: Say) -> str:
        key = f"{pod.metadata.uid}/{name}"
        failed = self._failures.get(key)
        if failed is not None and backoff.remaining(failed.wait, failed.at, self._clock.now()) > timedelta():
            say("Normal", "BackOff", f'Back-off pulling image "{name}"')
            raise StartFailure("ImagePullBackOff", f'Back-off pulling image "{name}": {failed.message}')
        say("Normal", "Pulling", f'Pulling image "{name}"')
        began = self._clock.monotonic()
        try:
            reference = await self._try_credentials(pod, name, sandbox)
        except RuntimeFailure as error:
            now = self._clock.now()
            previous = failed.wait if failed is not None else None
            self._failures[key] = Failed(backoff.lengthened(previous, now, now), now, f"ErrImagePull: {error.message}")
            say("Warning", "Failed", f'Failed to pull image "{name}": {error.message}')
            reason = "InvalidImageName" if isinstance(error, InvalidImageName) else "ErrImagePull"
            raise StartFailure(reason, error.message) from error
        self._failures.pop(key, None)
        image = await self._runtime.image_status(reference)
        took = _seconds(self._clock.monotonic() - began)
        size = image.size if image is not None else 0
        say(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: {size} bytes.',
        )
        return reference

    async def _try_credentials(self, pod: Pod, name: str, sandbox: SandboxConfig) -> str:
        """With each pull secret that fits, then without any."""
        found = await self._credentials(pod, name)
        for credentials in found[:-1]:
            try:
                return await self._runtime.pull_image(name, credentials=credentials, sandbox=sandbox)
            except InvalidImageName:
                raise
            except RuntimeFailure:
                continue
        return await self._runtime.pull_image(name, credentials=found[-1] if found else None, sandbox=sandbox)

    async def _credentials(self, pod: Pod, image: str) -> list[Credentials]:
        found: list[Credentials] = []
        for reference in pod.spec.image_pull_secrets or ():
            try:
                secret = await self._objects.secret(pod.metadata.namespace or "", reference.name or "")
            except ApiError as error:
                if error.code != 404:
                    raise
                continue
            for key in (".dockerconfigjson", ".dockercfg"):
                if key in (secret.data or {}):
                    found.extend(credentials_for(image, secret_bytes((secret.data or {})[key])))
        return found

    def forget(self, uid: str) -> None:
        for key in [key for key in self._failures if key.startswith(f"{uid}/")]:
            del self._failures[key]


def credentials_for(image: str, configuration: bytes) -> Iterator[Credentials]:
    """The entries of a Docker configuration file that are for the image's registry, the longest match first."""
    try:
        document = json.loads(configuration)
    except ValueError:
        return
    entries = document.get("auths", document) if isinstance(document, dict) else {}
    wanted = _registry_path(image)
    matching = [server for server in entries if _fits(server, wanted)]
    for server in sorted(matching, key=len, reverse=True):
        entry = entries[server]
        user, password = entry.get("username", ""), entry.get("password", "")
        if entry.get("auth") and not user:
            user, _, password = base64.b64decode(entry["auth"]).decode("utf-8", "replace").partition(":")
        yield Credentials(
            username=user,
            password=password,
            server=server,
            identity_token=entry.get("identitytoken", ""),
            registry_token=entry.get("registrytoken", ""),
        )


def _registry_path(image: str) -> str:
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return image if named else f"docker.io/{image}"


def _fits(server: str, image: str) -> bool:
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    bare = bare.removesuffix("/v1").removesuffix("/v2").replace("index.docker.io", "docker.io")
    host, _, path = bare.partition("/")
    image_host, _, image_path = image.partition("/")
    if host.startswith("*."):
        hosts_fit = image_host.endswith(host[1:]) and "." not in image_host[: -len(host[1:])]
    else:
        hosts_fit = host == image_host
    return hosts_fit and image_path.startswith(path)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s" if seconds >= 1 else f"{round(seconds * 1000)}ms"


def names_of(images: Sequence[Image]) -> list[tuple[list[str], int]]:
    """Images as a node lists them: their names and size, the largest first, at most 50."""
    ordered = sorted(images, key=lambda image: image.size, reverse=True)[:50]
    return [([*image.repo_digests, *image.repo_tags][:5], image.size) for image in ordered]
