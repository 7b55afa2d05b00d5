"""Containers: ordinary, init and ephemeral.

Follows validateContainers, validateInitContainers and validateEphemeralContainers in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    not_found,
    not_supported,
    required,
    too_many,
)
from pybernetes.api.models.core_v1 import (
    Container,
    ContainerRestartRule,
    EphemeralContainer,
    PodSpec,
    Volume,
)
from pybernetes.apiserver.validation.container_ports import check_host_ports, check_ports
from pybernetes.apiserver.validation.env import check_env, check_env_from
from pybernetes.apiserver.validation.mounts import check_devices, check_mounts
from pybernetes.apiserver.validation.probes import check_lifecycle, check_liveness, check_readiness
from pybernetes.apiserver.validation.resources import check_requirements
from pybernetes.apiserver.validation.security import check_security_context
from pybernetes.apiserver.validation.simple import check_choice

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
TERMINATION_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RESTART_ACTIONS = ("Restart", "RestartAllContainers")
_MAXIMUM_RULES = 20
_MAXIMUM_EXIT_CODES = 255
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What containers need to know of the pod they are in."""

    spec: PodSpec
    in_template: bool
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()
    """The names of its resource claims."""

    @property
    def grace_period(self) -> int | None:
        return self.spec.termination_grace_period_seconds


def check_containers(pod: PodFacts, path: FieldPath) -> Iterator[FieldError]:
    spec = pod.spec
    at_containers = path.containers
    names: set[str] = set()
    if not spec.containers:
        yield required(at_containers)
    for index, container in enumerate(spec.containers):
        each = at_containers[index]
        yield from _check_common(container, each, pod)
        if container.name in names:
            yield duplicate(each.name, container.name)
        names.add(container.name)
        yield from _check_life(container, each, pod)
        if container.restart_policy is not None or container.restart_policy_rules:
            yield from _check_restarts(container, each)
    yield from check_host_ports(spec.containers, at_containers)
    if spec.init_containers:
        yield from _check_init_containers(pod, path.initContainers, names)
    if spec.ephemeral_containers:
        yield from _check_ephemeral_containers(pod, path.ephemeralContainers, names)


def _check_life(container: Container, path: FieldPath, pod: PodFacts) -> Iterator[FieldError]:
    """Hooks and probes."""
    if container.lifecycle is not None:
        yield from check_lifecycle(container.lifecycle, path.lifecycle, pod.grace_period, pod.spec.os)
    if container.liveness_probe is not None:
        yield from check_liveness(container.liveness_probe, path.livenessProbe)
    if container.readiness_probe is not None:
        yield from check_readiness(container.readiness_probe, path.readinessProbe)
    if container.startup_probe is not None:
        yield from check_liveness(container.startup_probe, path.startupProbe)


def _check_restarts(container: Container, path: FieldPath) -> Iterator[FieldError]:
    policy, rules = container.restart_policy, container.restart_policy_rules
    if policy is None:
        yield required(path.restartPolicy, "must specify restartPolicy when restart rules are used")
    elif policy not in RESTART_POLICIES:
        yield not_supported(path.restartPolicy, policy, RESTART_POLICIES)
    if len(rules) > _MAXIMUM_RULES:
        yield too_many(path.restartPolicyRules, len(rules), _MAXIMUM_RULES)
    for index, rule in enumerate(rules):
        yield from _check_rule(rule, path.restartPolicyRules[index])


def _check_rule(rule: ContainerRestartRule, path: FieldPath) -> Iterator[FieldError]:
    if rule.action not in _RESTART_ACTIONS:
        yield not_supported(path.action, rule.action, _RESTART_ACTIONS)
    if (codes := rule.exit_codes) is None:
        yield required(path.exitCodes, "must be specified")
        return
    if codes.operator not in ("In", "NotIn"):
        yield not_supported(path.exitCodes.operator, codes.operator, ("In", "NotIn"))
    if len(codes.values) > _MAXIMUM_EXIT_CODES:
        yield too_many(path.exitCodes.values, len(codes.values), _MAXIMUM_EXIT_CODES)


def _check_init_containers(pod: PodFacts, path: FieldPath, names: set[str]) -> Iterator[FieldError]:
    for index, container in enumerate(pod.spec.init_containers):
        each = path[index]
        yield from _check_common(container, each, pod)
        if container.restart_policy is not None:
            yield from _check_restarts(container, each)
        elif container.restart_policy_rules:
            yield required(each.restartPolicy, "must specify restartPolicy when restart rules are used")
        if container.name in names:
            yield duplicate(each.name, container.name)
        elif container.name:
            names.add(container.name)
        yield from check_host_ports([container], path)
        if container.restart_policy == "Always":
            yield from _check_life(container, each, pod)
        else:
            yield from _check_short_lived(container, each)


