"""DaemonSet: a pod on every node that fits.

Follows pkg/registry/apps/daemonset and pkg/apis/apps/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, not_supported, quoted, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apps_v1 import DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import (
    at_path,
    container_columns,
    format_labels,
    number_column,
    selector_column,
)
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_spec import check_workload_template
from pybernetes.apiserver.validation.pod_warnings import template_warnings
from pybernetes.apiserver.validation.selectors import check_label_selector, check_matches_template, is_empty
from pybernetes.apiserver.validation.workload import (
    check_at_most_all,
    check_not_decremented,
    check_not_negatives,
    check_number_or_percentage,
    check_selector_unchanged,
    is_zero,
)

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_MOST = 2**63 - 1
_is_number = re.compile(r"[+-]?[0-9]+").fullmatch
_STRATEGIES = ("RollingUpdate", "OnDelete")


def default_strategy(spec: Document) -> None:
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("maxUnavailable", 1)
    if "rollingUpdate" in strategy:
        strategy["rollingUpdate"].setdefault("maxUnavailable", 0)
        strategy["rollingUpdate"].setdefault("maxSurge", 0)


def default_count(daemon_set: Document) -> None:
    """An annotation counts the templates, for clients of the first versions; it is always there. Raises 400."""
    annotations = daemon_set["metadata"].setdefault("annotations", {})
    text = annotations.get(TEMPLATE_GENERATION, "0")
    if not _is_number(text) or not -_MOST - 1 <= int(text) <= _MOST:
        wrong = "value out of range" if _is_number(text) else "invalid syntax"
        raise errors.bad_request(
            'DaemonSet in version "v1" cannot be handled as a DaemonSet: '
            f"strconv.ParseInt: parsing {quoted(text)}: {wrong}"
        )
    annotations[TEMPLATE_GENERATION] = str(int(text))


def _count(daemon_set: Document) -> int:
    return int(at_path(daemon_set, "metadata.annotations", {}).get(TEMPLATE_GENERATION, "0"))


def prepare_create(daemon_set: Document, context: Context) -> None:
    daemon_set["metadata"]["annotations"][TEMPLATE_GENERATION] = str(max(1, _count(daemon_set)))


def prepare_update(new: Document, old: Document, context: Context) -> None:
    changed = at_path(new, "spec.template") != at_path(old, "spec.template")
    new["metadata"]["annotations"][TEMPLATE_GENERATION] = str(_count(old) + changed)


def update_warnings(new: Document, old: Document) -> Iterable[str]:
    return () if _count(new) == _count(old) else template_warnings()(new)


def prepare_status(new: Document, old: Document, context: Context) -> None:
    new["metadata"]["annotations"][TEMPLATE_GENERATION] = str(_count(old))


def initial_status(daemon_set: Document) -> Document:
    return {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}


def validate(daemon_set: DaemonSet) -> Iterator[FieldError]:
    yield from check_metadata(daemon_set.metadata, is_dns_subdomain)
    yield from _check_spec(daemon_set.spec, at.spec)


def _check_spec(spec: DaemonSetSpec, path: FieldPath) -> Iterator[FieldError]:
    selector, template = spec.selector, spec.template
    errors = list(check_label_selector(selector, path.selector))
    yield from errors
    if not errors and (selector is None or not is_empty(selector)):
        yield from check_matches_template(selector, template.metadata.labels, path.template)
    if selector is not None and is_empty(selector):
        yield invalid(path.selector, {}, "empty selector is invalid for daemonset")
    yield from check_workload_template(template, path.template, "DaemonSet")
    yield from check_not_negatives(path, {"minReadySeconds": spec.min_ready_seconds})
    yield from _check_strategy(spec.update_strategy, path.updateStrategy)
    yield from check_not_negatives(path, {"revisionHistoryLimit": spec.revision_history_limit})


def _check_strategy(strategy: DaemonSetUpdateStrategy, path: FieldPath) -> Iterator[FieldError]:
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        yield not_supported(path, internal_form(strategy), _STRATEGIES)
    elif strategy.rolling_update is None:
        yield required(path.rollingUpdate)
    else:
        yield from _check_rolling_update(strategy.rolling_update, path.rollingUpdate)


def _check_rolling_update(rolling: RollingUpdateDaemonSet, path: FieldPath) -> Iterator[FieldError]:
    yield from check_number_or_percentage(rolling.max_unavailable, path.maxUnavailable)
    yield from check_number_or_percentage(rolling.max_surge, path.maxSurge)
    yield from check_at_most_all(rolling.max_unavailable, path.maxUnavailable)
    yield from check_at_most_all(rolling.max_surge, path.maxSurge)
    both_zero = is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge)
    if both_zero:
        yield required(path.maxUnavailable, "cannot be 0 when maxSurge is 0")
    elif not is_zero(rolling.max_unavailable) and not is_zero(rolling.max_surge):
        yield invalid(path.maxSurge, rolling.max_surge, "may not be set when maxUnavailable is non-zero")


def validate_update(new: DaemonSet, old: DaemonSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_selector_unchanged(new.spec.selector, old.spec.selector, at.spec.selector)
    yield from _check_spec(new.spec, at.spec)


def validate_status(new: DaemonSet, old: DaemonSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    status = new.status
    yield from check_not_negatives(
        at.status,
        {
            "currentNumberScheduled": status.current_number_scheduled,
            "numberMisscheduled": status.number_misscheduled,
            "desiredNumberScheduled": status.desired_number_scheduled,
            "numberReady": status.number_ready,
            "observedGeneration": status.observed_generation,
            "updatedNumberScheduled": status.updated_number_scheduled,
            "numberAvailable": status.number_available,
            "numberUnavailable": status.number_unavailable,
            "collisionCount": status.collision_count,
        },
    )
    yield from check_not_decremented(status.collision_count, old.status.collision_count, at.status.collisionCount)


def _node_selector(daemon_set: Document, now: datetime) -> str:
    return format_labels(at_path(daemon_set, "spec.template.spec.nodeSelector"))


DAEMON_SETS = Resource(
    info=info_of(DaemonSet),
    short_names=("ds",),
    categories=("all",),
    drops=drops_below("spec.template.spec"),
    defaults=compile_defaults(
        {
            "": Rule(default_count),
            "spec": Rule(default_strategy),
            "spec.revisionHistoryLimit": 10,
        },
        under("spec.template.spec", POD_SPEC),
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=template_warnings(),
    update_warnings=update_warnings,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    initial_status=initial_status,
    generation=spec_changed,
    columns=(
        NAME,
        number_column("Desired", "status.desiredNumberScheduled"),
        number_column("Current", "status.currentNumberScheduled"),
        number_column("Ready", "status.numberReady"),
        number_column("Up-to-date", "status.updatedNumberScheduled"),
        number_column("Available", "status.numberAvailable"),
        Column("Node Selector", _node_selector),
        AGE,
        *container_columns(),
        selector_column(),
    ),
    subresources=(StatusSubresource(prepare=prepare_status, validate=validate_status),),
)

RESOURCES = (DAEMON_SETS,)
