"""The invariants of an embedded store, checked over its whole state: what must hold after any history.

In the manner of bbolt's ``tx_check.go``: call it after every test and after every crash.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.store.contract import ChangeType, Entry
from pybernetes.store.state import State


def violations(state: State) -> Iterator[str]:
    """One sentence per broken invariant; none for a sound state."""
    yield from _entry_violations(state)
    yield from _history_violations(state)


def differences(left: State, right: State) -> Iterator[str]:
    """In what two states differ that should be the same, e.g. before and after reopening a file."""
    if left.revision != right.revision:
        yield f"revision {left.revision} against {right.revision}"
    for key in sorted(set(left.entries) | set(right.entries)):
        if left.entries.get(key) != right.entries.get(key):
            yield f"{key}: {left.entries.get(key)} against {right.entries.get(key)}"
    if left.history != right.history:
        yield f"history of {len(left.history)} changes against {len(right.history)}"


def _entry_violations(state: State) -> Iterator[str]:
    for key, entry in state.entries.items():
        if entry.key != key:
            yield f"{key} holds the entry of {entry.key}"
        if not 0 < entry.create_revision <= entry.mod_revision <= state.revision:
            yield f"{key}: created at {entry.create_revision}, changed at {entry.mod_revision}, now {state.revision}"


def _history_violations(state: State) -> Iterator[str]:
    last = state.compacted
    latest: dict[str, Entry | None] = {}
    for change in state.history:
        key, revision = change.entry.key, change.revision
        if revision < last or revision <= state.compacted:
            yield f"{key}: change at {revision} follows {last}"
        last = revision
        if key in latest and latest[key] != change.previous:
            yield f"{key}: change at {revision} does not follow the one before it"
        created = change.previous.create_revision if change.previous else revision
        if change.entry.create_revision != created:
            yield f"{key}: change at {revision} says created at {change.entry.create_revision}, not {created}"
        latest[key] = change.entry if change.type is ChangeType.PUT else None
    for key, entry in latest.items():
        if state.entries.get(key) != entry:
            yield f"{key}: the last change in history is not what the key holds"
    if last > state.revision:
        yield f"history reaches {last}, beyond revision {state.revision}"
