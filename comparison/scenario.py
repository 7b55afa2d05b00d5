"""A scenario is a list of requests in YAML, sent one after another.

    - name: a config map is made and read
      steps:
        - POST /api/v1/namespaces/default/configmaps: {kind: ConfigMap, apiVersion: v1, metadata: {name: a}}
          save: {version: metadata.resourceVersion}
        - GET /api/v1/namespaces/default/configmaps/a?resourceVersion={version}
          headers: {Accept: "application/json;as=Table;v=v1;g=meta.k8s.io"}

A body is YAML, sent as JSON; a string is sent as it is. ``save`` keeps parts of the answer for later steps, in their
paths and bodies; ``{run}`` is the same in all scenarios of a comparison and in no other one.
A header with an empty value is not sent.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from comparison.requests import Answer, Server

_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_RUN = str(time.time_ns() % 10**9)
_SAVED = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Step:
    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    save: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    steps: tuple[Step, ...]

    def run(self, server: Server) -> Iterator[Answer]:
        saved = {"run": _RUN}
        for step in self.steps:
            body = _filled(step.body, saved)
            headers = {"Content-Type": "application/json", **step.headers} if body else dict(step.headers)
            answer = server.send(step.method, _filled(step.path, saved), headers, body.encode())
            for name, path in step.save.items():
                saved[name] = _part(answer, path)
            yield answer


def load(path: Path) -> list[Scenario]:
    return [
        Scenario(one["name"], tuple(_step(step) for step in one["steps"]))
        for one in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def _step(written: str | Mapping[str, Any]) -> Step:
    if isinstance(written, str):
        method, _, path = written.partition(" ")
        return Step(method, path)
    line = next(key for key in written if key.split(" ")[0] in _VERBS)
    method, _, path = line.partition(" ")
    body = written[line]
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    return Step(method, path, text, written.get("headers", {}), written.get("save", {}))


def _filled(text: str, saved: Mapping[str, str]) -> str:
    return _SAVED.sub(lambda match: saved.get(match.group(1), match.group(0)), text)


def _part(answer: Answer, path: str) -> str:
    try:
        return str(reduce(lambda value, key: value[key], path.split("."), json.loads(answer.body)))
    except (ValueError, KeyError, TypeError):
        return "missing"
