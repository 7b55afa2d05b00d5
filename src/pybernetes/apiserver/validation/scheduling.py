"""What a pod says about where it runs: affinity, tolerations, topology spread, scheduling gates.

Follows validateAffinity, ValidateTolerations and validateTopologySpreadConstraints in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import (
    Affinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodSchedulingGate,
    PodSchedulingGroup,
    Toleration,
    TopologySpreadConstraint,
)
from pybernetes.api.models.meta_v1 import LabelSelector
from pybernetes.apiserver.validation.metadata import label_key_messages, label_value_messages
from pybernetes.apiserver.validation.selectors import check_label_selector
from pybernetes.apiserver.validation.simple import check_positive

_SPREAD_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_WEIGHT = "must be in the range 1-100"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _check_label_key(key: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, key, message) for message in label_key_messages(key))


def check_affinity(affinity: Affinity | None, path: FieldPath) -> Iterator[FieldError]:
    if affinity is None:
        return
    if (node := affinity.node_affinity) is not None:
        selector = node.required_during_scheduling_ignored_during_execution
        if selector is not None:
            yield from check_node_selector(selector, path.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution)
        for index, preferred in enumerate(node.preferred_during_scheduling_ignored_during_execution):
            each = path.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[index]
            if not 1 <= preferred.weight <= 100:
                yield invalid(each.weight, preferred.weight, _WEIGHT)
            if preferred.preference is not None:
                yield from check_node_term(preferred.preference, each.preference, strict=False)
    yield from _check_pod_affinity(affinity.pod_affinity, path.podAffinity)
    yield from _check_pod_affinity(affinity.pod_anti_affinity, path.podAntiAffinity)


def check_node_selector(selector: NodeSelector, path: FieldPath) -> Iterator[FieldError]:
    terms = path.nodeSelectorTerms
    if not selector.node_selector_terms:
        yield required(terms, "must have at least one node selector term")
    for index, term in enumerate(selector.node_selector_terms):
        yield from check_node_term(term, terms[index])


def check_node_term(term: NodeSelectorTerm, path: FieldPath, *, strict: bool = True) -> Iterator[FieldError]:
    """`strict`: values must be such as labels can have."""
    for index, requirement in enumerate(term.match_expressions):
        each = path.matchExpressions[index]
        yield from _check_node_requirement(requirement, each)
        for position, value in enumerate(requirement.values if strict else ()):
            yield from (invalid(each.values[position], value, message) for message in label_value_messages(value))
    for index, requirement in enumerate(term.match_fields):
        yield from _check_field_requirement(requirement, path.matchFields[index])


def _check_node_requirement(requirement: NodeSelectorRequirement, path: FieldPath) -> Iterator[FieldError]:
    match requirement.operator:
        case "In" | "NotIn":
            if not requirement.values:
                yield required(path.values, "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if requirement.values:
                yield forbidden(path.values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case "Gt" | "Lt":
            if len(requirement.values) != 1:
                yield required(path.values, "must be specified single value when `operator` is 'Lt' or 'Gt'")
        case other:
            yield invalid(path.operator, other, "not a valid selector operator")
    yield from _check_label_key(requirement.key, path.key)


def _check_field_requirement(requirement: NodeSelectorRequirement, path: FieldPath) -> Iterator[FieldError]:
    if requirement.operator not in ("In", "NotIn"):
        yield invalid(path.operator, requirement.operator, "not a valid selector operator")
    elif len(requirement.values) != 1:
        yield required(path.values, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
    if requirement.key != "metadata.name":
        yield invalid(path.key, requirement.key, "not a valid field selector key")
        return
    for index, name in enumerate(requirement.values):
        yield from (invalid(path.values[index], name, message) for message in is_dns_subdomain(name))


def _check_pod_affinity(affinity: PodAffinity | PodAntiAffinity | None, path: FieldPath) -> Iterator[FieldError]:
    if affinity is None:
        return
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        yield from _check_pod_term(term, path.requiredDuringSchedulingIgnoredDuringExecution[index])
    for index, weighted in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        each = path.preferredDuringSchedulingIgnoredDuringExecution[index]
        if not 1 <= weighted.weight <= 100:
            yield invalid(each.weight, weighted.weight, _WEIGHT)
        if weighted.pod_affinity_term is not None:
            yield from _check_pod_term(weighted.pod_affinity_term, each.podAffinityTerm)


def _check_pod_term(term: PodAffinityTerm, path: FieldPath) -> Iterator[FieldError]:
    yield from check_label_selector(term.label_selector, path.labelSelector)
    yield from check_label_selector(term.namespace_selector, path.namespaceSelector)
    for name in term.namespaces:
        yield from (invalid(path.namespace, name, message) for message in is_dns_label(name))
    yield from _check_label_keys(term.match_label_keys, term.mismatch_label_keys, term.label_selector, path)
    if not term.topology_key:
        yield required(path.topologyKey, "can not be empty")
    yield from _check_label_key(term.topology_key, path.topologyKey)


def _check_label_keys(
    match: Sequence[str], mismatch: Sequence[str], selector: LabelSelector | None, path: FieldPath
) -> Iterator[FieldError]:
    """Keys whose values come from the incoming pod; ``selector`` already holds what they were turned into."""
    for name, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            yield forbidden(path.child(name), "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            yield from _check_label_key(key, path.child(name)[index])
    if selector is not None and match:
        positions = {key: index for index, key in enumerate(match)}
        known = set(selector.match_labels)
        for expression in selector.match_expressions:
            if expression.key in positions and expression.key in known:
                message = "exists in both matchLabelKeys and labelSelector"
                yield invalid(path[positions[expression.key]], expression.key, message)
            known.add(expression.key)
    for index, key in enumerate(match):
        if key in mismatch:
            yield invalid(path.matchLabelKeys[index], key, "exists in both matchLabelKeys and mismatchLabelKeys")


def check_tolerations(tolerations: Sequence[Toleration], path: FieldPath) -> Iterator[FieldError]:
    for index, toleration in enumerate(tolerations):
        each = path[index]
        operator = toleration.operator or ""
        if toleration.key:
            for message in label_key_messages(toleration.key):
                yield invalid(each.key, toleration.key, message)
        elif operator != "Exists":
            message = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(each.operator, operator, message)
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            message = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(each.effect, toleration.effect or "", message)
        match operator:
            case "" | "Equal":
                if messages := label_value_messages(toleration.value or ""):
                    yield invalid(each.operator, toleration.value, ";".join(messages))
            case "Exists":
                if toleration.value:
                    yield invalid(each.operator, toleration.value, "value must be empty when `operator` is 'Exists'")
            case "Lt" | "Gt":
                yield not_supported(each.operator, operator, ("Equal", "Exists", "Lt", "Gt"))
            case _:
                yield not_supported(each.operator, operator, ("Equal", "Exists"))
        if toleration.effect and toleration.effect not in EFFECTS:
            yield not_supported(each.effect, toleration.effect, EFFECTS)


def check_topology_spread(constraints: Sequence[TopologySpreadConstraint], path: FieldPath) -> Iterator[FieldError]:
    for index, constraint in enumerate(constraints):
        each = path[index]
        yield from check_positive(constraint.max_skew, each.maxSkew)
        if not constraint.topology_key:
            yield required(each.topologyKey, "can not be empty")
        when = constraint.when_unsatisfiable
        if when not in _SPREAD_ACTIONS:
            yield not_supported(each.whenUnsatisfiable, when, _SPREAD_ACTIONS)
        later = constraints[index + 1 :]
        if any((other.topology_key, other.when_unsatisfiable) == (constraint.topology_key, when) for other in later):
            yield duplicate(each.child("{topologyKey, whenUnsatisfiable}"), f"{{{constraint.topology_key}, {when}}}")
        if (domains := constraint.min_domains) is not None:
            yield from check_positive(domains, each.minDomains)
            if when != "DoNotSchedule":
                message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
                yield invalid(each.minDomains, domains, message)
        for name, policy in (
            ("nodeAffinityPolicy", constraint.node_affinity_policy),
            ("nodeTaintsPolicy", constraint.node_taints_policy),
        ):
            if policy is not None and policy not in ("Honor", "Ignore"):
                yield not_supported(each.child(name), policy, ("Honor", "Ignore"))
        yield from _check_label_keys(constraint.match_label_keys, (), constraint.label_selector, each)
        yield from check_label_selector(constraint.label_selector, each.labelSelector)


def check_scheduling_group(group: PodSchedulingGroup, path: FieldPath) -> Iterator[FieldError]:
    name = group.pod_group_name
    if name is None:
        yield invalid(path.podGroupName, None, "must specify one of: `podGroupName`")
        return
    yield from (invalid(path.podGroupName, name, message) for message in is_dns_subdomain(name))


def check_scheduling_gates(gates: Sequence[PodSchedulingGate], path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, gate in enumerate(gates):
        yield from _check_label_key(gate.name, path[index])
        if gate.name in names:
            yield duplicate(path[index], gate.name)
        names.add(gate.name)
