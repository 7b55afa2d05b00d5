"""What a driver offers: a part of a pool of devices, and where they can be reached from.

Follows validateResourceSliceSpec in pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import NodeSelector
from pybernetes.api.models.resource_v1 import (
    Counter,
    CounterSet,
    Device,
    DeviceCounterConsumption,
    DeviceTaint,
    ResourcePool,
    ResourceSliceSpec,
)
from pybernetes.apiserver.validation.collections import check_list, check_map, check_set
from pybernetes.apiserver.validation.device_allocation import check_binding_conditions
from pybernetes.apiserver.validation.device_capacity import (
    check_attribute,
    check_shared_capacity,
    check_whole_capacity,
)
from pybernetes.apiserver.validation.device_claim import TAINT_EFFECTS
from pybernetes.apiserver.validation.device_names import (
    QUALIFIED_LENGTH,
    check_dns_label,
    check_dns_subdomain,
    check_driver_name,
    check_label_name,
    check_label_value,
    check_pool_name,
    check_qualified_name,
)
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.scheduling import check_node_selector
from pybernetes.apiserver.validation.simple import check_unchanged

MOST_DEVICES = 128
MOST_ADVANCED_DEVICES = 64
"""Where devices have taints or consume counters."""
MOST_COUNTER_SETS = 8
MOST_COUNTERS = 32
MOST_CONSUMPTIONS = 2
MOST_ATTRIBUTES_AND_CAPACITIES = 32
MOST_ATTRIBUTE_VALUES = 48
MOST_TAINTS = 16
_LABEL_LENGTH = 63
_UNSET_OR_TRUE = "must be either unset or set to true"
_ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_ONE_DEVICE_PLACE = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true"
    " in the ResourceSlice spec"
)
_NO_DEVICE_PLACE = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the"
    " ResourceSlice spec"
)


def check_slice_spec(spec: ResourceSliceSpec, old: ResourceSliceSpec | None) -> Iterator[FieldError]:
    path = at.spec
    yield from check_driver_name(spec.driver, path.driver)
    yield from _check_pool(spec.pool, path.pool)
    if old is not None:
        yield from check_unchanged(spec.pool.name, old.pool.name, path.pool.name)
        yield from check_unchanged(spec.driver, old.driver, path.driver)
        yield from check_unchanged(spec.node_name, old.node_name, path.nodeName)
    yield from _check_place(spec, path)
    if spec.shared_counters and spec.devices:
        yield invalid(path, "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(device.taints or device.consumes_counters for device in spec.devices)
    places_devices = bool(spec.per_device_node_selection)
    before = {device.name: device for device in reversed(old.devices)} if old is not None else {}
    yield from check_set(
        spec.devices,
        path.devices,
        lambda device, each: _check_device(device, before.get(device.name), each, has_own_place=places_devices),
        lambda device: device.name,
        most=MOST_ADVANCED_DEVICES if advanced else MOST_DEVICES,
    )
    yield from check_set(
        spec.shared_counters, path.sharedCounters, _check_counter_set, lambda one: one.name, most=MOST_COUNTER_SETS
    )


def _check_pool(pool: ResourcePool, path: FieldPath) -> Iterator[FieldError]:
    yield from check_pool_name(pool.name, path.name)
    if pool.resource_slice_count <= 0:
        yield invalid(path.resourceSliceCount, pool.resource_slice_count, "must be greater than zero")
    if pool.generation < 0:
        yield invalid(path.generation, pool.generation, "must be greater than or equal to zero")


def _check_place(spec: ResourceSliceSpec, path: FieldPath) -> Iterator[FieldError]:
    stated = []
    if spec.node_name:
        stated.append("`nodeName`")
        yield from check_dns_subdomain(spec.node_name, path.nodeName)
    elif spec.node_name is not None:
        yield invalid(path.nodeName, "", "must be either unset or set to a non-empty string")
    if spec.node_selector is not None:
        stated.append("`nodeSelector`")
        yield from _check_single_term(spec.node_selector, path.nodeSelector)
    for field, value in (("allNodes", spec.all_nodes), ("perDeviceNodeSelection", spec.per_device_node_selection)):
        if value:
            stated.append(f"`{field}`")
        elif value is not None:
            yield invalid(path.child(field), value, _UNSET_OR_TRUE)
    if not stated:
        yield required(path, _ONE_PLACE)
    elif len(stated) > 1:
        yield invalid(path, f"{{{', '.join(stated)}}}", f"{_ONE_PLACE}, but multiple fields are set")


def _check_single_term(selector: NodeSelector, path: FieldPath) -> Iterator[FieldError]:
    yield from check_node_selector(selector, path)
    if len(selector.node_selector_terms) != 1:
        terms = internal_form(selector.node_selector_terms)
        yield invalid(path.nodeSelectorTerms, terms, "must have exactly one node selector term")


def _check_device(device: Device, old: Device | None, path: FieldPath, *, has_own_place: bool) -> Iterator[FieldError]:
    yield from check_dns_label(device.name, path.name)
    count = len(device.attributes) + len(device.capacity)
    if count > MOST_ATTRIBUTES_AND_CAPACITIES:
        limit = MOST_ATTRIBUTES_AND_CAPACITIES
        yield invalid(path, count, f"the total number of attributes and capacities must not exceed {limit}")
    if len(device.attributes) > MOST_ATTRIBUTE_VALUES:
        message = f"the total number of attribute values must not exceed {MOST_ATTRIBUTE_VALUES}"
        yield invalid(path, len(device.attributes), message)
    yield from check_map(
        device.attributes, path.attributes, check_qualified_name, check_attribute, longest_key=QUALIFIED_LENGTH
    )
    check_capacity = check_shared_capacity if device.allow_multiple_allocations else check_whole_capacity
    yield from check_map(
        device.capacity, path.capacity, check_qualified_name, check_capacity, longest_key=QUALIFIED_LENGTH
    )
    if old is None or old.taints != device.taints:
        yield from check_list(device.taints, path.taints, _check_taint, most=MOST_TAINTS)
    yield from check_set(
        device.consumes_counters,
        path.consumesCounters,
        _check_consumption,
        lambda one: one.counter_set,
        most=MOST_CONSUMPTIONS,
    )
    if has_own_place:
        yield from _check_device_place(device, path)
    elif device.node_name is not None or device.node_selector is not None or device.all_nodes is not None:
        yield invalid(path, None, _NO_DEVICE_PLACE)
    yield from check_binding_conditions(device.binding_conditions, device.binding_failure_conditions, path)


def _check_device_place(device: Device, path: FieldPath) -> Iterator[FieldError]:
    stated = []
    if device.node_name:
        stated.append("`nodeName`")
        yield from check_dns_subdomain(device.node_name, path.nodeName)
    elif device.node_name is not None:
        yield invalid(path.nodeName, "", "must not be empty")
    if device.node_selector is not None:
        stated.append("`nodeSelector`")
        yield from check_node_selector(device.node_selector, path.nodeSelector)
    if device.all_nodes:
        stated.append("`allNodes`")
    elif device.all_nodes is not None:
        yield invalid(path.allNodes, device.all_nodes, _UNSET_OR_TRUE)
    if not stated:
        yield required(path, _ONE_DEVICE_PLACE)
    elif len(stated) > 1:
        yield invalid(path, f"{{{', '.join(stated)}}}", _ONE_DEVICE_PLACE)


def _check_taint(taint: DeviceTaint, path: FieldPath) -> Iterator[FieldError]:
    yield from check_label_name(taint.key, path.key)
    if taint.value:
        yield from check_label_value(taint.value, path.value)
    if not taint.effect:
        yield required(path.effect)
    elif taint.effect not in TAINT_EFFECTS:
        yield not_supported(path.effect, taint.effect, TAINT_EFFECTS)


def _check_counter_set(counters: CounterSet, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_counters(counters, counters.name, "name", path)


def _check_consumption(consumption: DeviceCounterConsumption, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_counters(consumption, consumption.counter_set, "counterSet", path)


def _check_counters(
    holder: CounterSet | DeviceCounterConsumption, name: str, field: str, path: FieldPath
) -> Iterator[FieldError]:
    if not name:
        yield required(path.child(field))
    else:
        yield from check_dns_label(name, path.child(field))
    if not holder.counters:
        yield required(path.counters)
    else:
        yield from check_map(
            holder.counters,
            path.counters,
            check_dns_label,
            _any_counter,
            longest_key=_LABEL_LENGTH,
            most=MOST_COUNTERS,
        )


def _any_counter(counter: Counter, path: FieldPath) -> Sequence[FieldError]:
    """Every quantity will do."""
    return ()
