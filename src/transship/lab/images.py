import hashlib
import json
import os
import platform
import random
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transship.errors import UsageError
from transship.lab import archive, entrypoints, install, places
from transship.lab.archive import Layer
from transship.lab.rootfs import RootFilesystem, isolated, proxy_environment
from transship.metrics.events import Recorder

RECIPE = 1
"""Counted up when what is done to an image changes, so that old ones are not used again."""

SUITE = "trixie"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LEFT_OUT = (
    "dev", "proc", "sys", "run", "tmp", "boot", "debootstrap", "etc/apt/sources.list", "usr/share/doc", "usr/share/man",
    "usr/share/locale", "usr/share/info", "var/cache", "var/log", "var/lib/apt/lists",
)  # fmt: skip
APPLETS = (
    "cat", "chmod", "chown", "cp", "date", "dd", "df", "echo", "env", "head", "httpd", "id", "ip", "kill", "ln", "ls",
    "md5sum", "mkdir", "mkfifo", "mv", "nc", "ping", "printf", "ps", "rm", "sh", "sleep", "stat", "sync", "tail", "tar",
    "test", "touch", "true", "wget",
)  # fmt: skip
BASE = RootFilesystem(SUITE, ("tzdata",), users=False)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
FOREIGN = {"amd64": "arm64", "arm64": "amd64"}
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Image:
    """A real program in an image of Debian: a base layer that all share, the program's layer, the entrypoint's."""

    packages: tuple[str, ...]
    config: Mapping[str, Any]
    entrypoint: str = ""
    """The script at `/usr/local/bin/entrypoint`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that must be there when the packages are installed."""
    removed: tuple[str, ...] = ()
    """Patterns of large files that the program does without."""
    links: Mapping[str, str] = field(default_factory=dict)


IMAGES = {
    "nginx": Image(
        ("nginx",),
        {
            "Cmd": ["nginx", "-g", "daemon off;"],
            "Env": [PATH],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
            "Labels": {"transship.lab": "nginx"},
        },
        links={"var/log/nginx/access.log": "/dev/stdout", "var/log/nginx/error.log": "/dev/stderr"},
    ),
    "python": Image(
        ("python3",),
        {"Cmd": ["python3"], "Env": [PATH, "PYTHONUNBUFFERED=1"], "Labels": {"transship.lab": "python"}},
    ),
    "redis": Image(
        ("redis-server", "redis-tools"),
        {
            "Cmd": ["redis-server"],
            "Entrypoint": ["/usr/local/bin/entrypoint"],
            "Env": [PATH],
            "ExposedPorts": {"6379/tcp": {}},
            "Volumes": {"/data": {}},
            "WorkingDir": "/data",
            "Labels": {"transship.lab": "redis"},
        },
        entrypoint=entrypoints.REDIS,
    ),
    "postgres": Image(
        ("postgresql", "postgresql-client"),
        {
            "Cmd": ["postgres"],
            "Entrypoint": ["/usr/local/bin/entrypoint"],
            "Env": [PATH, "PGDATA=/var/lib/postgresql/data"],
            "ExposedPorts": {"5432/tcp": {}},
            "Volumes": {"/var/lib/postgresql/data": {}},
            "StopSignal": "SIGINT",
            "Labels": {"transship.lab": "postgres"},
        },
        entrypoint=entrypoints.POSTGRES,
        removed=(
            "usr/lib/*/libLLVM*",
            "usr/lib/*/libclang*",
            "usr/lib/*/libz3*",
            "usr/lib/llvm*/**/*",
            "usr/lib/postgresql/*/lib/bitcode/**/*",
        ),
        files={"etc/postgresql-common/createcluster.conf": "create_main_cluster = false\n"},
    ),
}
BUSYBOX = "busybox"
FOREIGN_BUSYBOX = "busybox-foreign"
NAMES = (BUSYBOX, FOREIGN_BUSYBOX, *IMAGES)


