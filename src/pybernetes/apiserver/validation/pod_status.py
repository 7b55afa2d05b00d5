"""What may be written into a pod's status.

Follows ValidatePodStatusUpdate in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    forbidden,
    internal,
    invalid,
    is_dns_subdomain,
)
from pybernetes.api.models.core_v1 import (
    Container,
    ContainerStatus,
    Pod,
    PodCondition,
    PodResourceClaimStatus,
    PodSpec,
)
from pybernetes.apiserver.validation.addresses import parse_loosely
from pybernetes.apiserver.validation.container_statuses import check_container_statuses
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.simple import check_ip, check_unchanged

_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_GENERATION = "must be a non-negative integer"
_RESTARTED = "may not be transitioned to non-terminated state"


def check_pod_status(new: Pod, old: Pod) -> Iterator[FieldError]:
    """Of a new status whose spec is the old one."""
    path, status = at.status, new.status
    yield from _check_conditions(status.conditions, path.conditions)
    yield from _check_nomination(new, old, path.nominatedNodeName)
    if (status.observed_generation or 0) < 0:
        yield invalid(path.observedGeneration, status.observed_generation, _GENERATION)
    yield from check_unchanged(status.qos_class, old.status.qos_class, path.qosClass)
    before, spec = old.status, old.spec
    if not _all_can_restart(spec):
        for name, fresh, known, containers in (
            ("containerStatuses", status.container_statuses, before.container_statuses, spec.containers),
            (
                "initContainerStatuses",
                status.init_container_statuses,
                before.init_container_statuses,
                spec.init_containers,
            ),
            (
                "ephemeralContainerStatuses",
                status.ephemeral_container_statuses,
                before.ephemeral_container_statuses,
                (),
            ),
        ):
            if known:
                yield from _check_transitions(fresh, known, containers, spec, path.child(name))
    if status.resource_claim_statuses:
        names = {claim.name for claim in new.spec.resource_claims}
        yield from _check_claims(status.resource_claim_statuses, names, path.resourceClaimStatuses)
    if status.pod_ips:
        known_ips = [one.ip for one in old.status.pod_ips]
        yield from _check_addresses([one.ip for one in status.pod_ips], known_ips, path.podIPs)
    yield from _check_host_addresses(new, old, path.hostIPs)
    yield from check_container_statuses(status, new.spec, path)


def _check_conditions(conditions: Sequence[PodCondition], path: FieldPath) -> Iterator[FieldError]:
    for index, condition in enumerate(conditions):
        if (condition.observed_generation or 0) < 0:
            yield invalid(path[index].observedGeneration, condition.observed_generation, _GENERATION)
        if condition.type not in _SYSTEM_CONDITIONS:
            for message in label_key_messages(condition.type):
                yield invalid(path[index].Type, condition.type, message)


def _check_nomination(new: Pod, old: Pod, path: FieldPath) -> Iterator[FieldError]:
    name = new.status.nominated_node_name
    if not name or name == old.status.nominated_node_name:
        return
    yield from (invalid(path, name, message) for message in is_dns_subdomain(name))
    if old.spec.node_name:
        yield forbidden(path, "may not be set on pods that are already bound to a node")


def _all_can_restart(spec: PodSpec) -> bool:
    return any(
        rule.action == "RestartAllContainers"
        for container in (*spec.containers, *spec.init_containers)
        for rule in container.restart_policy_rules
    )


def _check_transitions(
    new: Sequence[ContainerStatus],
    old: Sequence[ContainerStatus],
    containers: Sequence[Container],
    spec: PodSpec,
    path: FieldPath,
) -> Iterator[FieldError]:
    """A container that has ended runs again only where its policy says so."""
    for index, known in enumerate(old):
        if known.state.terminated is None:
            continue
        fresh = next((status for status in new if status.name == known.name), None)
        if fresh is None or fresh.state.terminated is not None:
            continue
        container = next((one for one in containers if one.name == known.name), None)
        if container is None or not _restarts(container, spec, known.state.terminated.exit_code):
            yield forbidden(path[index].state, _RESTARTED)


def _restarts(container: Container, spec: PodSpec, exit_code: int) -> bool:
    for rule in container.restart_policy_rules:
        codes = rule.exit_codes
        if codes is not None and (exit_code in codes.values) == (codes.operator == "In"):
            return rule.action == "Restart"
    policy = container.restart_policy or spec.restart_policy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _check_claims(
    statuses: Sequence[PodResourceClaimStatus], claims: set[str], path: FieldPath
) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, status in enumerate(statuses):
        each = path[index]
        if status.name not in claims:
            yield invalid(each.name, status.name, "must match the name of an entry in `spec.resourceClaims`")
        if status.name in names:
            yield duplicate(each.name, status.name)
        names.add(status.name)
        claim = status.resource_claim_name
        if claim is not None:
            yield from (invalid(each.resourceClaimName, claim, message) for message in is_dns_subdomain(claim))


def _check_addresses(new: Sequence[str], old: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    """At most one of each family; those that were there may stay."""
    for index, address in enumerate(new):
        if address not in old:
            yield from check_ip(address, path[index])
    if len(new) < 2:
        return
    parsed = [parse_loosely(address) for address in new]
    if None in parsed:
        wrong = parsed.index(None)
        yield internal(path, f"failed to check for dual stack with error:invalid IP[{wrong}]: {new[wrong]}")
    if sorted(one.version for one in parsed if one is not None) != [4, 6] or None in parsed:
        shown = [{"IP": address} for address in new]
        yield invalid(path, shown, "may specify no more than one IP for each IP family")


def _check_host_addresses(new: Pod, old: Pod, path: FieldPath) -> Iterator[FieldError]:
    addresses = [one.ip for one in new.status.host_ips]
    if not addresses:
        return
    if new.status.host_ip != addresses[0]:
        yield invalid(path[0].ip, addresses[0], "must be equal to `hostIP`")
    yield from _check_addresses(addresses, [one.ip for one in old.status.host_ips], path)
