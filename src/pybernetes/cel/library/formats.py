"""Named formats: `format.dns1123Label().validate(name)`.

Follows k8s.io/apiserver/pkg/cel/library/format.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date

from pybernetes.api import fields
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.library import url
from pybernetes.cel.text import parse_timestamp
from pybernetes.cel.values import NONE, Opaque, Optional

LIBRARY = Library()
_F = "kubernetes.NamedFormat"
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
Check = Callable[[str], list[str]]


class Format(Opaque):
    __slots__ = ("check", "name")
    type = types.opaque(_F)

    def __init__(self, name: str, check: Check) -> None:
        self.name = name
        self.check = check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def _prefix_of(check: Check) -> Check:
    return lambda text: check(text[:-1] + "a" if text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    problem = url.problem(text)
    return [problem] if problem else []


def _uuid(text: str) -> list[str]:
    return [] if _UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return []


def _date(text: str) -> list[str]:
    try:
        date.fromisoformat(text)
    except ValueError:
        return ["invalid date"]
    return [] if _DATE.fullmatch(text) else ["invalid date"]


def _datetime(text: str) -> list[str]:
    try:
        parse_timestamp(text)
    except CelError:
        return ["invalid datetime"]
    return []


FORMATS = {
    "dns1123Label": Format("DNS1123Label", fields.is_dns_label),
    "dns1123Subdomain": Format("DNS1123Subdomain", fields.is_dns_subdomain),
    "dns1035Label": Format("DNS1035Label", fields.is_dns1035_label),
    "qualifiedName": Format("QualifiedName", fields.is_qualified_name),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", _prefix_of(fields.is_dns_label)),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", _prefix_of(fields.is_dns_subdomain)),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", _prefix_of(fields.is_dns1035_label)),
    "labelValue": Format("LabelValue", fields.is_label_value),
    "uri": Format("URI", _uri),
    "uuid": Format("uuid", _uuid),
    "byte": Format("byte", _byte),
    "date": Format("date", _date),
    "datetime": Format("datetime", _datetime),
}


@LIBRARY.method("validate", f"{_F}, string -> optional(list(string))")
def validate(form: Format, text: str) -> Optional:
    problems = form.check(text)
    return Optional(problems) if problems else NONE


@LIBRARY.function("format.named", f"string -> optional({_F})")
def named(name: str) -> Optional:
    return Optional(FORMATS[name]) if name in FORMATS else NONE


def _declare(name: str) -> None:
    LIBRARY.function(f"format.{name}", f"-> {_F}")(lambda: FORMATS[name])


for _name in FORMATS:
    _declare(_name)
