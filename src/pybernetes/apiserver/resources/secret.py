"""Secret: a config map for what should not be seen.

Follows pkg/registry/core/secret and ValidateSecret in pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from pybernetes.api import go_json
from pybernetes.api.fields import (
    FieldError,
    at,
    forbidden,
    invalid,
    is_config_key,
    is_dns_subdomain,
    required,
    too_long,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Secret
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource
from pybernetes.apiserver.resources.defaults import compile_defaults, in_order
from pybernetes.apiserver.validation.key_pairs import key_pair_problem
from pybernetes.apiserver.validation.metadata import IMMUTABLE, check_metadata, check_metadata_update
from pybernetes.apiserver.validation.sizes import base64_size

MAXIMUM_SIZE = 1024 * 1024
REDACTED = "<secret contents redacted>"
FROZEN = "field is immutable when `immutable` is set"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"


def merge_string_data(secret: Document) -> None:
    """`stringData` is a convenience for writers: its values go to `data` and it is never stored."""
    for key, text in (secret.pop("stringData", None) or {}).items():
        secret.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def prepare_update(new: Document, old: Document, context: Context) -> None:
    if not new.get("type") and old.get("type"):
        new["type"] = old["type"]


def validate(secret: Secret) -> Iterator[FieldError]:
    yield from check_metadata(secret.metadata, is_dns_subdomain)
    size = 0
    for key, encoded in secret.data.items():
        for message in is_config_key(key):
            yield invalid(at.data[key], key, message)
        size += base64_size(encoded)
    if size > MAXIMUM_SIZE:
        yield too_long(at.data, "", MAXIMUM_SIZE)
    yield from _check_type(secret)


def _check_type(secret: Secret) -> Iterator[FieldError]:
    data = secret.data
    match secret.type:
        case "kubernetes.io/service-account-token":
            if not secret.metadata.annotations.get(SERVICE_ACCOUNT_NAME):
                yield required(at.metadata.annotations[SERVICE_ACCOUNT_NAME])
        case "kubernetes.io/dockercfg":
            yield from _check_json(secret, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            yield from _check_json(secret, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                yield required(at.data["username"])
                yield required(at.data["password"])
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                yield required(at.data["ssh-privatekey"])
        case "kubernetes.io/tls":
            yield from (required(at.data[key]) for key in ("tls.crt", "tls.key") if key not in data)


def _check_json(secret: Secret, key: str) -> Iterator[FieldError]:
    encoded = secret.data.get(key)
    if encoded is None:
        yield required(at.data[key])
        return
    try:
        found = go_json.loads(_plain(encoded))
    except go_json.UnreadableJson as error:
        yield invalid(at.data[key], REDACTED, str(error))
        return
    if found is not None and not isinstance(found, dict):
        kind = go_json.type_of(found)
        message = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        yield invalid(at.data[key], REDACTED, message)


def _plain(encoded: bytes | str) -> bytes:
    return encoded if isinstance(encoded, bytes) else base64.b64decode(encoded)


def warnings(secret: Document) -> Iterator[str]:
    if secret.get("type") == "kubernetes.io/tls":
        data = secret.get("data") or {}
        yield key_pair_problem(*(_plain(data.get(key, "")) for key in ("tls.crt", "tls.key")))


def validate_update(new: Secret, old: Secret) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.type != old.type:
        yield invalid(at.type, new.type, IMMUTABLE)
    if old.immutable:
        if not new.immutable:
            yield forbidden(at.immutable, FROZEN)
        if new.data != old.data:
            yield forbidden(at.data, FROZEN)
    yield from validate(new)


def type_of(secret: Document) -> str:
    kind: str = secret.get("type", "")
    return kind


SECRETS = Resource(
    info=info_of(Secret),
    defaults=in_order(merge_string_data, compile_defaults({"type": "Opaque"})),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings,
    prepare_update=prepare_update,
    columns=(
        NAME,
        Column("Type", lambda secret, now: type_of(secret)),
        Column("Data", lambda secret, now: len(secret.get("data") or ())),
        AGE,
    ),
    selectable={"type": type_of},
)

RESOURCES = (SECRETS,)
