"""The form of a rule in x-kubernetes-validations, before its expression is looked at.

Follows ValidateCustomResourceDefinitionOpenAPISchema in pkg/apis/apiextensions/validation of apiextensions-apiserver.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.api.fields import FieldError, FieldPath, invalid, not_supported, required
from pybernetes.apiserver.cel.field_paths import FieldPathError, resolve

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_LINE_BREAK = re.compile(r"[\n\r]")


def check_rule_form(rule: Mapping[str, Any], schema: Mapping[str, Any], path: FieldPath) -> Iterator[FieldError]:
    expression, message = rule.get("rule") or "", rule.get("message") or ""
    if not expression.strip():
        yield required(path.rule, "rule is not specified")
    elif message and not message.strip():
        yield invalid(path.message, message, "must be non-empty if specified")
    elif _LINE_BREAK.search(message.strip()):
        yield invalid(path.message, message, "must not contain line breaks")
    elif _LINE_BREAK.search(expression.strip()) and not message.strip():
        yield required(path.message, "message must be specified if rule contains line breaks")
    computed = rule.get("messageExpression") or ""
    if computed and not computed.strip():
        yield required(path.messageExpression, "messageExpression must be non-empty if specified")
    reason = rule.get("reason")
    if reason is not None and reason not in REASONS:
        yield not_supported(path.reason, reason, REASONS)
    yield from _check_field_path(rule.get("fieldPath") or "", schema, path.fieldPath)


def _check_field_path(text: str, schema: Mapping[str, Any], path: FieldPath) -> Iterator[FieldError]:
    if not text:
        return
    if not text.strip():
        yield invalid(path, text, "must be non-empty if specified")
    if _LINE_BREAK.search(text):
        yield invalid(path, text, "must not contain line breaks")
    try:
        resolve(text, schema)
    except FieldPathError:
        yield invalid(path, text, "must be a valid path")
