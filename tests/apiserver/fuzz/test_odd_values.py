"""Whatever stands in a field, the server answers it: no request makes it fail, and a refused one changes nothing."""

from __future__ import annotations

import base64
import copy
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.custom.definitions import becomes
from apiserver.fuzz.filled import places, with_odd, without
from apiserver.fuzz.oddities import odd_instead_of
from apiserver.serving import MERGE_PATCH, STRATEGIC_PATCH, Answer, Talk, serving

Document = dict[str, Any]
ONE_OF_EACH = Path(__file__).with_name("one_of_each.yaml")
APPLY = "application/apply-patch+yaml"
SET_BY_THE_SERVER = ("resourceVersion", "uid", "managedFields")


@dataclass(frozen=True)
class Subject:
    """A stored object, which requests are made about."""

    collection: str
    stored: Document

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.stored['metadata']['name']}"

    @property
    def doors(self) -> tuple[str, ...]:
        return ("", "/status") if "status" in self.stored else ("",)


def one_of_each() -> list[Document]:
    return [*yaml.safe_load(ONE_OF_EACH.read_text()), signing_request()]


def signing_request() -> Document:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    pem = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    spec = {
        "request": base64.b64encode(pem).decode(),
        "signerName": "example.com/s",
        "usages": ["client auth"],
        "expirationSeconds": 900,
    }
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "spec": spec}


async def store(talk: Talk, index: int, document: Document) -> Subject:
    group, _, version = document["apiVersion"].rpartition("/")
    served = [endpoint.info for endpoint in talk.server.endpoints.values()]
    [info] = [one for one in served if (one.group, one.version, one.kind) == (group, version, document["kind"])]
    collection = info.path(namespace="default" if info.namespaced else "")
    document = {**document, "metadata": {"name": f"n{index}", **document.get("metadata", {})}}
    made = await talk.post(collection, document)
    assert made.status == 201, made.message
    if info.kind == "CustomResourceDefinition":
        await becomes(talk, document["metadata"]["name"], "Established", "True")
    return Subject(collection, made.body)


def spoilt(document: Document, random: Random) -> Document:
    """With one to three places of it odd or empty; half the time without what only the server may set."""
    for _ in range(random.choice([1, 1, 2, 3])):
        found = list(places(document))
        if not found:
            break
        place = random.choice(found)
        value: Any = document
        for step in place:
            value = value[step]
        gone = random.random() < 0.2
        document = without(document, place) if gone else with_odd(document, place, odd_instead_of(value, random))
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and random.random() < 0.5:
        document = {**document, "metadata": {k: v for k, v in metadata.items() if k not in SET_BY_THE_SERVER}}
    return document


async def told(talk: Talk, subject: Subject, document: Document, random: Random) -> list[Answer]:
    """What the server says to the document by every way in which it can be sent."""
    body = json.dumps(document).encode()
    metadata = document.get("metadata")
    new = {**document, "metadata": {**metadata, "name": "new"}} if isinstance(metadata, dict) else document
    path, dry = subject.path + random.choice(subject.doors), {"dryRun": "All"}
    forced = {**dry, "fieldManager": "me", "force": "1"}
    return [
        await talk.send("POST", subject.collection, json.dumps(new).encode(), query=dry),
        await talk.send("PUT", path, body, query=dry),
        await talk.send("PATCH", path, body, {"content-type": MERGE_PATCH}, dry),
        await talk.send("PATCH", path, body, {"content-type": STRATEGIC_PATCH}, dry),
        await talk.send("PATCH", path, body, {"content-type": APPLY}, forced),
    ]


async def spoil_everything(rounds: int, seed: int, failures: pytest.LogCaptureFixture) -> int:
    """Returns how many requests were refused."""
    random, refused = Random(seed), 0
    async with serving() as talk:
        for index, document in enumerate(one_of_each()):
            subject = await store(talk, index, copy.deepcopy(document))
            for _ in range(rounds):
                odd = spoilt(subject.stored, random)
                for answer in await told(talk, subject, odd, random):
                    assert not failures.records, f"seed {seed}, {subject.path}: {json.dumps(odd)}"
                    assert answer.status < 400 or answer.message, f"seed {seed}, {subject.path}: {json.dumps(odd)}"
                    refused += answer.status >= 400
            now = await talk.get(subject.path)
            assert stated(now.body) == stated(subject.stored), f"seed {seed}"
    return refused


def stated(document: Document) -> Document:
    """Without what controllers of the server write by themselves."""
    metadata = {name: value for name, value in document["metadata"].items() if name not in SET_BY_THE_SERVER}
    return {**document, "metadata": metadata, "status": None}


async def test_odd_values_are_answered_and_dry_runs_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert await spoil_everything(6, 11, caplog) > 500


@pytest.mark.nightly
@pytest.mark.timeout(1800)
async def test_many_odd_values_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert await spoil_everything(400, Random().randrange(2**32), caplog) > 20_000
