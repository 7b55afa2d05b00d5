"""Versioned files of the operator's, read strictly: YAML or JSON of one kind, without fields that nobody knows.

Follows k8s.io/apimachinery/pkg/runtime/serializer (strict decoding).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, TypeVar

import msgspec
import yaml

from pybernetes.apiserver.admission.host import ConfigurationError

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?")


def decode(data: bytes, model: type[T], kind: str, versions: Collection[str]) -> T:
    """Raises ConfigurationError in upstream's words, as far as the libraries say the same."""
    try:
        document: Any = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"yaml: {error}") from error
    stated = document if isinstance(document, dict) else {}
    for field, shown in (("apiVersion", "apiVersion"), ("kind", "Kind")):
        if not stated.get(field):
            raise ConfigurationError(f"Object '{shown}' is missing in '{data.decode(errors='replace')}'")
    if stated["kind"] != kind or stated["apiVersion"] not in versions:
        raise ConfigurationError(f'no kind "{stated["kind"]}" is registered for version "{stated["apiVersion"]}"')
    try:
        return msgspec.convert(document, model)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_strict(str(error))) from error


def _strict(text: str) -> str:
    found = _UNKNOWN.fullmatch(text)
    if found is None:
        return text
    field, place = found.groups()
    return f'strict decoding error: unknown field "{f"{place}.{field}" if place else field}"'
