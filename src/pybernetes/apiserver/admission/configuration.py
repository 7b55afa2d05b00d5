"""The operator's file about admission plugins: `apiserver.config.k8s.io/v1` AdmissionConfiguration.

Follows k8s.io/apiserver/pkg/admission/config.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pybernetes.apiserver.admission.host import ConfigurationError

Document = dict[str, Any]

_KINDS = {
    ("apiserver.config.k8s.io/v1", "AdmissionConfiguration"),
    ("apiserver.k8s.io/v1alpha1", "AdmissionConfiguration"),
}


def read_configuration(path: str) -> Mapping[str, Document]:
    """The configuration of each plugin that the file configures, by the plugin's name. Raises ConfigurationError."""
    if not path:
        return {}
    document = _document(Path(path), f'unable to read admission control configuration from "{path}"')
    if (document.get("apiVersion"), document.get("kind")) not in _KINDS:
        raise ConfigurationError(
            f'no kind "{document.get("kind", "")}" is registered for version "{document.get("apiVersion", "")}"'
        )
    return dict(_configured(document, Path(path).parent))


def _configured(document: Document, directory: Path) -> Iterator[tuple[str, Document]]:
    for plugin in document.get("plugins") or ():
        name, inline, path = plugin.get("name", ""), plugin.get("configuration"), plugin.get("path")
        if isinstance(inline, dict):
            yield name, inline
        elif path:
            yield name, _document(directory / path, f"Couldn't open admission plugin configuration {path}")


def _document(path: Path, failure: str) -> Document:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{failure} [{error}]") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{failure} [not an object]")
    return document
