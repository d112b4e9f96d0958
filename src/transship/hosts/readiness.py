from dataclasses import dataclass

from transship.hosts.facts import Facts, RootAccess


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a host lacks, and the command or change that would mend it; `remedy` is empty if nothing does."""

    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a host meets what one strategy needs of each host: not, whether the strategy can be had already."""

    strategy: str
    lacks: tuple[Lack, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is lacking."""
        return not self.lacks


def readiness(facts: Facts) -> tuple[Readiness, ...]:
    """Say for each strategy what the host lacks for it, as source and as target alike."""
    api = _api(facts)
    sync = (*api, *_agent(facts))
    live = (*sync, *_live(facts))
    needs = {"stop-start": api, "export-import": api, "sync": sync, "live": live}
    return tuple(Readiness(strategy, lacks) for strategy, lacks in needs.items())


def keeper_root(facts: Facts) -> RootAccess | None:
    """How a keeper becomes root on the host; None where none can run."""
    return None if _agent(facts) else facts.root_access


def _api(facts: Facts) -> tuple[Lack, ...]:
    lacks = []
    if facts.system != "linux":
        lacks.append(Lack(f"containers of {facts.system} are not Linux containers"))
    if _numbers(facts.api_version) < (1, 41):
        lacks.append(Lack(f"Docker {facts.docker_version} is older than 20.10", "install a newer Docker"))
    return tuple(lacks)


def _agent(facts: Facts) -> tuple[Lack, ...]:
    if not facts.can_run:
        return (Lack("no program can be run there, only Docker's API is reached", "use an ssh:// address"),)
    lacks = []
    if facts.python_version is None or _numbers(facts.python_version) < (3, 8):
        lacks.append(Lack("there is no Python 3.8 or newer", "sudo apt-get install python3"))
    if facts.root_access == "none":
        lacks.append(Lack("there is no way to become root", "log in as root, or allow sudo without a password"))
    return tuple(lacks)


def _live(facts: Facts) -> tuple[Lack, ...]:
    lacks = []
    if facts.can_run and facts.criu_version is None:
        lacks.append(Lack("CRIU is not installed", "sudo apt-get install criu"))
    if not facts.experimental:
        remedy = 'put {"experimental": true} into /etc/docker/daemon.json, then: sudo systemctl restart docker'
        lacks.append(Lack("the daemon's experimental features are off, and checkpoints with them", remedy))
    if facts.cgroup_version == "1":
        lacks.append(
            Lack("CRIU does not freeze reliably with cgroup version 1", "boot with systemd.unified_cgroup_hierarchy=1")
        )
    if facts.rootless or facts.userns_remap:
        lacks.append(Lack("checkpoints do not work with a rootless daemon or userns-remap"))
    return tuple(lacks)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
