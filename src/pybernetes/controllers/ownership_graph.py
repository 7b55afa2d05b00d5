"""The graph of who owns whom, over every kind: pure bookkeeping for the garbage collector.

Guarantees  `observe` and `forget` return the uids that should be looked at because of the change:
  an object whose owner is not in the graph (it may be gone), or not as the reference has it,
  all that depend on an object that is gone, and owners that waited for it,
  an object that begins to wait for its dependents or to let them go, and then its dependents too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import Key
from pybernetes.api.models import meta_v1

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(slots=True, eq=False)
class Node:
    info: KindInfo
    key: Key
    uid: str
    owners: tuple[meta_v1.OwnerReference, ...] = ()
    finalizers: frozenset[str] = frozenset()
    deleting: bool = False

    @property
    def waits_for_dependents(self) -> bool:
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def lets_dependents_go(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers


class OwnershipGraph:
    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}
        """Also of owners that are not in the graph."""

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        return [self._nodes[each] for each in self._dependents.get(uid, ())]

    def blocking_dependents(self, uid: str) -> list[Node]:
        """Those that the owner may not go before."""
        return [node for node in self.dependents(uid) if _blocks(node, uid)]

    def observe(self, info: KindInfo, metadata: meta_v1.ObjectMeta) -> set[str]:
        uid = metadata.uid
        old = self._nodes.get(uid)
        node = Node(
            info,
            Key(metadata.namespace, metadata.name),
            uid,
            tuple(metadata.owner_references),
            frozenset(metadata.finalizers),
            metadata.deletion_timestamp is not None,
        )
        self._nodes[uid] = node
        unblocked = self._relink(old, node)
        attention = {owner for owner in unblocked if self._waits(owner)}
        if any(not self._is_known(owner, node) for owner in node.owners):
            attention.add(uid)
        if any(self._waits(owner.uid) for owner in node.owners):
            attention.add(uid)
        if _begins_to_end(old, node):
            attention.add(uid)
            attention |= self._dependents.get(uid, set())
        return attention

    def misplaced_owner(self, node: Node) -> meta_v1.OwnerReference | None:
        """The first reference to an object that is in another namespace."""
        for reference in node.owners:
            owner = self._nodes.get(reference.uid)
            if owner is not None and owner.key.namespace not in ("", node.key.namespace):
                return reference
        return None

    def _is_known(self, reference: meta_v1.OwnerReference, dependent: Node) -> bool:
        """False also for a reference that has the kind, name or namespace of its owner wrong."""
        owner = self._nodes.get(reference.uid)
        if owner is None or owner.key.namespace not in ("", dependent.key.namespace):
            return False
        group, _, _ = reference.api_version.rpartition("/")
        named = (owner.info.group, owner.info.kind, owner.key.name)
        return named == (group, reference.kind, reference.name)

    def forget(self, uid: str) -> set[str]:
        node = self._nodes.pop(uid, None)
        if node is None:
            return set()
        attention = set(self._dependents.get(uid, ()))
        for owner in node.owners:
            self._unlink(owner.uid, uid)
            if self._waits(owner.uid):
                attention.add(owner.uid)
        return attention

    def _relink(self, old: Node | None, new: Node) -> set[str]:
        """Returns owners that the object no longer has, or no longer blocks."""
        before = {owner.uid: owner for owner in old.owners} if old is not None else {}
        after = {owner.uid: owner for owner in new.owners}
        for uid in before.keys() - after.keys():
            self._unlink(uid, new.uid)
        for uid in after.keys() - before.keys():
            self._dependents.setdefault(uid, set()).add(new.uid)
        return {
            uid
            for uid, owner in before.items()
            if owner.block_owner_deletion and (uid not in after or not after[uid].block_owner_deletion)
        }

    def _unlink(self, owner: str, dependent: str) -> None:
        dependents = self._dependents.get(owner)
        if dependents is not None:
            dependents.discard(dependent)
            if not dependents:
                del self._dependents[owner]

    def _waits(self, uid: str) -> bool:
        node = self._nodes.get(uid)
        return node is not None and node.waits_for_dependents

    def uids(self) -> Iterable[str]:
        return self._nodes.keys()

    def of_kind(self, info: KindInfo) -> list[str]:
        return [uid for uid, node in self._nodes.items() if node.info == info]


def _begins_to_end(old: Node | None, new: Node) -> bool:
    was_waiting = old is not None and (old.waits_for_dependents or old.lets_dependents_go)
    return (new.waits_for_dependents or new.lets_dependents_go) and not was_waiting


def _blocks(node: Node, owner_uid: str) -> bool:
    return any(owner.uid == owner_uid and owner.block_owner_deletion for owner in node.owners)
