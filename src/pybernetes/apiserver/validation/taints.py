"""Taints of nodes.

Follows validateNodeTaints in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pybernetes.api.fields import FieldError, FieldPath, duplicate, invalid, not_supported, required
from pybernetes.api.models.core_v1 import Taint
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import label_key_messages, label_value_messages

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def check_taints(taints: Sequence[Taint], path: FieldPath) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        each = path[index]
        yield from (invalid(each.key, taint.key, message) for message in label_key_messages(taint.key))
        if messages := label_value_messages(taint.value):
            yield invalid(each.value, taint.value, ";".join(messages))
        if not taint.effect:
            yield required(each.effect)
        elif taint.effect not in TAINT_EFFECTS:
            yield not_supported(each.effect, taint.effect, TAINT_EFFECTS)
        identity = (taint.key, taint.effect)
        if identity in seen:
            yield replace(duplicate(each, internal_form(taint)), detail="taints must be unique by key and effect pair")
        seen.add(identity)
