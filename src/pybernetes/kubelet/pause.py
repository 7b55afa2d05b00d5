"""The program that holds a pod's namespaces: a few instructions in an ELF file of 205 bytes.

It blocks all signals and takes them one by one: children that have ended are collected (it is process 1 when a pod
shares its processes), SIGTERM and SIGINT end it with code 0, everything else is passed over. Memory: one page.
"""

from __future__ import annotations

import struct

_X86_64 = (
    # all signals, blocked: rt_sigprocmask(SIG_BLOCK, &~0, NULL, 8)
    "6aff 4889e6 31ff 31d2 6a08 415a 6a0e 58 0f05 4889f3"
    # wait: rt_sigtimedwait(&~0, NULL, NULL, 8)
    "4889df 31f6 31d2 6a08 415a b880000000 0f05"
    # SIGCHLD: to reap; SIGTERM: to exit; SIGINT: on; others: to wait
    "83f811 7413 83f80f 7405 83f802 75df"
    # exit: exit_group(0)
    "31ff b8e7000000 0f05"
    # reap: while wait4(-1, NULL, WNOHANG, NULL) > 0; then to wait
    "6aff 5f 31f6 6a01 5a 4531d2 6a3d 58 0f05 85c0 7fec ebc0"
)

_MACHINES = {"x86_64": (62, _X86_64)}
_BASE = 0x400000
_FILE_HEADER = 64
_PROGRAM_HEADER = 56


def program(machine: str) -> bytes | None:
    """The executable for that kind of machine (as `platform.machine()` names it); None where we have none."""
    if machine not in _MACHINES:
        return None
    number, text = _MACHINES[machine]
    code = bytes.fromhex(text)
    size = _FILE_HEADER + _PROGRAM_HEADER + len(code)
    entry = _BASE + _FILE_HEADER + _PROGRAM_HEADER
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH", 2, number, 1, entry, _FILE_HEADER, 0, 0, _FILE_HEADER, _PROGRAM_HEADER, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code
