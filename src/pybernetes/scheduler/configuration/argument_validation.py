"""What is wrong with the arguments of plugins, in upstream's words.

Follows pkg/scheduler/apis/config/validation/validation_pluginargs.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch

from pybernetes.api.durations import parse_duration
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.models import core_v1
from pybernetes.scheduler.configuration.arguments import (
    Arguments,
    DefaultPreemptionArgs,
    DynamicResourcesArgs,
    InterPodAffinityArgs,
    NodeAffinityArgs,
    NodeResourcesBalancedAllocationArgs,
    NodeResourcesFitArgs,
    PodTopologySpreadArgs,
    ScoringVolumeBindingArgs,
    UtilizationShapePoint,
    VolumeBindingArgs,
)

_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
_FIELD_OPERATORS = ("In", "NotIn")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_MOST_CUSTOM_SCORE = 10


@singledispatch
def validate_arguments(arguments: Arguments, path: FieldPath) -> Iterator[FieldError]:
    yield from ()


@validate_arguments.register
def _preemption(arguments: DefaultPreemptionArgs, path: FieldPath) -> Iterator[FieldError]:
    percentage, absolute = arguments.min_candidate_nodes_percentage, arguments.min_candidate_nodes_absolute
    of_percentage, of_absolute = path.minCandidateNodesPercentage, path.minCandidateNodesAbsolute
    if not 0 <= percentage <= 100:
        yield invalid(of_percentage, percentage, "not in valid range [0, 100]")
    if absolute < 0:
        yield invalid(of_absolute, absolute, "not in valid range [0, inf)")
    if percentage == 0 and absolute == 0:
        yield invalid(of_percentage, 0, "cannot be zero at the same time as minCandidateNodesAbsolute")
        yield invalid(of_absolute, 0, "cannot be zero at the same time as minCandidateNodesPercentage")


@validate_arguments.register
def _inter_pod_affinity(arguments: InterPodAffinityArgs, path: FieldPath) -> Iterator[FieldError]:
    if not 0 <= arguments.hard_pod_affinity_weight <= 100:
        yield invalid(path.hardPodAffinityWeight, arguments.hard_pod_affinity_weight, "not in valid range [0, 100]")


@validate_arguments.register
def _volume_binding(arguments: VolumeBindingArgs, path: FieldPath) -> Iterator[FieldError]:
    if arguments.bind_timeout_seconds < 0:
        detail = "invalid BindTimeoutSeconds, should not be a negative value"
        yield invalid(path.bindTimeoutSeconds, arguments.bind_timeout_seconds, detail)
    if isinstance(arguments, ScoringVolumeBindingArgs):
        yield from _shape(arguments.shape, path.shape) if arguments.shape else ()
    elif arguments.shape is not None:
        detail = "unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring"
        shown = [{"Utilization": one.utilization, "Score": one.score} for one in arguments.shape]
        yield invalid(path.shape, shown, detail)


@validate_arguments.register
def _balanced_allocation(arguments: NodeResourcesBalancedAllocationArgs, path: FieldPath) -> Iterator[FieldError]:
    seen = set()
    for index, one in enumerate(arguments.resources):
        if one.name in seen:
            yield duplicate(path.resources[index].child("name"), one.name)
        seen.add(one.name)
        if one.effective.weight != 1:
            yield invalid(path.resources[index].weight, one.weight, "must be 1")


@validate_arguments.register
def _fit(arguments: NodeResourcesFitArgs, path: FieldPath) -> Iterator[FieldError]:
    for index, name in enumerate(arguments.ignored_resources):
        yield from _label_name(name, path.ignoredResources[index])
    for index, group in enumerate(arguments.ignored_resource_groups):
        if "/" in group:
            yield invalid(path.ignoredResourceGroups[index], group, "resource group name can't contain '/'")
        yield from _label_name(group, path.ignoredResourceGroups[index])
    strategy, at_strategy = arguments.strategy, path.scoringStrategy
    if strategy.type not in _STRATEGIES:
        yield not_supported(at_strategy.type, strategy.type, _STRATEGIES)
    for index, one in enumerate(strategy.resources):
        if not 0 < one.effective.weight <= 100:
            detail = f"resource weight of {one.name} not in valid range (0, 100]"
            yield invalid(at_strategy.resources[index].weight, one.weight, detail)
    ratio, at_ratio = strategy.requested_to_capacity_ratio, at_strategy.requestedToCapacityRatio
    if strategy.type == "RequestedToCapacityRatio":
        if ratio is None:
            yield required(at_ratio, "must be specified when type is RequestedToCapacityRatio")
        else:
            yield from _shape(ratio.shape, at_ratio.shape)
    elif ratio is not None:
        yield forbidden(at_ratio, "must be nil when type is not RequestedToCapacityRatio")


def _shape(shape: Sequence[UtilizationShapePoint], path: FieldPath) -> Iterator[FieldError]:
    if not shape:
        yield required(path, "at least one point must be specified")
    for index in range(1, len(shape)):
        if shape[index - 1].utilization >= shape[index].utilization:
            value = shape[index].utilization
            yield invalid(path[index].utilization, value, "values must be sorted in increasing order")
            break
    for index, point in enumerate(shape):
        if not 0 <= point.utilization <= 100:
            yield invalid(path[index].utilization, point.utilization, "not in valid range [0, 100]")
        if not 0 <= point.score <= _MOST_CUSTOM_SCORE:
            yield invalid(path[index].score, point.score, f"not in valid range [0, {_MOST_CUSTOM_SCORE}]")


@validate_arguments.register
def _topology_spread(arguments: PodTopologySpreadArgs, path: FieldPath) -> Iterator[FieldError]:
    kind, constraints = arguments.defaulting_type, arguments.default_constraints
    if kind not in ("System", "List"):
        yield not_supported(path.defaultingType, kind, ("System", "List"))
    elif kind == "System" and constraints:
        yield invalid(path.defaultingType, kind, "when .defaultConstraints are not empty")
    seen = set()
    for index, one in enumerate(constraints):
        each = path.defaultConstraints[index]
        yield from _constraint(one, each)
        pair = (one.topology_key, one.when_unsatisfiable)
        if pair in seen:
            yield duplicate(each, f"{{{one.topology_key}, {one.when_unsatisfiable}}}")
        seen.add(pair)


def _constraint(one: core_v1.TopologySpreadConstraint, path: FieldPath) -> Iterator[FieldError]:
    if one.max_skew <= 0:
        yield invalid(path.maxSkew, one.max_skew, "not in valid range (0, inf)")
    if not one.topology_key:
        yield required(path.topologyKey, "can not be empty")
    else:
        yield from _label_name(one.topology_key, path.topologyKey)
    if not one.when_unsatisfiable:
        yield required(path.whenUnsatisfiable, "can not be empty")
    elif one.when_unsatisfiable not in _ACTIONS:
        yield not_supported(path.whenUnsatisfiable, one.when_unsatisfiable, _ACTIONS)
    if one.label_selector is not None:
        yield forbidden(path.labelSelector, "constraint must not define a selector, as they deduced for each pod")


@validate_arguments.register
def _node_affinity(arguments: NodeAffinityArgs, path: FieldPath) -> Iterator[FieldError]:
    added = arguments.added_affinity
    if added is None:
        return
    required_terms = added.required_during_scheduling_ignored_during_execution
    at_required = path.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution
    for index, term in enumerate(required_terms.node_selector_terms if required_terms is not None else ()):
        yield from _node_selector_term(term, at_required.nodeSelectorTerms[index])
    at_preferred = path.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution
    for index, preferred in enumerate(added.preferred_during_scheduling_ignored_during_execution):
        if preferred.weight:
            yield from _node_selector_term(preferred.preference, at_preferred[index])


def _node_selector_term(term: core_v1.NodeSelectorTerm, path: FieldPath) -> Iterator[FieldError]:
    for index, one in enumerate(term.match_expressions):
        each = path.matchExpressions[index]
        if one.operator not in _OPERATORS:
            yield not_supported(each.operator, one.operator, _OPERATORS)
            continue
        for message in is_qualified_name(one.key):
            yield invalid(each.key, one.key, message)
        if one.operator in _FIELD_OPERATORS and not one.values:
            yield invalid(each.child("values"), [], "for 'in', 'notin' operators, values set can't be empty")
    for index, one in enumerate(term.match_fields):
        each = path.matchFields[index]
        if one.operator not in _FIELD_OPERATORS:
            yield not_supported(each.operator, one.operator, _FIELD_OPERATORS)
        elif len(one.values) != 1:
            yield invalid(each.child("values"), one.values, "must have one element")


@validate_arguments.register
def _dynamic_resources(arguments: DynamicResourcesArgs, path: FieldPath) -> Iterator[FieldError]:
    if arguments.filter_timeout is not None and parse_duration(arguments.filter_timeout) < 0:
        yield invalid(path.filterTimeout, arguments.filter_timeout, "must be zero or positive")
    if arguments.binding_timeout is not None and parse_duration(arguments.binding_timeout) < 1:
        yield invalid(path.bindingTimeout, arguments.binding_timeout, "must be at least 1 second")


def _label_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    for message in is_qualified_name(name):
        yield invalid(path, name, message)
