"""Images made from what is installed on this machine: no registry is needed to have something to run.

A recipe collects programs with the shared libraries that they load, and the files that they need, on top of one common
layer (busybox, users, /tmp). `build` writes an archive whose name tells its content's inputs, so that a second run
finds it. What a recipe needs and the machine lacks is a `MissingProgram`, which names the package.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.kubelet.containerd import SANDBOX_IMAGE
from pybernetes.kubelet.image_references import normalise
from pybernetes.kubelet.oci import Directory, Entry, File, ImageConfig, Link, archive_bytes, machine_architecture
from pybernetes.kubelet.pause import program

_LIBRARY = re.compile(rb"(?:=> )?(/\S+) \(0x[0-9a-f]+\)")
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class MissingProgram(Exception):
    """A program that an image is made of is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} is not on this machine; install the package {package}")
        self.package = package


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image as it will be: its layers, bottom first, and how it is run."""

    reference: str
    layers: tuple[tuple[Entry, ...], ...]
    config: ImageConfig

    @property
    def name(self) -> str:
        return re.sub(r"[^a-z0-9.]+", "-", self.reference)

    @property
    def key(self) -> str:
        """Changes whenever the archive would: files on this machine count by path, size and time of change."""
        digest = hashlib.sha256(repr((self.reference, self.config, machine_architecture())).encode())
        for layer in self.layers:
            for entry in layer:
                digest.update(repr(entry).encode())
                if isinstance(entry, File) and isinstance(entry.content, Path):
                    status = entry.content.stat()
                    digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        return digest.hexdigest()[:16]


def build(recipe: Recipe, directory: Path) -> Path:
    """The archive of the recipe in `directory`, made now or found from before. Earlier versions are removed."""
    target = directory / f"{recipe.name}@{recipe.key}.tar"
    if target.exists():
        return target
    directory.mkdir(parents=True, exist_ok=True)
    for earlier in directory.glob(f"{recipe.name}@*.tar"):
        earlier.unlink()
    partial = target.with_suffix(".partial")
    partial.write_bytes(archive_bytes(recipe.reference, recipe.layers, recipe.config))
    partial.rename(target)
    return target


def build_from_packages(
    name: str,
    programs: Mapping[str, str],
    *,
    entrypoint: Sequence[str] = (),
    command: Sequence[str] = (),
    files: Iterable[Entry] = (),
    env: Mapping[str, str] | None = None,
    ports: Sequence[str] = (),
    working_dir: str = "/",
    user: str = "",
    stop_signal: str = "",
) -> Recipe:
    """An image of installed programs (program → package that has it), their libraries and extra files."""
    own = [*collect({_find(program, package) for program, package in programs.items()}), *files]
    return Recipe(
        reference=normalise(name),
        layers=(tuple(base_layer()), tuple(_unique(own))),
        config=ImageConfig(
            entrypoint=tuple(entrypoint),
            command=tuple(command),
            env={**_PATH, **(env or {})},
            working_dir=working_dir,
            user=user,
            ports=tuple(ports),
            stop_signal=stop_signal,
        ),
    )


# ---- collecting files --------------------------------------------------------------------------------------------


def _find(program: str, package: str) -> Path:
    path = shutil.which(program, path=_PATH["PATH"]) if "/" not in program else program
    if path is None or not Path(path).exists():
        raise MissingProgram(program, package)
    return Path(path)


def collect(binaries: Iterable[Path]) -> Iterator[Entry]:
    """The binaries under their own names, and the shared libraries that the loader would load for them."""
    wanted: dict[Path, None] = {}
    for binary in sorted(binaries):
        wanted[binary] = None
        wanted.update(dict.fromkeys(libraries_of(binary)))
    for path in wanted:
        yield File(_installed(path), path.resolve(), mode=0o755)


def libraries_of(binary: Path) -> list[Path]:
    done = subprocess.run(("ldd", str(binary)), capture_output=True, check=False)
    return sorted({Path(os.fsdecode(match)) for match in _LIBRARY.findall(done.stdout)})


def _installed(path: Path) -> str:
    """Where the path lies in an image, in which /lib, /lib64, /bin and /sbin are links into /usr."""
    text = str(path)
    merged = ("/lib", "/lib64", "/bin", "/sbin")
    return f"/usr{text}" if text.startswith(tuple(f"{top}/" for top in merged)) else text


def tree(source: Path, target: str) -> Iterator[Entry]:
    """All files under `source`, links followed, under `target`."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            yield File(f"{target}/{path.relative_to(source)}", path.resolve(), mode=path.stat().st_mode & 0o777)


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    return list({entry.path: entry for entry in entries}.values())


# ---- the common layer --------------------------------------------------------------------------------------------

