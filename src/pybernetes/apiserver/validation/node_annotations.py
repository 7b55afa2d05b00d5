"""Two annotations of nodes that hold JSON: taints, and pods to be kept away, as they once were written.

Follows ValidateNodeSpecificAnnotations in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pybernetes.api import go_json
from pybernetes.api.fields import FieldError, FieldPath, invalid, required
from pybernetes.api.models.core_v1 import Taint
from pybernetes.apiserver.validation.taints import check_taints

TAINTS = "scheduler.alpha.kubernetes.io/taints"
AVOIDED_PODS = "scheduler.alpha.kubernetes.io/preferAvoidPods"


def check_node_annotations(annotations: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    if text := annotations.get(TAINTS):
        yield from _check_taints(text, path)
    if text := annotations.get(AVOIDED_PODS):
        yield from _check_avoided(text, path)


def _check_taints(text: str, path: FieldPath) -> Iterator[FieldError]:
    try:
        taints = _read(text, list, "[]core.Taint")
        models = msgspec.convert(taints, list[Taint])
    except go_json.UnreadableJson as error:
        yield invalid(path, TAINTS, str(error))
    except msgspec.ValidationError as error:
        yield invalid(path, TAINTS, f"json: {error}")
    else:
        yield from check_taints(models, path.child(TAINTS))


def _check_avoided(text: str, path: FieldPath) -> Iterator[FieldError]:
    try:
        avoided = _read(text, dict, "v1.AvoidPods").get("preferAvoidPods") or ()
    except go_json.UnreadableJson as error:
        yield invalid(path.AvoidPods, AVOIDED_PODS, str(error))
        return
    for index, entry in enumerate(avoided):
        each = path.child(AVOIDED_PODS)[index].PodSignature
        controller = ((entry or {}).get("podSignature") or {}).get("podController")
        if controller is None:
            yield required(each)
        elif not controller.get("controller"):
            yield invalid(each.PodController.Controller, False, "must point to a controller")


def _read(text: str, kind: type, go_type: str) -> Any:
    """Raises ``UnreadableJson``."""
    value = go_json.loads(text.encode())
    if value is None:
        return kind()
    if not isinstance(value, kind):
        found = go_json.type_of(value)
        raise go_json.UnreadableJson(f"json: cannot unmarshal {found} into Go value of type {go_type}")
    return value
