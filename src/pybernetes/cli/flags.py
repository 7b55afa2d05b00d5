"""Options with upstream's names, each a row; how they are given, checked, and told again.

A row's option sets the field of the cluster's settings that has its name (`--event-ttl` sets `event_ttl`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import click

from pybernetes.cli.layout import Settings

F = TypeVar("F", bound=Callable[..., Any])


class Kind(Enum):
    """What is given after the option."""

    TEXT = "TEXT"
    FILE = "FILE"
    NAMES = "NAMES"
    """Comma-separated; the option may be given several times."""
    PAIRS = "KEY=VALUE"
    NUMBER = "NUMBER"
    RATE = "RATE"
    SPAN = "DURATION"
    """As Go writes it: 30s, 5m0s."""
    SWITCH = "BOOL"
    """The option alone means true."""


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    text: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    field: str = ""
    """Of the settings, where it is not the option's own name."""

    @property
    def of(self) -> str:
        return self.field or self.name.replace("-", "_")


_DEFAULTS = Settings()
_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)


def choose(flags: Sequence[Flag]) -> Callable[[F], F]:
    """Decorates a command with the options."""

    def decorate(function: F) -> F:
        for flag in reversed(flags):
            function = _option(flag)(function)
        return function

    return decorate


def _option(flag: Flag) -> Callable[[F], F]:
    default = shown(flag, _DEFAULTS)
    text = f"{flag.text} [default: {default}]" if default not in ("", "[]") else flag.text
    more: dict[str, Any] = {"help": text}
    match flag.kind:
        case Kind.FILE:
            more["type"] = _FILE
        case Kind.NAMES | Kind.PAIRS:
            more |= {"multiple": True, "callback": _joined, "metavar": flag.kind.value}
        case Kind.NUMBER:
            more["type"] = int
        case Kind.RATE:
            more["type"] = float
        case Kind.SPAN:
            more |= {"callback": _checked_span, "metavar": flag.kind.value}
        case Kind.SWITCH:
            more |= {"type": bool, "is_flag": False, "flag_value": "true", "metavar": flag.kind.value}
        case Kind.TEXT:
            more["type"] = click.Choice(flag.choices) if flag.choices else str
    return click.option(f"--{flag.name}", flag.of, **more)


def _joined(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str | None:
    return ",".join(value) if value else None


def _checked_span(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from pybernetes.api.durations import InvalidDuration, parse_duration, shown_duration

    if value is None:
        return None
    try:
        return shown_duration(parse_duration(value))
    except InvalidDuration as error:
        raise click.BadParameter(str(error), context, parameter) from error


def shown(flag: Flag, settings: Settings) -> str:
    """The value as upstream's `/flagz` prints it."""
    value = getattr(settings, flag.of)
    match flag.kind:
        case Kind.NAMES:
            return f"[{value}]"
        case Kind.SWITCH:
            return str(value).lower()
        case Kind.RATE:
            return f"{value:g}"
        case _:
            return str(value)


def names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
