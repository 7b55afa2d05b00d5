"""The operator's file about who is known: `apiserver.config.k8s.io` AuthenticationConfiguration.

Not built: discovery of distributed claims, egress selectors.

Follows k8s.io/apiserver/pkg/apis/apiserver (types.go, validation/validation.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    aggregate,
    duplicate,
    invalid,
    is_domain_prefixed_path,
    required,
)
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.operators_file import decode

CLAIMS, USER = "claims", "user"
"""What expressions are about."""
VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))


class _Struct(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    pass


class Issuer(_Struct):
    url: str = ""
    discovery_url: str = msgspec.field(default="", name="discoveryURL")
    certificate_authority: str = ""
    audiences: list[str] = []
    audience_match_policy: str = ""


class ClaimRule(_Struct):
    claim: str = ""
    required_value: str = ""
    expression: str = ""
    message: str = ""


class Mapping(_Struct):
    claim: str = ""
    prefix: str | None = None
    expression: str = ""


class ExtraMapping(_Struct):
    key: str = ""
    value_expression: str = ""


class Mappings(_Struct):
    username: Mapping = msgspec.field(default_factory=Mapping)
    groups: Mapping = msgspec.field(default_factory=Mapping)
    uid: Mapping = msgspec.field(default_factory=Mapping)
    extra: list[ExtraMapping] = []


class UserRule(_Struct):
    expression: str = ""
    message: str = ""


class JwtAuthenticator(_Struct):
    issuer: Issuer = msgspec.field(default_factory=Issuer)
    claim_validation_rules: list[ClaimRule] = []
    claim_mappings: Mappings = msgspec.field(default_factory=Mappings)
    user_validation_rules: list[UserRule] = []


class Condition(_Struct):
    path: str = ""


class Anonymous(_Struct):
    enabled: bool = False
    conditions: list[Condition] = []


class AuthenticationConfiguration(_Struct):
    api_version: str = ""
    kind: str = ""
    metadata: dict[str, Any] = {}
    jwt: list[JwtAuthenticator] = []
    anonymous: Anonymous | None = None


def read_configuration(path: str, own_issuer: str) -> AuthenticationConfiguration:
    """Raises ConfigurationError; ``own_issuer`` is that of service accounts, which nobody else may be."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read authentication configuration {path}: {error}") from error
    return parse_configuration(data, path, own_issuer)


def parse_configuration(data: bytes, path: str, own_issuer: str) -> AuthenticationConfiguration:
    """The content of the file ``path``. Raises ConfigurationError."""
    try:
        found = decode(data, AuthenticationConfiguration, "AuthenticationConfiguration", VERSIONS)
    except ConfigurationError as error:
        raise ConfigurationError(f'failed to load authentication configuration from file "{path}": {error}') from error
    problems = list(validate(found, own_issuer))
    if problems:
        raise ConfigurationError(f"invalid authentication configuration: {aggregate(problems)}")
    return found


def validate(configuration: AuthenticationConfiguration, own_issuer: str) -> Iterator[FieldError]:
    urls: set[str] = set()
    for index, one in enumerate(configuration.jwt):
        path = FieldPath("jwt")[index]
        yield from _check_issuer(one.issuer, path.issuer, own_issuer)
        if one.issuer.url in urls:
            yield duplicate(path.issuer.url, one.issuer.url)
        urls.add(one.issuer.url)
        for place, rule in enumerate(one.claim_validation_rules):
            yield from _check_rule(rule, path.claimValidationRules[place])
        yield from _check_mappings(one.claim_mappings, path.claimMappings)
        for place, user_rule in enumerate(one.user_validation_rules):
            if not user_rule.expression:
                yield required(path.userValidationRules[place].expression)
            yield from _check_expression(user_rule.expression, path.userValidationRules[place].expression, USER)
    anonymous = configuration.anonymous
    if anonymous is not None and anonymous.conditions and not anonymous.enabled:
        conditions = [{"Path": one.path} for one in anonymous.conditions]
        message = "enabled should be set to true when conditions are defined"
        yield invalid(FieldPath("anonymous").conditions, conditions, message)


