"""Which texts have the formats that schemas of custom resources ask for."""

from __future__ import annotations

import pytest

from pybernetes.apiserver.custom.formats import check_of

CASES = {
    "hostname": (["a", "a-b", "a.bc", "web-1.example.com", "é.fr"], ["", "a-b-c", "x.y", "1.2.3.4", "-a.bc", "a..bc"]),
    "ipv4": (["1.2.3.4", "01.2.3.4", "::ffff:1.2.3.4"], ["::1", "1.2.3", "256.1.1.1"]),
    "ipv6": (["::1", "::ffff:1.2.3.4"], ["1.2.3.4", "fe80::1%eth0"]),
    "cidr": (["10.0.0.0/8", "010.0.0.0/08", "::1/128"], ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "::1/129"]),
    "mac": (
        ["aa:bb:cc:dd:ee:ff", "AA-BB-CC-DD-EE-FF", "0123.4567.89ab"],
        ["aa:bb:cc:dd:ee", "0123.4567.89ab.cdef.0123"],
    ),
    "date-time": (
        ["2026-01-01T00:00:00Z", "2026-01-01t00:00:00.5z", "2026-01-01T00:00:00+99:99"],
        ["2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T24:00:00Z"],
    ),
    "ssn": (["123-45-6789", "123 45 6789"], ["123456789"]),
    "creditcard": (["4111111111111111"], ["6200000000000005"]),
}


@pytest.mark.parametrize("format", CASES)
def test_a_format_knows_its_texts(format: str) -> None:
    check = check_of(format)
    assert check is not None
    fit, unfit = CASES[format]
    assert [text for text in fit if not check(text)] == []
    assert [text for text in unfit if check(text)] == []


def test_no_name_takes_long_to_be_found_no_host() -> None:
    check = check_of("hostname")
    assert check is not None
    assert not any(check(text) for text in ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "a" * 100 + "_", "a-" * 120))
