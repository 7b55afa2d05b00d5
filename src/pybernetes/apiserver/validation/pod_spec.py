"""A pod's spec as a whole, and pod templates.

Follows ValidatePodSpec and ValidatePodTemplateSpec in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import HostAlias, PodDNSConfig, PodSpec, PodTemplateSpec
from pybernetes.apiserver.validation.containers import PodFacts, check_containers
from pybernetes.apiserver.validation.metadata import check_annotations, check_labels, label_key_messages
from pybernetes.apiserver.validation.resources import check_requirements, check_resource_list
from pybernetes.apiserver.validation.scheduling import (
    check_affinity,
    check_scheduling_gates,
    check_tolerations,
    check_topology_spread,
)
from pybernetes.apiserver.validation.security import check_pod_security_context
from pybernetes.apiserver.validation.simple import check_ip, in_range
from pybernetes.apiserver.validation.volumes import check_volumes

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
MAXIMUM_NAMESERVERS = 3
MAXIMUM_SEARCHES = 32
MAXIMUM_SEARCH_LENGTH = 2048


def check_pod_spec(spec: PodSpec, path: FieldPath, *, in_template: bool = False) -> Iterator[FieldError]:
    if spec.termination_grace_period_seconds is None:
        yield required(path.terminationGracePeriodSeconds)
    if spec.volumes:
        yield from check_volumes(spec.volumes, path.volumes)
    facts = PodFacts(spec, {volume.name: volume for volume in spec.volumes}, in_template)
    yield from check_containers(facts, path)
    if spec.resources is not None:
        yield from check_requirements(spec.resources, path.resources)
    if spec.restart_policy not in RESTART_POLICIES:
        yield from _refuse_choice(spec.restart_policy, RESTART_POLICIES, path.restartPolicy)
    if spec.dns_policy not in DNS_POLICIES:
        yield from _refuse_choice(spec.dns_policy, DNS_POLICIES, path.dnsPolicy)
    if spec.node_selector:
        yield from check_labels(spec.node_selector, path.nodeSelector)
    yield from check_pod_security_context(spec.security_context, spec, path)
    if spec.affinity is not None:
        yield from check_affinity(spec.affinity, path.affinity)
    if spec.dns_config is not None or spec.dns_policy == "None":
        yield from _check_dns(spec.dns_config, spec.dns_policy, path.dnsConfig)
    yield from _check_names(spec, path)
    for index, gate in enumerate(spec.readiness_gates):
        each = path.readinessGates[index].conditionType
        yield from (invalid(each, gate.condition_type, message) for message in label_key_messages(gate.condition_type))
    if spec.scheduling_gates:
        yield from check_scheduling_gates(spec.scheduling_gates, path.schedulingGates)
    if spec.topology_spread_constraints:
        yield from check_topology_spread(spec.topology_spread_constraints, path.topologySpreadConstraints)
    deadline = spec.active_deadline_seconds
    if deadline is not None and not 1 <= deadline <= 2147483647:
        yield invalid(path.activeDeadlineSeconds, deadline, in_range(1, 2147483647))
    if spec.tolerations:
        yield from check_tolerations(spec.tolerations, path.tolerations)
    if spec.host_aliases:
        yield from _check_host_aliases(spec.host_aliases, path.hostAliases)
    if spec.preemption_policy is not None and spec.preemption_policy not in ("Never", "PreemptLowerPriority"):
        yield not_supported(path.preemptionPolicy, spec.preemption_policy, ("PreemptLowerPriority", "Never"))
    if spec.overhead:
        yield from check_resource_list(spec.overhead, path.overhead)
    if spec.os is not None and spec.os.name not in ("linux", "windows"):
        yield from _refuse_choice(spec.os.name, ("linux", "windows"), path.os.name)


def _refuse_choice(value: str, choices: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    yield not_supported(path, value, choices) if value else required(path)


_NAMES = (
    ("service_account_name", "serviceAccountName", is_dns_subdomain),
    ("node_name", "nodeName", is_dns_subdomain),
    ("hostname", "hostname", is_dns_label),
    ("subdomain", "subdomain", is_dns_label),
    ("hostname_override", "hostnameOverride", is_dns_subdomain),
    ("priority_class_name", "priorityClassName", is_dns_subdomain),
    ("runtime_class_name", "runtimeClassName", is_dns_subdomain),
)


def _check_names(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    for attribute, field, check in _NAMES:
        value = getattr(spec, attribute)
        if value:
            for message in check(value):
                yield invalid(path.child(field), value, message)


def _check_dns(config: PodDNSConfig | None, policy: str | None, path: FieldPath) -> Iterator[FieldError]:
    if policy == "None":
        if config is None:
            yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.nameservers:
            yield required(path.nameservers, "must provide at least one DNS nameserver when `dnsPolicy` is None")
            return
    if config is None:
        return
    if len(config.nameservers) > MAXIMUM_NAMESERVERS:
        message = f"must not have more than {MAXIMUM_NAMESERVERS} nameservers"
        yield invalid(path.nameservers, config.nameservers, message)
    for index, server in enumerate(config.nameservers):
        yield from check_ip(server, path.nameservers[index])
    if len(config.searches) > MAXIMUM_SEARCHES:
        yield invalid(path.searches, config.searches, f"must not have more than {MAXIMUM_SEARCHES} search paths")
    if len(" ".join(config.searches)) > MAXIMUM_SEARCH_LENGTH:
        message = f"must not have more than {MAXIMUM_SEARCH_LENGTH} characters (including spaces) in the search list"
        yield invalid(path.searches, config.searches, message)
    for index, search in enumerate(config.searches):
        name = search.removesuffix(".")
        if name:
            messages = is_dns_subdomain(name.replace("_", "-"))
            yield from (invalid(path.searches[index], search, message) for message in messages)
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(path.options[index], "must not be empty")


def _check_host_aliases(aliases: Sequence[HostAlias], path: FieldPath) -> Iterator[FieldError]:
    for index, alias in enumerate(aliases):
        yield from check_ip(alias.ip, path[index].ip)
        for position, name in enumerate(alias.hostnames):
            messages = is_dns_subdomain(name)
            yield from (invalid(path[index].hostnames[position], name, message) for message in messages)


def check_pod_template(template: PodTemplateSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_labels(template.metadata.labels, path.labels)
    yield from check_annotations(template.metadata.annotations, path.annotations)
    yield from check_pod_spec(template.spec, path.spec, in_template=True)
    if template.spec.ephemeral_containers:
        yield forbidden(path.spec.ephemeralContainers, "ephemeral containers not allowed in pod template")


def check_workload_template(template: PodTemplateSpec, path: FieldPath, kind: str) -> Iterator[FieldError]:
    """A template for pods that run for ever."""
    yield from check_pod_template(template, path)
    spec = template.spec
    if spec.restart_policy != "Always":
        yield not_supported(path.spec.restartPolicy, spec.restart_policy or "", ("Always",))
    if spec.active_deadline_seconds is not None:
        yield forbidden(path.spec.activeDeadlineSeconds, f"activeDeadlineSeconds in {kind} is not Supported")
