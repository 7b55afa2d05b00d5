"""What became of a claim for devices: which were allocated, for whom, and what their drivers say of them.

Follows validateResourceClaimStatusUpdate in pkg/apis/resource/validation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    quoted,
    required,
    too_long,
    too_many,
)
from pybernetes.api.models.resource_v1 import (
    AllocatedDeviceStatus,
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceRequestAllocationResult,
    NetworkDeviceData,
    ResourceClaim,
    ResourceClaimConsumerReference,
)
from pybernetes.apiserver.validation.collections import check_list, check_set
from pybernetes.apiserver.validation.conditions import check_conditions
from pybernetes.apiserver.validation.device_claim import (
    MOST_CONFIGURATIONS,
    RequestNames,
    check_configuration,
    check_json_object,
    check_request_reference,
    check_request_references,
    request_names,
)
from pybernetes.apiserver.validation.device_names import (
    check_dns_label,
    check_driver_name,
    check_label_name,
    check_pool_name,
    check_uid,
)
from pybernetes.apiserver.validation.scheduling import check_node_selector
from pybernetes.apiserver.validation.simple import check_unchanged

MOST_RESULTS = 32
MOST_CONSUMERS = 256
MOST_CONDITIONS = 8
MOST_BINDING_CONDITIONS = 4
MOST_ADDRESSES = 16
LONGEST_DATA = 10 * 1024
LONGEST_INTERFACE_NAME = 256
LONGEST_HARDWARE_ADDRESS = 128
_SOURCES = ("FromClaim", "FromClass")
_LEADING_ZEROS = re.compile(r"\b0+(?=[0-9]+(\.|$))")
"""Of the parts of an IPv4 address."""
_NO_ADDRESS = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"


class SharedDevice(msgspec.Struct, frozen=True, rename="pascal"):
    """A device, or the share of one that was given out."""

    driver: str
    pool: str
    device: str
    share_id: str = msgspec.field(default="", name="ShareID")


def device_of(result: DeviceRequestAllocationResult | AllocatedDeviceStatus) -> SharedDevice:
    return SharedDevice(result.driver, result.pool, result.device, result.share_id or "")


def check_claim_status(new: ResourceClaim, old: ResourceClaim) -> Iterator[FieldError]:
    status, before, path = new.status, old.status, at.status
    yield from check_set(
        status.reserved_for, path.reservedFor, _check_consumer, lambda one: one.uid, most=MOST_CONSUMERS
    )
    results = status.allocation.devices.results if status.allocation is not None else ()
    allocated = frozenset(device_of(result) for result in results)
    yield from check_set(
        status.devices,
        path.devices,
        lambda device, each: _check_device(device, each, allocated),
        device_of,
        most=None,
    )
    if status.reserved_for:
        if status.allocation is None:
            yield forbidden(path.reservedFor, "may not be specified when `allocated` is not set")
        elif new.metadata.deletion_timestamp is not None and any(
            one not in before.reserved_for for one in status.reserved_for
        ):
            message = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
            yield forbidden(path.reservedFor, message)
    if status.allocation is None:
        return
    if before.allocation is not None:
        yield from check_unchanged(status.allocation, before.allocation, path.allocation)
    else:
        yield from _check_allocation(status.allocation, path.allocation, request_names(new.spec.devices))


def _check_consumer(consumer: ResourceClaimConsumerReference, path: FieldPath) -> Iterator[FieldError]:
    for name, value in (("resource", consumer.resource), ("name", consumer.name), ("uid", consumer.uid)):
        if not value:
            yield required(path.child(name))


def _check_allocation(allocation: AllocationResult, path: FieldPath, names: RequestNames) -> Iterator[FieldError]:
    devices = allocation.devices
    yield from check_list(
        devices.results,
        path.devices.results,
        lambda result, each: _check_result(result, each, names),
        most=MOST_RESULTS,
    )
    yield from check_list(
        devices.config,
        path.devices.config,
        lambda configuration, each: _check_used_configuration(configuration, each, names),
        most=2 * MOST_CONFIGURATIONS,
    )
    if allocation.node_selector is not None:
        yield from check_node_selector(allocation.node_selector, path.nodeSelector)


def _check_result(result: DeviceRequestAllocationResult, path: FieldPath, names: RequestNames) -> Iterator[FieldError]:
    yield from check_request_reference(result.request, path.request, names)
    yield from check_driver_name(result.driver, path.driver)
    yield from check_pool_name(result.pool, path.pool)
    yield from check_dns_label(result.device, path.device)
    yield from check_binding_conditions(result.binding_conditions, result.binding_failure_conditions, path)
    if result.share_id is not None:
        yield from check_uid(result.share_id, path.shareID)


def _check_used_configuration(
    configuration: DeviceAllocationConfiguration, path: FieldPath, names: RequestNames
) -> Iterator[FieldError]:
    if not configuration.source:
        yield required(path.source)
    elif configuration.source not in _SOURCES:
        yield not_supported(path.source, configuration.source, _SOURCES)
    yield from check_request_references(configuration.requests, path.requests, names)
    yield from check_configuration(configuration.opaque, path)


def check_binding_conditions(
    conditions: Sequence[str], failures: Sequence[str], path: FieldPath
) -> Iterator[FieldError]:
    """The two lists name different conditions, and stand together or not at all."""
    good, bad = path.bindingConditions, path.bindingFailureConditions
    yield from check_list(conditions, good, check_label_name, most=MOST_BINDING_CONDITIONS)
    yield from check_list(failures, bad, check_label_name, most=MOST_BINDING_CONDITIONS)
    for index, condition in enumerate(conditions):
        if condition in conditions[:index]:
            yield duplicate(good[index], condition)
    for index, condition in enumerate(failures):
        if condition in failures[:index]:
            yield duplicate(bad[index], condition)
        if condition in conditions:
            yield invalid(bad[index], condition, "bindingFailureConditions must not overlap with bindingConditions")
    if failures and not conditions:
        yield invalid(good, None, "bindingConditions are required to use bindingFailureConditions")
    if conditions and not failures:
        yield invalid(bad, None, "bindingFailureConditions are required to use bindingConditions")


def _check_device(
    device: AllocatedDeviceStatus, path: FieldPath, allocated: frozenset[SharedDevice]
) -> Iterator[FieldError]:
    yield from check_driver_name(device.driver, path.driver)
    yield from check_pool_name(device.pool, path.pool)
    yield from check_dns_label(device.device, path.device)
    if device.share_id is not None:
        yield from check_uid(device.share_id, path.shareID)
    if device_of(device) not in allocated:
        yield invalid(path, device_of(device), "must be an allocated device in the claim")
    if len(device.conditions) > MOST_CONDITIONS:
        yield too_many(path.conditions, len(device.conditions), MOST_CONDITIONS)
    yield from check_conditions(device.conditions, path.conditions)
    if device.data is not None:
        yield from check_json_object(device.data, path.data, longest=LONGEST_DATA)
    if device.network_data is not None:
        yield from _check_network(device.network_data, path.networkData)


def _check_network(data: NetworkDeviceData, path: FieldPath) -> Iterator[FieldError]:
    if len(data.interface_name.encode()) > LONGEST_INTERFACE_NAME:
        yield too_long(path.interfaceName, data.interface_name, LONGEST_INTERFACE_NAME)
    if len(data.hardware_address.encode()) > LONGEST_HARDWARE_ADDRESS:
        yield too_long(path.hardwareAddress, data.hardware_address, LONGEST_HARDWARE_ADDRESS)
    yield from check_set(data.ips, path.ips, check_interface_address, lambda text: text, most=MOST_ADDRESSES)


def check_interface_address(text: str, path: FieldPath) -> Iterator[FieldError]:
    """An address with the length of its network's prefix, in the one way it is written."""
    address, slash, length = text.partition("/")
    try:
        canonical = str(ipaddress.ip_interface(f"{_LEADING_ZEROS.sub('', address)}/{length}"))
    except ValueError:
        canonical = ""
    if not slash or not canonical:
        yield invalid(path, text, _NO_ADDRESS)
        return
    if text != canonical:
        yield invalid(path, text, f"must be in canonical form ({quoted(canonical)})")
