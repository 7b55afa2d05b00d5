"""What all objects have in common: keys, owners, conditions, times.

Assumes  Objects are models (`pod.metadata.name`); times are UTC and, but for MicroTime, whole seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, MutableSequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from pybernetes.api import kinds
from pybernetes.api.models.core_v1 import ObjectReference
from pybernetes.api.models.meta_v1 import ObjectMeta, OwnerReference

T = TypeVar("T")


class Object(Protocol):
    """Anything with `metadata`."""

    @property
    def metadata(self) -> ObjectMeta: ...


class Key(NamedTuple):
    """An object's place among those of its kind; objects without a namespace have ""."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def parse(cls, text: str) -> Key:
        namespace, _, name = text.rpartition("/")
        return cls(namespace, name)


def key_of(value: Object) -> Key:
    return Key(value.metadata.namespace, value.metadata.name)


# -- owners ----------------------------------------------------------------------------------------------------------


def controller_of(value: Object) -> OwnerReference | None:
    """The owner that manages the object, if there is one."""
    for owner in value.metadata.owner_references:
        if owner.controller:
            return owner
    return None


def is_controlled_by(value: Object, owner: Object) -> bool:
    reference = controller_of(value)
    return reference is not None and reference.uid == owner.metadata.uid


def owner_reference(owner: Object, controller: bool = True) -> OwnerReference:
    """A reference to `owner`; a controller's also holds up its foreground deletion until the dependent is gone."""
    info = kinds.info_of(type(owner))
    return OwnerReference(
        api_version=info.api_version,
        kind=info.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True if controller else None,
        block_owner_deletion=True if controller else None,
    )


def object_reference(value: Object) -> ObjectReference:
    """A reference to this very object, in the version that is known."""
    info, metadata = kinds.info_of(type(value)), value.metadata
    return ObjectReference(
        kind=info.kind,
        api_version=info.api_version,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )


def copy_of(value: T) -> T:
    """A copy that may be changed at any depth."""
    return copy.deepcopy(value)


# -- conditions ------------------------------------------------------------------------------------------------------


class Condition(Protocol):
    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime | None


C = TypeVar("C", bound=Condition)


def condition(status: Any, type: str) -> Any:
    """The condition of that type in a status (or in a list of conditions), or None."""
    for one in _conditions(status):
        if one.type == type:
            return one
    return None


def is_true(status: Any, type: str) -> bool:
    found = condition(status, type)
    return found is not None and found.status == "True"


def _conditions(status: Any) -> Iterable[Any]:
    if status is None:
        return ()
    found: Iterable[Any] = status if isinstance(status, list | tuple) else status.conditions
    return found


def set_condition(conditions: MutableSequence[C], new: C) -> bool:
    """Puts a condition among others, in place of the one of its type. Its transition time stays when the status does.

    Says whether anything but the times changed.
    """
    for index, old in enumerate(conditions):
        if old.type == new.type:
            if old.status == new.status:
                new.last_transition_time = old.last_transition_time
            conditions[index] = new
            return (old.status, old.reason, old.message) != (new.status, new.reason, new.message)
    conditions.append(new)
    return True


# -- times -----------------------------------------------------------------------------------------------------------


def parse_time(text: str) -> datetime:
    """RFC 3339, with or without a fraction, as a moment in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone")
    return moment.astimezone(UTC)


def format_time(moment: datetime) -> str:
    """As Time is written: whole seconds."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="seconds")[:19] + "Z"


def format_micro_time(moment: datetime) -> str:
    """As MicroTime is written: always six digits."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