def _check_issuer(issuer: Issuer, path: FieldPath, own_issuer: str) -> Iterator[FieldError]:
    if not issuer.url:
        yield required(path.url)
    else:
        yield from _check_url(issuer.url, path.url, own_issuer)
    if issuer.discovery_url:
        if issuer.discovery_url == issuer.url:
            yield invalid(path.discoveryURL, issuer.discovery_url, "discoveryURL must be different from URL")
        yield from _check_url(issuer.discovery_url, path.discoveryURL, "")
    if not issuer.audiences:
        yield required(path.audiences, f"at least one {path.audiences} is required")
    for index, audience in enumerate(issuer.audiences):
        if not audience:
            yield required(path.audiences[index])
        if audience in issuer.audiences[:index]:
            yield duplicate(path.audiences[index], audience)
    policy, several = issuer.audience_match_policy, len(issuer.audiences) > 1
    if several and policy != "MatchAny":
        yield invalid(path.audienceMatchPolicy, policy, "audienceMatchPolicy must be MatchAny for multiple audiences")
    if not several and policy not in ("", "MatchAny"):
        message = "audienceMatchPolicy must be empty or MatchAny for single audience"
        yield invalid(path.audienceMatchPolicy, policy, message)


def _check_url(url: str, path: FieldPath, own_issuer: str) -> Iterator[FieldError]:
    if url == own_issuer:
        yield invalid(path, url, f"URL must not overlap with disallowed issuers: [{own_issuer}]")
    parts = urlsplit(url)
    for wrong, message in (
        (parts.scheme != "https", "URL scheme must be https"),
        (parts.username is not None, "URL must not contain a username or password"),
        (bool(parts.query), "URL must not contain a query"),
        (bool(parts.fragment), "URL must not contain a fragment"),
    ):
        if wrong:
            yield invalid(path, url, message)


def _check_rule(rule: ClaimRule, path: FieldPath) -> Iterator[FieldError]:
    if rule.claim and rule.expression:
        yield invalid(path, rule.claim, "claim and expression can't both be set")
    elif not rule.claim and not rule.expression:
        yield required(path, "claim or expression is required")
    elif rule.claim and rule.message:
        yield invalid(path.message, rule.message, "may not be specified when claim is set")
    elif rule.expression and rule.required_value:
        yield invalid(path.requiredValue, rule.required_value, "may not be specified when expression is set")
    else:
        yield from _check_expression(rule.expression, path.expression)


def _check_mappings(mappings: Mappings, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_prefixed(mappings.username, path.username)
    if mappings.groups != Mapping():
        yield from _check_prefixed(mappings.groups, path.groups)
    if mappings.uid.claim and mappings.uid.expression:
        yield invalid(path.uid, "", "claim and expression can't both be set")
    for index, extra in enumerate(mappings.extra):
        if not extra.key:
            yield required(path.extra[index].key)
        else:
            for problem in is_domain_prefixed_path(extra.key):
                yield invalid(path.extra[index].key, extra.key, problem)
            if extra.key != extra.key.lower():
                yield invalid(path.extra[index].key, extra.key, "must be lowercase")
        if not extra.value_expression:
            yield required(path.extra[index].valueExpression)
        yield from _check_expression(extra.value_expression, path.extra[index].valueExpression)
    yield from _check_expression(mappings.uid.expression, path.uid.expression)


def _check_prefixed(mapping: Mapping, path: FieldPath) -> Iterator[FieldError]:
    if mapping.claim and mapping.expression:
        yield invalid(path, "", "claim and expression can't both be set")
    elif not mapping.claim and not mapping.expression:
        yield required(path, "claim or expression is required")
    elif mapping.expression and mapping.prefix is not None:
        yield invalid(path.prefix, mapping.prefix, "may not be specified when expression is set")
    elif mapping.claim and mapping.prefix is None:
        message = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
        yield required(path.prefix, message)
    yield from _check_expression(mapping.expression, path.expression)


def _check_expression(expression: str, path: FieldPath, about: str = CLAIMS) -> Iterator[FieldError]:
    """Whether it compiles; "" is none."""
    if not expression:
        return
    from pybernetes.apiserver.auth.claims import compiled
    from pybernetes.cel.errors import CompileError

    try:
        compiled(expression, about)
    except CompileError as error:
        yield invalid(path, expression, f"compilation failed: {error}")
