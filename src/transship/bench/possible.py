"""What of a matrix two hosts will never do: found before the first run, not after hours."""

from collections.abc import Iterable, Iterator

from transship.bench.methods import BY_HAND, STRATEGIES
from transship.bench.pair import Cells, Pair
from transship.errors import PreflightError
from transship.hosts.base import Host
from transship.hosts.facts import Facts
from transship.hosts.readiness import readiness

_OLD_CRIU, _NEW_KERNEL = (4, 2), (6, 18)
"""CRIU before the one cannot dump TCP sockets on kernels from the other on (docs/live.md)."""


def refuse_impossible(pair: Pair, looks: tuple[Facts, Facts], cells: Cells) -> None:
    """Raise `PreflightError` where there are cells that these hosts cannot carry out, with what each lacks."""
    found = dict.fromkeys([*pair.objections(cells), *_lacks(pair, looks, {cell.method for cell, _ in cells})])
    if found:
        raise PreflightError(
            f"these hosts cannot carry out all of the matrix: {'; '.join(found)}",
            hint="mend the hosts, or leave those cells out: [[leave_out]] in the matrix",
        )


def _lacks(pair: Pair, looks: tuple[Facts, Facts], methods: set[str]) -> Iterator[str]:
    hosts = tuple(zip((pair.source, pair.target), looks, strict=True))
    for host, facts in hosts:
        told = {each.strategy: each.lacks for each in readiness(facts)}
        for name in sorted(methods):
            if name in STRATEGIES:
                yield from (f"{name} on {host.name}: {lack.what}" for lack in told.get(name, ()))
            if name in BY_HAND:
                yield from (f"{name} on {host.name}: {lack}" for lack in _by_hand(name, host, facts))
            if name == "live" and _cannot_dump(facts):
                yield f"live on {host.name}: CRIU {facts.criu_version} cannot dump TCP on kernel {facts.kernel}"
    if "rsync-volumes" in methods and (said := _onward(pair)):
        yield f"rsync-volumes: {pair.source.name} cannot log in to {pair.target.name} by itself: {said}"


def _by_hand(name: str, host: Host, facts: Facts) -> Iterable[str]:
    """Docker's folders are read and written there, by whoever has logged in."""
    if facts.root_access != "root":
        yield "the login is not root's"
    if name == "rsync-volumes" and host.run(["sh", "-c", "command -v rsync"]).status:
        yield "there is no rsync"
    if name == "docker-checkpoint":
        if facts.criu_version is None:
            yield "CRIU is not installed"
        if not facts.experimental:
            yield "the daemon's experimental features are off"


def _cannot_dump(facts: Facts) -> bool:
    return _numbers(facts.criu_version or "") < _OLD_CRIU and _numbers(facts.kernel) >= _NEW_KERNEL


def _numbers(version: str) -> tuple[int, ...]:
    """The first two: what follows them is no number everywhere."""
    return tuple(int("".join(filter(str.isdecimal, part)) or 0) for part in version.split(".")[:2])


def _onward(pair: Pair) -> str:
    """Why the source cannot log in to the target; nothing where it can."""
    ssh, address = pair.ends.onward()
    done = pair.source.run([*ssh, "--", address, "true"])
    words = done.stderr.decode(errors="replace").strip().splitlines()
    return (words[-1] if words else f"status {done.status}") if done.status else ""
