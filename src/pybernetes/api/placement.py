"""The rules by which one pod may be on one node, as values of the API say them: node selectors and taints.

Follows k8s.io/component-helpers/scheduling/corev1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pybernetes.api.models import core_v1


def tolerates(tolerations: Iterable[core_v1.Toleration], taint: core_v1.Taint) -> bool:
    return any(_tolerates(one, taint) for one in tolerations)


def _tolerates(toleration: core_v1.Toleration, taint: core_v1.Taint) -> bool:
    """No effect tolerates all effects; no key with Exists tolerates all taints."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.key) and toleration.value == taint.value
        case _:
            return False


def untolerated(
    taints: Iterable[core_v1.Taint], tolerations: list[core_v1.Toleration], effects: tuple[str, ...]
) -> core_v1.Taint | None:
    """The first taint with one of ``effects`` that nothing tolerates."""
    return next((one for one in taints if one.effect in effects and not tolerates(tolerations, one)), None)


def matches_node(spec: core_v1.PodSpec, node: core_v1.Node) -> bool:
    """Whether nodeSelector and required node affinity let the pod onto the node."""
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required is None or any(matches_term(term, node) for term in required.node_selector_terms)


def matches_term(term: core_v1.NodeSelectorTerm, node: core_v1.Node) -> bool:
    """An empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(matches_requirement(one, node.metadata.labels) for one in term.match_expressions) and all(
        matches_requirement(one, fields) for one in term.match_fields
    )


def matches_requirement(requirement: core_v1.NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            number, bound = integer(value), integer(requirement.values[0] if requirement.values else None)
            if number is None or bound is None:
                return False
            return number > bound if requirement.operator == "Gt" else number < bound
    raise ValueError(f"node selector operator {requirement.operator!r} is not known")


def integer(text: str | None) -> int | None:
    """The number that a label spells, if it spells one."""
    digits = (text or "").removeprefix("-")
    return int(text or "") if digits.isascii() and digits.isdigit() else None
