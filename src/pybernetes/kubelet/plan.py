"""What to do next for a pod: a pure function from what is wanted and what is observed to a frozen list of actions.

Guarantees  Init containers run one after another and to success before the others start; sidecars (restartPolicy
            Always) start in their place and stay. Nothing is started in a sandbox that is not ready. A container
            that runs as declared is left alone, whoever started it.
Assumes     Whoever applies the plan observes again afterwards and asks for the next one, until it is empty.
Follows     pkg/kubelet/kuberuntime (computePodActions, computeInitContainerActions, doBackOff).
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pybernetes.api.models.core_v1 import Container, Pod

from . import backoff
from .backoff import Backoff
from .observed import ObservedContainer, ObservedPod
from .restart_rules import restarts, should_restart
from .runtime import ContainerState
from .runtime.labels import CONTAINER_HASH


class Role(enum.Enum):
    """What kind of container it is, which decides when it starts and whether it comes back."""

    INIT = "init container"
    SIDECAR = "restartable init container"
    MAIN = "container"
    EPHEMERAL = "ephemeral container"


@dataclass(frozen=True, slots=True)
class Start:
    name: str
    role: Role
    restart_count: int
    failed_at: datetime | None = None
    key: str = ""
    """Under what its back-off is kept: a container with another image or other resources begins anew."""


@dataclass(frozen=True, slots=True)
class Kill:
    id: str
    name: str
    message: str
    restart: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that must wait before it is started again."""

    name: str
    wait: timedelta
    left: timedelta


