"""The formats of texts that schemas may ask for. A format that is not here is not looked at.

Follows k8s.io/kube-openapi/pkg/validation/strfmt and govalidator, and apiextensions' list of supported formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from email.utils import parseaddr
from functools import cache
from ipaddress import AddressValueError, IPv6Address
from typing import Any

from pybernetes.apiserver.custom.patterns import matcher
from pybernetes.apiserver.validation.addresses import parse_loosely

Document = Mapping[str, Any]

_IN_NAMES = r"a-zA-Z0-9\p{S}\p{L}"
_is_number = re.compile(r"[0-9]{1,3}").fullmatch
_DURATION_PART = re.compile(r"(\d+)\s*([A-Za-zµ]+)")
_GO_DURATION = re.compile(r"[-+]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+")
_UNITS = (
    ("ns", "nano"), ("us", "µs", "micro"), ("ms", "milli"), ("s", "sec"),
    ("m", "min"), ("h", "hr", "hour"), ("d", "day"), ("w", "wk", "week"),
)  # fmt: skip
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(.\d+)?([Zz]|[+-]\d\d:\d\d)([Tt].*)?", re.ASCII | re.DOTALL
)
_CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})"
)
_SHORT_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _matches(pattern: str, longest: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None and (not longest or len(text) <= longest)


@cache
def _form_of_hostnames() -> Callable[[str], object]:
    """In linear time: a backtracking matcher would take for ever with some names. Made when a schema first asks for it,
    because it takes 20 MB."""
    return matcher(
        rf"^([{_IN_NAMES}](-?[{_IN_NAMES}]{{0,62}})?"
        rf"|([{_IN_NAMES}]([{_IN_NAMES}-]{{0,61}}[{_IN_NAMES}])?\.)+[a-zA-Z\p{{L}}]{{2,63}})$"
    )


def _is_hostname(text: str) -> bool:
    octets = text.encode()
    labels = octets.split(b".")
    return len(octets) <= 255 and all(len(label) <= 63 for label in labels) and bool(_form_of_hostnames()(text))


def _is_uri(text: str) -> bool:
    """An absolute URI, or an absolute path."""
    if not text or any(ord(letter) < 0x20 or letter == "\x7f" for letter in text):
        return False
    if re.search(r"%(?![0-9A-Fa-f]{2})", text.partition("?")[0]):
        return False
    return text.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:[^ ]", text) is not None or text == "*"


def _is_email(text: str) -> bool:
    address = parseaddr(text)[1]
    return bool(address) and re.fullmatch(r"[^@\s]+@[^@\s]+", address) is not None and "," not in text


def _is_ipv4(text: str) -> bool:
    return "." in text and parse_loosely(text) is not None


def _is_ipv6(text: str) -> bool:
    try:
        return IPv6Address(text).scope_id is None
    except AddressValueError:
        return False


def _is_cidr(text: str) -> bool:
    address, _, length = text.partition("/")
    parsed = parse_loosely(address)
    if parsed is None or not _is_number(length):
        return False
    return int(length) <= (128 if ":" in address else 32)


def _is_date(text: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_date_time(text: str) -> bool:
    return len(text) >= 4 and _DATE_TIME.fullmatch(text) is not None and _is_date(text[:10])


def _is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    return any(_is_unit(unit.lower()) for _, unit in _DURATION_PART.findall(text))


def _is_unit(unit: str) -> bool:
    return any(unit in names or unit.startswith(names[-1]) for names in _UNITS)


def _is_isbn(length: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        digits = re.sub(r"[\s-]+", "", text)
        if length == 10:
            if not re.fullmatch(r"[0-9]{9}[0-9X]", digits):
                return False
            total = sum((10 - at) * (10 if one == "X" else int(one)) for at, one in enumerate(digits))
            return total % 11 == 0
        if not re.fullmatch(r"[0-9]{13}", digits):
            return False
        return sum(int(one) * (3 if at % 2 else 1) for at, one in enumerate(digits)) % 10 == 0

    return check


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = (int(one) * 2 if at % 2 else int(one) for at, one in enumerate(reversed(digits)))
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


_BYTE = r"(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])"
_HEX = "[0-9a-fA-F]"
_MAC = f"{_HEX}{{2}}(:{_HEX}{{2}}){{5}}|{_HEX}{{2}}(:{_HEX}{{2}}){{7}}|{_HEX}{{2}}(:{_HEX}{{2}}){{19}}"
_isbn10, _isbn13 = _is_isbn(10), _is_isbn(13)


def _uuid(third: str = "[0-9a-f]", fourth: str = "[0-9a-f]") -> Callable[[str], bool]:
    return _matches(f"(?i)[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}[0-9a-f]{{3}}-?{fourth}[0-9a-f]{{3}}-?[0-9a-f]{{12}}")


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(f"{_HEX}{{24}}"),
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "cidr": _is_cidr,
    "mac": _matches(
        "|".join(
            (
                _MAC,
                _MAC.replace(":", "-"),
                f"{_HEX}{{4}}(\\.{_HEX}{{4}}){{2}}((\\.{_HEX}{{4}}){{1}}|(\\.{_HEX}{{4}}){{7}})?",
            )
        )
    ),
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89ab]"),
    "uuid5": _uuid("5", "[89ab]"),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _is_card,
    "ssn": _matches(r"\d{3}[- ]\d{2}[- ]\d{4}"),
    "hexcolor": _matches(f"#?({_HEX}{{3}}|{_HEX}{{6}})"),
    "rgbcolor": _matches(rf"rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)"),
    "byte": _matches(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"),
    "password": lambda text: True,
    "date": _is_date,
    "duration": _is_duration,
    "datetime": _is_date_time,
    "k8sshortname": _matches(_SHORT_NAME, 63),
    "k8slongname": _matches(rf"{_SHORT_NAME}(\.{_SHORT_NAME})*", 253),
}
"""By name without dashes."""

_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def checked_format(schema: Document) -> str:
    """The schema's format, "" where it is one that is not looked at."""
    found: str = schema.get("format") or ""
    type_ = "" if schema.get("x-kubernetes-int-or-string") else schema.get("type") or ""
    if type_ in ("", "string"):
        return found if found.replace("-", "") in FORMATS else ""
    return found if found in _OF_NUMBERS.get(type_, ()) else ""


def check_of(format: str) -> Callable[[str], bool] | None:
    return FORMATS.get(format.replace("-", ""))
