"""Transcripts: commands and, literally, what they print and how they end.

    # what it is about
    $ kubectl create configmap one
    configmap/one created
    $ kubectl create configmap one
    ! error: failed to create configmap: configmaps "one" already exists
    [1]

Lines of standard error begin with `! `, an exit code other than 0 is the last line. What is different on every run has
a name in angle brackets (`_VARYING`), and columns are two blanks apart. Commands run in `manifests/`, in a namespace
that has the transcript's name and nothing in it but a service account.

To see what a server answers: `python tests/clients/transcript.py TRANSCRIPT KUBECONFIG`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent

_VARYING = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000|Z)", "<time>"),
        (r"\w\w\w, \d\d \w\w\w \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
        (r"\b(\d+[smhdy])+(?![\w.%-])", "<age>"),
        (r"(resourceVersion\"?: )\"?\d+\"?", r"\1<version>"),
        (r"(Resource Version: +)\d+", r"\1<version>"),
        (r"(resource version to be 1, was )\d+", r"\1<version>"),
        (r"https://127\.0\.0\.1:\d+", "<server>"),
        (r"/tmp/\S+", "<file>"),
        (r"10\.96\.\d+\.\d+", "<ip>"),
        (r"10\.244\.\d+\.\d+", "<pod-ip>"),
        (r"(NodePort: .*|\d+:)3[0-2]\d{3}\b", r"\1<port>"),
        (r"kube-api-access-\w{5}", "kube-api-access-<random>"),
        (r"(?<=\S)  +", "  "),
    )
)


@dataclass(frozen=True)
class Step:
    command: str
    answer: str

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.answer}"


def read(text: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\\n"))
        yield Step("".join(lines[:last]).rstrip("\n"), "".join(lines[last:]))


def remark(text: str) -> str:
    return text.partition("$ ")[0]


def heard(output: str, error: str, code: int) -> str:
    """An answer as transcripts write it."""
    complaints = "".join(f"! {line}\n" for line in error.splitlines())
    if output and not output.endswith("\n"):
        output += "\n"
    return plain(output + complaints) + (f"[{code}]\n" if code else "")


def plain(text: str) -> str:
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


@dataclass(frozen=True)
class Shell:
    """Runs commands as a user of one cluster, in one namespace."""

    kubeconfig: Path
    namespace: str
    home: Path

    def prepare(self) -> None:
        """Its namespace is there and has its service account."""
        found = self.kubeconfig.read_text()
        mine = self.home / "kubeconfig"
        mine.write_text(found)
        mine.chmod(0o600)
        for command in (
            f"kubectl create namespace {self.namespace}",
            f"kubectl config set-context --current --namespace={self.namespace}",
            "kubectl get serviceaccount default || kubectl create serviceaccount default || true",
        ):
            done = self._run(command)
            assert done.returncode == 0, done.stderr

    def answer(self, command: str) -> str:
        done = self._run(command)
        return heard(done.stdout, done.stderr, done.returncode)

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": "/tmp",
            "KUBECONFIG": str(self.home / "kubeconfig"),
            "KUBE_EDITOR": str(HERE / "manifests" / "editor"),
        }
        return subprocess.run(
            ["bash", "-c", command],
            cwd=HERE / "manifests",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def play(text: str, answer: Callable[[str], str]) -> str:
    """The transcript as it reads when the commands are given anew."""
    return remark(text) + "".join(str(Step(step.command, answer(step.command))) for step in read(text))


def main() -> None:
    script, kubeconfig = Path(sys.argv[1]), Path(sys.argv[2])
    with TemporaryDirectory() as home:
        shell = Shell(kubeconfig, script.stem, Path(home))
        shell.prepare()
        sys.stdout.write(play(script.read_text(), shell.answer))


if __name__ == "__main__":
    main()
