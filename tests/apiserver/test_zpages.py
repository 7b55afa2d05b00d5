"""/statusz and /flagz: in which form, and what."""

from __future__ import annotations

import pytest

from apiserver.serving import Answer, Talk, serving
from pybernetes.apiserver import zpages
from pybernetes.apiserver.zpages import Wanted, wanted_of

STATUSZ = "application/json;v=v1beta1;g=config.k8s.io;as=Statusz"
FLAGZ = "application/yaml;v=v1alpha1;g=config.k8s.io;as=Flagz"


async def ask(path: str, accept: str) -> Answer:
    async with serving() as talk:
        return await with_pages(talk).get(path, accept)


def with_pages(talk: Talk) -> Talk:
    zpages.register(talk.server.routes, talk.server.clock, {"secure-port": "6443", "event-ttl": "1h0m0s"})
    return talk


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Wanted()),
        ("*/*", Wanted()),
        ("text/html, text/plain;q=0.5", Wanted()),
        ("application/json", None),
        ("application/json, text/plain", Wanted()),
        (STATUSZ, Wanted("application/json", "v1beta1")),
        (f"application/json, {STATUSZ}, text/plain", Wanted("application/json", "v1beta1")),
        (STATUSZ.replace("Statusz", "Flagz"), None),
        (STATUSZ.replace("v1beta1", "v1"), None),
        (STATUSZ.replace("json", "cbor"), None),
    ],
)
def test_the_first_form_that_can_be_served_is(accept: str, wanted: Wanted | None) -> None:
    assert wanted_of(accept, "Statusz") == wanted


async def test_people_are_told_in_plain_text() -> None:
    answer = await ask("/flagz", "*/*")
    text = answer.response.content.decode()
    assert text.startswith("\napiserver flagz\nWarning: This endpoint is not meant to be machine parseable")
    assert text.endswith("\nevent-ttl: 1h0m0s\nsecure-port: 6443\n")
    status = (await ask("/statusz", "text/plain")).response.content.decode()
    assert "\nUp: 0 hr 00 min 00 sec\n" in status
    assert "\nPaths: /flagz /healthz /livez /metrics /readyz /statusz /version\n" in status


async def test_programs_are_told_an_object_and_of_old_versions() -> None:
    answer = await ask("/statusz", STATUSZ)
    assert answer.response.headers["Content-Type"] == "application/json;g=config.k8s.io;v=v1beta1;as=Statusz"
    assert (answer.body["kind"], answer.body["apiVersion"]) == ("Statusz", "config.k8s.io/v1beta1")
    assert answer.body["metadata"] == {"name": "apiserver"}
    assert answer.body["uptimeSeconds"] == 0
    assert not answer.response.warnings
    old = await ask("/flagz", FLAGZ)
    assert old.response.warnings == ("This version of the flagz endpoint is deprecated. Please use a newer version.",)
    assert old.response.content.decode() == (
        "apiVersion: config.k8s.io/v1alpha1\nflags:\n  event-ttl: 1h0m0s\n"
        '  secure-port: "6443"\nkind: Flagz\nmetadata:\n  name: apiserver\n'
    )


async def test_what_cannot_be_served_is_refused() -> None:
    answer = await ask("/statusz", "application/json")
    assert (answer.status, answer.body["reason"]) == (406, "NotAcceptable")
    told = "only the following media types are accepted: application/json, application/yaml, text/plain"
    assert answer.message == told
