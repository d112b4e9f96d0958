"""What two hosts can never do is found before the first run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest

from tests.bench.results import CELL
from tests.plan.observed import FACTS
from transship.bench.job import Ends
from transship.bench.matrix import ImageFactor
from transship.bench.pair import Cells
from transship.bench.possible import refuse_impossible
from transship.errors import PreflightError
from transship.hosts.base import Completed
from transship.hosts.facts import Facts

LIVE = replace(FACTS, criu_version="4.2", kernel="6.18.5", experimental=True)


@dataclass
class Shell:
    """A host that has some programs."""

    name: str
    programs: tuple[str, ...] = ("rsync",)
    logs_in: bool = True

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        if argv[0] == "ssh":
            return Completed(0, b"", b"") if self.logs_in else Completed(255, b"", b"x\nPermission denied (publickey)")
        return Completed(int(not any(each in argv[-1] for each in self.programs)), b"", b"")


@dataclass
class Hosts:
    """A pair of which only what is looked at is there."""

    source: Shell
    target: Shell
    says: tuple[str, ...] = ()

    @property
    def ends(self) -> Ends:
        return Ends("ssh://a.invalid", "ssh://b.invalid")

    def objections(self, _: Cells) -> Iterable[str]:
        return self.says


def refused(method: str, *, facts: Facts = LIVE, hosts: Hosts | None = None) -> str:
    """Why cells of a method are refused; empty where they are not."""
    cells = [(replace(CELL, method=method, options={}), ImageFactor("nginx"))]
    pair = hosts or Hosts(Shell("a"), Shell("b"))
    try:
        refuse_impossible(pair, (facts, LIVE), cells)  # type: ignore[arg-type]
    except PreflightError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("method", ["stop-start", "sync", "live", "commit-save-load", "rsync-volumes", "swarm-drain"])
def test_what_hosts_have_all_for_is_not_refused(method: str) -> None:
    assert refused(method) == ""


@pytest.mark.parametrize(
    ("method", "lacking", "why"),
    [
        ("live", {"criu_version": None}, "live on a: CRIU is not installed"),
        ("live", {"experimental": False}, "live on a: the daemon's experimental features are off"),
        ("live", {"criu_version": "4.1.1"}, "live on a: CRIU 4.1.1 cannot dump TCP on kernel 6.18.5"),
        ("sync", {"python_version": None}, "sync on a: there is no Python"),
        ("sync", {"root_access": "none"}, "sync on a: there is no way to become root"),
        ("commit-save-load", {"root_access": "docker"}, "commit-save-load on a: the login is not root's"),
        ("docker-checkpoint", {"criu_version": None}, "docker-checkpoint on a: CRIU is not installed"),
    ],
)
def test_what_a_host_lacks_is_named(method: str, lacking: dict[str, object], why: str) -> None:
    assert why in refused(method, facts=replace(LIVE, **lacking))  # type: ignore[arg-type]


def test_an_older_kernel_is_dumped_by_an_older_criu() -> None:
    assert refused("live", facts=replace(LIVE, criu_version="4.1.1", kernel="6.12.57+deb13-amd64")) == ""


def test_rsync_is_needed_and_a_login_from_host_to_host() -> None:
    assert "rsync-volumes on b: there is no rsync" in refused(
        "rsync-volumes", hosts=Hosts(Shell("a"), Shell("b", programs=()))
    )
    assert "a cannot log in to b by itself: Permission denied (publickey)" in refused(
        "rsync-volumes", hosts=Hosts(Shell("a", logs_in=False), Shell("b"))
    )


def test_all_that_is_impossible_is_said_at_once() -> None:
    hosts = Hosts(Shell("a"), Shell("b"), says=("the links stay as they are",))
    said = refused("live", facts=replace(LIVE, criu_version=None, experimental=False), hosts=hosts)
    assert "the links stay as they are; live on a: CRIU is not installed; live on a: the daemon" in said
