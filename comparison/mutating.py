"""Sends objects with one odd place each to two API servers and shows the classes of answers that differ."""

from __future__ import annotations

import copy
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click
import yaml

from comparison.differences import Ignored, difference
from comparison.mutations import Document, Mutation, mutations
from comparison.options import two_servers
from comparison.requests import Answer, KeptServer
from pybernetes.api.kinds import KindInfo, by_gvk

OBJECTS = Path(__file__).with_name("objects")
NAMESPACE = "odd-values"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_DIGITS = re.compile(r"\d+")
_QUOTED = re.compile(r'\\"[^"\\]*\\"|: "[^"]*"')


@dataclass(frozen=True, slots=True)
class Subject:
    """A valid object, what its status may be, and what must be there before it is made."""

    title: str
    info: KindInfo
    document: Document
    status: Document | None = None
    doors: tuple[str, ...] = ("create", "update", "status", "patch")
    subresources: dict[str, tuple[str, Document]] = field(default_factory=dict)
    """By name: the definition of the body, and a body."""

    @property
    def collection(self) -> str:
        return self.info.path(NAMESPACE if self.info.namespaced else None)

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.document['metadata']['name']}"

    @property
    def root(self) -> str:
        return f"{self.info.module}.{self.info.kind}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request; the bodies differ by what is the servers' own (uid, resourceVersion)."""

    title: str
    method: str
    path: str
    ours: Any
    theirs: Any
    headers: dict[str, str]


@dataclass
class Tally:
    all: int = 0
    identical: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[Sent, list[str]]] = field(default_factory=dict)

    def count(self, sent: Sent, lines: list[str]) -> None:
        self.all += 1
        if not lines:
            self.identical += 1
            return
        name = _class_of(lines)
        self.classes[name] += 1
        self.examples.setdefault(name, (sent, lines))


def load(path: Path) -> list[Subject]:
    return [_subject(one) for one in yaml.safe_load(path.read_text(encoding="utf-8")) if "object" in one]


def _subject(written: Document) -> Subject:
    document = copy.deepcopy(written["object"])
    group, _, version = document["apiVersion"].rpartition("/")
    info = by_gvk(group, version, document["kind"])
    title = written.get("name", info.kind)
    default = re.sub(r"[^a-z0-9]+", "-", title.lower())
    document.setdefault("metadata", {}).setdefault("name", default)
    doors = tuple(written.get("doors", ("create", "update", "status", "patch")))
    subresources = {name: (one["as"], one["body"]) for name, one in written.get("subresources", {}).items()}
    return Subject(title, info, document, written.get("status"), doors, subresources)


@click.command(
    epilog="Example:  python -m comparison.mutating --url https://127.0.0.1:6443 --token T "
    "--reference https://127.0.0.1:7443 --reference-token R --door create --part 0.1 pods"
)
@two_servers
@click.option("--only", default="", help="Only objects whose title matches this expression.")
@click.option(
    "--door",
    "chosen",
    multiple=True,
    help="create, table, read, update, status, patch, or a subresource; all by default.",
)
@click.option("--places", default="", help="Only places that match this expression.")
@click.option("--part", default=1.0, help="Which part of all requests is sent, chosen at random.")
@click.option("--tables", default=0.15, help="Which part of the creations is asked for as a table too.")
@click.option("--show", default=60, help="How many classes of differences to show.")
@click.option("--lines", default=14, help="How much to show of a difference.")
@click.argument("names", nargs=-1)
def main(
    url: str,
    token: str,
    reference: str,
    reference_token: str,
    only: str,
    chosen: tuple[str, ...],
    places: str,
    part: float,
    tables: float,
    show: int,
    lines: int,
    names: tuple[str, ...],
) -> None:
    """Runs over the files NAMES of objects (all of them by default). Ends with 1 if any answer differs."""
    ours, theirs = KeptServer(url, token), KeptServer(reference, reference_token)
    files = [OBJECTS / f"{name}.yaml" for name in names] or sorted(OBJECTS.glob("*.yaml"))
    tallies: dict[str, Tally] = {}
    for file in files:
        _prepare(file, ours, theirs)
        for subject in load(file):
            if not re.search(only, subject.title):
                continue
            chance = random.Random(subject.title)
            for door, sent in _requests(subject, ours, theirs, tables, chance):
                if (chosen and door not in chosen) or not re.search(places, sent.title) or chance.random() > part:
                    continue
                tally = tallies.setdefault(f"{subject.title} {door}", Tally())
                tally.count(sent, _difference(sent, ours, theirs))
    _show(tallies, show, lines)
    compared, identical = sum(one.all for one in tallies.values()), sum(one.identical for one in tallies.values())
    click.echo(f"{identical} of {compared} alike")
    sys.exit(0 if identical == compared else 1)


