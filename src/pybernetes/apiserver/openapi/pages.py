"""OpenAPI of what is no resource: discovery, the version, the documents of the token issuer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pybernetes.apiserver.discovery.served import ServedGroup, ServedVersion
from pybernetes.apiserver.openapi.operations import MEDIA, answered
from pybernetes.apiserver.openapi.schemas import Dialect, Schemas


@dataclass(frozen=True, slots=True)
class Page:
    """``path`` is without its last slash; ``shows`` is a type of the facts, "" for a text."""

    path: str
    tag: str
    id: str
    description: str
    shows: str = ""
    media: tuple[str, ...] = MEDIA

    def item(self, dialect: Dialect, schemas: Schemas) -> dict[str, Any]:
        schema = schemas.reference(self.shows) if self.shows else {"type": "string"}
        answer = answered(dialect, "OK", schema, self.media)
        operation: dict[str, Any] = {
            "description": self.description,
            "tags": [self.tag],
            "operationId": self.id,
            "responses": {"200": answer, "401": {"description": "Unauthorized"}},
        }
        if dialect is Dialect.V2:
            operation |= {"produces": list(self.media), "schemes": ["https"]}
            if self.shows:
                operation["consumes"] = list(self.media)
        return {"get": operation}


_VERSIONS = "get available API versions"
_ALWAYS = (
    Page(
        "/.well-known/openid-configuration",
        "WellKnown",
        "getServiceAccountIssuerOpenIDConfiguration",
        "get service account issuer OpenID configuration",
        media=("application/json",),
    ),
    Page("/api", "core", "getCoreAPIVersions", _VERSIONS, "meta_v1.APIVersions"),
    Page("/apis", "apis", "getAPIVersions", _VERSIONS, "meta_v1.APIGroupList"),
    Page(
        "/openid/v1/jwks",
        "openid",
        "getServiceAccountIssuerOpenIDKeyset",
        "get service account issuer OpenID JSON Web Key Set",
        media=("application/jwk-set+json",),
    ),
    Page(
        "/version",
        "version",
        "getCodeVersion",
        "get the version information for this server",
        "version.Info",
        ("application/json",),
    ),
)


def pages_of(groups: Iterable[ServedGroup]) -> Iterator[Page]:
    """One for each group but those of custom resources, and those that are always there."""
    yield from _ALWAYS
    for group in groups:
        if group.group and any(version.resources and not version.is_custom for version in group.versions):
            name = f"get{words_of(group.group)}APIGroup"
            yield Page(f"/apis/{group.group}", tag_of(group.group), name, "get information of a group", _GROUP)


_GROUP = "meta_v1.APIGroup"


def resources_page(version: ServedVersion) -> Page:
    name = f"get{words_of_version(version)}APIResources"
    return Page(version.path, tag_of_version(version), name, "get available resources", "meta_v1.APIResourceList")


def words_of_version(version: ServedVersion) -> str:
    """`CoreV1`, `AppsV1`, `RbacAuthorizationV1`."""
    return words_of(version.group) + in_words(version.version)


def tag_of_version(version: ServedVersion) -> str:
    """`core_v1`, `apps_v1`, `rbacAuthorization_v1`."""
    return f"{tag_of(version.group)}_{_id(version.version)}"


def words_of(group: str) -> str:
    """`Core`, `Apps`, `RbacAuthorization`."""
    return in_words(_short(group))


def tag_of(group: str) -> str:
    """`core`, `apps`, `rbacAuthorization`."""
    return _id(_short(group))


def in_words(name: str) -> str:
    """`ExampleCom` of `example.com`: what an id cannot hold makes the next letter a capital."""
    return _capitalized(_NOT_IN_IDS.split(name))


def _id(name: str) -> str:
    first, *rest = _NOT_IN_IDS.split(name)
    return first + _capitalized(rest)


def _capitalized(words: Iterable[str]) -> str:
    return "".join(word[:1].upper() + word[1:] for word in words)


_NOT_IN_IDS = re.compile(r"^\d|[.-]")


def _short(group: str) -> str:
    return group.removesuffix(".k8s.io") or "core"
