"""Container log files as the runtime writes them: `<time> <stream> <tags> <text>`, one line each.

A tag `P` says that the text goes on in the next line of the same stream, `F` that it ends there.
Pure: bytes in, bytes out. Follows the log format of the Container Runtime Interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pybernetes.api.meta import parse_time


class LogOptionError(ValueError):
    """An option of a log request cannot be understood."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is asked for. `stream` is stdout, stderr or empty for both."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None
    stream: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str], now: datetime) -> LogOptions:
        return cls(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            tail_lines=_number(query, "tailLines"),
            since=_since(query, now),
            limit_bytes=_number(query, "limitBytes"),
            stream={"Stdout": "stdout", "Stderr": "stderr"}.get(query.get("stream", ""), ""),
        )


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("1", "t", "true")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdigit():
        raise LogOptionError(f"{name} must be a number that is not negative, not {text!r}")
    return int(text)


def _since(query: Mapping[str, str], now: datetime) -> datetime | None:
    seconds = _number(query, "sinceSeconds")
    if seconds is not None:
        return now - timedelta(seconds=seconds)
    text = query.get("sinceTime", "")
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise LogOptionError(f"sinceTime is not a time: {text!r}") from error


@dataclass(frozen=True, slots=True)
class Line:
    time: bytes
    stream: bytes
    partial: bool
    text: bytes


def parse_line(raw: bytes) -> Line | None:
    """None for a line that is not in the format (such as one that a crash has cut)."""
    parts = raw.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    return Line(parts[0], parts[1], parts[2].startswith(b"P"), parts[3] if len(parts) == 4 else b"")


def comparable(moment: datetime) -> bytes:
    """The moment in the form that log lines have, so that bytes compare as times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()


class Renderer:
    """Turns complete raw lines into what the reader sees; remembers unfinished lines and the bytes that are left."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._since = comparable(options.since) if options.since else b""
        self._stream = options.stream.encode()
        self._left = options.limit_bytes
        self._unfinished = False

    @property
    def satisfied(self) -> bool:
        """All the bytes that were asked for have been given."""
        return self._left == 0

    def render(self, raw_lines: Iterator[bytes]) -> bytes:
        out = b"".join(text for raw in raw_lines if (text := self._one(raw)))
        if self._left is None:
            return out
        out = out[: self._left]
        self._left -= len(out)
        return out

    def _one(self, raw: bytes) -> bytes:
        line = parse_line(raw)
        if line is None or line.time < self._since or (self._stream and line.stream != self._stream):
            return b""
        stamp = line.time + b" " if self._options.timestamps and not self._unfinished else b""
        self._unfinished = line.partial
        return stamp + line.text + (b"" if line.partial else b"\n")
