"""The options about who is known and who may do what, with upstream's names. They are remembered in the settings.

Follows pkg/kubeapiserver/options (authentication.go, authorization.go).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pybernetes.cli.flags import Flag, Kind, choose, names
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.access import AccessOptions
    from pybernetes.apiserver.auth.authorization_configuration import AuthorizationConfiguration
    from pybernetes.apiserver.auth.jwt_configuration import AuthenticationConfiguration, JwtAuthenticator

F = TypeVar("F", bound=Callable[..., Any])
_VERSIONS = ("v1", "v1beta1")
FLAGS = (
    Flag("anonymous-auth", "Whether requests without credentials are served, as system:anonymous.", Kind.SWITCH),
    Flag(
        "authentication-config",
        "Other issuers of tokens, and anonymous access (AuthenticationConfiguration); followed while it changes.",
        Kind.FILE,
    ),
    Flag("api-audiences", "For whom tokens of service accounts must be meant.", Kind.NAMES),
    Flag("authentication-token-webhook-config-file", "A kubeconfig of who knows further bearer tokens.", Kind.FILE),
    Flag("authentication-token-webhook-version", "The version of TokenReview that it is sent.", choices=_VERSIONS),
    Flag("authentication-token-webhook-cache-ttl", "How long its answers count.", Kind.SPAN),
    Flag("token-auth-file", "Bearer tokens: token,user,uid,groups on each line.", Kind.FILE),
    Flag("enable-bootstrap-token-auth", "Whether bootstrap tokens in Secrets count.", Kind.SWITCH),
    Flag("oidc-issuer-url", "The issuer of OpenID Connect tokens; https only."),
    Flag("oidc-client-id", "For whom those tokens must be meant."),
    Flag("oidc-ca-file", "The authorities of that issuer's certificate.", Kind.FILE),
    Flag("oidc-username-claim", "The claim that names the user."),
    Flag("oidc-username-prefix", "What is put before names; - for nothing. [default: the issuer's URL and #]"),
    Flag("oidc-groups-claim", "The claim that names the user's groups."),
    Flag("oidc-groups-prefix", "What is put before groups."),
    Flag("oidc-signing-algs", "By which those tokens may be signed.", Kind.NAMES),
    Flag("oidc-required-claim", "A claim that must be there with that value; may be repeated.", Kind.PAIRS),
    Flag(
        "authorization-mode",
        "Who decides, in order: Node, RBAC, Webhook, ABAC, AlwaysAllow, AlwaysDeny. [default: Node,RBAC]",
        Kind.NAMES,
    ),
    Flag(
        "authorization-config",
        "Who decides (AuthorizationConfiguration); followed while it changes.",
        Kind.FILE,
    ),
    Flag("authorization-policy-file", "Policies, one a line, for the mode ABAC.", Kind.FILE),
    Flag(
        "authorization-webhook-config-file",
        "A kubeconfig of who is asked in the mode Webhook; without --authorization-mode it is asked last.",
        Kind.FILE,
    ),
    Flag("authorization-webhook-version", "The version of SubjectAccessReview that it is sent.", choices=_VERSIONS),
    Flag("authorization-webhook-cache-authorized-ttl", "How long what it allows counts.", Kind.SPAN),
    Flag("authorization-webhook-cache-unauthorized-ttl", "How long what it refuses counts.", Kind.SPAN),
)
_OIDC = tuple(one.of for one in FLAGS if one.name.startswith("oidc-"))
_LEGACY = tuple(one.of for one in FLAGS if one.name.startswith(("authorization-mode", "authorization-webhook-")))
_DEFAULTS = Settings()


def choose_identities(function: F) -> F:
    """--authentication-config and its like."""
    return choose(FLAGS)(function)


def _changed(settings: Settings, fields: tuple[str, ...]) -> bool:
    return any(getattr(settings, one) != getattr(_DEFAULTS, one) for one in fields)


def with_identities(options: AccessOptions, settings: Settings) -> AccessOptions:
    """Raises Problem."""
    from dataclasses import replace

    from pybernetes.apiserver.admission.host import ConfigurationError

    try:
        return replace(
            options,
            audiences=names(settings.api_audiences),
            static_tokens=settings.token_auth_file,
            bootstrap_tokens=settings.enable_bootstrap_token_auth,
            **_authentication(options.issuer, settings),
            **_token_webhook(settings),
            **_authorization(settings),
        )
    except ConfigurationError as error:
        raise Problem(str(error), "docs/authentication.md tells what can be configured") from error


def _authentication(own_issuer: str, settings: Settings) -> dict[str, Any]:
    """Raises ConfigurationError."""
    file = settings.authentication_config
    stated = _changed(settings, _OIDC)
    if settings.anonymous_auth and not file and not stated:
        return {}
    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.auth.jwt_configuration import (
        Anonymous,
        AuthenticationConfiguration,
        read_configuration,
    )

    if file and stated:
        raise ConfigurationError("authentication-config file and oidc-* flags are mutually exclusive")
    if stated and not (settings.oidc_issuer_url and settings.oidc_client_id):
        raise ConfigurationError(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
        )
    known = read_configuration(file, own_issuer) if file else AuthenticationConfiguration()
    if stated:
        known.jwt = [_oidc(settings)]
        _check(known, own_issuer)
    if not settings.anonymous_auth:
        if known.anonymous is not None:
            raise ConfigurationError(
                "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in "
                "authentication configuration file"
            )
        known.anonymous = Anonymous(enabled=False)
    found: dict[str, Any] = {"authentication": known, "authentication_file": file}
    if stated:
        found["algorithms"] = names(settings.oidc_signing_algs)
    return found


def _check(configuration: AuthenticationConfiguration, own_issuer: str) -> None:
    """Raises ConfigurationError."""
    from pybernetes.api.fields import aggregate
    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.auth.jwt_configuration import validate

    problems = list(validate(configuration, own_issuer))
    if problems:
        raise ConfigurationError(f"invalid authentication configuration: {aggregate(problems)}")


def _oidc(settings: Settings) -> JwtAuthenticator:
    """The issuer that the flags describe, as the configuration file would."""
    from pybernetes.apiserver.auth.jwt_configuration import ClaimRule, Issuer, JwtAuthenticator, Mapping, Mappings

    prefix = settings.oidc_username_prefix
    if not prefix and settings.oidc_username_claim != "email":
        prefix = f"{settings.oidc_issuer_url}#"
    username = Mapping(settings.oidc_username_claim, "" if prefix == "-" else prefix)
    groups = Mapping(settings.oidc_groups_claim, settings.oidc_groups_prefix) if settings.oidc_groups_claim else None
    authority = Path(settings.oidc_ca_file).read_text() if settings.oidc_ca_file else ""
    pairs = (pair.partition("=") for pair in names(settings.oidc_required_claim))
    return JwtAuthenticator(
        Issuer(settings.oidc_issuer_url, certificate_authority=authority, audiences=[settings.oidc_client_id]),
        [ClaimRule(claim, value) for claim, _, value in pairs],
        Mappings(username, groups or Mapping()),
    )


def _token_webhook(settings: Settings) -> dict[str, Any]:
    """Raises ConfigurationError."""
    file = settings.authentication_token_webhook_config_file
    if not file:
        return {}
    from pybernetes.api.durations import parse_duration
    from pybernetes.apiserver.webhook_file import read_target

    return {
        "token_webhook": read_target(file),
        "token_webhook_version": settings.authentication_token_webhook_version,
        "token_webhook_seconds": parse_duration(settings.authentication_token_webhook_cache_ttl),
    }


def _authorization(settings: Settings) -> dict[str, Any]:
    """Raises ConfigurationError."""
    stated = _changed(settings, _LEGACY)
    if not settings.authorization_config and not stated and not settings.authorization_policy_file:
        return {}
    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.auth.authorization_configuration import read_file

    if settings.authorization_config:
        if stated:
            raise ConfigurationError(
                "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* "
                "flags are defined"
            )
        wanted = read_file(settings.authorization_config)
    else:
        wanted = _of_modes(settings)
    return {
        "authorization": wanted,
        "authorization_file": settings.authorization_config,
        "policy_file": settings.authorization_policy_file,
    }


def _of_modes(settings: Settings) -> AuthorizationConfiguration:
    """Raises ConfigurationError."""
    from pybernetes.apiserver.auth.authorization_configuration import Modes, check_modes, from_modes
    from pybernetes.apiserver.webhook_file import read_target

    file = settings.authorization_webhook_config_file
    if file:
        read_target(file)
    stated = names(settings.authorization_mode)
    modes = Modes(
        stated or ("Node", "RBAC", *(("Webhook",) if file else ())),
        file,
        settings.authorization_webhook_version,
        settings.authorization_webhook_cache_authorized_ttl,
        settings.authorization_webhook_cache_unauthorized_ttl,
    )
    check_modes(modes, settings.authorization_policy_file)
    return from_modes(modes)
