"""Running the few programs that speak to the kernel for us: nft, ip, conntrack."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence


class CommandFailed(Exception):
    """A program ended with an error; its own words are kept."""

    def __init__(self, arguments: Sequence[str], code: int, words: str) -> None:
        super().__init__(f"`{' '.join(arguments)}` ended with {code}: {words.strip() or 'without a word'}")
        self.arguments = tuple(arguments)
        self.code = code
        self.words = words


class CommandMissing(CommandFailed):
    """The program is not installed."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(arguments, 127, f"{arguments[0]} is not installed")


async def run(*arguments: str, text: str | None = None) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise CommandMissing(arguments) from error
    output, words = await process.communicate(None if text is None else text.encode())
    if process.returncode:
        raise CommandFailed(arguments, process.returncode, words.decode(errors="replace"))
    return output.decode(errors="replace")


def run_now(*arguments: str, text: str | None = None) -> str:
    try:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CommandMissing(arguments) from error
    if done.returncode:
        raise CommandFailed(arguments, done.returncode, done.stderr)
    return done.stdout
