"""From a machine with Python and git to one that can run a cluster; then `up` or `test`.

Standard library only: it runs before anything is installed. A second run finds everything there and installs nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".pybernetes-installed"
POLICY = Path("/usr/sbin/policy-rc.d")
SEARCH = ":".join((os.environ.get("PATH", ""), "/usr/local/sbin:/usr/sbin:/sbin"))
DISTRIBUTIONS_PYTHON = (Path("/usr/bin/python3"),)
OLDEST_PYTHON = (3, 11)
DISK_NEEDED = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Package:
    name: str
    evidence: tuple[str, ...]  # programs, or files when they begin with a slash
    why: str

    @property
    def installed(self) -> bool:
        return all(
            Path(one).exists() if one.startswith("/") else shutil.which(one, path=SEARCH) for one in self.evidence
        )


PACKAGES = (
    Package("containerd", ("containerd", "containerd-shim-runc-v2", "ctr"), "runs the containers"),
    Package("runc", ("runc",), "starts one container"),
    Package(
        "containernetworking-plugins", ("/usr/lib/cni/bridge", "/usr/lib/cni/host-local"), "gives pods their addresses"
    ),
    Package("nftables", ("nft",), "balances Services"),
    Package("iproute2", ("ip", "ss"), "makes network devices"),
    Package("conntrack", ("conntrack",), "forgets UDP flows to pods that are gone"),
    Package("util-linux", ("nsenter", "umount"), "enters namespaces and removes mounts"),
    Package("busybox-static", ("busybox",), "is the base of all images that are built here"),
    Package("redis-server", ("redis-server",), "is what the guestbook stores its entries in"),
    Package("redis-tools", ("redis-cli",), "asks Redis from a shell"),
    Package("php-cli", ("php",), "serves the guestbook's page"),
)


def main() -> None:
    what, *rest = sys.argv[1:]
    check_root(what)
    check_disk()
    install_packages()
    make_environment("" if what == "up" else "[dev,clients]")
    (up if what == "up" else test)(rest)


def say(text: str) -> None:
    print(text, flush=True)


def stop(what: str, do: str) -> NoReturn:
    sys.stdout.flush()
    print(f"Error: {what}: {do}.", file=sys.stderr)
    raise SystemExit(1)


def check_root(what: str) -> None:
    if os.geteuid() == 0:
        return
    if what == "up":
        stop(
            "real containers need root",
            "run `sudo scripts/up`, or set up without root by `python3 -m venv .venv && .venv/bin/pip install -e .` "
            "and start `.venv/bin/p8s up --runtime hollow`",
        )
    say("Not root: tests that need real containers are left out.")


def check_disk() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < DISK_NEEDED:
        stop(
            f"the disk of {ROOT} is full ({free // 2**20} MiB are free, {DISK_NEEDED // 2**20} MiB are needed)",
            "make room and run this again",
        )


def install_packages() -> None:
    missing = [one for one in PACKAGES if not one.installed]
    if not missing:
        return
    names = [one.name for one in missing]
    if os.geteuid() != 0:
        say(f"Missing, and only root can install it: {' '.join(names)}.")
        return
    if shutil.which("apt-get", path=SEARCH) is None:
        stop(
            f"this is {distribution()}, and packages can be installed here by name only on Debian and Ubuntu",
            f"install by hand what provides {', '.join(names)}, then run this again",
        )
    say("These distribution packages are missing and are installed now:")
    for one in missing:
        say(f"  {one.name:<30} {one.why}")
    install(names)
    still = [one.name for one in missing if not one.installed]
    if still:
        stop(
            f"{', '.join(still)} did not bring the programs that are needed", "install them by hand and run this again"
        )


def distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except FileNotFoundError:
        return "an unknown distribution"
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    return facts.get("PRETTY_NAME", "an unknown distribution").strip('"')


def install(names: Sequence[str]) -> None:
    """Services that packages bring are not started: the cluster runs its own."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        options = ["-o", "DPkg::Lock::Timeout=600", "-qq"]
        if not has_package_lists():
            run("reading the package lists", ["apt-get", *options, "update"], environment)
        command = ["apt-get", *options, "install", "-y", "--no-install-recommends", *names]
        if not attempt(command, environment):
            run("reading the package lists", ["apt-get", *options, "update"], environment)
            run(f"installing {' '.join(names)}", command, environment)
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def has_package_lists() -> bool:
    return any(Path("/var/lib/apt/lists").glob("*_Packages*"))


