import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from transship.errors import TransferError
from transship.hosts.agent import Message, start_agent
from transship.hosts.base import Host
from transship.hosts.facts import RootAccess
from transship.hosts.pair import Asked
from transship.plan.record import Provided
from transship.plan.steps import Move
from transship.plan.sync_checks import belongs_to_host


@dataclass(frozen=True, slots=True)
class Place:
    """Where data lies on both hosts: on the source with symlinks resolved, as the kernel does when it mounts."""

    name: str
    source: str
    target: str
    is_file: bool = False

    def is_part_of(self, other: "Place") -> bool:
        """Whether `other` takes this along. Raises `TransferError` where it would do so on one of the hosts only."""
        here, there = _below(self.source, other.source), _below(self.target, other.target)
        if here != there:
            raise TransferError(
                f"{self.name} lies in {other.name} on one host and beside it on the other, as a symlink leads there",
                hint="mount one of both only, or copy them yourself and say --binds expect",
            )
        return here is not None


@dataclass(frozen=True, slots=True)
class ProvideBinds:
    """See what the bind mounts are, and have a folder or file for each on the target, which Docker wants to see there.

    What the target has at the paths in `replace` may be overwritten. `docker_roots` are the folders in which the
    daemons of source and target keep their data.
    """

    paths: tuple[str, ...]
    volumes: tuple[str, ...]
    replace: frozenset[str]
    docker_roots: tuple[str, str]
    phase: str = "prepare"

    def describe(self) -> str:
        return f"make room for {', '.join(self.paths)} on the target"

    def run(self, move: Move) -> None:
        """Raises `TransferError` for what cannot be copied, and for what is there already."""
        agents = move.work.pair
        volumes = [_volume(move, name) for name in self.volumes]
        seen = [self._seen(agents.source, path) for path in self.paths]
        for place in apart(volumes, seen):
            self._provide(move, agents.target, place)
            move.work.binds[place.name] = place

    def _seen(self, source: Asked, path: str) -> Place:
        found = source.call("look", path=_hex(path))
        if found["kind"] == "missing":
            raise TransferError(
                f"{source.host} has no {path}, which is mounted into the container",
                hint="--binds skip does without it, --binds expect uses what the target has",
            )
        if found["kind"] == "other":
            raise TransferError(
                f"{path} on {source.host} is neither a folder nor a file, and cannot be copied",
                hint="--binds expect uses what the target has",
            )
        self._refuse_system(source.host, path, found, self.docker_roots[0])
        return Place(path, _unhex(found["real"]), path, is_file=found["kind"] == "file")

    def _provide(self, move: Move, target: Asked, place: Place) -> None:
        path, kind = place.target, "file" if place.is_file else "folder"
        found = target.call("look", path=_hex(path))
        self._refuse_system(target.host, path, found, self.docker_roots[1])
        if found["kind"] not in {"missing", kind}:
            raise TransferError(
                f"{path} is a {kind} on {move.source.name} and none on {target.host}", hint="move it away there"
            )
        if not found["empty"]:
            if path not in self.replace:
                raise TransferError(
                    f"{target.host} has data in {path} already", hint="move it away there, or say --replace-data"
                )
            return
        provided = Provided(path, tuple(map(_unhex, found["missing"])), tuple(found["owner"]))
        if found["kind"] != "missing":
            self._intend(move, provided)
            return
        if not provided.made:
            raise TransferError(f"{path} on {target.host} is a symlink to nothing", hint="remove it there")
        self._intend(move, provided)
        taken = target.call("provide", paths=[_hex(each) for each in provided.made], kind=kind)["taken"]
        if taken:
            move.made.provided.remove(provided)
            raise TransferError(f"somebody else has just made {taken} on {target.host}", hint="try again")

    def _intend(self, move: Move, provided: Provided) -> None:
        move.made.provided.append(provided)
        move.custody.save()

    def _refuse_system(self, host: str, path: str, found: Message, docker_root: str) -> None:
        real = _unhex(found["real"])
        if belongs_to_host(real, docker_root) and not any(_in_volume(real, docker_root, each) for each in self.volumes):
            raise TransferError(
                f"{path} on {host} leads to {real}, which belongs to the host itself and is never copied",
                hint="--binds expect uses what the target has, --binds skip does without it",
            )


def withdraw(host: Host, root: RootAccess, provided: Sequence[Provided]) -> None:
    """Take away what was made for bind mounts, and empty what was empty; by an agent of its own."""
    if not provided:
        return
    with start_agent(host, root) as agent:
        for each in reversed(provided):
            if each.made:
                agent.call("discard", paths=[_hex(path) for path in each.made])
            else:
                agent.call("empty", path=_hex(each.path), owner=list(each.owner))


def _volume(move: Move, name: str) -> Place:
    here, there = (str(host.docker.inspect_volume(name)["Mountpoint"]) for host in (move.source, move.target))
    found = move.work.pair.source.call("look", path=_hex(here))
    return Place(f"volume {name}", _unhex(found["real"]), there)


def apart(volumes: Sequence[Place], binds: Sequence[Place]) -> list[Place]:
    """Those of the bind mounts that no volume and no other bind mount takes along.

    Raises `TransferError` where one would be taken along on one of the hosts only.
    """
    taken = {place for place in binds for other in (*volumes, *binds) if other != place and place.is_part_of(other)}
    return [place for place in binds if place not in taken]


def _below(path: str, folder: str) -> str | None:
    """What leads from `folder` to `path` inside of it, None if it lies elsewhere."""
    way = posixpath.relpath(path, folder)
    return None if way.split("/")[0] == ".." else way


def _in_volume(path: str, docker_root: str, name: str) -> bool:
    return _below(path, posixpath.join(docker_root, "volumes", name, "_data")) is not None


def _hex(path: str) -> str:
    return os.fsencode(path).hex()


def _unhex(path: str) -> str:
    return os.fsdecode(bytes.fromhex(path))
