"""Which volumes a pod's claims would have on a node: pure decisions of the plugin `VolumeBinding`.

Follows podHasPVCs in pkg/scheduler/framework/plugins/volumebinding/volume_binding.go and FindPodVolumes in binder.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from pybernetes.api import meta, storage
from pybernetes.api.fields import quoted
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.storage_space import Space

UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"

Binding = tuple[core_v1.PersistentVolume, core_v1.PersistentVolumeClaim]


@dataclass(frozen=True, slots=True)
class PodClaims:
    """The claims of a pod that exist, by what they need of a node."""

    bound: tuple[core_v1.PersistentVolumeClaim, ...] = ()
    delayed: tuple[core_v1.PersistentVolumeClaim, ...] = ()
    """Bound or provisioned only when the node is known."""
    immediate: tuple[core_v1.PersistentVolumeClaim, ...] = ()
    """Not bound yet, which is not the scheduler's to do."""


class Shortfall(Enum):
    """Why a node has nothing for a claim."""

    VOLUMES = auto()
    SPACE = auto()


@dataclass(frozen=True, slots=True)
class PodVolumes:
    """What must be done for a pod's claims on a node."""

    bindings: tuple[Binding, ...] = ()
    provisions: tuple[core_v1.PersistentVolumeClaim, ...] = ()
    space: Mapping[str, int] = field(default_factory=dict)
    """Where drivers tell: the bytes from which volumes of a class would be taken."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A delayed claim, and the volumes that might do for it."""

    claim: core_v1.PersistentVolumeClaim
    storage_class: storage_v1.StorageClass | None
    volumes: Sequence[core_v1.PersistentVolume]
    spaces: Sequence[Space] | None = None
    """Where volumes of the class could be made; None when the driver does not tell."""

    @property
    def selected_node(self) -> str | None:
        """The node where it is being provisioned."""
        return self.claim.metadata.annotations.get(storage.SELECTED_NODE)

    @property
    def depends_on_node(self) -> bool:
        known = self.storage_class
        is_bounded = bool(known and known.allowed_topologies) or self.spaces is not None
        return bool(self.volumes) or self.selected_node is not None or is_bounded


def why_not_anywhere(pod: PodInfo, state: AssumedVolumes) -> str:
    """Why no node will do, whatever it is like; empty when one might."""
    for volume in pod.spec.volumes:
        name = storage.claim_of(pod.pod, volume)
        if name is None:
            continue
        claim = state.claim(Key(pod.namespace, name))
        why = _why_not_usable(pod, name, claim, ephemeral=volume.ephemeral is not None)
        if why:
            return why
    return UNBOUND_IMMEDIATE if claims_of(pod, state).immediate else ""


def _why_not_usable(pod: PodInfo, name: str, claim: core_v1.PersistentVolumeClaim | None, *, ephemeral: bool) -> str:
    if claim is None:
        if ephemeral:
            return f"waiting for ephemeral volume controller to create the persistentvolumeclaim {quoted(name)}"
        return f"persistentvolumeclaim {quoted(name)} not found"
    if claim.status.phase == "Lost":
        volume = quoted(claim.spec.volume_name)
        return f"persistentvolumeclaim {quoted(name)} bound to non-existent persistentvolume {volume}"
    if claim.metadata.deletion_timestamp is not None:
        return f"persistentvolumeclaim {quoted(name)} is being deleted"
    if ephemeral and not meta.is_controlled_by(claim, pod.pod):
        return f"PVC {pod.namespace}/{name} was not created for pod {pod.namespace}/{pod.key.name} (pod is not owner)"
    return ""


def claims_of(pod: PodInfo, state: AssumedVolumes) -> PodClaims:
    bound, delayed, immediate = [], [], []
    for name in pod.claims:
        claim = state.claim(Key(pod.namespace, name))
        if claim is None:
            continue
        if storage.is_fully_bound(claim):
            bound.append(claim)
        elif not claim.spec.volume_name and storage.waits_for_consumer(_class_of(claim, state)):
            delayed.append(claim)
        else:
            immediate.append(claim)
    return PodClaims(tuple(bound), tuple(delayed), tuple(immediate))


def choices_for(claims: PodClaims, state: AssumedVolumes) -> list[Choice]:
    """What the delayed claims could have somewhere, smallest claim first."""
    return [_choice(claim, state) for claim in sorted(claims.delayed, key=storage.requested)]


def _choice(claim: core_v1.PersistentVolumeClaim, state: AssumedVolumes) -> Choice:
    known = _class_of(claim, state)
    is_sized = "storage" in claim.spec.resources.requests
    spaces = state.known.spaces_of(known) if known is not None and is_sized else None
    return Choice(claim, known, state.candidates(claim), spaces)


def volumes_on(choices: Sequence[Choice], node: core_v1.Node) -> PodVolumes | Shortfall:
    """What the claims get on a node, or what it lacks for one of them."""
    provisions: list[core_v1.PersistentVolumeClaim] = []
    bindings: list[Binding] = []
    taken: set[str] = set()
    space: dict[str, int] = {}
    for choice in choices:
        claim, selected = choice.claim, choice.selected_node
        if selected is not None and selected != node.metadata.name:
            return Shortfall.VOLUMES
        volume = storage.best_volume(claim, choice.volumes, node=node, taken=taken) if selected is None else None
        if volume is not None:
            taken.add(volume.metadata.name)
            bindings.append((volume, claim))
        elif not _may_provision(choice.storage_class, node):
            return Shortfall.VOLUMES
        elif choice.spaces is None:
            provisions.append(claim)
        else:
            enough = next((one for one in choice.spaces if one.suffices(claim, node)), None)
            if enough is None:
                return Shortfall.SPACE
            provisions.append(claim)
            space[storage.class_of_claim(claim)] = enough.total
    return PodVolumes(tuple(bindings), tuple(provisions), space)


def _may_provision(known: storage_v1.StorageClass | None, node: core_v1.Node) -> bool:
    if known is None or known.provisioner in ("", storage.NO_PROVISIONER):
        return False
    return _in_topologies(known.allowed_topologies, node)


def _in_topologies(terms: Sequence[core_v1.TopologySelectorTerm], node: core_v1.Node) -> bool:
    """No terms allow every node; a term without requirements allows none."""
    labels = node.metadata.labels
    return not terms or any(
        term.match_label_expressions and all(labels.get(one.key) in one.values for one in term.match_label_expressions)
        for term in terms
    )


def _class_of(claim: core_v1.PersistentVolumeClaim, state: AssumedVolumes) -> storage_v1.StorageClass | None:
    return state.known.classes.get(storage.class_of_claim(claim))
