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
    is_dns_subdomain_with_underscore,
    not_found,
    not_supported,
    required,
    too_long,
)
from pybernetes.api.models.core_v1 import HostAlias, PodDNSConfig, PodSpec, PodTemplateSpec, Volume
from pybernetes.apiserver.validation.container_ports import check_host_network
from pybernetes.apiserver.validation.containers import PodFacts, check_containers
from pybernetes.apiserver.validation.metadata import check_annotations, check_labels, label_key_messages
from pybernetes.apiserver.validation.pod_annotations import check_pod_annotations, check_profiles_match
from pybernetes.apiserver.validation.pod_resources import check_pod_claims, check_pod_resources
from pybernetes.apiserver.validation.resources import check_resource_list
from pybernetes.apiserver.validation.scheduling import (
    check_affinity,
    check_scheduling_gates,
    check_scheduling_group,
    check_tolerations,
    check_topology_spread,
)
from pybernetes.apiserver.validation.security import check_pod_security_context
from pybernetes.apiserver.validation.simple import check_choice, check_ip, in_range
from pybernetes.apiserver.validation.volumes import check_volumes
from pybernetes.apiserver.validation.windows_options import (
    check_host_process,
    check_linux,
    check_windows,
    containers_of,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
OPERATING_SYSTEMS = ("linux", "windows")
MAXIMUM_NAMESERVERS = 3
MAXIMUM_SEARCHES = 32
MAXIMUM_SEARCH_LENGTH = 2048
LONGEST_HOSTNAME = 64
_NOT_SHARED = "when `hostUsers` is false"


def check_pod_spec(
    spec: PodSpec, path: FieldPath, *, in_template: bool = False, pod_name: str | None = None
) -> Iterator[FieldError]:
    """``pod_name`` is known of pods and None in templates."""
    if spec.termination_grace_period_seconds is None:
        yield required(path.terminationGracePeriodSeconds)
    volumes: dict[str, Volume] = {}
    if spec.volumes:
        yield from check_volumes(spec.volumes, path.volumes, volumes, pod_name)
    claims = frozenset(claim.name for claim in spec.resource_claims if claim.name)
    if spec.resource_claims:
        yield from check_pod_claims(spec.resource_claims, path.resourceClaims)
    yield from check_containers(PodFacts(spec, in_template, volumes, claims), path)
    if spec.resources is not None:
        yield from check_pod_resources(spec.resources, spec, path.resources, claims)
    if spec.host_network:
        yield from check_host_network(spec.containers, path.containers, in_template=in_template)
    yield from check_choice(spec.restart_policy, RESTART_POLICIES, path.restartPolicy)
    yield from check_choice(spec.dns_policy, DNS_POLICIES, path.dnsPolicy)
    if spec.node_selector:
        yield from check_labels(spec.node_selector, path.nodeSelector)
    yield from check_pod_security_context(spec.security_context, spec, path)
    yield from _check_placement(spec, path)
    yield from check_host_process(spec, path)
    if spec.host_users is False:
        yield from _check_own_users(spec, path)
    if spec.hostname_override is not None:
        yield from _check_hostname(spec.hostname_override, spec, path)
    yield from _check_identity(spec, path)
    if spec.overhead:
        yield from check_resource_list(spec.overhead, path.overhead.limits)
    if spec.os is not None:
        yield from _check_system(spec, path)
    yield from _check_file_keys(spec, path)


def _check_placement(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    if spec.affinity is not None:
        yield from check_affinity(spec.affinity, path.affinity)
    if spec.dns_config is not None or spec.dns_policy == "None":
        yield from _check_dns(spec.dns_config, spec.dns_policy, path.dnsConfig)
    for index, gate in enumerate(spec.readiness_gates):
        each = path.readinessGates[index].conditionType
        yield from (invalid(each, gate.condition_type, message) for message in label_key_messages(gate.condition_type))
    if spec.scheduling_gates:
        yield from check_scheduling_gates(spec.scheduling_gates, path.schedulingGates)
    if spec.scheduling_group is not None:
        yield from check_scheduling_group(spec.scheduling_group, path.schedulingGroup)
    if spec.topology_spread_constraints:
        yield from check_topology_spread(spec.topology_spread_constraints, path.topologySpreadConstraints)


def _check_identity(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    """Names that the pod has or refers to, and the small fields between them."""
    yield from _check_name(spec.service_account_name, path.serviceAccountName)
    yield from _check_name(spec.node_name, path.nodeName)
    deadline = spec.active_deadline_seconds
    if deadline is not None and not 1 <= deadline <= 2147483647:
        yield invalid(path.activeDeadlineSeconds, deadline, in_range(1, 2147483647))
    for name, value in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if value:
            yield from (invalid(path.child(name), value, message) for message in is_dns_label(value))
    if spec.tolerations:
        yield from check_tolerations(spec.tolerations, path.tolerations)
    if spec.host_aliases:
        yield from _check_host_aliases(spec.host_aliases, path.hostAliases)
    yield from _check_name(spec.priority_class_name, path.priorityClassName)
    runtime = spec.runtime_class_name
    if runtime is not None:
        yield from (invalid(path.runtimeClassName, runtime, message) for message in is_dns_subdomain(runtime))
    if spec.preemption_policy is not None:
        yield from check_choice(spec.preemption_policy, PREEMPTION_POLICIES, path.preemptionPolicy)


def _check_name(name: str | None, path: FieldPath) -> Iterator[FieldError]:
    if name:
        for message in is_dns_subdomain(name):
            yield invalid(path, name, message)


def _check_own_users(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    """A pod with users of its own shares no other namespace with the host."""
    for name, shared in (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)):
        if shared:
            yield forbidden(path.child(name), _NOT_SHARED)
    for container, at_container in containers_of(spec, path):
        if container.volume_devices:
            yield forbidden(at_container.volumeDevices, _NOT_SHARED)


def _check_hostname(name: str, spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    at_name = path.hostnameOverride
    if spec.set_hostname_as_fqdn:
        yield forbidden(at_name, "may not be specified when setHostnameAsFQDN is true")
    if spec.host_network:
        yield forbidden(at_name, "may not be specified when hostNetwork is true")
    if len(name) > LONGEST_HOSTNAME:
        yield too_long(at_name, "", LONGEST_HOSTNAME)
    yield from (invalid(at_name, name, message) for message in is_dns_subdomain(name))


def _check_system(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    name = spec.os.name if spec.os is not None else ""
    if not name:
        yield required(path.os.name)
    elif name not in OPERATING_SYSTEMS:
        yield not_supported(path.os, name, OPERATING_SYSTEMS)
    else:
        yield from check_linux(spec, path) if name == "linux" else check_windows(spec, path)


def _check_file_keys(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    """Environment that comes from files is read from an emptyDir of the pod."""
    for container, at_container in containers_of(spec, path):
        for index, variable in enumerate(container.env):
            if variable.value_from is None or variable.value_from.file_key_ref is None:
                continue
            name = variable.value_from.file_key_ref.volume_name
            at_name = at_container.env[index].valueFrom.fileKeyRef.volumeName
            found = [volume for volume in spec.volumes if volume.name == name]
            if not found:
                yield not_found(at_name, name)
            elif found[-1].empty_dir is None:
                yield invalid(at_name, name, "referenced volume must be of type emptyDir")


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
        if search != ".":
            name = search.removesuffix(".")
            messages = is_dns_subdomain_with_underscore(name)
            yield from (invalid(path.searches[index], name, message) for message in messages)
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
    if template.metadata.annotations:
        yield from check_annotations(template.metadata.annotations, path.annotations)
        yield from check_pod_annotations(template.metadata.annotations, template.spec, path.annotations)
    yield from check_pod_spec(template.spec, path.spec, in_template=True)
    if template.metadata.annotations:
        yield from check_profiles_match(template.metadata.annotations, template.spec, path.spec)
    if template.spec.ephemeral_containers:
        yield forbidden(path.spec.ephemeralContainers, "ephemeral containers not allowed in pod template")


def check_workload_template(template: PodTemplateSpec, path: FieldPath, kind: str) -> Iterator[FieldError]:
    """A template for pods that run for ever."""
    yield from check_pod_template(template, path)
    yield from check_runs_for_ever(template.spec, path.spec, kind)


def check_runs_for_ever(spec: PodSpec, path: FieldPath, kind: str) -> Iterator[FieldError]:
    if spec.restart_policy != "Always":
        yield not_supported(path.restartPolicy, spec.restart_policy or "", ("Always",))
    if spec.active_deadline_seconds is not None:
        yield forbidden(path.activeDeadlineSeconds, f"activeDeadlineSeconds in {kind} is not Supported")
