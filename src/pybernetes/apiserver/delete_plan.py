"""What a DELETE does to an object: pure, from the object, the options and the time to an outcome.

Guarantees
  A pending deletion is only ever shortened; options that do not shorten it do not change its finalizers either.
  An object with finalizers (or held by its kind's own rule) is marked, never removed.

Follows k8s.io/apiserver/pkg/registry/rest/delete.go and generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from pybernetes.api.fields import FieldError, FieldPath, invalid, not_supported
from pybernetes.api.meta import format_time, parse_time
from pybernetes.apiserver.resource import Document, Resource

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class Propagation(StrEnum):
    ORPHAN = "Orphan"
    BACKGROUND = "Background"
    FOREGROUND = "Foreground"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    grace: int | None = None
    propagation: Propagation | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    stated: Document = field(default_factory=dict, compare=False)
    """The document they came as, for those who judge the deletion."""

    @property
    def is_silent_about_dependents(self) -> bool:
        return self.propagation is None and self.orphan_dependents is None


@dataclass(frozen=True, slots=True)
class Remove:
    """The object goes now. ``last`` makes how its last moment is shown, where that differs from how it was."""

    last: Callable[[], Document] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The object stays, changed."""

    document: Document


@dataclass(frozen=True, slots=True)
class Pending:
    """It is being deleted already, and these options change nothing."""


Outcome = Remove | Mark | Pending


def problems(document: Document) -> Iterator[FieldError]:
    """What is wrong with DeleteOptions as sent."""
    policy, orphan = document.get("propagationPolicy"), document.get("orphanDependents")
    at = FieldPath("propagationPolicy")
    if policy is not None and orphan is not None:
        yield invalid(at, policy, "orphanDependents and deletionPropagation cannot be both set")
    if policy is not None and policy not in list(Propagation):
        yield not_supported(at, policy, ["Foreground", "Background", "Orphan", "nil"])
    if any(one != "All" for one in document.get("dryRun") or ()):
        yield not_supported(FieldPath("dryRun"), document["dryRun"], ["All"])


def plan(resource: Resource, old: Document, options: DeleteOptions, now: datetime) -> Outcome:
    """``old`` is not changed."""
    metadata = old["metadata"]
    if metadata.get("deletionTimestamp"):
        return _again(resource, old, options, now)
    finalizers = _finalizers(resource, metadata.get("finalizers") or [], options)
    grace = resource.grace(old, options.grace) if resource.grace else 0
    held = bool(finalizers) or (resource.held is not None and resource.held(old))
    if not held and grace == 0:
        return Remove(partial(_marked, resource, old, finalizers, now, 0) if resource.grace else None)
    return Mark(_marked(resource, old, finalizers, now, grace))


def is_finished(resource: Resource, new: Document, old: Document) -> bool:
    """Whether an update has removed the last thing that kept an object which is being deleted."""
    before = old["metadata"]
    if new["metadata"].get("finalizers") or not before.get("deletionTimestamp"):
        return False
    if resource.held is not None and resource.held(new):
        return False
    return not before.get("deletionGracePeriodSeconds")


def _again(resource: Resource, old: Document, options: DeleteOptions, now: datetime) -> Outcome:
    metadata = old["metadata"]
    pending = metadata.get("deletionGracePeriodSeconds")
    if resource.held is not None and resource.held(old):
        return Pending()
    if not pending or resource.grace is None:
        return _propagated_otherwise(resource, old, options)
    if options.grace is None or options.grace >= pending:
        return Pending()
    grace = max(options.grace, 0)
    due = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=pending - grace)
    if due < now:
        due, grace = now, min(grace, 1)
    finalizers = _finalizers(resource, metadata.get("finalizers") or [], options)
    changed = {**metadata, "deletionTimestamp": format_time(due), "deletionGracePeriodSeconds": grace}
    changed.pop("finalizers", None)
    shortened = {**old, "metadata": changed | ({"finalizers": finalizers} if finalizers else {})}
    return Mark(shortened) if grace or finalizers else Remove(lambda: shortened)


def _propagated_otherwise(resource: Resource, old: Document, options: DeleteOptions) -> Outcome:
    """A further deletion may choose another propagation."""
    metadata = old["metadata"]
    present = metadata.get("finalizers") or []
    wanted = _finalizers(resource, present, options)
    if not wanted:
        return Remove()
    if sorted(wanted) == sorted(present):
        return Pending()
    changed = {name: value for name, value in metadata.items() if name != "finalizers"}
    if wanted:
        changed["finalizers"] = wanted
    return Mark({**old, "metadata": changed})


def _marked(resource: Resource, old: Document, finalizers: Sequence[str], now: datetime, grace: int) -> Document:
    metadata = dict(old["metadata"])
    metadata["deletionTimestamp"] = format_time(now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    marked = {**old, "metadata": metadata}
    if resource.on_marked is not None:
        resource.on_marked(marked)
    return marked


def _finalizers(resource: Resource, present: Sequence[str], options: DeleteOptions) -> list[str]:
    """The finalizers that carry the propagation policy out."""
    kept = [one for one in present if one not in (ORPHAN, FOREGROUND)]
    if _orphans(resource, present, options):
        kept.append(ORPHAN)
    if _foreground(present, options):
        kept.append(FOREGROUND)
    return kept


def _orphans(resource: Resource, present: Sequence[str], options: DeleteOptions) -> bool:
    if options.orphan_dependents is not None:
        return options.orphan_dependents
    if options.propagation is not None:
        return options.propagation is Propagation.ORPHAN
    for finalizer in present:
        if finalizer in (ORPHAN, FOREGROUND):
            return finalizer == ORPHAN
    return resource.orphans_by_default


def _foreground(present: Sequence[str], options: DeleteOptions) -> bool:
    if options.orphan_dependents is not None:
        return False
    if options.propagation is not None:
        return options.propagation is Propagation.FOREGROUND
    for finalizer in present:
        if finalizer in (ORPHAN, FOREGROUND):
            return finalizer == FOREGROUND
    return False
