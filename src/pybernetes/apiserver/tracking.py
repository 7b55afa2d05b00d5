"""Who manages which fields, at the door: what clients send as managedFields, and what is recorded.

Follows k8s.io/apimachinery/pkg/util/managedfields (fieldmanager.go, managedfieldsupdater.go) and equality.go of
k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.api.patch.apply import Author, Keep
from pybernetes.api.patch.field_set import EMPTY, MalformedFields, canonical, difference, fields_at, union
from pybernetes.api.patch.managed import Entry, Managers, UnreadableManagers, entries_of, managers_of
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.resource import Context, Document

LONGEST_MANAGER = 128
UNKNOWN = "unknown"
_FIELD = "managedFields"


def manager_of(request: ApiRequest) -> str:
    """The manager the client names, or the first word of what it calls itself."""
    stated = request.param("fieldManager") if request.query else ""
    return stated or _from_agent(request.headers.get("user-agent", "")) or UNKNOWN


@lru_cache(maxsize=1024)
def _from_agent(agent: str) -> str:
    name = agent.partition("/")[0]
    if name.isascii() and name.isprintable() and len(name) <= LONGEST_MANAGER:
        return name
    kept = ""
    for letter in name:
        if not letter.isprintable():
            continue
        if len((kept + letter).encode()) > LONGEST_MANAGER:
            break
        kept += letter
    return kept


def author_of(info: KindInfo, context: Context, subresource: str) -> Author:
    return Author(context.manager, info.api_version, format_time(context.now), subresource)


def take(document: Document) -> Managers:
    """The managers that a client sent with a new object, which has none any more; of unreadable ones, none."""
    stated = document["metadata"].pop(_FIELD, None)
    return _read(stated) if stated else {}


def stated_or_live(stated: Any, live: Any, subresource: str) -> Managers:
    """Clients may set the managers through the main door: `[]` and `[{}]` forget them all."""
    if not subresource and stated is not None and stated != live:
        if stated == [] or (isinstance(stated, list) and len(stated) == 1 and not _without_nothing(stated[0])):
            return {}
        managers = _read(stated)
        if managers:
            return managers
    return managers_of(live)


def _without_nothing(entry: Any) -> Any:
    return {name: value for name, value in entry.items() if value} if isinstance(entry, dict) else entry


def _read(stated: Any) -> Managers:
    if not isinstance(stated, list):
        return {}
    try:
        ordered = [{**one, "fieldsV1": canonical(one.get("fieldsV1") or {})} for one in stated if isinstance(one, dict)]
        return managers_of(ordered)
    except (UnreadableManagers, MalformedFields):
        return {}


def record(document: Document, managers: Managers) -> None:
    put(document, entries_of(managers) if managers else None)


def put(document: Document, entries: list[Document] | None) -> None:
    """They stand last, wherever they stood."""
    metadata = document["metadata"]
    metadata.pop(_FIELD, None)
    if entries is not None:
        metadata[_FIELD] = entries


def with_emptied(managers: Managers, emptied: Iterable[Sequence[str]], author: Author, keep: Keep) -> Managers:
    """``emptied`` are lists that the client states to be empty and that are null where nobody says so: it takes them
    from whoever stated them before."""
    paths = [tuple("f:" + name for name in steps) for steps in emptied]
    taken = keep(fields_at(*paths)) if paths else EMPTY
    if not taken:
        return managers
    me = author.updating()
    before = managers[me].fields if me in managers else EMPTY
    left = {one: replace(entry, fields=difference(entry.fields, taken)) for one, entry in managers.items()}
    others = {one: entry for one, entry in left.items() if entry.fields}
    return {**others, me: Entry(author.api_version, union(before, taken), author.time)}


def unmanaged(document: Document) -> Document:
    metadata = document["metadata"]
    if _FIELD not in metadata:
        return document
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != _FIELD}}


def keep_times(new: Document, old: Document) -> None:
    """A write that changes nothing but the times of its managers changes nothing."""
    mine, before = new["metadata"].get(_FIELD), old["metadata"].get(_FIELD)
    if not mine or not before or len(mine) != len(before) or mine == before:
        return
    for name, value in old.items():
        if name != "metadata" and new.get(name) != value:
            return
    if [_timeless(one) for one in mine] != [_timeless(one) for one in before]:
        return
    if _rest(new) == _rest(old):
        new["metadata"][_FIELD] = before


def _timeless(entry: Document) -> Document:
    return {name: value for name, value in entry.items() if name != "time"}


def _rest(document: Document) -> Document:
    rest = unmanaged(document)
    return {**rest, "metadata": {name: value for name, value in rest["metadata"].items() if name != "resourceVersion"}}


def managers_in(document: Document) -> Managers:
    """Of a stored object."""
    return managers_of(document["metadata"].get(_FIELD))


def check_place(metadata: Document, namespace: str, name: str) -> None:
    """Raises 400 unless the metadata is that of the object the URL names. Outside namespaces none is looked at."""
    if namespace and metadata.get("namespace", "") not in ("", namespace):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    stated = metadata.get("name")
    if not stated:
        raise errors.bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if stated != name:
        raise errors.bad_request(f"the name of the object ({stated}) does not match the name on the URL ({name})")