@dataclass(frozen=True, slots=True)
class PodActions:
    """Empty means that the pod is as it should be, for now."""

    create_sandbox: bool = False
    attempt: int = 0
    stop_sandboxes: tuple[str, ...] = ()
    kill_pod: bool = False
    kill: tuple[Kill, ...] = ()
    start: tuple[Start, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.create_sandbox or self.stop_sandboxes or self.kill_pod or self.kill or self.start)


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes say, by container id: those that failed, and those that have not started yet."""

    liveness_failed: frozenset[str] = frozenset()
    startup_failed: frozenset[str] = frozenset()
    starting: frozenset[str] = frozenset()


NO_PROBES = Health()
Backoffs = Mapping[str, Backoff]


@dataclass(slots=True)
class _Draft:
    kill: list[Kill] = field(default_factory=list)
    start: list[Start] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    kept: int = 0


def plan(pod: Pod, observed: ObservedPod, now: datetime, backoffs: Backoffs, health: Health = NO_PROBES) -> PodActions:
    """The next steps towards the pod as declared."""
    sandbox = observed.ready_sandbox
    if sandbox is None or _lost_network(pod, observed):
        return _new_sandbox(pod, observed, now, backoffs)
    current = sandbox.sandbox.id
    draft = _Draft()
    _ephemeral(pod, observed, draft)
    initialised = any(observed.newest_in(current, c.name) is not None for c in pod.spec.containers or ())
    verdict = _init(pod, observed, current, now, backoffs, health, draft, initialised)
    if verdict is _Init.FAILED:
        return PodActions(kill_pod=True)
    if verdict is _Init.DONE:
        _main(pod, observed, now, backoffs, health, draft)
        if not draft.kept and not draft.start and not draft.waiting and not draft.kill:
            return PodActions(kill_pod=True)
    stale = tuple(s.sandbox.id for s in observed.sandboxes[1:] if s.sandbox.state.name == "READY")
    return PodActions(
        stop_sandboxes=stale, kill=tuple(draft.kill), start=tuple(draft.start), waiting=tuple(draft.waiting)
    )


def _lost_network(pod: Pod, observed: ObservedPod) -> bool:
    return not pod.spec.host_network and not observed.ips


def _new_sandbox(pod: Pod, observed: ObservedPod, now: datetime, backoffs: Backoffs) -> PodActions:
    """A first sandbox, or one in the place of a dead one if anything is left to run."""
    old = tuple(s.sandbox.id for s in observed.sandboxes if s.sandbox.state.name == "READY")
    attempt = observed.sandbox.sandbox.attempt + 1 if observed.sandbox is not None else 0
    if attempt and observed.containers and not _restarts_failed(pod):
        return PodActions(kill_pod=bool(old or observed.running))
    draft = _Draft()
    _main(pod, observed, now, backoffs, NO_PROBES, draft)
    orphans = tuple(
        Kill(c.id, c.name, "Pod sandbox changed, it will be killed and re-created.", True) for c in observed.running
    )
    if not draft.start and not draft.waiting and not draft.kept:
        return PodActions(kill_pod=bool(old or orphans))
    return PodActions(create_sandbox=True, attempt=attempt, stop_sandboxes=old, kill=orphans)


def _restarts_failed(pod: Pod) -> bool:
    return pod.spec.restart_policy != "Never" or any(
        container.restart_policy is not None for container in pod.spec.containers
    )


def _ephemeral(pod: Pod, observed: ObservedPod, draft: _Draft) -> None:
    for container in pod.spec.ephemeral_containers or ():
        if observed.newest(container.name) is None:
            draft.start.append(Start(container.name, Role.EPHEMERAL, 0))


class _Init(enum.Enum):
    BUSY = enum.auto()
    FAILED = enum.auto()
    DONE = enum.auto()


def _init(
    pod: Pod,
    observed: ObservedPod,
    sandbox: str,
    now: datetime,
    backoffs: Backoffs,
    health: Health,
    draft: _Draft,
    initialised: bool,
) -> _Init:
    for container in pod.spec.init_containers or ():
        found = observed.newest_in(sandbox, container.name)
        if container.restart_policy == "Always":
            if (
                not _sidecar(pod, container, found, observed, now, backoffs, health, draft, initialised)
                and not initialised
            ):
                return _Init.BUSY
        elif initialised or (found is not None and found.succeeded):
            continue
        elif found is not None and found.running:
            if found.id in health.startup_failed:
                draft.kill.append(_kill_for(found, "startup", True))
            return _Init.BUSY
        elif found is not None and found.exited and not should_restart(pod, container, found.status.exit_code):
            return _Init.FAILED
        else:
            _start(container, Role.INIT, observed, now, backoffs, draft)
            return _Init.BUSY
    return _Init.DONE


def _sidecar(
    pod: Pod,
    container: Container,
    found: ObservedContainer | None,
    observed: ObservedPod,
    now: datetime,
    backoffs: Backoffs,
    health: Health,
    draft: _Draft,
    initialised: bool,
) -> bool:
    """Keeps a sidecar running; answers whether it has started, so that what follows may."""
    if found is None or not found.running:
        if not (initialised and _main_finished(pod, observed)):
            _start(container, Role.SIDECAR, observed, now, backoffs, draft)
        return False
    reason = _unfit(container, found, health)
    if reason is not None:
        draft.kill.append(Kill(found.id, found.name, f"{reason}, will be restarted", True))
        return False
    return found.id not in health.starting


def _main_finished(pod: Pod, observed: ObservedPod) -> bool:
    """A sidecar is not restarted for containers that are all done."""
    return all(
        (found := observed.newest(c.name)) is not None and not found.running and not restarts(pod, c, found)
        for c in pod.spec.containers or ()
    )


def _main(pod: Pod, observed: ObservedPod, now: datetime, backoffs: Backoffs, health: Health, draft: _Draft) -> None:
    for container in pod.spec.containers or ():
        found = observed.newest(container.name)
        if found is None or not found.running:
            if found is not None and found.status.state is ContainerState.UNKNOWN:
                message = f"Container {container.name} is in an unknown state, try killing it before restart"
                draft.kill.append(Kill(found.id, found.name, message, True))
            elif restarts(pod, container, found):
                _start(container, Role.MAIN, observed, now, backoffs, draft)
            continue
        reason = _unfit(container, found, health)
        if reason is None:
            draft.kept += 1
            continue
        again = pod.spec.restart_policy != "Never" or "definition changed" in reason
        draft.kill.append(Kill(found.id, found.name, f"{reason}, will be restarted" if again else reason, again))


def _unfit(container: Container, found: ObservedContainer, health: Health) -> str | None:
    """Why a running container must be killed."""
    made_of = found.status.annotations.get(CONTAINER_HASH)
    if made_of is not None and made_of != container_hash(container):
        return f"Container {container.name} definition changed"
    if found.id in health.liveness_failed:
        return f"Container {container.name} failed liveness probe"
    if found.id in health.startup_failed:
        return f"Container {container.name} failed startup probe"
    return None


def _kill_for(found: ObservedContainer, probe: str, restart: bool) -> Kill:
    return Kill(found.id, found.name, f"Container {found.name} failed {probe} probe, will be restarted", restart)


def _start(
    container: Container, role: Role, observed: ObservedPod, now: datetime, backoffs: Backoffs, draft: _Draft
) -> None:
    """Starts the container, or has it wait out its back-off."""
    name = container.name
    last = observed.newest(name)
    failed_at, key = _ended(observed.by_name.get(name, ())), ""
    if failed_at is not None:
        key = backoff_key(container)
        entry = backoffs.get(key)
        left = backoff.remaining(entry, failed_at, now)
        if left > timedelta() and entry is not None:
            draft.waiting.append(Waiting(name, entry.wait, left))
            return
    draft.start.append(Start(name, role, 0 if last is None else last.restart_count + 1, failed_at, key))


def backoff_key(container: Container) -> str:
    return f"{container.name}/{container.image}/{container.resources}"


def _ended(containers: tuple[ObservedContainer, ...]) -> datetime | None:
    """When the newest instance that has ended did."""
    return next((c.status.finished_at for c in containers if c.exited and c.status.finished_at is not None), None)


def container_hash(container: Container) -> str:
    """Changes exactly when a running container must be replaced: its image is the only field that may be edited so."""
    return format(zlib.crc32(f"{container.name}\0{container.image}".encode()), "x")


def all_containers(pod: Pod) -> Iterator[tuple[Role, Container]]:
    """Every container of the pod with its role; ephemeral ones are read as containers."""
    for container in pod.spec.init_containers or ():
        yield (Role.SIDECAR if container.restart_policy == "Always" else Role.INIT), container
    for container in pod.spec.containers or ():
        yield Role.MAIN, container