def _prepare(file: Path, ours: KeptServer, theirs: KeptServer) -> None:
    needed = [one["needs"] for one in yaml.safe_load(file.read_text(encoding="utf-8")) if "needs" in one]
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default"},
        "automountServiceAccountToken": False,
    }
    for document in ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, account, *needed):
        group, _, version = document["apiVersion"].rpartition("/")
        info = by_gvk(group, version, document["kind"])
        for server in (ours, theirs):
            answer = server.send("POST", info.path(NAMESPACE if info.namespaced else None), {}, _compact(document))
            if answer.status not in (201, 409):
                raise click.ClickException(f"{document['kind']}: {answer.body.decode()}")


def _requests(
    subject: Subject, ours: KeptServer, theirs: KeptServer, tables: float, chance: random.Random
) -> Iterator[tuple[str, Sent]]:
    dry = f"{subject.collection}?dryRun=All"
    if "create" in subject.doors:
        fresh = copy.deepcopy(subject.document)
        fresh["metadata"]["name"] += "-new"
        yield "create", _same("as it is", "POST", dry, fresh)
        for one in mutations(fresh, subject.root):
            yield "create", _same(one.title, "POST", dry, one.document)
            if chance.random() < tables:
                yield "table", _same(one.title, "POST", dry, one.document, {"Accept": TABLE})
    if set(subject.doors) == {"create"}:
        return
    stored = [kept for server in (ours, theirs) if (kept := _stored(subject, server)) is not None]
    if len(stored) < 2:
        return
    if subject.status is not None:
        stored = [_with_status(subject, *pair) for pair in zip((ours, theirs), stored, strict=True)]
        yield "status", _both("as it is", subject.path + "/status?dryRun=All", stored[0], stored[1])
    yield from (("read", one) for one in _reads(subject))
    if "update" in subject.doors:
        yield from (("update", one) for one in _updates(subject, stored, "", ()))
    if "status" in subject.doors and subject.status is not None:
        yield from (("status", one) for one in _updates(subject, stored, "/status", ("status",)))
    if "patch" in subject.doors:
        yield from (("patch", one) for one in _patches(subject))
    for name, (root, body) in subject.subresources.items():
        method = "POST"
        if root.startswith("PUT "):
            method, root = "PUT", root.removeprefix("PUT ")
        for one in mutations(body, root):
            yield name, _same(one.title, method, f"{subject.path}/{name}?dryRun=All", one.document)


def _reads(subject: Subject) -> Iterator[Sent]:
    """The stored object in all forms, and what its deletion would answer."""
    only = f"{subject.collection}?fieldSelector=metadata.name%3D{subject.document['metadata']['name']}"
    for path in (subject.path, only, f"{only}&includeObject=Object"):
        for accept in ("application/json", TABLE, PARTIAL, "application/yaml"):
            yield Sent(f"GET as {accept}", "GET", path, None, None, {"Accept": accept})
    for options in (
        {},
        {"gracePeriodSeconds": 0},
        {"propagationPolicy": "Foreground"},
        {"preconditions": {"uid": "u"}},
    ):
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"], **options}
        yield Sent(f"DELETE {options}", "DELETE", subject.path, body, body, {})
    for name in ("status", *subject.subresources):
        yield Sent(f"GET {name}", "GET", f"{subject.path}/{name}", None, None, {})


def _same(title: str, method: str, path: str, body: Document, headers: dict[str, str] | None = None) -> Sent:
    return Sent(title, method, path, body, body, headers or {})


def _both(title: str, path: str, ours: Document, theirs: Document) -> Sent:
    return Sent(title, "PUT", path, ours, theirs, {})


def _updates(subject: Subject, stored: list[Document], door: str, within: tuple[str, ...]) -> Iterator[Sent]:
    """Mutations of what is stored at the reference; each server gets them with its own identities."""
    base = _bare(stored[1])
    for one in mutations(base, subject.root, within=within):
        ours, theirs = (_identified(one, base, own) for own in stored)
        yield _both(one.title, f"{subject.path}{door}?dryRun=All", ours, theirs)


_IDENTITIES = ("uid", "resourceVersion", "creationTimestamp")


def _bare(stored: Document) -> Document:
    bare = copy.deepcopy(stored)
    bare["metadata"].pop("managedFields", None)
    return bare


