"""Volumes that do not work any more, and files of a volume that hide each other.

Follows pkg/api/pod/warnings.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api import quantity
from pybernetes.api.fields import quoted
from pybernetes.apiserver.resource import Document

_PLUGINS = (
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("ephemeral", "ephemeral", ""),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)
_NAMES = frozenset(name for name, _, _ in _PLUGINS)

Target = tuple[str, str]
"""A path and where it comes from."""


def volume_warnings(volumes: Sequence[Document], path: str) -> Iterator[str]:
    for index, volume in enumerate(volumes):
        if _NAMES.isdisjoint(volume):
            continue
        for name, shown, message in _PLUGINS:
            if volume.get(name) is None:
                continue
            if message:
                yield f"{path}[{index}].{shown}: {message}"
            elif template := volume[name].get("volumeClaimTemplate"):
                at_spec = f"{path}[{index}].ephemeral.volumeClaimTemplate.spec"
                yield from claim_warnings(template.get("spec") or {}, at_spec)
    for volume in volumes:
        yield from _overlap_warnings(volume)


def claim_warnings(spec: Document, path: str) -> Iterator[str]:
    resources = spec.get("resources") or {}
    for table in ("requests", "limits"):
        amount = (resources.get(table) or {}).get("storage")
        if amount is not None and not quantity.is_whole(amount):
            at_amount = f"{path}.resources.{table}[storage]"
            yield f'{at_amount}: fractional byte value "{amount}" is invalid, must be an integer'


def _overlap_warnings(volume: Document) -> Iterator[str]:
    name = quoted(volume.get("name", ""))
    for kind, named in (("configMap", "name"), ("secret", "secretName"), ("downwardAPI", "")):
        source = volume.get(kind)
        if source and len(source.get("items") or ()) > 1:
            targets = [(item.get("path", ""), "") for item in source["items"]]
            shown = _SHOWN[kind] + (f" {quoted(source.get(named, ''))}" if named else "")
            yield from (f"volume {name} ({shown}): overlapping paths: {body}" for body in _overlaps(targets))
    projected = volume.get("projected")
    if projected is None:
        return
    targets = []
    for source in projected.get("sources") or ():
        if not source:
            yield f"volume {name} (Projected) has no sources provided"
        targets += _projected_targets(source)
    yield from (f"volume {name} (Projected): overlapping paths: {body}" for body in _overlaps(targets))


_SHOWN = {"configMap": "ConfigMap", "secret": "Secret", "downwardAPI": "DownwardAPI"}


def _projected_targets(source: Document) -> Iterator[Target]:
    for kind in ("configMap", "secret", "downwardAPI"):
        items = (source.get(kind) or {}).get("items")
        if items:
            shown = _SHOWN[kind] + (f" {quoted(source[kind].get('name', ''))}" if kind != "downwardAPI" else "")
            yield from ((item.get("path", ""), shown) for item in items)
            return
    if (token := source.get("serviceAccountToken")) is not None:
        yield token.get("path", ""), "ServiceAccountToken"


def _overlaps(targets: Sequence[Target]) -> Iterator[str]:
    known: list[Target] = []
    for path, origin in targets:
        stripped = path.rstrip("/")
        for other in known if stripped else ():
            if stripped == other[0] or stripped.startswith(f"{other[0]}/") or other[0].startswith(f"{stripped}/"):
                yield f"{_shown((stripped, origin))} with {_shown(other)}"
        known.append((stripped, origin))


def _shown(target: Target) -> str:
    path, origin = target
    return f"{quoted(path)} ({origin})" if origin else quoted(path)
