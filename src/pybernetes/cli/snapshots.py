"""Files of objects, as `kubectl get … -o json` writes them and people write them: JSON or YAML, lists and documents."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pybernetes.api import codec, kinds
from pybernetes.api.models import core_v1
from pybernetes.api.schema import DecodeError, shape_of
from pybernetes.cli.problems import Problem

Document = dict[str, Any]
SYSTEM_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}


def documents_of(path: Path) -> list[Document]:
    """Every object in a file, lists taken apart. Raises Problem."""
    try:
        found = list(yaml.load_all(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Problem(f"{path} is neither JSON nor YAML ({str(error).splitlines()[0]})", "mend the file") from error
    return [one for document in found if document is not None for one in _taken_apart(document, path)]


def _taken_apart(document: Any, path: Path) -> Iterator[Document]:
    if isinstance(document, list):
        for one in document:
            yield from _taken_apart(one, path)
        return
    if not isinstance(document, dict) or not document.get("kind"):
        raise Problem(f"{path} has something that is no object", "give every object its apiVersion and kind")
    if isinstance(document.get("items"), list):
        kind = str(document["kind"]).removesuffix("List")
        for one in document["items"]:
            yield from _taken_apart({"apiVersion": document.get("apiVersion"), "kind": kind, **one}, path)
        return
    yield _read(document, path)


def _read(document: Document, path: Path) -> Document:
    """As the API server reads what is sent to it (`cpu: 1` is `cpu: "1"`); of kinds that nobody knows, as it is."""
    info = _info_of(document)
    if info is None:
        return document
    try:
        return shape_of(info.group, info.version, info.kind).read(document).document
    except DecodeError as error:
        raise _unreadable(document, path, error) from error


def _info_of(document: Document) -> kinds.KindInfo | None:
    group, _, version = str(document.get("apiVersion") or "").rpartition("/")
    try:
        return kinds.by_gvk(group, version, str(document["kind"]))
    except LookupError:
        return None


def _unreadable(document: Document, path: Path, error: ValueError) -> Problem:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return Problem(f"{document['kind']} {name} in {path} cannot be read ({error})", "mend the file")


def models_of(documents: list[Document], priorities: dict[str, int], path: Path) -> list[Any]:
    """Objects of kinds that are known, pods complete; others are passed over. Raises Problem."""
    models = []
    for one in documents:
        info = _info_of(one)
        if info is not None:
            complete = _completed(one, priorities, path) if info.model is core_v1.Pod else one
            models.append(_model(info.model, complete, path))
    return models


def _model(model: type[Any], document: Document, path: Path) -> Any:
    try:
        return codec.from_document(model, document)
    except ValueError as error:
        raise _unreadable(document, path, error) from error


def pods_of(documents: list[Document], priorities: dict[str, int], path: Path) -> list[core_v1.Pod]:
    """The pods to try, complete as the API server would store them; a workload stands for its replicas."""
    pods = []
    for document in documents:
        for one in _pods(document, path):
            pods.append(_model(core_v1.Pod, _completed(one, priorities, path), path))
    return pods


def _pods(document: Document, path: Path) -> Iterator[Document]:
    kind, spec = document["kind"], document.get("spec") or {}
    if kind == "Pod":
        yield document
        return
    template = spec.get("template")
    if kind not in ("Deployment", "ReplicaSet", "StatefulSet", "Job") or not isinstance(template, dict):
        raise Problem(
            f"{path} has a {kind}, which is no pod", "give Pods, Deployments, ReplicaSets, StatefulSets or Jobs"
        )
    metadata = document.get("metadata") or {}
    for number in range(spec.get("parallelism" if kind == "Job" else "replicas", 1)):
        pod = {"kind": "Pod", "apiVersion": "v1", "spec": template.get("spec") or {}}
        labels = (template.get("metadata") or {}).get("labels") or {}
        name, namespace = f"{metadata.get('name')}-{number}", metadata.get("namespace") or "default"
        yield {**pod, "metadata": {"name": name, "namespace": namespace, "labels": labels}}


def _completed(document: Document, priorities: dict[str, int], path: Path) -> Document:
    from pybernetes.apiserver.resources.pod import PODS

    pod = copy.deepcopy(document)
    metadata, spec = pod.setdefault("metadata", {}), pod.setdefault("spec", {})
    metadata["namespace"] = metadata.get("namespace") or "default"
    if not metadata.get("name"):
        raise Problem(f"a pod in {path} has no name", "give it one in metadata.name")
    if PODS.defaults is not None:
        PODS.defaults(pod)
    named = spec.get("priorityClassName")
    if spec.get("priority") is None:
        if named and named not in priorities:
            name = metadata["name"]
            raise Problem(f"the priority class {named} of pod {name} is not known", "add it to the snapshot")
        spec["priority"] = priorities.get(named or "", 0)
    return pod


def priorities_of(documents: list[Document]) -> dict[str, int]:
    """By name of class; the empty name has the default."""
    classes = [one for one in documents if one["kind"] == "PriorityClass"]
    default = max((one.get("value", 0) for one in classes if one.get("globalDefault")), default=0)
    values: dict[str, int] = {(one.get("metadata") or {}).get("name", ""): one.get("value", 0) for one in classes}
    return {**SYSTEM_PRIORITIES, **values, "": default}
