"""The image of the sandbox: one static program of less than 500 bytes, which waits until it is told to end."""

import hashlib
import io
import tarfile
from importlib.resources import files

from transship.errors import NotFoundError, PreflightError
from transship.hosts.base import Docker

PROGRAM = "/hold"
ARCHITECTURES = ("amd64", "arm64")
_REPOSITORY = "transship-sandbox"


def program(architecture: str) -> bytes:
    """The program for an architecture in Docker's words. Raises `PreflightError` where there is none.

    It was assembled from the file `hold-ARCHITECTURE.S` beside it, which determines every byte.
    """
    if architecture not in ARCHITECTURES:
        raise PreflightError(
            f"there is no sandbox program for {architecture}",
            hint=f"live works on {' and '.join(ARCHITECTURES)}; the other strategies work everywhere",
        )
    return files("transship.sandbox").joinpath(f"hold-{architecture}").read_bytes()


def archive(architecture: str) -> bytes:
    """The image's only layer as a tar, the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        content = program(architecture)
        info = tarfile.TarInfo(PROGRAM.lstrip("/"))
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def image_name(architecture: str) -> str:
    """The image's name on a host; another program has another one."""
    return f"{_REPOSITORY}:{architecture}-{hashlib.sha256(archive(architecture)).hexdigest()[:12]}"


def provide(docker: Docker, architecture: str) -> str:
    """Make sure that a host has the image, sent over its own connection, and return its name. Raises `DockerError`."""
    name = image_name(architecture)
    try:
        docker.inspect_image(name)
    except NotFoundError:
        docker.import_image([archive(architecture)], name, platform=f"linux/{architecture}")
    return name