def make_environment(extras: str) -> None:
    """What was installed for the tests also runs a cluster, not the other way round."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    present = STAMP.read_text().split() if STAMP.exists() and (VENV / "bin" / "p8s").exists() else []
    if present[:1] == [wanted] and (not extras or extras in present):
        return
    if not (VENV / "bin" / "python").exists():
        say("Creating .venv …")
        create_venv()
    say("Installing Python packages into .venv (one to three minutes) …")
    python = str(VENV / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run("installing the Python packages", [*pip, "-e", f"{ROOT}{extras}"], dict(os.environ))
    STAMP.write_text(f"{wanted} {extras}")


def create_venv() -> None:
    if any(made_by(python) for python in interpreters()):
        return
    if os.geteuid() == 0 and shutil.which("apt-get", path=SEARCH):
        say("python3-venv is missing and is installed now: it creates .venv")
        install(["python3-venv"])
    run("creating .venv", [interpreters()[0], "-m", "venv", str(VENV)], dict(os.environ))


def interpreters() -> list[str]:
    """The best first. A distribution builds its Python with profiles and whole; version managers do not unless they are
    told to, and theirs takes a tenth longer for everything a cluster does."""
    return [str(one) for one in DISTRIBUTIONS_PYTHON if is_recent(one)] + [sys.executable]


def is_recent(python: Path) -> bool:
    if not python.exists():
        return False
    question = f"import sys; raise SystemExit(sys.version_info < {OLDEST_PYTHON})"
    return attempt([str(python), "-c", question], dict(os.environ))


def made_by(python: str) -> bool:
    """A Python without ensurepip gets the pip of the one that runs this script, where that has one."""
    environment, venv = dict(os.environ), str(VENV)
    if attempt([python, "-m", "venv", venv], environment):
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    if attempt([python, "-m", "venv", "--without-pip", venv], environment):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(VENV / "bin" / "python")]
        if attempt([*pip, "install", "--quiet", "pip"], environment):
            return True
    shutil.rmtree(VENV, ignore_errors=True)
    return False


def attempt(command: Sequence[str], environment: dict[str, str]) -> bool:
    return watched(command, environment).returncode == 0


def run(what: str, command: Sequence[str], environment: dict[str, str]) -> None:
    done = watched(command, environment)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        if any("No space left on device" in line for line in lines):
            stop(f"the disk became full while {what}", "make room and run this again")
        stop(f"{what} failed ({lines[-1].strip().rstrip('.')})", f"run `{' '.join(command)}` to see why")


def watched(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a program that may take minutes; on a terminal the seconds are counted meanwhile."""
    began = time.monotonic()
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while True:
            try:
                output, errors = process.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                if sys.stdout.isatty():
                    print(f"\r  {time.monotonic() - began:.0f} s", end="", flush=True)
    if sys.stdout.isatty():
        print("\r", end="")
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def up(arguments: Sequence[str]) -> NoReturn:
    python = str(VENV / "bin" / "python")
    os.execv(python, [python, str(ROOT / "scripts" / "guestbook.py"), *arguments])


def test(arguments: Sequence[str]) -> NoReturn:
    programs = VENV / "bin"
    failed = []
    for name, command in (
        ("ruff", [programs / "ruff", "check", "--quiet", "src", "tests", "scripts"]),
        ("mypy", [programs / "mypy"]),
        ("lint-imports", [programs / "lint-imports"]),
    ):
        say(f"── {name}")
        if subprocess.run([str(word) for word in command], cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        say(f"FAILED before the tests: {', '.join(failed)}")
    marks = "not nightly" if os.geteuid() == 0 else "not nightly and not node"
    say("── pytest")
    code = subprocess.run([str(programs / "pytest"), "-q", "-m", marks, *arguments], cwd=ROOT, check=False).returncode
    raise SystemExit(code or bool(failed))


if __name__ == "__main__":
    main()
