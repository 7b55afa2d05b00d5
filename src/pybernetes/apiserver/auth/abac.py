"""Access by a file of policies, one a line: `{"apiVersion": "abac.authorization.kubernetes.io/v1beta1",
"kind": "Policy", "spec": {"user": "jane", "namespace": "*", "resource": "pods", "readonly": true}}`.

A policy without version and kind is of the oldest form, whose fields lie beside each other. `*` as a user or a group
is everybody who is known.

Follows pkg/auth/authorizer/abac and pkg/apis/abac.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth.contract import AUTHENTICATED_GROUP, Attributes, User

VERSION = "abac.authorization.kubernetes.io/v1beta1"
NO_POLICY = "No policy matched."
_READING = frozenset({"get", "list", "watch"})
_ANY = "*"


class Policy(msgspec.Struct, rename="camel", frozen=True):
    """Empty fields match nothing."""

    user: str = ""
    group: str = ""
    readonly: bool = False
    api_group: str = msgspec.field(default="", name="apiGroup")
    resource: str = ""
    namespace: str = ""
    non_resource_path: str = ""

    def allows(self, user: User, asked: Attributes) -> bool:
        return self._is_about(user) and (asked.verb in _READING or not self.readonly) and self._matches(asked)

    def _is_about(self, user: User) -> bool:
        if not (self.user or self.group):
            return False
        return self.user in ("", user.name) and (not self.group or self.group in user.groups)

    def _matches(self, asked: Attributes) -> bool:
        if asked.is_resource:
            return (
                self.namespace in (_ANY, asked.namespace)
                and self.resource in (_ANY, asked.resource)
                and self.api_group in (_ANY, asked.group)
            )
        path = self.non_resource_path
        return path in (_ANY, asked.path) or (path.endswith(_ANY) and asked.path.startswith(path.rstrip(_ANY)))


class _Versioned(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    spec: Policy = Policy()

    def policy(self) -> Policy:
        if _ANY in (self.spec.user, self.spec.group):
            return msgspec.structs.replace(self.spec, user="", group=AUTHENTICATED_GROUP)
        return self.spec


class _Oldest(msgspec.Struct):
    """Allows whatever it does not narrow; whom it does not name, everybody who is known."""

    user: str = ""
    group: str = ""
    readonly: bool = False
    resource: str = ""
    namespace: str = ""

    def policy(self) -> Policy:
        user, group = self.user, self.group
        if _ANY in (user, group) or not (user or group):
            user, group = "", AUTHENTICATED_GROUP
        path = "" if self.resource or self.namespace else _ANY
        return Policy(user, group, self.readonly, _ANY, self.resource or _ANY, self.namespace or _ANY, path)


def read_policies(path: str) -> Sequence[Policy]:
    """Raises ConfigurationError."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise ConfigurationError(f"open {path}: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.strip().startswith(b"#"):
            continue
        try:
            found.append(_policy(line))
        except msgspec.DecodeError as error:
            shown = line.decode(errors="replace")
            raise ConfigurationError(f"error reading policy file {path}, line {number}: {shown}: {error}") from error
    return tuple(found)


def _policy(line: bytes) -> Policy:
    versioned = msgspec.json.decode(line, type=_Versioned)
    if versioned.api_version == VERSION and versioned.kind == "Policy":
        return versioned.policy()
    return msgspec.json.decode(line, type=_Oldest).policy()


def allowed(policies: Sequence[Policy], user: User, asked: Attributes) -> bool:
    return any(policy.allows(user, asked) for policy in policies)
