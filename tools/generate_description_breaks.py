#!/usr/bin/env python3
"""Writes where the descriptions of fields have other spaces than those that are left in the package lightkube-models.

    python tools/generate_description_breaks.py

compares its folded docstrings with the definitions in the package kubernetes-validate, and writes
apiserver/openapi/description_breaks.json: type (`core_v1.Pod`) → field ("" is the type itself) → number of the space,
counted from 0 → what stands there. No text of a description is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generate_api import META, load_schemas, module_of

from pybernetes.apiserver.openapi.descriptions import as_folded

TARGET = Path(__file__).parent.parent / "src/pybernetes/apiserver/openapi/description_breaks.json"
_SPACES = re.compile(r"\s+")
_IN_FRONT = "io.k8s."


def breaks(wanted: str, found: str) -> dict[str, str]:
    """Empty where there is nothing to put right, or where the words differ, too."""
    if wanted == found or wanted.split() != found.split():
        return {}
    pairs = zip(_SPACES.findall(wanted.strip()), _SPACES.findall(found.strip()), strict=True)
    return {str(index): ours for index, (ours, theirs) in enumerate(pairs) if ours != theirs}


def of_type(name: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    described = as_folded(name)
    yield "", breaks(schema.get("description", ""), described.text)
    for field, facts in schema.get("properties", {}).items():
        yield field, breaks(facts.get("description", ""), described.fields.get(field, ""))


def main() -> None:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for key, schema in sorted(load_schemas().items()):
        if key.startswith((_IN_FRONT, META)):
            name = f"{module_of(key)}.{key.rsplit('.', 1)[1]}"
            of_fields = {field: places for field, places in of_type(name, schema) if places}
            if of_fields:
                found[name] = of_fields
    rows = (f"{json.dumps(name)}: {json.dumps(fields, sort_keys=True)}" for name, fields in found.items())
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