_PASSWD = b"""root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
redis:x:999:999:redis:/data:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
_GROUP = b"root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nredis:x:999:\nnogroup:x:65534:\n"


def base_layer() -> Iterator[Entry]:
    """Busybox with a link per applet, users, and the directories that programs expect."""
    binary = _find("busybox", "busybox-static")
    if libraries_of(binary):
        raise MissingProgram("a static busybox", "busybox-static")
    yield from (Link(top, f"usr/{top}") for top in ("bin", "sbin", "lib", "lib64"))
    yield from (Directory(f"usr/{top}") for top in ("bin", "sbin", "lib", "lib64"))
    yield File("/usr/bin/busybox", binary, mode=0o755)
    listing = subprocess.run((str(binary), "--list"), capture_output=True, check=True, text=True).stdout
    yield from (Link(f"/usr/bin/{applet}", "busybox") for applet in listing.split() if applet != "busybox")
    yield File("/etc/passwd", _PASSWD)
    yield File("/etc/group", _GROUP)
    yield File("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    yield Directory("/tmp", 0o1777)
    yield Directory("/root", 0o700)
    yield from (Directory(path) for path in ("/proc", "/sys", "/dev", "/run", "/var/run", "/var/tmp"))


# ---- the recipes -------------------------------------------------------------------------------------------------

_PAUSE_SCRIPT = b"""#!/bin/sh
# Holds a pod's namespaces; collects orphans; ends at once when told to.
trap 'exit 0' TERM INT
while :; do sleep 2147483 & wait $!; done
"""


def pause() -> Recipe:
    """Our own program where we have one for the machine, else the same in busybox's shell."""
    own = program(platform.machine())
    layer: tuple[Entry, ...]
    if own is not None:
        layer = (File("/pause", own, mode=0o755),)
    else:
        layer = (
            File("/bin/busybox", _find("busybox", "busybox-static"), mode=0o755),
            Link("/bin/sh", "busybox"),
            Link("/bin/sleep", "busybox"),
            File("/pause", _PAUSE_SCRIPT, mode=0o755),
        )
    config = ImageConfig(entrypoint=("/pause",), user="65535:65535", env={"PATH": "/bin"})
    return Recipe(SANDBOX_IMAGE, (layer,), config)


def busybox() -> Recipe:
    return Recipe(normalise("busybox"), (tuple(base_layer()),), ImageConfig(command=("sh",), env=_PATH))


_REDIS_ENTRYPOINT = b"""#!/bin/sh
# Options alone are redis-server's; other pods may connect, as in any image made for a cluster.
case "${1:-}" in -*|*.conf) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ]; then
  case "$*" in *--protected-mode*) ;; *) set -- "$@" --protected-mode no ;; esac
fi
exec "$@"
"""


def redis() -> Recipe:
    return build_from_packages(
        "redis",
        {"redis-server": "redis-server", "redis-cli": "redis-tools"},
        entrypoint=("/usr/local/bin/entrypoint.sh",),
        command=("redis-server",),
        files=(File("/usr/local/bin/entrypoint.sh", _REDIS_ENTRYPOINT, mode=0o755), Directory("/data", 0o777)),
        ports=("6379/tcp",),
        working_dir="/data",
    )


def php() -> Recipe:
    """The command-line PHP with its extensions; serves /var/www/html with its own web server."""
    binary = _find("php", "php-cli").resolve()
    facts = subprocess.run(
        (str(binary), "-n", "-r", "echo PHP_EXTENSION_DIR, ' ', PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"),
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    extensions, settings = Path(facts[0]), Path(f"/etc/php/{facts[1]}/cli")
    modules = sorted(extensions.glob("*.so"))
    files: list[Entry] = [*collect(modules), *tree(settings, str(settings)), Directory("/var/www/html", 0o777)]
    # Debian's PHP has no time zones of its own and wants at least to find UTC in the system's.
    zones = (Path("/usr/share/zoneinfo") / name for name in ("UTC", "zone.tab", "iso3166.tab"))
    files += (File(str(zone), zone.resolve()) for zone in zones if zone.exists())
    return build_from_packages(
        "php",
        {str(binary): "php-cli"},
        files=(Link("/usr/local/bin/php", str(binary)), *files),
        command=("php", "-S", "0.0.0.0:80", "-t", "/var/www/html"),
        env={"PHP_CLI_SERVER_WORKERS": "4"},
        ports=("80/tcp",),
        working_dir="/var/www/html",
    )


_NGINX_CONF = b"""worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /dev/stdout;
  sendfile on;
  keepalive_timeout 65;
  include /etc/nginx/conf.d/*.conf;
}
"""
_NGINX_SITE = b"""server {
  listen 80;
  server_name localhost;
  location / { root /usr/share/nginx/html; index index.html index.htm; }
}
"""
_NGINX_PAGE = b"""<!DOCTYPE html>
<html><head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1><p>It works.</p></body></html>
"""


def nginx() -> Recipe:
    files: list[Entry] = [
        *(File(f"/etc/nginx/{name}", Path("/etc/nginx") / name) for name in ("mime.types", "fastcgi_params")),
        File("/etc/nginx/nginx.conf", _NGINX_CONF),
        File("/etc/nginx/conf.d/default.conf", _NGINX_SITE),
        File("/usr/share/nginx/html/index.html", _NGINX_PAGE),
        Directory("/var/log/nginx", 0o755),
        Directory("/var/lib/nginx", 0o755),
    ]
    return build_from_packages(
        "nginx",
        {"nginx": "nginx-light"},
        command=("nginx", "-g", "daemon off;"),
        files=files,
        ports=("80/tcp",),
        stop_signal="SIGQUIT",
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    "pause": pause,
    "busybox": busybox,
    "redis": redis,
    "php": php,
    "nginx": nginx,
}
