"""The operator's file about what is encrypted, with which keys: `apiserver.config.k8s.io` EncryptionConfiguration.

Not built: version 1 of kms providers, which is refused (upstream's is off).

Follows k8s.io/apiserver/pkg/apis/apiserver (types_encryption.go, validation/validation_encryption.go).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pybernetes.api.durations import InvalidDuration, parse_duration
from pybernetes.api.fields import FieldError, FieldPath, aggregate, invalid, required
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.operators_file import decode

KIND = "EncryptionConfiguration"
VERSION = "apiserver.config.k8s.io/v1"
AES_KEY_SIZES = (16, 24, 32)
SECRETBOX_KEY_SIZES = (32,)
ANY = "*"
_HIDDEN = "REDACTED"
_INTERNAL_NAMES = {
    "aesgcm": "AESGCM",
    "aescbc": "AESCBC",
    "secretbox": "Secretbox",
    "identity": "Identity",
    "kms": "KMS",
}
_AT_LEAST_ONE = "at least one {} is required"
_NOT_OBJECTS = frozenset(("apiserveripinfo", "serviceipallocations", "servicenodeportallocations"))

GroupResource = tuple[str, str]
"""Group and plural."""


class _Struct(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    pass


class Key(_Struct):
    name: str = ""
    secret: str = ""


class Keys(_Struct):
    keys: list[Key] = []


class KmsProvider(_Struct):
    api_version: str = "v1"
    name: str = ""
    endpoint: str = ""
    timeout: str = "3s"
    cachesize: int | None = None


class Provider(_Struct):
    aesgcm: Keys | None = None
    aescbc: Keys | None = None
    secretbox: Keys | None = None
    identity: dict[str, Any] | None = None
    kms: KmsProvider | None = None


class ResourceConfiguration(_Struct):
    resources: list[str] = []
    providers: list[Provider] = []


class EncryptionConfiguration(_Struct):
    api_version: str = ""
    kind: str = ""
    resources: list[ResourceConfiguration] = []


def parse_group_resource(text: str) -> GroupResource:
    resource, _, group = text.partition(".")
    return group, resource


def read_configuration(data: bytes, path: str) -> EncryptionConfiguration:
    """Raises ConfigurationError."""
    if not data:
        why = f'error while loading file: encryption provider configuration file "{path}" is empty'
        raise ConfigurationError(f"error while parsing file: {why}")
    try:
        found = decode(data, EncryptionConfiguration, KIND, (VERSION,))
    except ConfigurationError as error:
        why = f'error decoding encryption provider configuration file "{path}": {error}'
        raise ConfigurationError(f"error while parsing file: {why}") from error
    problems = list(validate(found))
    if problems:
        raise ConfigurationError(f"error while parsing file: {aggregate(problems)}")
    return found


def validate(configuration: EncryptionConfiguration) -> Iterator[FieldError]:
    root = FieldPath("resources")
    if not configuration.resources:
        yield required(root, _AT_LEAST_ONE.format(root))
    services: set[str] = set()
    for index, one in enumerate(configuration.resources):
        at = root[index].resources
        if not one.resources:
            yield required(at, _AT_LEAST_ONE.format(at))
        yield from _check_overlap(one.resources, at)
        for place, name in enumerate(one.resources):
            if problem := _problem_of_name(name):
                yield invalid(at[place], name, problem)
        providers = root[index].providers
        if not one.providers:
            yield required(providers, _AT_LEAST_ONE.format(providers))
        for place, provider in enumerate(one.providers):
            yield from _check_provider(provider, providers[place])
            if provider.kms is not None and provider.kms.name in services:
                told = f"duplicate KMS provider name {provider.kms.name}, names must be unique"
                yield invalid(providers[place].kms.name, provider.kms.name, told)
            services.update({provider.kms.name} if provider.kms is not None else ())


def _check_overlap(names: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    found = [parse_group_resource(name) for name in names]
    if len(set(found)) < len(found):
        yield invalid(path, list(names), "the same resource cannot be specified multiple times")
    several = set(found)
    everything = (ANY, ANY) in several and len(several) > 1
    groups = [group for group, resource in several if resource == ANY]
    if everything or any(sum(group == other for other, _ in several) > 1 for group in groups):
        masked = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed"
        yield invalid(path, list(names), f"{masked} as they will be masked")


def _problem_of_name(name: str) -> str:
    group, resource = parse_group_resource(name)
    if name != name.lower():
        return "resource name should not contain capital letters"
    if name == ANY:
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if name in _NOT_OBJECTS:
        return "resources which do not have REST API/s cannot be encrypted"
    if group == "events.k8s.io":
        stored_as = "objects are stored using the 'events' API group in etcd"
        return f"'*.events.k8s.io' {stored_as}. Use 'events' instead in the config file"
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if group == ANY and resource != ANY:
        return "encrypting the same resource across groups is not supported"
    return ""


def _check_provider(provider: Provider, path: FieldPath) -> Iterator[FieldError]:
    shown = {shown: _hidden(getattr(provider, name)) for name, shown in _INTERNAL_NAMES.items()}
    stated = sum(value is not None for value in shown.values())
    if not stated:
        expected = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"
        yield invalid(path, shown, expected)
        return
    if stated > 1:
        several = "more than one provider specified in a single element, should split into different list elements"
        yield invalid(path, shown, several)
    if provider.kms is not None:
        yield from _check_kms(provider.kms, path.kms)
    for name, keys, sizes in (
        ("aesgcm", provider.aesgcm, AES_KEY_SIZES),
        ("aescbc", provider.aescbc, AES_KEY_SIZES),
        ("secretbox", provider.secretbox, SECRETBOX_KEY_SIZES),
    ):
        if keys is not None:
            yield from _check_keys(keys.keys, getattr(path, name).keys, sizes)


def _hidden(one: Keys | KmsProvider | dict[str, Any] | None) -> Any:
    """What of a provider may be shown: no keys."""
    if isinstance(one, Keys):
        return {"Keys": [{"Name": key.name, "Secret": _HIDDEN} for key in one.keys]}
    return {"Name": one.name} if isinstance(one, KmsProvider) else one


def _check_kms(one: KmsProvider, path: FieldPath) -> Iterator[FieldError]:
    if not one.name:
        yield required(path.name, "name is a mandatory field for a provider")
    if ":" in one.name:
        yield invalid(path.name, one.name, f"invalid KMS provider name {one.name}, must not contain ':'")
    try:
        if parse_duration(one.timeout) <= 0:
            yield invalid(path.timeout, one.timeout, "timeout should be a positive value")
    except InvalidDuration as error:
        yield invalid(path.timeout, one.timeout, str(error))
    scheme, separator, _ = one.endpoint.partition(":")
    if not one.endpoint:
        yield invalid(path.endpoint, "", "endpoint is a mandatory field for a kms")
    elif scheme != "unix" or not separator:
        why = f'unsupported scheme "{scheme if separator else ""}" for KMS provider, only unix is supported'
        yield invalid(path.endpoint, one.endpoint, why)
    if one.api_version == "v1":
        deprecated = "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead."
        yield invalid(path.apiVersion, one.api_version, deprecated)
    elif one.api_version != "v2":
        why = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        yield invalid(path.apiVersion, one.api_version, why)
    if one.cachesize is not None and one.api_version == "v2":
        yield invalid(path.cachesize, one.cachesize, "cachesize is not supported in v2")


def _check_keys(keys: Sequence[Key], path: FieldPath, sizes: Sequence[int]) -> Iterator[FieldError]:
    if not keys:
        yield required(path, _AT_LEAST_ONE.format("keys"))
    for index, key in enumerate(keys):
        at = path[index]
        if not key.name:
            yield required(at.name, "name is a mandatory field for a key")
        if not key.secret:
            yield required(at.secret, "secret is a mandatory field for a key")
            continue
        try:
            secret = base64.b64decode(key.secret, validate=True)
        except binascii.Error:
            yield invalid(at.secret, _HIDDEN, "secrets must be base64 encoded")
            continue
        if len(secret) not in sizes:
            wanted = " ".join(map(str, sizes))
            told = f"secret is not of the expected length, got {len(secret)}, expected one of [{wanted}]"
            yield invalid(at.secret, _HIDDEN, told)
