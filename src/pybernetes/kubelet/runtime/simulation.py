"""When and how a container that only seems to run ends: told by annotations of its pod, else guessed from its command.

`hollow.pybernetes.io/exit-after` (seconds), `/exit-code` and `/reason` apply to every container of the pod; with
`.<container>` appended, to that one. Commands understood: `true`, `false`, `sleep N`, `exit N`, `echo …`, alone or
joined by `;` or `&&` in a shell's `-c`. Anything else runs for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pybernetes.kubelet.runtime.types import ContainerConfig

EXIT_AFTER = "hollow.pybernetes.io/exit-after"
EXIT_CODE = "hollow.pybernetes.io/exit-code"
REASON = "hollow.pybernetes.io/reason"

_SHELLS = {"sh", "bash", "ash", "dash"}
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


@dataclass(frozen=True, slots=True)
class Ending:
    after: float
    exit_code: int = 0
    reason: str = "Completed"


def ending_of(config: ContainerConfig, annotations: Mapping[str, str]) -> Ending | None:
    """None is "never by itself"."""

    def told(name: str) -> str | None:
        return annotations.get(f"{name}.{config.name}", annotations.get(name))

    after, code, reason = told(EXIT_AFTER), told(EXIT_CODE), told(REASON)
    if after is None and code is None:
        return ending_of_command((*config.command, *config.args))
    exit_code = int(code or 0)
    return Ending(float(after or 0), exit_code, reason or _reason(exit_code))


def ending_of_command(command: Sequence[str]) -> Ending | None:
    if not command:
        return None
    program, arguments = command[0].rpartition("/")[2], command[1:]
    if program in _SHELLS and len(arguments) >= 2 and arguments[0].startswith("-") and "c" in arguments[0]:
        return _script(arguments[1])
    if program == "exit":
        return None
    return _simple(program, arguments)


def _script(text: str) -> Ending | None:
    elapsed, code = 0.0, 0
    for joint, part in _parts(text):
        if joint == "&&" and code != 0:
            continue
        words = part.split()
        ending = _simple(words[0], words[1:])
        if ending is None:
            return None
        elapsed, code = elapsed + ending.after, ending.exit_code
        if words[0] == "exit":
            break
    return Ending(elapsed, code, _reason(code))


def _parts(text: str) -> list[tuple[str, str]]:
    pieces = re.split(r"(;|&&|\n)", text)
    joints = ["", *pieces[1::2]]
    return [(joint, part.strip()) for joint, part in zip(joints, pieces[::2], strict=True) if part.strip()]


def _simple(program: str, arguments: Sequence[str]) -> Ending | None:
    match program.rpartition("/")[2], list(arguments):
        case (("true" | "echo" | ":"), _):
            return Ending(0.0)
        case "false", _:
            return Ending(0.0, 1, _reason(1))
        case "exit", []:
            return Ending(0.0)
        case "exit", [code] if code.isdigit():
            return Ending(0.0, int(code) & 255, _reason(int(code) & 255))
        case "sleep", [duration] if match := _DURATION.fullmatch(duration):
            return Ending(float(match[1]) * _UNITS[match[2]])
        case _:
            return None


def _reason(code: int) -> str:
    return "Error" if code else "Completed"