def _identified(one: Mutation, base: Document, own: Document) -> Document:
    changed = copy.deepcopy(one.document)
    metadata = changed.get("metadata")
    for name in _IDENTITIES:
        if isinstance(metadata, dict) and metadata.get(name) == base["metadata"].get(name) is not None:
            metadata[name] = own["metadata"][name]
    return changed


def _patches(subject: Subject) -> Iterator[Sent]:
    """Of each kind of patch those that set one top field of the spec, or of the object where it has none."""
    for one in mutations(subject.document, subject.root):
        if len(one.place) > 2:
            continue
        top = str(one.place[0])
        patch = {top: one.document.get(top)}
        for kind in ("merge-patch", "strategic-merge-patch"):
            yield Sent(
                f"{kind} {one.title}",
                "PATCH",
                f"{subject.path}?dryRun=All",
                patch,
                patch,
                {"Content-Type": f"application/{kind}+json"},
            )
        applied = {"apiVersion": subject.document["apiVersion"], "kind": subject.info.kind, **patch}
        yield Sent(
            f"apply {one.title}",
            "PATCH",
            f"{subject.path}?dryRun=All&fieldManager=odd&force=true",
            applied,
            applied,
            {"Content-Type": "application/apply-patch+yaml"},
        )


def _stored(subject: Subject, server: KeptServer) -> Document | None:
    """Made anew, so that what earlier runs left does not count."""
    loose = _compact({"metadata": {"finalizers": None}})
    server.send("PATCH", subject.path, {"Content-Type": "application/merge-patch+json"}, loose)
    server.send("DELETE", f"{subject.path}?gracePeriodSeconds=0&propagationPolicy=Background", {}, b"")
    answer = server.send("POST", subject.collection, {}, _compact(subject.document))
    if answer.status != 201:
        existing = server.send("GET", subject.path, {}, b"")
        if existing.status != 200:
            click.echo(f"{subject.title} at {server.url}: {answer.body.decode()}")
            return None
        answer = existing
    return cast(Document, json.loads(answer.body))


def _with_status(subject: Subject, server: KeptServer, stored: Document) -> Document:
    body = _compact({"status": subject.status})
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = server.send("PATCH", f"{subject.path}/status", headers, body)
    if answer.status != 200:
        click.echo(f"status of {subject.title} at {server.url}: {answer.body.decode()[:600]}")
        return stored
    return cast(Document, json.loads(answer.body))


def _difference(sent: Sent, ours: KeptServer, theirs: KeptServer) -> list[str]:
    answers = [
        server.send(sent.method, sent.path, {"Content-Type": "application/json", **sent.headers}, _compact(body))
        for server, body in ((ours, sent.ours), (theirs, sent.theirs))
    ]
    if (
        answers[0].body == answers[1].body
        and answers[0].status == answers[1].status
        and _warnings(answers[0]) == _warnings(answers[1])
    ):
        return []
    return difference(answers[0], answers[1], Ignored())


def _compact(body: Any) -> bytes:
    """As Go's clients write: what is free-form is compared by its bytes upstream."""
    return b"" if body is None else json.dumps(body, separators=(",", ":")).encode()


def _warnings(answer: Answer) -> str:
    return answer.headers.get("warning", "")


def _class_of(lines: list[str]) -> str:
    """What differs, without the values; the text that repeats all causes counts only where nothing else differs."""
    changed = [line for line in lines if line[0] in "+-"]
    telling = [line for line in changed if not line[1:].startswith(' "message"')] or changed
    return "\n".join(_DIGITS.sub("N", _QUOTED.sub('"…"', line.replace(" ", "")))[:110] for line in telling[:3])


def _show(tallies: dict[str, Tally], show: int, lines: int) -> None:
    classes: Counter[str] = Counter()
    for tally in tallies.values():
        classes += tally.classes
    for key, count in classes.most_common(show):
        within = [name for name, tally in tallies.items() if key in tally.classes]
        sent, shown = tallies[within[0]].examples[key]
        click.secho(f"[{count}] {sent.method} {sent.title} ({', '.join(within[:3])}: {len(within)})", bold=True)
        click.echo("\n".join(_near(line) for line in shown[:lines] if line[0] in "+-"))
    for name, tally in tallies.items():
        click.echo(f"{name}: {tally.identical} of {tally.all}")


def _near(line: str, most: int = 260) -> str:
    return line if len(line) <= most else f"{line[: most // 2]} … {line[-most // 2 :]}"


if __name__ == "__main__":
    main()
