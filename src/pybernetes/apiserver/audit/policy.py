"""The operator's audit policy: which requests are told of, at which of their stages, and how much is told.

The first rule that a request matches decides; a request that matches none is not told of.

Follows k8s.io/apiserver/pkg/audit/policy and k8s.io/apiserver/pkg/apis/audit/validation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns_subdomain, not_supported, required
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth.contract import Attributes, User

log = logging.getLogger(__name__)


class Level(IntEnum):
    """How much is told; each tells all that the one before does."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


class Stage(StrEnum):
    REQUEST_RECEIVED = "RequestReceived"
    RESPONSE_STARTED = "ResponseStarted"
    RESPONSE_COMPLETE = "ResponseComplete"
    PANIC = "Panic"


LEVELS = {"None": Level.NONE, "Metadata": Level.METADATA, "Request": Level.REQUEST}
LEVELS["RequestResponse"] = Level.REQUEST_RESPONSE
NAMES = {level: name for name, level in LEVELS.items()}
_KIND = ("audit.k8s.io/v1", "Policy")


class GroupResources(msgspec.Struct, rename="camel"):
    group: str = ""
    resources: list[str] = []
    resource_names: list[str] = []


class Rule(msgspec.Struct, rename="camel"):
    level: str = ""
    users: list[str] = []
    user_groups: list[str] = []
    verbs: list[str] = []
    resources: list[GroupResources] = []
    namespaces: list[str] = []
    non_resource_urls: list[str] = msgspec.field(default_factory=list, name="nonResourceURLs")
    omit_stages: list[str] = []
    omit_managed_fields: bool | None = None


class PolicyDocument(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    metadata: dict[str, Any] = {}
    rules: list[Rule] = []
    omit_stages: list[str] = []
    omit_managed_fields: bool = False


class _StrictPolicy(PolicyDocument, forbid_unknown_fields=True):
    pass


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request is told of."""

    level: Level
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


class Policy:
    def __init__(self, document: PolicyDocument) -> None:
        self._rules = [
            (
                rule,
                Verdict(
                    LEVELS[rule.level],
                    frozenset((*document.omit_stages, *rule.omit_stages)),
                    document.omit_managed_fields if rule.omit_managed_fields is None else rule.omit_managed_fields,
                ),
            )
            for rule in document.rules
        ]

    def judge(self, user: User | None, asked: Attributes) -> Verdict | None:
        """None where nothing is told."""
        for rule, verdict in self._rules:
            if _matches(rule, user, asked):
                return None if verdict.level is Level.NONE else verdict
        return None


def _matches(rule: Rule, user: User | None, asked: Attributes) -> bool:
    if rule.users and (user is None or user.name not in rule.users):
        return False
    if rule.user_groups and (user is None or not set(rule.user_groups).intersection(user.groups)):
        return False
    if rule.verbs and asked.verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return asked.is_resource and _matches_resource(rule, asked)
    if rule.non_resource_urls:
        return not asked.is_resource and any(_matches_path(asked.path, url) for url in rule.non_resource_urls)
    return True


def _matches_resource(rule: Rule, asked: Attributes) -> bool:
    if rule.namespaces and asked.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_names(one, asked) for one in rule.resources)


def _names(one: GroupResources, asked: Attributes) -> bool:
    if one.group not in (asked.group, "*"):
        return False
    if not one.resources:
        return True
    if one.resource_names and asked.name not in one.resource_names:
        return False
    known = {"*", asked.resource + (f"/{asked.subresource}" if asked.subresource else ""), f"{asked.resource}/*"}
    if asked.subresource:
        known.add(f"*/{asked.subresource}")
    return not known.isdisjoint(one.resources)


def _matches_path(path: str, url: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def load(path: str) -> Policy:
    """Raises ConfigurationError in upstream's words."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f'loading audit policy file: failed to read file path "{path}": {error}') from error
    try:
        return Policy(read(text))
    except ConfigurationError as error:
        raise ConfigurationError(f"loading audit policy file: {error}: from file {path}") from error


def read(text: bytes) -> PolicyDocument:
    """A policy that holds what it must. Raises ConfigurationError."""
    try:
        content = yaml.safe_load(text)
        document = msgspec.convert(content, PolicyDocument)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"failed decoding: {error}") from error
    if not document.kind or not document.api_version:
        missing = "Kind" if not document.kind else "apiVersion"
        raise ConfigurationError(f"failed decoding: Object '{missing}' is missing in the policy")
    if (document.api_version, document.kind) != _KIND:
        shown = f'no kind "{document.kind}" is registered for version "{document.api_version}"'
        raise ConfigurationError(f"failed decoding: {shown}")
    try:
        msgspec.convert(content, _StrictPolicy)
    except msgspec.ValidationError as error:
        log.warning("the audit policy has fields that are not known", extra={"error": str(error)})
    problems = [str(problem) for problem in validate(document)]
    if problems:
        raise ConfigurationError(problems[0] if len(problems) == 1 else f"[{', '.join(dict.fromkeys(problems))}]")
    if not document.rules:
        raise ConfigurationError("loaded illegal policy with 0 rules")
    return document


def validate(document: PolicyDocument) -> Iterator[FieldError]:
    yield from _check_stages(document.omit_stages, FieldPath("omitStages"))
    for index, rule in enumerate(document.rules):
        yield from _check_rule(rule, FieldPath("rules")[index])


def _check_rule(rule: Rule, path: FieldPath) -> Iterator[FieldError]:
    if not rule.level:
        yield required(path.level)
    elif rule.level not in LEVELS:
        yield not_supported(path.level, rule.level, tuple(LEVELS))
    yield from _check_urls(rule.non_resource_urls, path.nonResourceURLs)
    for one in rule.resources:
        yield from _check_resources(one, path.resources)
    yield from _check_stages(rule.omit_stages, path.omitStages)
    if rule.non_resource_urls and (rule.resources or rule.namespaces):
        message = "rules cannot apply to both regular resources and non-resource URLs"
        yield invalid(path.nonResourceURLs, rule.non_resource_urls, message)


def _check_urls(urls: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for index, url in enumerate(urls):
        if url == "*":
            continue
        if not url.startswith("/"):
            yield invalid(path[index], url, "non-resource URL rules must begin with a '/' character")
        if "*" in url[:-1]:
            yield invalid(path[index], url, "non-resource URL wildcards '*' must be the final character of the rule")


def _check_resources(one: GroupResources, path: FieldPath) -> Iterator[FieldError]:
    if one.group not in ("", "*") and (messages := is_dns_subdomain(one.group)):
        yield invalid(path.group, one.group, ",".join(messages))
    if one.resource_names and not one.resources:
        yield invalid(path.resourceNames, one.resource_names, "using resourceNames requires at least one resource")


def _check_stages(stages: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    allowed = [str(stage) for stage in Stage]
    for index, stage in enumerate(stages):
        if stage not in allowed:
            yield invalid(path[index], stage, "allowed stages are " + ",".join(allowed))
