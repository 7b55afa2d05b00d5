"""From the claims of a token to the user that it is of. Pure.

Follows k8s.io/apiserver/plugin/pkg/authenticator/token/oidc (oidc.go, from getUsername on).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.jwt_configuration import CLAIMS, USER, JwtAuthenticator
from pybernetes.apiserver.auth.jwt_configuration import Mapping as ClaimMapping
from pybernetes.cel.environment import Environment, Program
from pybernetes.cel.errors import CelError
from pybernetes.cel.types import DYN, STRING, Type, map_of

Claims = Mapping[str, Any]


class Unsuited(Exception):
    """The claims are not those of a user."""


class ClaimReader:
    """Compiles the configuration's expressions once. Raises CompileError."""

    def __init__(self, configuration: JwtAuthenticator) -> None:
        self._configuration = configuration
        mappings = configuration.claim_mappings
        self._username = _about_claims(mappings.username.expression)
        self._groups = _about_claims(mappings.groups.expression)
        self._uid = _about_claims(mappings.uid.expression)
        self._extra = [(one.key, _about_claims(one.value_expression)) for one in mappings.extra]
        self._rules = [
            (rule, _about_claims(rule.expression)) for rule in configuration.claim_validation_rules if rule.expression
        ]
        self._user_rules = [(rule, compiled(rule.expression, USER)) for rule in configuration.user_validation_rules]

    def user_of(self, claims: Claims) -> User:
        """Raises Unsuited."""
        name = self._name(claims)
        mappings = self._configuration.claim_mappings
        groups = self._listed(mappings.groups, self._groups, claims)
        uid = self._text("uid", mappings.uid, self._uid, claims)
        extra = {key: tuple(values) for key, program in self._extra if (values := _strings(_value(program, claims)))}
        self._check_claims(claims)
        user = User(name, uid, tuple(groups), extra)
        self._check_user(user)
        return user

    def _name(self, claims: Claims) -> str:
        mapping = self._configuration.claim_mappings.username
        name = self._text("username", mapping, self._username, claims)
        if mapping.claim == "email" and claims.get("email_verified", True) is not True:
            raise Unsuited("oidc: email not verified")
        if not name:
            raise Unsuited("oidc: empty username via CEL expression is not allowed")
        return (mapping.prefix or "") + name

    def _text(self, what: str, mapping: ClaimMapping, program: Program | None, claims: Claims) -> str:
        if program is not None:
            value = _value(program, claims)
            if not isinstance(value, str):
                why = f"{what} claim expression must return a string"
                raise Unsuited(f"oidc: error evaluating {what} claim expression: {why}")
            return value
        if not mapping.claim:
            return ""
        value = claims.get(mapping.claim)
        if not isinstance(value, str):
            plural = "s" if what == "username" else ""
            why = "claim not present" if value is None else "claim is no string"
            raise Unsuited(f'oidc: parse {what} claim{plural} "{mapping.claim}": {why}')
        return value

    def _listed(self, mapping: ClaimMapping, program: Program | None, claims: Claims) -> list[str]:
        if program is not None:
            return _strings(_value(program, claims))
        value = claims.get(mapping.claim) if mapping.claim else None
        return [(mapping.prefix or "") + one for one in _strings(value)]

    def _check_claims(self, claims: Claims) -> None:
        for rule in self._configuration.claim_validation_rules:
            if not rule.claim:
                continue
            if rule.claim not in claims:
                raise Unsuited(f"oidc: required claim {rule.claim} not present in ID token")
            if claims[rule.claim] != rule.required_value:
                shown = f"Got = {claims[rule.claim]}, want = {rule.required_value}"
                raise Unsuited(f"oidc: required claim {rule.claim} value does not match. {shown}")
        for rule, program in self._rules:
            if _value(program, claims) is not True:
                why = f"validation expression '{rule.expression}' failed: {rule.message}"
                raise Unsuited(f"oidc: error evaluating claim validation expression: {why}")

    def _check_user(self, user: User) -> None:
        shown = {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        }
        for rule, program in self._user_rules:
            if _evaluated(program, {"user": shown}) is not True:
                why = f"validation expression '{rule.expression}' failed: {rule.message}"
                raise Unsuited(f"oidc: error evaluating user info validation rule: {why}")


_VARIABLES: Mapping[str, Type] = {CLAIMS: map_of(STRING, DYN), USER: DYN}


def _about_claims(expression: str) -> Program | None:
    return compiled(expression, CLAIMS) if expression else None


def compiled(expression: str, about: str) -> Program:
    """``about`` is what it may name: the claims, or the user that was made of them. Raises CompileError."""
    return Environment({about: _VARIABLES[about]}).compile(expression)


def _value(program: Program | None, claims: Claims) -> Any:
    return None if program is None else _evaluated(program, {"claims": dict(claims)})


def _evaluated(program: Program, variables: Mapping[str, Any]) -> Any:
    try:
        return program.evaluate(variables)
    except CelError as error:
        raise Unsuited(f"oidc: error evaluating claim expression: {error}") from error


def _strings(value: Any) -> list[str]:
    """Of a text or a list of texts; empty ones are left out."""
    if value is None:
        return []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise Unsuited("oidc: expression must return a string or a list of strings")
    return [one for one in values if one]