def own_architecture() -> str:
    """The architecture of this machine in Docker's words."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The archives that are kept in the cache. A missing one is built: the Debian base takes about a minute, once."""

    mirror: str
    recorder: Recorder

    @property
    def folder(self) -> Path:
        return places.cache() / "images"

    def archive(self, name: str) -> Path:
        """The archive of one of `NAMES`, for `docker load`. Raises `UsageError` for another name."""
        if name not in NAMES:
            raise UsageError(f"the lab has no image {name}", hint=f"it has {', '.join(NAMES)}")
        if name in IMAGES:
            return self.program_archive(name, IMAGES[name])
        return self._kept(f"{name}.tar", APPLETS, lambda path: self._write_busybox(path, name))

    def program_archive(self, name: str, image: Image) -> Path:
        """The archive of an image that is made of packages, for `docker load` as `name:latest`.

        Raises `UsageError` for a name that one of the lab's own images has, unless it is that one.
        """
        if name in NAMES and IMAGES.get(name) != image:
            raise UsageError(f"the lab has an image {name} of its own", hint="choose another name")
        return self._kept(f"{name}.tar", image, lambda path: self._write_program(path, name, image))

    def busybox_layer(self) -> Path:
        """A layer with nothing but busybox, two megabytes."""

        def build(path: Path) -> None:
            program = RootFilesystem.host(SUITE).ready(self.mirror, self.recorder) / "bin/busybox"
            archive.write_files(
                path, {"bin/busybox": program.read_bytes()}, {f"bin/{name}": "busybox" for name in APPLETS}
            )

        return self._kept("busybox.layer", APPLETS, build)

    def write_synthetic(self, path: Path, reference: str, megabytes: Sequence[int]) -> None:
        """Write an image of busybox and one layer per entry of `megabytes`, filled with what cannot be compressed.

        The same sizes give the same layers, whatever the reference is.
        """
        with TemporaryDirectory() as folder:
            layers = [self.busybox_layer()]
            for number, size in enumerate(megabytes, start=1):
                layers.append(Path(folder, str(number)))
                noise = random.Random(f"{number} {size}")  # noqa: S311 - it must be repeatable, not secret
                content = b"".join(noise.randbytes(MEGABYTE) for _ in range(size))
                archive.write_files(layers[-1], {f"data/{number}": content}, {})
            config = {"Cmd": ["sleep", "infinity"], "Env": [PATH]}
            archive.write_archive(path, reference, [Layer.of(layer) for layer in layers], config)

    def _write_busybox(self, path: Path, name: str) -> None:
        own = own_architecture()
        architecture = FOREIGN.get(own, "arm64") if name == FOREIGN_BUSYBOX else own
        layers = [Layer.of(self.busybox_layer())]
        archive.write_archive(path, f"{name}:latest", layers, {"Cmd": ["sh"], "Env": [PATH]}, architecture=architecture)

    def _write_program(self, path: Path, name: str, image: Image) -> None:
        program = self._kept(f"{name}.layer", image, lambda draft: self._install(draft, image))
        layers = [Layer.of(self._base_layer()), Layer.of(program)]
        with TemporaryDirectory() as folder:
            if image.entrypoint or image.links:
                last = Path(folder, "layer")
                files = {"usr/local/bin/entrypoint": image.entrypoint} if image.entrypoint else {}
                archive.write_files(last, files, image.links)
                layers.append(Layer.of(last))
            archive.write_archive(path, f"{name}:latest", layers, image.config, architecture=own_architecture())

    def _base_layer(self) -> Path:
        root = BASE.ready(self.mirror, self.recorder)
        return self._kept("base.layer", BASE, lambda path: archive.write_tree(path, root, left_out=LEFT_OUT))

    def _install(self, path: Path, image: Image) -> None:
        """Write what the installation of the packages changes in the base."""
        base = BASE.ready(self.mirror, self.recorder)
        folder = path.with_suffix(".install")  # a fixed name, so that what a killed builder left does not stay
        shutil.rmtree(folder, ignore_errors=True)
        try:
            spec = {name: f"{folder}/{name}" for name in ("upper", "work", "root")}
            for own in spec.values():
                Path(own).mkdir(parents=True)
            Path(spec["upper"]).chmod(0o755)
            what = {"packages": image.packages, "files": dict(image.files), "removed": image.removed}
            file = folder / "spec.json"
            file.write_text(json.dumps({**spec, "lower": str(base), **what}))
            program = [sys.executable, "-I", "-S", install.__file__, str(file)]
            isolated(program, env={**os.environ, **proxy_environment()})
            archive.write_tree(path, Path(spec["upper"]), left_out=LEFT_OUT)
        finally:
            shutil.rmtree(folder)

    def _kept(self, name: str, recipe: object, build: Callable[[Path], None]) -> Path:
        """Return a file of the cache, built first if it is not there; two builders do not collide."""
        key = hashlib.sha256(repr((RECIPE, BASE, recipe)).encode()).hexdigest()[:12]
        path = places.private_folder(self.folder) / f"{key}-{name}"
        if path.exists():
            return path
        with places.locked(self.folder / f".{name}.lock"):
            if not path.exists():
                with self.recorder.phase("image", f"{name}, once"):
                    draft = self.folder / f".{name}.building"
                    build(draft)
                    for outdated in self.folder.glob(f"*-{name}"):
                        outdated.unlink()
                    draft.rename(path)
        return path
