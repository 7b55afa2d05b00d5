"""The operator's file about who decides: `apiserver.config.k8s.io` AuthorizationConfiguration, and the same from flags.

Follows k8s.io/apiserver/pkg/apis/apiserver (types.go, validation/validation.go) and pkg/kubeapiserver/authorizer.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pybernetes.api.durations import InvalidDuration, parse_duration, shown_duration
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    aggregate,
    duplicate,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
    too_many,
)
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth.match_conditions import check_expression
from pybernetes.apiserver.operators_file import decode

KIND = "AuthorizationConfiguration"
VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
WEBHOOK, NODE, RBAC, ABAC = "Webhook", "Node", "RBAC", "ABAC"
ALWAYS_ALLOW, ALWAYS_DENY = "AlwaysAllow", "AlwaysDeny"
MODES = (ABAC, ALWAYS_ALLOW, ALWAYS_DENY, NODE, RBAC, WEBHOOK)
DENY, NO_OPINION = "Deny", "NoOpinion"
KUBE_CONFIG_FILE, IN_CLUSTER = "KubeConfigFile", "InClusterConfig"
LONGEST_TIMEOUT = 30.0
MOST_CONDITIONS = 64


class _Struct(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    pass


class ConnectionInfo(_Struct):
    type: str = ""
    kube_config_file: str | None = None


class MatchCondition(_Struct):
    expression: str = ""


class WebhookConfiguration(_Struct):
    authorized_ttl: str = msgspec.field(default="5m0s", name="authorizedTTL")
    cache_authorized_requests: bool = True
    unauthorized_ttl: str = msgspec.field(default="30s", name="unauthorizedTTL")
    cache_unauthorized_requests: bool = True
    timeout: str = ""
    subject_access_review_version: str = ""
    match_condition_subject_access_review_version: str = ""
    failure_policy: str = ""
    connection_info: ConnectionInfo = msgspec.field(default_factory=ConnectionInfo)
    match_conditions: list[MatchCondition] = []


class AuthorizerConfiguration(_Struct):
    type: str = ""
    name: str = ""
    webhook: WebhookConfiguration | None = None


class AuthorizationConfiguration(_Struct):
    api_version: str = ""
    kind: str = ""
    authorizers: list[AuthorizerConfiguration] = []

    @property
    def lasting_types(self) -> frozenset[str]:
        """What is there from the start of the server on and must stay in the file."""
        return frozenset(one.type for one in self.authorizers if one.type != WEBHOOK)


@dataclass(frozen=True, slots=True)
class Modes:
    """What `--authorization-mode` and its neighbours say."""

    names: tuple[str, ...] = (NODE, RBAC)
    webhook_file: str = ""
    webhook_version: str = "v1beta1"
    authorized_ttl: str = "5m0s"
    unauthorized_ttl: str = "30s"


def from_modes(modes: Modes) -> AuthorizationConfiguration:
    return AuthorizationConfiguration(authorizers=[_of_mode(mode, modes) for mode in modes.names])


def _of_mode(mode: str, modes: Modes) -> AuthorizerConfiguration:
    if mode != WEBHOOK:
        return AuthorizerConfiguration(mode, mode.lower())
    webhook = WebhookConfiguration(
        authorized_ttl=modes.authorized_ttl,
        cache_authorized_requests=_seconds(modes.authorized_ttl) != 0,
        unauthorized_ttl=modes.unauthorized_ttl,
        cache_unauthorized_requests=_seconds(modes.unauthorized_ttl) != 0,
        timeout="30s",
        failure_policy=NO_OPINION,
        subject_access_review_version=modes.webhook_version,
        connection_info=ConnectionInfo(KUBE_CONFIG_FILE, modes.webhook_file),
    )
    return AuthorizerConfiguration(WEBHOOK, "default", webhook)


def check_modes(modes: Modes, policy_file: str) -> None:
    """Raises ConfigurationError."""
    for mode in modes.names:
        if mode not in MODES:
            raise ConfigurationError(f'authorization-mode "{mode}" is not a valid mode')
    if not modes.names:
        raise ConfigurationError("at least one authorization-mode must be passed")
    if ABAC in modes.names and not policy_file:
        raise ConfigurationError("authorization-mode ABAC's authorization policy file not passed")
    if WEBHOOK in modes.names and not modes.webhook_file:
        raise ConfigurationError("authorization-mode Webhook's authorization config file not passed")
    if policy_file and ABAC not in modes.names:
        raise ConfigurationError("cannot specify --authorization-policy-file without mode ABAC")
    if modes.webhook_file and WEBHOOK not in modes.names:
        raise ConfigurationError("cannot specify --authorization-webhook-config-file without mode Webhook")
    if len(set(modes.names)) != len(modes.names):
        listed = " ".join(f'"{mode}"' for mode in modes.names)
        raise ConfigurationError(f"authorization-mode [{listed}] has mode specified more than once")


def read_configuration(data: bytes, kept: Collection[str] = ()) -> AuthorizationConfiguration:
    """``kept`` are the types that must be there. Raises ConfigurationError."""
    try:
        found = decode(data, AuthorizationConfiguration, KIND, VERSIONS)
        for one in found.authorizers:
            _check_spans(one)
    except (ConfigurationError, InvalidDuration) as error:
        raise ConfigurationError(f"failed to load AuthorizationConfiguration from file: {error}") from error
    problems = list(validate(found))
    if problems:
        raise ConfigurationError(aggregate(problems))
    others = [one for one in found.authorizers if one.type != WEBHOOK]
    told = [
        f"expected name {one.type.lower()} for authorizer {one.type} instead of {one.name}"
        for one in others
        if one.name != one.type.lower()
    ]
    missing = sorted(set(kept) - found.lasting_types)
    if missing:
        told.append(f"missing required types: [{' '.join(missing)}]")
    if told:
        raise ConfigurationError(told[0] if len(told) == 1 else f"[{', '.join(told)}]")
    return found


def _check_spans(one: AuthorizerConfiguration) -> None:
    """Raises InvalidDuration."""
    if one.webhook is not None:
        for text in (one.webhook.timeout, one.webhook.authorized_ttl, one.webhook.unauthorized_ttl):
            _seconds(text)


def read_file(path: str) -> AuthorizationConfiguration:
    """Raises ConfigurationError."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"open {path}: {error.strerror}") from error
    return read_configuration(data)