def _check_short_lived(container: Container, path: FieldPath) -> Iterator[FieldError]:
    for name, value in (
        ("lifecycle", container.lifecycle),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if value is not None:
            yield forbidden(path.child(name), _ONLY_SIDECARS)
    for index, policy in enumerate(container.resize_policy):
        if policy.restart_policy == "RestartContainer":
            message = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            yield invalid(path.resizePolicy[index].restartPolicy, policy.restart_policy, message)


def _check_ephemeral_containers(pod: PodFacts, path: FieldPath, names: set[str]) -> Iterator[FieldError]:
    targets = frozenset(names)
    for index, container in enumerate(pod.spec.ephemeral_containers):
        each = path[index]
        yield from _check_common(container, each, pod)
        yield from check_image_spacing(container, each)
        if container.name in names:
            yield duplicate(each.name, container.name)
        names.add(container.name)
        if container.target_container_name and container.target_container_name not in targets:
            yield not_found(each.targetContainerName, container.target_container_name)
        yield from _check_ephemeral_fields(container, each)


def _check_ephemeral_fields(container: EphemeralContainer, path: FieldPath) -> Iterator[FieldError]:
    resources = container.resources
    for name, value in (
        ("ports", container.ports),
        ("resources", resources.limits or resources.requests or resources.claims),
        ("resizePolicy", container.resize_policy),
        ("restartPolicy", container.restart_policy is not None),
        ("restartPolicyRules", container.restart_policy_rules),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
        ("lifecycle", container.lifecycle),
    ):
        if value:
            yield forbidden(path.child(name), _NOT_EPHEMERAL)
    for position, mount in enumerate(container.volume_mounts):
        if mount.sub_path:
            yield forbidden(path.volumeMounts[position].subPath, _NOT_EPHEMERAL)
        if mount.sub_path_expr:
            yield forbidden(path.volumeMounts[position].subPathExpr, _NOT_EPHEMERAL)


def check_image_spacing(container: Container | EphemeralContainer, path: FieldPath) -> Iterator[FieldError]:
    """Only of pods: templates may hold such images."""
    if container.image != container.image.strip():
        yield invalid(path.image, container.image, "must not have leading or trailing whitespace")


def _check_common(container: Container | EphemeralContainer, path: FieldPath, pod: PodFacts) -> Iterator[FieldError]:
    if not container.name:
        yield required(path.name)
    else:
        for message in is_dns_label(container.name):
            yield invalid(path.name, container.name, message)
    if not container.image:
        yield required(path.image)
    yield from check_choice(container.termination_message_policy, TERMINATION_POLICIES, path.terminationMessagePolicy)
    if container.ports:
        yield from check_ports(container.ports, path.ports)
    if container.env:
        yield from check_env(container.env, path.env)
    if container.env_from:
        yield from check_env_from(container.env_from, path.envFrom)
    if container.volume_mounts:
        yield from check_mounts(container, path.volumeMounts, pod.volumes)
    if container.volume_devices:
        yield from check_devices(container, path.volumeDevices, pod.volumes)
    yield from check_choice(container.image_pull_policy, PULL_POLICIES, path.imagePullPolicy)
    if (resources := container.resources) and (resources.requests or resources.limits or resources.claims):
        yield from check_requirements(resources, path.resources, claims=pod.claims)
    if container.resize_policy:
        yield from _check_resize_policy(container, path.resizePolicy, pod)
    if (context := container.security_context) is not None:
        host_users = pod.spec.host_users is not False
        yield from check_security_context(context, path.securityContext, host_users=host_users)


def _check_resize_policy(
    container: Container | EphemeralContainer, path: FieldPath, pod: PodFacts
) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, policy in enumerate(container.resize_policy):
        if policy.resource_name in names:
            yield duplicate(path[index], policy.resource_name)
        names.add(policy.resource_name)
        yield from check_choice(policy.resource_name, ("cpu", "memory"), path)
        yield from check_choice(policy.restart_policy, ("NotRequired", "RestartContainer"), path)
        if pod.spec.restart_policy == "Never" and policy.restart_policy != "NotRequired":
            yield invalid(path, policy.restart_policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def check_image_spacings(containers: Sequence[Container], path: FieldPath) -> Iterator[FieldError]:
    for index, container in enumerate(containers):
        yield from check_image_spacing(container, path[index])
