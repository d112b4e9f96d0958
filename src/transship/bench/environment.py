"""Where an experiment takes place: what must be equal for its runs to be compared."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import transship
from transship.hosts.base import Host
from transship.hosts.facts import Facts, observe_criu, observe_host

Place = Literal["lab", "hosts"]


@dataclass(frozen=True, slots=True)
class HostEnvironment:
    """What counts of one host. Empty where the host does not have it or does not tell."""

    architecture: str
    kernel: str
    os_name: str
    cpus: int
    memory_bytes: int
    docker_version: str
    storage_driver: str
    image_store: str
    runc_version: str
    criu_version: str
    cgroup_version: str
    root_access: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The coordinator and both hosts. `place` is `lab` where they are throwaway hosts on the coordinator itself."""

    place: Place
    kernel: str
    architecture: str
    cpu: str
    cpus: int
    memory_bytes: int
    python: str
    transship: str
    source: HostEnvironment
    target: HostEnvironment


def look_at(host: Host) -> Facts:
    """All that is known of a host, CRIU included. Raises `HostError` where it cannot be used."""
    return observe_criu(host, observe_host(host))


def describe(place: Place, source: Facts, target: Facts) -> Environment:
    """Put what is known of both hosts and of this machine together."""
    return Environment(
        place=place,
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu=_cpu_model(),
        cpus=os.cpu_count() or 0,
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        python=platform.python_version(),
        transship=transship.__version__,
        source=_host(source),
        target=_host(target),
    )


def revision() -> str:
    """The revision of the code that runs, with `-dirty` where it was changed since; its version outside a checkout."""
    folder = Path(transship.__file__).parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return transship.__version__
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=12") or transship.__version__


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor()


def _host(facts: Facts) -> HostEnvironment:
    return HostEnvironment(
        architecture=facts.architecture,
        kernel=facts.kernel,
        os_name=facts.os_name,
        cpus=facts.cpus,
        memory_bytes=facts.memory_bytes,
        docker_version=facts.docker_version,
        storage_driver=facts.storage_driver,
        image_store=facts.image_store,
        runc_version=facts.runc_version,
        criu_version=facts.criu_version or "",
        cgroup_version=facts.cgroup_version,
        root_access=facts.root_access or "",
    )
