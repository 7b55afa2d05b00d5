"""What names, labels, keys and ports may look like.

Each check takes the text and returns the messages of what is wrong with it, none when nothing is.
Follows k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content, with their wording.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from pybernetes.api.digits import whole

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_UNDERSCORE_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORE_SUBDOMAIN = _UNDERSCORE_LABEL + r"(\." + _UNDERSCORE_LABEL + ")*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_LABEL_KEY})?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"

SUBDOMAIN_LENGTH = 253
LABEL_LENGTH = 63


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).fullmatch


_is_label = _matcher(_LABEL)
_is_subdomain = _matcher(_SUBDOMAIN)
_is_underscore_subdomain = _matcher(_UNDERSCORE_SUBDOMAIN)
_is_wildcard = _matcher(r"\*\." + _SUBDOMAIN)
_is_dns1035 = _matcher(_DNS1035)
_is_label_key = _matcher(_LABEL_KEY)
_is_label_value = _matcher(_LABEL_VALUE)
_is_c_identifier = _matcher(_C_IDENTIFIER)
_is_env_name = _matcher(_ENV_NAME)
_is_config_key = _matcher(_CONFIG_KEY)
_is_header = _matcher(_HEADER)
_is_percent = _matcher(_PERCENT)
_is_port_charset = _matcher("[-a-z0-9]+")


def regex_error(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} ({f'e.g. {shown}' if examples else ''}regex used for validation is '{pattern}')"


def max_length_error(length: int, unit: str = "characters") -> str:
    return f"must be no more than {length} {unit}"


def range_error(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


_LABEL_ERROR = regex_error(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_ERROR = regex_error(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_LABEL_KEY_ERROR = regex_error(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _LABEL_KEY,
    "MyName",
    "my.name",
    "123-abc",
)


def is_dns_label(text: str) -> list[str]:
    messages = [max_length_error(LABEL_LENGTH)] if len(text) > LABEL_LENGTH else []
    if not _is_label(text):
        messages.append("must not contain dots" if _is_subdomain(text) else _LABEL_ERROR)
    return messages


def is_dns_subdomain(text: str) -> list[str]:
    return _subdomain(text, "characters")


def _subdomain(text: str, unit: str) -> list[str]:
    messages = [max_length_error(SUBDOMAIN_LENGTH, unit)] if len(text) > SUBDOMAIN_LENGTH else []
    if not _is_subdomain(text):
        messages.append(_SUBDOMAIN_ERROR)
    return messages


def is_dns_subdomain_with_underscore(text: str) -> list[str]:
    messages = [max_length_error(SUBDOMAIN_LENGTH)] if len(text) > SUBDOMAIN_LENGTH else []
    if not _is_underscore_subdomain(text):
        messages.append(
            regex_error(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
                "and must start and end with an alphanumeric character",
                _UNDERSCORE_SUBDOMAIN,
                "example.com",
            )
        )
    return messages


def is_wildcard_dns_subdomain(text: str) -> list[str]:
    messages = [max_length_error(SUBDOMAIN_LENGTH)] if len(text) > SUBDOMAIN_LENGTH else []
    if not _is_wildcard(text):
        messages.append(
            regex_error(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
                "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
                r"\*\." + _SUBDOMAIN,
                "*.example.com",
            )
        )
    return messages


def is_dns1035_label(text: str) -> list[str]:
    messages = [max_length_error(LABEL_LENGTH)] if len(text) > LABEL_LENGTH else []
    if not _is_dns1035(text):
        messages.append(
            regex_error(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                "start with an alphabetic character, and end with an alphanumeric character",
                _DNS1035,
                "my-name",
                "abc-123",
            )
        )
    return messages


@lru_cache(maxsize=4096)
def _qualified_name(text: str) -> tuple[str, ...]:
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        ending = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return ("a valid label key " + _LABEL_KEY_ERROR + ending,)
    messages: list[str] = []
    if slash and not prefix:
        messages.append("prefix part must be non-empty")
    elif slash:
        messages += ["prefix part " + message for message in _subdomain(prefix, "bytes")]
    if not name:
        messages.append("name part must be non-empty")
    elif len(name) > LABEL_LENGTH:
        messages.append("name part " + max_length_error(LABEL_LENGTH, "bytes"))
    if not _is_label_key(name):
        messages.append("name part " + _LABEL_KEY_ERROR)
    return tuple(messages)


def is_qualified_name(text: str) -> list[str]:
    """A key of labels, annotations, resources: `name` or `example.com/name`."""
    return list(_qualified_name(text))


is_label_key = is_qualified_name


def is_label_value(text: str) -> list[str]:
    messages = [max_length_error(LABEL_LENGTH, "bytes")] if len(text) > LABEL_LENGTH else []
    if not _is_label_value(text):
        messages.append(
            regex_error(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                "and must start and end with an alphanumeric character",
                _LABEL_VALUE,
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return messages


def is_domain_prefixed_path(text: str) -> list[str]:
    if not text.partition("/")[0] or not text.partition("/")[2]:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    return is_dns_subdomain(text.partition("/")[0])


def is_c_identifier(text: str) -> list[str]:
    if _is_c_identifier(text):
        return []
    message = (
        "a valid C identifier must start with alphabetic character or '_', "
        "followed by a string of alphanumeric characters or '_'"
    )
    return [regex_error(message, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def is_env_name(text: str) -> list[str]:
    messages = []
    if not _is_env_name(text):
        message = (
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
            "and must not start with a digit"
        )
        messages.append(regex_error(message, _ENV_NAME, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return messages + _dots(text)


def is_relaxed_env_name(text: str) -> list[str]:
    if not text:
        return ["environment variable name must be non-empty"]
    if not all(" " <= letter <= "~" and letter != "=" for letter in text):
        return [
            "a valid environment variable name must consist only of printable ASCII characters other than '='",
        ]
    return []


@lru_cache(maxsize=4096)
def is_config_key(text: str) -> Sequence[str]:
    """A key of a ConfigMap or Secret, which may become the name of a file."""
    messages = [max_length_error(SUBDOMAIN_LENGTH)] if len(text) > SUBDOMAIN_LENGTH else []
    if not _is_config_key(text):
        message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        messages.append(regex_error(message, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return messages + _dots(text)


def _dots(text: str) -> list[str]:
    if text in (".", ".."):
        return [f"must not be '{text}'"]
    return ["must not start with '..'"] if text.startswith("..") else []


def is_http_header(text: str) -> list[str]:
    if _is_header(text):
        return []
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_error(message, _HEADER, "X-Header-Name")]


def is_percent(text: str) -> list[str]:
    if _is_percent(text):
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(message, _PERCENT, "1%", "93%")]


def is_port_number(port: int) -> list[str]:
    return in_range(port, 1, 65535)


def is_user_id(uid: int) -> list[str]:
    return in_range(uid, 0, 2**31 - 1)


is_group_id = is_user_id


def in_range(value: int, low: int, high: int) -> list[str]:
    return [] if low <= value <= high else [range_error(low, high)]


def is_port_name(text: str) -> list[str]:
    messages = [max_length_error(15)] if len(text) > 15 else []
    if not _is_port_charset(text):
        messages.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= letter <= "z" for letter in text):
        messages.append("must contain at least one letter (a-z)")
    if "--" in text:
        messages.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        messages.append("must not begin or end with a hyphen")
    return messages


def is_path_segment(text: str) -> list[str]:
    """A name that can stand in a URL's path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{letter}'" for letter in "/%" if letter in text]


_NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_A_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LEADING_ZERO = re.compile(r"(?<![0-9])0+(?=[0-9])")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else address


def is_ip(text: str) -> list[str]:
    address = _address(text)
    if address is None:
        padded = ":" not in text and _address(_LEADING_ZERO.sub("", text)) is not None
        return ["must not have leading 0s" if padded else _NOT_AN_IP]
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return ["must not be an IPv4-mapped IPv6 address"] if mapped else []


def is_cidr(text: str) -> list[str]:
    address_text, slash, length = text.partition("/")
    address = _address(address_text)
    if not slash or not length.isascii() or not length.isdigit():
        return [_NOT_A_CIDR]
    if address is None or (len(length) > 1 and length[0] == "0"):
        unpadded = _LEADING_ZERO.sub("", text) if ":" not in text else text.replace("/0", "/")
        padded = unpadded != text and not any(message == _NOT_A_CIDR for message in is_cidr(unpadded))
        return ["must not have leading 0s in IP or prefix length" if padded else _NOT_A_CIDR]
    if whole(length) > address.max_prefixlen:
        return [_NOT_A_CIDR]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    network = ipaddress.ip_network(text, strict=False)
    return [] if network.network_address == address else ["must not have bits set beyond the prefix length"]