def validate(configuration: AuthorizationConfiguration) -> Iterator[FieldError]:
    path = FieldPath("authorizers")
    if not configuration.authorizers:
        yield required(path, "at least one authorization mode must be defined")
    types: set[str] = set()
    names: set[str] = set()
    for index, one in enumerate(configuration.authorizers):
        at = path[index]
        if not one.type:
            yield required(at.type)
            continue
        if one.type not in MODES:
            yield not_supported(at.type, one.type, MODES)
            continue
        if one.type in types and one.type != WEBHOOK:
            yield duplicate(at.type, one.type)
            continue
        types.add(one.type)
        yield from _check_name(one.name, names, at.name)
        names.add(one.name)
        if one.type == WEBHOOK and one.webhook is None:
            yield required(at.webhook, "required when type=Webhook")
        elif one.type == WEBHOOK and one.webhook is not None:
            yield from _check_webhook(one.webhook, at)
        elif one.webhook is not None:
            yield invalid(at.webhook, "non-null", "may only be specified when type=Webhook")


def _check_name(name: str, taken: Collection[str], path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    elif name in taken:
        yield duplicate(path, name)
    elif problems := is_dns_subdomain(name):
        yield invalid(path, name, f"authorizer name is invalid: {', '.join(problems)}")


def _check_webhook(one: WebhookConfiguration, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_span(one.timeout, path.timeout, LONGEST_TIMEOUT)
    yield from _check_span(one.authorized_ttl, path.authorizedTTL)
    yield from _check_span(one.unauthorized_ttl, path.unauthorizedTTL)
    version = one.subject_access_review_version
    if not version:
        yield required(path.subjectAccessReviewVersion)
    elif version not in ("v1", "v1beta1"):
        yield not_supported(path.subjectAccessReviewVersion, version, ("v1", "v1beta1"))
    judged_as = one.match_condition_subject_access_review_version
    if not judged_as and one.match_conditions:
        why = "required if match conditions are specified"
        yield required(path.matchConditionSubjectAccessReviewVersion, why)
    elif judged_as not in ("", "v1"):
        yield not_supported(path.matchConditionSubjectAccessReviewVersion, judged_as, ("v1",))
    if not one.failure_policy:
        yield required(path.failurePolicy)
    elif one.failure_policy not in (NO_OPINION, DENY):
        yield not_supported(path.failurePolicy, one.failure_policy, (NO_OPINION, DENY))
    yield from _check_connection(one.connection_info, path.connectionInfo)
    yield from _check_conditions(one.match_conditions, path.matchConditions)


def _check_span(text: str, path: FieldPath, longest: float = 0.0) -> Iterator[FieldError]:
    seconds = _seconds(text)
    if not seconds:
        yield required(path)
    elif longest and not 0 < seconds <= longest:
        yield invalid(path, shown_duration(seconds), "must be > 0s and <= 30s")
    elif seconds < 0:
        yield invalid(path, shown_duration(seconds), "must be > 0s")


def _check_connection(info: ConnectionInfo, path: FieldPath) -> Iterator[FieldError]:
    file = info.kube_config_file
    if not info.type:
        yield required(path.type)
    elif info.type == IN_CLUSTER:
        if file is not None:
            yield invalid(path.kubeConfigFile, file, "can only be set when type=KubeConfigFile")
    elif info.type != KUBE_CONFIG_FILE:
        yield not_supported(path.type, info.type, (IN_CLUSTER, KUBE_CONFIG_FILE))
    elif not file:
        yield required(path.kubeConfigFile)
    elif not os.path.isabs(file):
        yield invalid(path.kubeConfigFile, file, "must be an absolute path")
    else:
        try:
            mode = os.stat(file).st_mode
        except OSError:
            yield invalid(path.kubeConfigFile, file, f"error loading file: stat {file}: no such file or directory")
            return
        if not stat.S_ISREG(mode):
            yield invalid(path.kubeConfigFile, file, "must be a regular file")


def _check_conditions(conditions: list[MatchCondition], path: FieldPath) -> Iterator[FieldError]:
    if len(conditions) > MOST_CONDITIONS:
        yield too_many(path, len(conditions), MOST_CONDITIONS)
        return
    seen: set[str] = set()
    for index, one in enumerate(conditions):
        at = path[index].expression
        if not one.expression.strip():
            yield required(at)
        elif one.expression in seen:
            yield duplicate(at, one.expression)
        elif problem := check_expression(one.expression):
            yield invalid(at, one.expression, problem)
        seen.add(one.expression)


def _seconds(text: str) -> float:
    return parse_duration(text) if text else 0.0
