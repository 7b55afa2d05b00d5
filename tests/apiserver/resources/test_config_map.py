"""Config maps and secrets."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import cells, created, problems, update_problems
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.config_map import CONFIG_MAPS
from pybernetes.apiserver.resources.secret import SECRETS


def named(**fields: Any) -> Document:
    return {"metadata": {"name": "one"}, **fields}


def test_values_of_a_config_map_are_counted() -> None:
    stored = created(CONFIG_MAPS, named(data={"a": "b"}, binaryData={"c": "ZA=="}))
    assert cells(CONFIG_MAPS, stored)["Data"] == 2


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (
            named(data={"a/b": "c"}),
            "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
            "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        ),
        (
            named(data={"a": "c"}, binaryData={"a": "ZA=="}),
            'data[a]: Invalid value: "a": duplicate of key present in binaryData',
        ),
        (named(data={"a": "x" * 1048577}), "[]: Too long: may not be more than 1048576 bytes"),
    ],
)
def test_a_mistake_gets_the_message_of_upstream(manifest: Document, expected: str) -> None:
    assert expected in problems(CONFIG_MAPS, manifest)


def test_an_immutable_config_map_stays_as_it_is() -> None:
    stored = created(CONFIG_MAPS, named(data={"a": "b"}, immutable=True))
    message = "field is immutable when `immutable` is set"
    assert update_problems(CONFIG_MAPS, stored, metadata__labels={"a": "b"}) == []
    assert update_problems(CONFIG_MAPS, stored, data={"a": "c"}) == [f"data: Forbidden: {message}"]
    assert update_problems(CONFIG_MAPS, stored, immutable=False) == [f"immutable: Forbidden: {message}"]


def test_string_data_of_a_secret_becomes_data() -> None:
    stored = created(SECRETS, named(stringData={"a": "text"}, data={"a": "b2xk", "b": "bmV3"}))
    assert stored["data"] == {"a": "dGV4dA==", "b": "bmV3"}
    assert "stringData" not in stored
    assert stored["type"] == "Opaque"


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (
            named(type="kubernetes.io/tls", data={"tls.crt": "YQ=="}),
            "data[tls.key]: Required value",
        ),
        (
            named(type="kubernetes.io/service-account-token"),
            "metadata.annotations[kubernetes.io/service-account.name]: Required value",
        ),
        (named(type="kubernetes.io/dockerconfigjson"), "data[.dockerconfigjson]: Required value"),
        (named(type="kubernetes.io/basic-auth"), "data[username]: Required value"),
        (named(type="kubernetes.io/ssh-auth"), "data[ssh-privatekey]: Required value"),
    ],
)
def test_types_of_secrets_have_keys_that_must_be_there(manifest: Document, expected: str) -> None:
    assert expected in problems(SECRETS, manifest)


def test_the_type_of_a_secret_may_not_change() -> None:
    stored = created(SECRETS, named())
    assert update_problems(SECRETS, stored, type="other") == ['type: Invalid value: "other": field is immutable']
