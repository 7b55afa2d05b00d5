"""`python -m pybernetes.cli.parts PART DIR`: what the supervisor starts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from pybernetes.cli import lean  # noqa: F401  # isort: skip  first: it decides what the others import
from pybernetes.cli.layout import PROCESSES, Layout
from pybernetes.cli.parts.running import run_process
from pybernetes.cli.problems import Problem


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The whole story, and last the sentence that `p8s up` shows of a part's log."""
    sys.__excepthook__(kind, error, trace)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(f"Error: {type(error).__name__}: {' '.join(str(error).split())}.", file=sys.stderr)


def main() -> None:
    part, directory = sys.argv[1], Layout(Path(sys.argv[2]))
    settings = directory.read_settings()
    if settings is None:
        raise SystemExit(f"{directory.settings_file} is missing: start the cluster with `p8s up`.")
    try:
        run_process(PROCESSES.get(part, (part,)), directory, settings)
    except Problem as problem:
        raise SystemExit(f"Error: {problem.message}") from problem


sys.excepthook = tell
main()
