"""Writing the statuses of pods to the API server.

Guarantees  The newest status of a pod wins; a status that changes nothing is not sent. Writes of one pod are in
            order. Conditions of other owners are left alone, because the patch names only what changed. A status is
            never written to another pod of the same name: the uid goes with the patch.
Follows     pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod, PodStatus
from pybernetes.client import Client, PatchType, Unreachable

from .conditions import OURS

log = structlog.get_logger(__name__)
Document = dict[str, Any]

PARALLEL = 8
RETRY = 2.0
RECONCILE = 10.0


@dataclass(slots=True)
class _Entry:
    pod: Pod
    status: PodStatus
    written: Document | None
    """The status as the API server has it, as far as we know."""


class StatusManager:
    """Call `set` from anywhere; `run` in a task does the writing."""

    def __init__(self, client: Client, *, parallel: int = PARALLEL) -> None:
        self._client = client
        self._parallel = parallel
        self._entries: dict[str, _Entry] = {}
        self._dirty: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._suspects: set[str] = set()
        self._writing: dict[str, asyncio.Lock] = {}

    def set(self, pod: Pod, status: PodStatus) -> None:
        uid = pod.metadata.uid
        entry = self._entries.get(uid)
        if entry is None:
            self._entries[uid] = _Entry(pod, status, None)
        elif entry.status == status:
            entry.pod = pod
            return
        else:
            entry.pod, entry.status = pod, status
        self._enqueue(uid)

    def get(self, uid: str) -> PodStatus | None:
        entry = self._entries.get(uid)
        return entry.status if entry is not None else None

    def forget(self, uid: str) -> None:
        self._entries.pop(uid, None)
        self._writing.pop(uid, None)

    def seen(self, pod: Pod) -> None:
        """The pod as the API server shows it. What somebody has changed of what we wrote is put right after a while,
        by when an event that was only older than our last write has been followed by newer ones."""
        entry = self._entries.get(pod.metadata.uid)
        if entry is None or entry.pod.metadata.resource_version == pod.metadata.resource_version:
            return
        entry.pod = pod
        if entry.written is None or pod.metadata.uid in self._suspects or pod.status == entry.status:
            return
        self._suspects.add(pod.metadata.uid)
        asyncio.get_running_loop().call_later(RECONCILE, self._reconcile, pod.metadata.uid)

    def _reconcile(self, uid: str) -> None:
        self._suspects.discard(uid)
        entry = self._entries.get(uid)
        if entry is None:
            return
        shown = to_document(entry.pod.status)
        if difference(shown, to_document(entry.status)):
            entry.written = shown
            self._enqueue(uid)

    async def flush(self, uid: str) -> None:
        """Returns once the newest status of the pod has been written, or raises."""
        await self._write(uid)

    async def flush_within(self, uid: str, seconds: float) -> None:
        """As `flush`, where the API server answers in time; otherwise the status is written later, as any other."""
        try:
            async with asyncio.timeout(seconds):
                await self._write(uid)
        except (ApiError, Unreachable, TimeoutError) as error:
            log.debug("a pod's status is not written yet", uid=uid, error=str(error))
            self._enqueue(uid)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._parallel):
                group.create_task(self._worker(), name=f"status writer {number}")

    async def _worker(self) -> None:
        while True:
            uid = await self._dirty.get()
            self._queued.discard(uid)
            try:
                await self._write(uid)
            except (ApiError, Unreachable) as error:
                log.warning("could not write a pod's status", uid=uid, error=str(error))
                asyncio.get_running_loop().call_later(RETRY, self._enqueue, uid)

    def _enqueue(self, uid: str) -> None:
        if uid in self._entries and uid not in self._queued:
            self._queued.add(uid)
            self._dirty.put_nowait(uid)

    async def _write(self, uid: str) -> None:
        async with self._writing.setdefault(uid, asyncio.Lock()):
            entry = self._entries.get(uid)
            if entry is None:
                return
            wanted = to_document(entry.status)
            if entry.written is None:
                entry.written = to_document(entry.pod.status)
            change = difference(entry.written, wanted)
            if not change:
                return
            pod = entry.pod.metadata
            patch = {"metadata": {"uid": uid}, "status": change}
            try:
                await self._client.patch(Pod, pod.name, pod.namespace, patch, PatchType.STRATEGIC, subresource="status")
            except ApiError as error:
                if error.code in (404, 409):
                    log.debug("the pod of a status is gone", pod=pod.name, namespace=pod.namespace)
                    return
                entry.written = None
                raise
            entry.written = wanted


def to_document(status: PodStatus) -> Document:
    document: Document = msgspec.to_builtins(status)
    return document


_ATOMIC_BY_IP = ("podIPs", "hostIPs")


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Document:
    """A strategic merge patch from the one status to the other."""
    change: Document = {key: None for key in old if key not in new and key != "conditions"}
    for key, value in new.items():
        if old.get(key) == value:
            continue
        if key == "conditions":
            changed = _changed_conditions(old.get(key, ()), value)
            if changed:
                change[key] = changed
        elif key in _ATOMIC_BY_IP and old.get(key):
            change[key] = [{"$patch": "replace"}, *value]
        else:
            change[key] = value
    return change


def _changed_conditions(old: Any, new: Any) -> list[Document]:
    """Those of ours that are over are removed; others' conditions are others' affair."""
    before = {condition["type"]: condition for condition in old}
    over = [type for type in before if type in OURS and all(condition["type"] != type for condition in new)]
    changed = [
        {**{name: None for name in before.get(condition["type"], {}) if name not in condition}, **condition}
        for condition in new
        if before.get(condition["type"]) != condition
    ]
    return changed + [{"type": type, "$patch": "delete"} for type in over]
